"""cross-entropy: of the softmax, for rows of one class each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiospec.zoo.losses.base import Loss, losses

if TYPE_CHECKING:
    from torch import Tensor


@losses.register
class CrossEntropy(Loss):
    """Cross-entropy between the targets and the softmax of the logits."""

    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the rows' losses, each weighted as its classes are, and of these weights."""
        found = -(weights * targets * logits.float().log_softmax(-1)).sum()
        return found, (weights * targets).sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax of the logits."""
        return logits.softmax(-1)
