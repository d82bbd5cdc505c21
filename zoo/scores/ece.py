"""ece: expected calibration error, by how much confidence and accuracy differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Items, Sample, Score, scores
from audiospec.zoo.scores.measuring.calibration import error_interval

#: Number of bins of equal width.
BINS = 15


@scores.register
class ExpectedCalibrationError(Score):
    """Mean over 15 bins of confidence of |accuracy - mean confidence|, weighted by their numbers of items.

    The confidence of an item is its highest probability (C. Guo et al., On calibration of modern neural
    networks, ICML 2017). Even a calibrated model has an error on few items, so its interval reaches below it.
    """

    title = "ECE"
    higher_is_better = False
    best = 0.0

    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Return the error of each resample."""
        confidence, bins = _binned(sample.probabilities)
        gaps = (sample.truth == sample.predicted) - confidence
        sums = [np.abs(sample.total(np.where(bins == number, gaps, 0))) for number in np.unique(bins)]
        error: NDArray[np.float64] = np.sum(sums, axis=0) / sample.total(np.ones(len(gaps)))
        return error

    def interval(
        self, items: Items, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the errors that are compatible with the one found; see `error_interval`."""
        confidence, bins = _binned(items.probabilities)
        correct = items.truth == items.predicted
        return error_interval(confidence, correct, bins, items.unit_of, items.units)


def _binned(probabilities: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each item's confidence and its bin."""
    confidence = probabilities.max(1)
    return confidence, np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
