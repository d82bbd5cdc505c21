"""Settings of a network's training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch

from audiospec.errors import ModelError, nearest
from audiospec.zoo.base import ModelSettings
from audiospec.zoo.losses.base import losses
from audiospec.zoo.targets.base import Target

#: The loss that belongs to the target.
AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(ModelSettings):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Largest number of epochs; at least 1.
    patience : int
        Epochs without a lower validation loss after which training stops; the best epoch is kept.
    batch : int
        Rows in a step, over all devices.
    learning_rate : float
        Learning rate of Adam; above 0.
    loss : str
        Name in the registry of losses; `audiospec losses` lists them. ``"auto"``: that of the target, such as
        cross-entropy for one label a row.
    class_weights : bool
        Whether to weight the loss so that all classes count alike, however many rows they have; of several
        labels, the positives of each.
    balance : bool
        Whether training shows rare labels as often as others, or numbers of a rare size. An epoch has as many
        rows; a row may be in it several times, or not at all.
    mask_mel, mask_time : float
        Largest share of a row's mel bins, and of its frames, that SpecAugment hides in training, 0 to 1.
        Where each frame has labels, those of hidden frames do not count.
    mixup : float
        Alpha of the Beta distribution of mixup's shares in training; 0 for no mixup, 0.2 is usual.
    device : "auto", "cpu" or "cuda"
        ``"auto"``: a GPU if there is one, else the CPU. Training on a GPU is in bfloat16.
    devices : int
        Number of processes that share each step; each has its own GPU, or its part of the CPU.
    tensorboard : bool
        Whether to write the history for TensorBoard as well.
    """

    epochs: int = 100
    patience: int = 10
    batch: int = 16
    learning_rate: float = 1e-3
    loss: str = AUTO
    class_weights: bool = False
    balance: bool = False
    mask_mel: float = 0.0
    mask_time: float = 0.0
    mixup: float = 0.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, valid, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("batch", self.batch >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("mask_mel", 0 <= self.mask_mel <= 1, "from 0 to 1"),
            ("mask_time", 0 <= self.mask_time <= 1, "from 0 to 1"),
            ("mixup", self.mixup == 0 or self.mixup >= 0.001, "0, or at least 0.001"),
            ("devices", self.devices >= 1, "at least 1"),
        ):
            if not valid:
                raise ModelError(f"parameter {name} must be {expected}; got {getattr(self, name)!r}")

        names = [AUTO, *losses.names()]
        if self.loss not in names:
            raise ModelError(
                f"parameter loss must be the name of a loss; got {self.loss!r}{nearest(self.loss, names)} "
                f"(there are: {', '.join(names)})"
            )

    def for_target(self, target: type[Target] | Target) -> Self:
        """Return the parameters with the loss that is minimised for a target."""
        return replace(self, loss=self.loss_of(target))

    def loss_of(self, target: type[Target] | Target) -> str:
        """Return the name of the loss that is minimised for a target.

        Raises
        ------
        ModelError
            The chosen loss does not serve the target.
        """
        if self.loss == AUTO:
            return target.loss
        served = losses[self.loss].targets
        if target.name not in served:
            raise ModelError(
                f"loss {self.loss!r} is for the target {' or '.join(served)}; these rows have the target "
                f"{target.name!r}",
                f"leave out `loss`, which then is {target.loss!r}",
            )
        return self.loss

    def cuda(self) -> bool:
        """Return whether to use a GPU."""
        return self.device != "cpu" and torch.cuda.is_available()
