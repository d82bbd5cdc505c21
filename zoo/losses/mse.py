"""mse: mean squared error of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiospec.zoo.losses.base import Loss, losses

if TYPE_CHECKING:
    from torch import Tensor


@losses.register
class Mse(Loss):
    """Mean over rows of the squared difference between target and output."""

    targets = ("number",)
    exclusive = False
    padding = float("nan")

    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the squared errors of the rows that count, and their number."""
        counted = ~targets.isnan()
        errors = (logits.float() - targets.nan_to_num()) * counted
        return (weights * errors.square()).sum(), (weights * counted).sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return logits
