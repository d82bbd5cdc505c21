"""Bootstrap over units: the tracks, or groups of tracks, that the items belong to.

Resampling the items would give intervals that are too narrow, because the items of a unit are not
independent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Number of resamples of the bootstrap, and the coverage of its interval.
RESAMPLES, COVERAGE = 2000, 0.95


def draw_tracks(tracks: int, seed: int) -> NDArray[np.float64]:
    """Return how often each track (or other unit) is in each resample: (RESAMPLES, tracks)."""
    random = np.random.default_rng(seed)
    return random.multinomial(tracks, np.full(tracks, 1 / tracks), RESAMPLES).astype(np.float64)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of a score's percentile interval, from its values on all resamples."""
    tails = 100 * (1 - COVERAGE) / 2, 100 * (1 + COVERAGE) / 2
    low, high = np.percentile(values, tails).tolist()
    return low, high
