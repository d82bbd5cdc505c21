"""accuracy: the share of correct predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import ConfusionScore, Items, scores
from audiospec.zoo.scores.measuring.intervals import accuracy_interval


@scores.register
class Accuracy(ConfusionScore):
    """Share of the chunks, or of the tracks, whose class is predicted correctly."""

    title = "accuracy"

    def of_confusion(self, matrices: NDArray[Any]) -> NDArray[np.float64]:
        """Return the trace of each matrix, divided by its sum."""
        shares: NDArray[np.float64] = np.trace(matrices, axis1=1, axis2=2) / matrices.sum((1, 2))
        return shares

    def interval(
        self, items: Items, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with fewer items where those of a unit are right or wrong together."""
        return accuracy_interval(items.truth == items.predicted, items.unit_of, items.units)
