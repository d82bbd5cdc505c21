"""r2: the share of the variance of numbers that predictions explain (R²)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.jackknife import jackknife, t_interval
from audiospec.zoo.scores.measuring.number_items import NumberItems, NumberSample

#: Largest log(1 - R²) of an interval's end: of two or three items, everything is compatible.
_MOST = math.log(1e6)


@scores.register
class CoefficientOfDetermination(Score):
    """1 - mean squared error ÷ variance of the true numbers.

    The mean of the true numbers has 0, and worse predictions less. Items of one true number have no such
    score.
    """

    targets = ("number",)
    title = "R²"
    percent = False
    always_defined = False

    def compute(self, sample: NumberSample) -> NDArray[np.float64]:
        """Return the score of each resample; NaN if the true numbers are all equal."""
        variance = sample.moments.true
        errors = sample.mean((sample.predicted - sample.truth) ** 2)
        unexplained = np.divide(errors, variance, out=np.full(len(sample), np.nan), where=variance > 0)
        explained: NDArray[np.float64] = 1 - unexplained
        return explained

    def interval(
        self, items: NumberItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the t interval of log(1 - R²), which is closer to normal than R² itself; see `jackknife`.

        One unit says nothing about others: then the interval is of what its items would say as units.
        """
        if value == 1:
            return value, value
        if items.units == 1:
            items = dataclasses.replace(items, unit_of=np.arange(len(items)), units=len(items))
        variance, freedom = jackknife(items, self._log_unexplained)
        low, high = (
            1 - math.exp(min(one, _MOST)) for one in t_interval(math.log(1 - value), variance, freedom)
        )
        return min(high, value), max(low, value)

    def _log_unexplained(self, sample: NumberSample) -> NDArray[np.float64]:
        unexplained = 1 - self.compute(sample)
        return np.log(unexplained, out=np.full(len(sample), np.nan), where=unexplained > 0)
