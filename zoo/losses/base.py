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
    targets : tuple of str
        The targets that it serves: names in the registry of targets.
    exclusive : bool
        Whether each row has exactly one class, so that its probabilities add up to 1.
    padding : float
        Value of all targets of a row that does not count: 0 if every row that counts has a class, else NaN.
    """

    targets: ClassVar[tuple[str, ...]] = ("single",)
    exclusive: ClassVar[bool] = True
    padding: ClassVar[float] = 0.0

    @abstractmethod
    def sums(self, logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the rows' losses and the sum of their weights; the mean loss is the ratio.

        Parameters
        ----------
        logits : Tensor, shape (B, classes) or (B, frames, classes)
            In the precision of the network.
        targets : Tensor of float32, of the same shape
            Shares of the classes: one-hot, mixed, any number of ones, or numbers; `padding` in a row that
            does not count.
        weights : Tensor of float32, shape (classes,)
            Weight of each class.

        Returns
        -------
        (Tensor, Tensor)
            Two scalars; the first has a gradient.
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of logits, or the numbers that they stand for, in shape and precision."""
