"""Transfer: convolutions that were trained on photographs, then the recurrent layers of the CRNNs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
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
        ``"imagenet"``: those trained on ImageNet. ``"none"``: random ones. Else a file of them, as
        safetensors or as torch writes them.
    freeze : bool
        Whether the convolutions stay as they are, and only what follows learns.
    """

    weights: str = "imagenet"
    freeze: bool = False


class TransferModel(NetworkModel):
    """A `Transfer` of some convolutions."""

    Settings = TransferSettings

    #: Name, in the backbone, of its first convolution.
    first: str

    @abstractmethod
    def backbone(self) -> nn.Module:
        """Make the convolutions, (B, 1, mel, frame) → (B, channels, mel, time), with random weights."""

    @abstractmethod
    def imagenet(self) -> Mapping[str, Tensor]:
        """Weights of the backbone (of three channels) that were trained on ImageNet.

        Raises
        ------
        ModelError
            They cannot be had; says the ways out.
        """

    def network(self) -> nn.Module:
        """Make the network, with random weights."""
        return Transfer(self.backbone(), self.row_shape, len(self.classes), frozen=self.settings.freeze)

    def prepare(self, net: nn.Module) -> None:
        """Take over the weights that are asked for."""
        assert isinstance(net, Transfer)
        if self.settings.weights != "none":
            given = self.imagenet() if self.settings.weights == "imagenet" else of_file(self.settings.weights)
            self._take(net.backbone, given)

    def _take(self, backbone: nn.Module, given: Mapping[str, Tensor]) -> None:
        """Load what a backbone has; weights of layers that it lacks, such as the classifier, are left."""
        weights = {name: value for name, value in given.items() if name in backbone.state_dict()}
        name = f"{self.first}.weight"
        if name in weights:
            weights[name] = of_one_channel(weights[name])
        try:
            backbone.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"weights {self.settings.weights} are not of this network: {reason}") from error


class Transfer(nn.Module):
    """Rows (B, mel, frame) → logits (B, classes).

    Batch normalisation over the mel bins, the backbone, `Recurrent`.

    The backbone sees one channel. Its first convolution has, for each filter, the sum of the three channels'
    weights: so it gives what the old one gives of a picture with three equal channels.
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
        """Logits of rows."""
        logits: Tensor = self.recurrent(self.backbone(self.norm(rows).unsqueeze(1)))
        return logits

    def train(self, mode: bool = True) -> Transfer:
        """Let it learn, or predict; a frozen backbone always predicts, and so keeps its running means."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self


def of_one_channel(weights: Tensor) -> Tensor:
    """Weights (filters, 1, height, width) that give of a channel what `weights` give of three like it."""
    return weights.sum(1, keepdim=True)


def of_file(name: str) -> Mapping[str, Tensor]:
    """Read weights; nothing in the file is executed."""
    from safetensors.torch import load_file

    file = Path(name).expanduser()
    if not file.is_file():
        raise ModelError(f"no weights at {file}: expected imagenet, none, or a file (--weights)")
    try:
        found = (
            load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # safetensors', torch's, pickle's and zip's own
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"weights {file} cannot be read ({reason})") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"weights {file} are no weights: expected names and tensors (a state_dict)")
    return found
