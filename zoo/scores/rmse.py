"""rmse: the root of the mean squared error of numbers, in their unit."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.intervals import of_mean
from audiospec.zoo.scores.measuring.number_items import NumberItems, NumberSample


@scores.register
class RootMeanSquaredError(Score):
    """Root of the mean over the items of (predicted - true)², in the unit of the numbers."""

    targets = ("number",)
    title = "RMSE"
    percent = False
    higher_is_better = False
    best = 0.0

    def compute(self, sample: NumberSample) -> NDArray[np.float64]:
        """Return the root of the mean over the items of each resample."""
        roots: NDArray[np.float64] = np.sqrt(sample.mean((sample.predicted - sample.truth) ** 2))
        return roots

    def interval(
        self, items: NumberItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the roots of the interval of the mean squared error; see `of_mean`."""
        squares = (items.predicted - items.truth) ** 2
        low, high = of_mean(squares, items.unit_of, items.units, items.unit_size)
        return min(math.sqrt(max(low, 0.0)), value), max(math.sqrt(max(high, 0.0)), value)
