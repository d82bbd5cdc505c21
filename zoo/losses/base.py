"""Loss: the base class of the losses that networks minimise; the registry of losses.

A loss is a class under ``@losses.register``, in a file of `audiospec.zoo.losses` or in another package
(entry point ``audiospec.losses``). The parameter ``loss`` of a network chooses one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from audiospec.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

losses: Registry[type[Loss]] = Registry("loss", "audiospec.zoo.losses", "audiospec.losses")


class Loss(ABC):
    """A loss of a network's logits, and the probabilities that the logits stand for.

    Attributes
    ----------
    exclusive : bool
        Whether each row has exactly one class, so that its probabilities add up to 1.
    """

    exclusive: ClassVar[bool] = True

    @abstractmethod
    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the rows' losses and the sum of their weights; the mean loss is the ratio.

        Parameters
        ----------
        logits : Tensor, shape (B, classes)
            In the precision of the network.
        targets : Tensor of float32, shape (B, classes)
            Shares of the classes: one-hot, mixed, or all zero for a row that does not count.
        weights : Tensor of float32, shape (classes,)
            Weight of each class.

        Returns
        -------
        (Tensor, Tensor)
            Two scalars; the first has a gradient.
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities (B, classes) of logits (B, classes), in the same precision."""
