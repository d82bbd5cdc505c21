"""Settings of a network's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from audiospec.errors import ModelError, nearest
from audiospec.zoo.base import ModelSettings
from audiospec.zoo.losses.base import losses


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(ModelSettings):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        The most; at least 1.
    patience : int
        Epochs without a lower validation loss after which training stops; the best epoch is kept.
    batch : int
        Rows in a step, of all devices together.
    learning_rate : float
        Of Adam; above 0.
    loss : str
        Name in the registry of losses; `audiospec losses` lists them.
    class_weights : bool
        Whether a class counts the more in the loss the fewer rows it has.
    mask_mel, mask_time : float
        Largest share of a row's mel bins, and of its frames, that SpecAugment hides while it learns, 0 to 1.
    mixup : float
        Alpha of the Beta distribution by which rows are mixed while it learns; 0 for none, 0.2 is usual.
    device : "auto", "cpu" or "cuda"
        ``"auto"`` takes a GPU if there is one, else the CPU. A GPU trains in bfloat16.
    devices : int
        Processes that share each step, each with a GPU of its own, or with its part of the CPU.
    tensorboard : bool
        Whether to write the history for TensorBoard, too.
    """

    epochs: int = 100
    patience: int = 10
    batch: int = 16
    learning_rate: float = 1e-3
    loss: str = "cross-entropy"
    class_weights: bool = False
    mask_mel: float = 0.0
    mask_time: float = 0.0
    mixup: float = 0.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, fine, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("batch", self.batch >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("mask_mel", 0 <= self.mask_mel <= 1, "from 0 to 1"),
            ("mask_time", 0 <= self.mask_time <= 1, "from 0 to 1"),
            ("mixup", self.mixup == 0 or self.mixup >= 0.001, "0, or at least 0.001"),
            ("devices", self.devices >= 1, "at least 1"),
        ):
            if not fine:
                raise ModelError(f"parameter {name} must be {expected}; got {getattr(self, name)!r}")

        names = losses.names()
        if self.loss not in names:
            raise ModelError(
                f"parameter loss must be the name of a loss; got {self.loss!r}{nearest(self.loss, names)} "
                f"(there are: {', '.join(names)})"
            )

    def cuda(self) -> bool:
        """Whether to use a GPU."""
        return self.device != "cpu" and torch.cuda.is_available()
