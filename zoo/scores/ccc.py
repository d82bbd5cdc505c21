"""ccc: the concordance correlation of numbers, which noise, bias and a wrong scale lower."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.jackknife import correlation_interval
from audiospec.zoo.scores.measuring.number_items import NumberItems, NumberSample


@scores.register
class ConcordanceCorrelation(Score):
    """2 cov(true, predicted) ÷ (var(true) + var(predicted) + (difference of the means)²), from -1 to 1.

    It is 1 only if every prediction is right, and 0 for one and the same prediction everywhere (L. I-K. Lin,
    A concordance correlation coefficient to evaluate reproducibility, Biometrics 45, 1989).
    """

    targets = ("number",)
    title = "CCC"
    percent = False

    def compute(self, sample: NumberSample) -> NDArray[np.float64]:
        """Return the score of each resample; 1 if all numbers, true and predicted, are one."""
        moments = sample.moments
        spread = moments.true + moments.predicted + moments.bias**2
        return np.divide(2 * moments.both, spread, out=np.ones(len(sample)), where=spread > 0)

    def interval(
        self, items: NumberItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the t interval of Fisher's z of the score, as Lin does, with its variance over units.

        The variance is from the jackknife; one unit says nothing about others, so all scores are compatible.
        """
        return correlation_interval(items, value, self.compute)
