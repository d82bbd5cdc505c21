"""log-loss: mean negative logarithm of the probability of the true class, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Sample, Score, scores


@scores.register
class LogLoss(Score):
    """Mean of -log p, with p at least one in a million."""

    title = "log loss"
    percent = False
    higher_is_better = False
    best = 0.0

    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Return the mean over the items of each resample."""
        right = sample.probabilities[np.arange(len(sample.truth)), sample.truth]
        return sample.mean(-np.log(np.clip(right, 1e-6, 1.0)))
