"""mae: the mean absolute error of numbers, in their unit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.intervals import of_mean
from audiospec.zoo.scores.measuring.number_items import NumberItems, NumberSample


@scores.register
class MeanAbsoluteError(Score):
    """Mean over the items of |predicted - true|, in the unit of the numbers."""

    targets = ("number",)
    title = "MAE"
    percent = False
    higher_is_better = False
    best = 0.0

    def compute(self, sample: NumberSample) -> NDArray[np.float64]:
        """Return the mean over the items of each resample."""
        return sample.mean(np.abs(sample.predicted - sample.truth))

    def interval(
        self, items: NumberItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the interval of a mean of skewed values; see `of_mean`."""
        errors = np.abs(items.predicted - items.truth)
        low, high = of_mean(errors, items.unit_of, items.units, items.unit_size)
        return min(max(low, 0.0), value), max(high, value)
