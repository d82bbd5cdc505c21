"""Transfer: convolutions that were pretrained on photographs, then the recurrent layers of the CRNNs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.models.networks.recurrent import Recurrent
from audiospec.zoo.network import NetworkModel


@dataclass(frozen=True, kw_only=True)
class TransferSettings(NetworkSettings):
    """How a transfer model is made and trained.

    Parameters
    ----------
    weights : str
        Initial weights of the convolutions. ``"imagenet"``: pretrained on ImageNet. ``"none"``: random. Else
        the path of a file, in the format of safetensors or of `torch.save`.
    freeze : bool
        Whether to keep the convolutions fixed and train only the other layers.
    """

    weights: str = "imagenet"
    freeze: bool = False


class TransferModel(NetworkModel):
    """Base class of the transfer models: a `Transfer` around a backbone."""

    Settings = TransferSettings

    #: Name of the backbone's first convolution.
    first: str

    @abstractmethod
    def backbone(self) -> nn.Module:
        """Return the convolutions, (B, 1, mel, frame) → (B, channels, mel, time), with random weights."""

    @abstractmethod
    def imagenet(self) -> Mapping[str, Tensor]:
        """Return the backbone's weights for three channels, pretrained on ImageNet.

        Raises
        ------
        ModelError
            They are not available.
        """

    def network(self) -> nn.Module:
        """Return a new network with random weights."""
        return Transfer(self.backbone(), self.row_shape, len(self.classes), frozen=self.settings.freeze)

    def prepare(self, net: nn.Module) -> None:
        """Load the weights that the parameter `weights` chooses."""
        assert isinstance(net, Transfer)
        choice = self.settings.weights
        if choice != "none":
            pretrained = (
                self.imagenet() if choice == "imagenet" else read_weights(choice, ["imagenet", "none"])
            )
            self._load_pretrained(net.backbone, pretrained)

    def _load_pretrained(self, backbone: nn.Module, pretrained: Mapping[str, Tensor]) -> None:
        """Load the weights of the backbone's layers, and ignore others, such as those of a classifier."""
        weights = {name: value for name, value in pretrained.items() if name in backbone.state_dict()}
        name = f"{self.first}.weight"
        if name in weights:
            weights[name] = sum_channels(weights[name])
        try:
            backbone.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"weights {self.settings.weights} are not of this network ({reason})",
                "choose other `weights`",
            ) from error


class Transfer(nn.Module):
    """Maps rows (B, mel, frame) to logits (B, classes).

    Batch normalisation over the mel bins, the backbone, `Recurrent`.

    The backbone reads one channel. The weights of its first convolution are summed over the three channels of
    the pretrained one, so its output equals that of the pretrained one for a picture of three equal channels.
    """

    def __init__(
        self, backbone: nn.Module, row_shape: tuple[int, ...], classes: int, *, frozen: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(row_shape[0])
        self.backbone = backbone.requires_grad_(not frozen).eval()
        self.frozen = frozen
        with torch.no_grad():
            channels, height = backbone(torch.zeros(1, 1, row_shape[0], 1)).shape[1:3]
        self.recurrent = Recurrent(channels * height, classes)
        self.train()

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits (B, classes) of rows (B, mel, frame)."""
        logits: Tensor = self.recurrent(self.backbone(self.norm(rows).unsqueeze(1)))
        return logits

    def train(self, mode: bool = True) -> Transfer:
        """Set the mode of training; a frozen backbone stays in evaluation, so its running means are fixed."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self


def sum_channels(weights: Tensor) -> Tensor:
    """Return a convolution's weights (filters, channels, height, width), summed over the channels.

    On one channel, the sum gives the same output as `weights` on as many equal channels.
    """
    return weights.sum(1, keepdim=True)


def read_weights(name: str, others: Sequence[str] = ()) -> Mapping[str, Tensor]:
    """Read a file of weights; no code in it is executed.

    Parameters
    ----------
    name : str
        Its path.
    others : sequence of str
        Values of the parameter `weights` that are no paths, for the message.

    Raises
    ------
    ModelError
        The file does not exist, cannot be read, or has something other than weights.
    """
    from safetensors.torch import load_file

    file = Path(name).expanduser()
    if not file.is_file():
        raise ModelError(
            f"no weights at {file}", f"expected `weights` to be {', '.join([*others, 'or a file'])}"
        )
    try:
        weights = (
            load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # safetensors, torch, pickle and zipfile raise many types
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"weights {file} cannot be read ({reason})", "choose other `weights`") from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ModelError(f"{file} has no weights", "expected names and tensors (a state_dict)")
    return weights
