"""Intervals: percentile bootstrap over tracks, because the chunks of a track are not independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Number of resamples of the bootstrap, and the coverage of its interval.
RESAMPLES, COVERAGE = 2000, 0.95


def draw_tracks(tracks: int, seed: int) -> NDArray[np.float64]:
    """Return how often each track is in each resample: (RESAMPLES, tracks)."""
    random = np.random.default_rng(seed)
    return random.multinomial(tracks, np.full(tracks, 1 / tracks), RESAMPLES).astype(np.float64)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of a score's interval, from its values on all resamples."""
    tails = 100 * (1 - COVERAGE) / 2, 100 * (1 + COVERAGE) / 2
    low, high = np.percentile(values, tails).tolist()
    return low, high
