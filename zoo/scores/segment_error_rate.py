"""segment-error-rate: errors in segments of 1 s, for each true label of a segment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.event_items import EventItems, EventSample
from audiospec.zoo.scores.measuring.intervals import of_mean


@scores.register
class SegmentErrorRate(Score):
    """Substitutions, deletions and insertions of classes in segments of 1 s, divided by their true classes.

    In a segment, a class that is missing and one that is wrong are one substitution. Without predictions it
    is 1, and with many wrong ones more.
    """

    targets = ("frames",)
    title = "segment error rate"
    percent = False
    higher_is_better = False
    best = 0.0
    always_defined = False

    def compute(self, sample: EventSample) -> NDArray[np.float64]:
        """Return the rate of each resample; NaN if there are no true events."""
        wrong, true = sample.errors.T
        rates: NDArray[np.float64] = np.divide(wrong, true, out=np.full(len(sample), np.nan), where=true > 0)
        return rates

    def interval(
        self, items: EventItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the interval of a mean of skewed values; see `of_mean`."""
        wrong, true = items.errors.T
        # Values of files whose mean is the rate, and whose deviations are what a file changes in it.
        values = value + (wrong - value * true) / true.mean()
        low, high = of_mean(values, items.unit_of, items.units, items.unit_size)
        return min(max(low, 0.0), value), max(high, value)
