"""Intervals: percentile bootstrap over tracks, since the chunks of one are not independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Resamples of the bootstrap, and the share that its interval covers.
RESAMPLES, COVERAGE = 2000, 0.95


def draw_tracks(tracks: int, seed: int) -> NDArray[np.float64]:
    """How often each track is drawn, in each resample: (RESAMPLES, tracks)."""
    random = np.random.default_rng(seed)
    return random.multinomial(tracks, np.full(tracks, 1 / tracks), RESAMPLES).astype(np.float64)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the interval of a score, from its values on all resamples."""
    tails = 100 * (1 - COVERAGE) / 2, 100 * (1 + COVERAGE) / 2
    low, high = np.percentile(values, tails).tolist()
    return low, high
