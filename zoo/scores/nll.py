"""nll: the mean negative log-likelihood of the true class (log loss), in nats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Items, Sample, Score, scores
from audiospec.zoo.scores.measuring.intervals import accuracy_interval, of_mean

#: A probability of 0 counts as this, as it does in scikit-learn.
LEAST = float(np.finfo(np.float64).eps)


@scores.register
class NegativeLogLikelihood(Score):
    """Mean over the items of -log p of the true class, in nats."""

    title = "NLL"
    percent = False
    higher_is_better = False
    best = 0.0

    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Return the mean over the items of each resample."""
        return sample.mean(_losses(sample.probabilities, sample.truth))

    def interval(
        self, items: Items, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the interval of a mean of skewed values, widened by what the items may not show.

        Few items have hardly any errors, and errors cost the most. So the interval has what the loss would be
        at the ends of the accuracy's interval, if correct and wrong predictions cost what they do.
        """
        losses = _losses(items.probabilities, items.truth)
        correct = items.truth == items.predicted
        low, high = of_mean(losses, items.unit_of, items.units, items.unit_size)
        fewest, most = accuracy_interval(correct, items.unit_of, items.units)
        # What an error costs is not known without one: as much as the model says that it would.
        highest = items.probabilities.max(1)
        classes = max(items.probabilities.shape[1] - 1, 1)
        right = losses[correct].mean() if correct.any() else -np.log(max(highest.mean(), LEAST))
        wrong = (
            losses[~correct].mean()
            if not correct.all()
            else -np.log(max(float((1 - highest).mean()) / classes, LEAST))
        )
        ends = [float(share * right + (1 - share) * wrong) for share in (fewest, most)]
        return max(0.0, min(low, value, *ends)), min(-math.log(LEAST), max(high, value, *ends))


def _losses(probabilities: NDArray[Any], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    right = probabilities[np.arange(len(truth)), truth]
    losses: NDArray[np.float64] = -np.log(np.clip(right, LEAST, 1 - LEAST))
    return losses
