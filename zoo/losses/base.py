"""Loss: what networks learn by; the registry of losses.

A loss is one file of `audiospec.zoo.losses`, or of another package (entry point ``audiospec.losses``), under
``@losses.register``. A network's parameter ``loss`` chooses one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from audiospec.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

losses: Registry[type[Loss]] = Registry("loss", "audiospec.zoo.losses", "audiospec.losses")


class Loss(ABC):
    """How wrong a network's logits are, and what probabilities they stand for.

    Attributes
    ----------
    exclusive : bool
        Whether a row is of one class, so that its probabilities add up to 1.
    """

    exclusive: ClassVar[bool] = True

    @abstractmethod
    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the losses of some rows, and of what they weigh; the mean loss is their ratio.

        Parameters
        ----------
        logits : Tensor, shape (B, classes)
            In the network's own precision.
        targets : Tensor of float32, shape (B, classes)
            Shares of the classes: one-hot, mixed, or all zero for a row that does not count.
        weights : Tensor of float32, shape (classes,)
            What each class counts.
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities (B, classes) of logits (B, classes), in the same precision."""
