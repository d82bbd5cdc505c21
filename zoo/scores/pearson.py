"""pearson: Pearson's correlation of true and predicted numbers; neither bias nor scale matters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.jackknife import correlation_interval
from audiospec.zoo.scores.measuring.number_items import NumberItems, NumberSample


@scores.register
class PearsonCorrelation(Score):
    """cov(true, predicted) ÷ √(var(true) var(predicted)), from -1 to 1.

    Items whose true or predicted numbers are all equal have no such score.
    """

    targets = ("number",)
    title = "Pearson's r"
    percent = False
    always_defined = False

    def compute(self, sample: NumberSample) -> NDArray[np.float64]:
        """Return the correlation of each resample; NaN if the true or the predicted numbers are all equal."""
        moments = sample.moments
        scale = np.sqrt(moments.true * moments.predicted)
        values = np.divide(moments.both, scale, out=np.full(len(sample), np.nan), where=scale > 0)
        clipped: NDArray[np.float64] = np.clip(values, -1, 1)  # rounding
        return clipped

    def interval(
        self, items: NumberItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the t interval of Fisher's z of the correlation, with its variance over units."""
        return correlation_interval(items, value, self.compute)
