"""cross-entropy: cross-entropy of targets and softmax; each row has one class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiospec.zoo.losses.base import Loss, losses

if TYPE_CHECKING:
    from torch import Tensor


@losses.register
class CrossEntropy(Loss):
    """Cross-entropy between the targets and the softmax of the logits."""

    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the rows' losses, weighted by class, and the sum of the weights."""
        loss = -(weights * targets * logits.float().log_softmax(-1)).sum()
        return loss, (weights * targets).sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the softmax of the logits."""
        return logits.softmax(-1)
