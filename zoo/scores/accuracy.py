"""accuracy: the share of correct predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import ConfusionScore, scores


@scores.register
class Accuracy(ConfusionScore):
    """Share of the chunks, or of the tracks, whose class is predicted correctly."""

    title = "accuracy"

    def of_confusion(self, matrices: NDArray[Any]) -> NDArray[np.float64]:
        """Return the trace of each matrix, divided by its sum."""
        shares: NDArray[np.float64] = np.trace(matrices, axis1=1, axis2=2) / matrices.sum((1, 2))
        return shares
