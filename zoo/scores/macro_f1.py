"""macro-f1: the mean of the classes’ F1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import ConfusionScore, Items, scores
from audiospec.zoo.scores.measuring.intervals import by_class_and_unit, of_share, unit_variance, wilson


@scores.register
class MacroF1(ConfusionScore):
    """Mean over classes of 2 TP / (2 TP + FP + FN).

    Classes that neither occur nor are predicted do not count.
    """

    title = "macro F1"

    def of_confusion(self, matrices: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean F1 over the classes that occur or are predicted."""
        right = np.diagonal(matrices, axis1=1, axis2=2)
        sums = matrices.sum(1) + matrices.sum(2)  # 2 TP + FP + FN
        f1 = np.divide(2 * right, sums, out=np.zeros(sums.shape), where=sums > 0)
        mean: NDArray[np.float64] = f1.sum(1) / (sums > 0).sum(1)
        return mean

    def interval(
        self, items: Items, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of items that gives the variance of the macro F1.

        The percentile interval of resamples is too low: a resample lacks items of the small classes.
        """
        classes = items.probabilities.shape[1]
        actual = np.bincount(items.truth, minlength=classes)
        # The number of items if all classes had equally many, and the same variance of their mean recall.
        count = float((actual > 0).sum() ** 2 / (1 / actual[actual > 0]).sum())
        if items.units == 1:
            return wilson(value, 1)
        correct = items.truth == items.predicted
        sums = actual + np.bincount(items.predicted, minlength=classes)  # 2 TP + FP + FN
        right = np.bincount(items.truth[correct], minlength=classes)
        f1 = 2 * right / np.maximum(sums, 1)
        shares = f1 / np.maximum(sums, 1)
        influence = (
            2 * correct / sums[items.truth] - shares[items.truth] - shares[items.predicted]
        ) / np.count_nonzero(sums)
        variance = unit_variance(influence, items.unit_of, items.units)
        variance *= by_class_and_unit(items.truth, items.unit_of, items.units)
        return of_share(value, variance, count, items.unit_size, items.units)
