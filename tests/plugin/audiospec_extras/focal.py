"""focal: cross-entropy that gives easy rows less weight (Lin et al., ICCV 2017, with gamma 2)."""

from __future__ import annotations

from torch import Tensor

from audiospec.zoo.losses.base import Loss, losses

GAMMA = 2.0


@losses.register
class Focal(Loss):
    """Focal loss of the softmax."""

    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the rows' losses, and of their weights."""
        log = logits.float().log_softmax(-1)
        losses = -weights * targets * (1 - log.exp()) ** GAMMA * log
        return losses.sum(), (weights * targets).sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the softmax of the logits."""
        return logits.softmax(-1)
