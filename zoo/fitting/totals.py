"""The mean loss and the scores of an epoch."""

from __future__ import annotations

import torch
from lightning.fabric import Fabric
from torch import Tensor

from audiospec.zoo.losses.base import Loss
from audiospec.zoo.targets.base import Target


class EpochTotals:
    """Computes the mean loss of each batch, and collects the loss and the scores of an epoch.

    Parameters
    ----------
    loss : Loss
    target : Target
    weights : Tensor of float32, shape (classes,)
        Weight of each class in the loss.
    """

    def __init__(self, loss: Loss, target: Target, weights: Tensor) -> None:
        self.loss = loss
        self.target = target
        self.weights = weights
        self.sums = weights.new_zeros(2, dtype=torch.float64)  # sum of the losses, sum of the weights
        self.tally: Tensor | None = None

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, and add the batch to the epoch.

        Parameters
        ----------
        logits, targets : Tensor, shape (B, classes) or (B, frames, classes)
            See `Loss.sums`.
        """
        losses, weights = self.loss.sums(logits, targets, self.weights)
        with torch.no_grad():
            self.sums += torch.stack([losses, weights])
            tally = self.target.tally(logits, targets)
            self.tally = tally if self.tally is None else self.tally + tally
        return losses / weights.clamp_min(1e-12)

    def collect(self, fabric: Fabric) -> dict[str, float]:
        """Return the loss and the target's scores of the epoch over all devices, and start the next epoch."""
        assert self.tally is not None, "an epoch has at least one batch"
        reduced = fabric.all_reduce(torch.cat([self.sums, self.tally]), reduce_op="sum")
        assert isinstance(reduced, Tensor)
        total = reduced.cpu().numpy()
        self.sums.zero_()
        self.tally = None
        return {"loss": float(total[0] / total[1]), **self.target.epoch_scores(total[2:])}
