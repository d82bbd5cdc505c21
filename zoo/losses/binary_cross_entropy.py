"""binary-cross-entropy: cross-entropy of each class by itself; a row may have any number of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiospec.zoo.losses.base import Loss, losses

if TYPE_CHECKING:
    from torch import Tensor


@losses.register
class BinaryCrossEntropy(Loss):
    """Mean over rows and classes of the cross-entropy of target and sigmoid; weights are of positives."""

    targets = ("multi-label", "frames")
    exclusive = False
    padding = float("nan")

    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses of rows and classes that count, and their number."""
        from torch.nn.functional import logsigmoid

        counted = ~targets.isnan()
        shares, values = targets.nan_to_num(), logits.float()
        loss = -(weights * shares * logsigmoid(values) + (1 - shares) * logsigmoid(-values))
        return (loss * counted).sum(), counted.sum().to(loss)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the sigmoid of the logits.

        On a CPU it is scipy's, one number after another. That of torch takes some numbers together and the
        last ones singly, which differs in the last bit: a row's probability would depend on its place.
        """
        import torch

        if logits.device.type != "cpu" or logits.requires_grad or torch.compiler.is_compiling():
            return logits.sigmoid()
        from scipy.special import expit

        return torch.from_numpy(expit(logits.numpy()))
