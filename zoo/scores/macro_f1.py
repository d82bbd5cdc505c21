"""macro-f1: the mean of the classes’ F1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import ConfusionScore, scores


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
