"""The mean loss and the scores of an epoch; class weights."""

from __future__ import annotations

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.zoo.base import Rows
from audiospec.zoo.losses.base import Loss
from audiospec.zoo.scores.base import EPOCH_SCORES, ConfusionScore, scores


class EpochTotals:
    """Computes the mean loss of each batch, and collects the loss and the scores of an epoch.

    Parameters
    ----------
    loss : Loss
    weights : Tensor of float32, shape (classes,)
        Weight of each class in the loss.
    """

    def __init__(self, loss: Loss, weights: Tensor) -> None:
        self.loss = loss
        self.weights = weights
        count = len(weights)
        self.sums = weights.new_zeros(2, dtype=torch.float64)  # sum of the losses, sum of the weights
        self.confusion = weights.new_zeros(count, count, dtype=torch.float64)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, and add the batch to the epoch.

        Parameters
        ----------
        logits, targets : Tensor, shape (B, classes)
            See `Loss.sums`.
        """
        losses, weights = self.loss.sums(logits, targets, self.weights)
        with torch.no_grad():
            self.sums += torch.stack([losses, weights])
            predicted = nn.functional.one_hot(logits.argmax(-1), logits.shape[-1])
            self.confusion += (targets.T @ predicted.to(targets)).double()
        return losses / weights.clamp_min(1e-12)

    def collect(self, fabric: Fabric) -> dict[str, float]:
        """Return the loss and `EPOCH_SCORES` of the epoch over all devices, and start the next epoch."""
        parts = torch.cat([self.sums, self.confusion.flatten()])
        reduced = fabric.all_reduce(parts, reduce_op="sum")
        assert isinstance(reduced, Tensor)
        total = reduced.cpu().numpy()
        self.sums.zero_()
        self.confusion.zero_()
        matrix = total[2:].reshape(1, *self.confusion.shape)
        values = {"loss": float(total[0] / total[1])}
        for column, name in EPOCH_SCORES.items():
            score = scores[name]()
            assert isinstance(score, ConfusionScore), "an epoch has only its confusion matrix"
            values[column] = float(score.of_confusion(matrix)[0])
        return values


def class_weights(rows: Rows) -> NDArray[np.float64]:
    """Return a weight per class: rows ÷ (classes × rows of the class), so that all classes count alike."""
    counts = np.bincount(rows.targets, minlength=len(rows.classes))
    return len(rows) / (len(rows.classes) * np.maximum(counts, 1))
