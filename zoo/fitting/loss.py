"""The loss, with class weights and label smoothing."""

from __future__ import annotations

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.zoo.base import Rows
from audiospec.zoo.scores import accuracy, macro_f1


class Loss:
    """Cross-entropy on logits, and what an epoch adds up to.

    Targets are shares of the classes (B, classes): one-hot, mixed, or all zero for a row that does not count.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights
        count = len(weights)
        self.sums = weights.new_zeros(2, dtype=torch.float64)  # of losses, of weights
        self.confusion = weights.new_zeros(count, count, dtype=torch.float64)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch, each row weighted as its classes are."""
        losses = -(self.weights * targets * logits.float().log_softmax(-1)).sum()
        weights = (self.weights * targets).sum()
        with torch.no_grad():
            self.sums += torch.stack([losses, weights])
            said = nn.functional.one_hot(logits.argmax(-1), logits.shape[-1])
            self.confusion += (targets.T @ said.to(targets)).double()
        return losses / weights.clamp_min(1e-12)

    def collect(self, fabric: Fabric) -> dict[str, float]:
        """Loss, accuracy and macro F1 since the last time, over all devices."""
        parts = torch.cat([self.sums, self.confusion.flatten()])
        reduced = fabric.all_reduce(parts, reduce_op="sum")
        assert isinstance(reduced, Tensor)
        total = reduced.cpu().numpy()
        self.sums.zero_()
        self.confusion.zero_()
        matrix = total[2:].reshape(1, *self.confusion.shape)
        return {
            "loss": float(total[0] / total[1]),
            "accuracy": float(accuracy(matrix)[0]),
            "f1": float(macro_f1(matrix)[0]),
        }


def class_weights(rows: Rows) -> NDArray[np.float64]:
    """Weight of each class: rows ÷ (classes × rows of the class), so that all count alike."""
    counts = np.bincount(rows.targets, minlength=len(rows.classes))
    return len(rows) / (len(rows.classes) * np.maximum(counts, 1))
