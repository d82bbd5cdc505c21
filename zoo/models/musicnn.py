"""musicnn: a pretrained tagger of music (Pons and Serra 2019), fine-tuned on its own mel spectrogram."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.features.pretrained.musicnn_network import Musicnn, tensors
from audiospec.features.pretrained.musicnn_weights import LICENCE, musicnn_weights
from audiospec.fields import shown
from audiospec.specs.base import FeatureSpec
from audiospec.specs.musicnn import PENULTIMATE, SHA256, MusicnnSpec
from audiospec.specs.presets.base import STORED
from audiospec.zoo.base import Progress, Rows, models
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.models.networks.transfer import read_weights
from audiospec.zoo.network import NetworkModel


@dataclass(frozen=True, kw_only=True)
class MusicnnSettings(NetworkSettings):
    """How musicnn is made and trained.

    Parameters
    ----------
    weights : str
        Initial weights. ``"msd"`` or ``"mtt"``: those of the wheel musicnn 0.1.0, trained on the Million Song
        Dataset or on MagnaTagATune. ``"none"``: random. Else the path of a file, in the format of
        safetensors or of `torch.save`, such as the ``model.safetensors`` of another run of this model.
    freeze : bool
        Whether to keep the network fixed and train only the last layer.
    """

    weights: str = "msd"
    freeze: bool = False


@models.register
class MusicnnModel(NetworkModel):
    """musicnn without its tags, then dropout and a dense layer.

    Its pretrained weights need rows of the preset ``musicnn``: 96 mel bins of 16 kHz audio. With random
    weights it reads any spectrogram.
    """

    Settings = MusicnnSettings
    licence: ClassVar[str] = LICENCE

    def network(self) -> nn.Module:
        """Return a new network with random weights."""
        return FineTuned(self.row_shape[0], len(self.classes), frozen=self.settings.freeze)

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Train as `NetworkModel.fit` does.

        Raises
        ------
        ModelError
            Also if the weights are pretrained, and the view's spec is not that of musicnn.
        """
        if self.settings.weights != "none":
            _check_spec(self.frontend or train.view.spec)
        return super().fit(train, valid, seed=seed, work=work, progress=progress)

    def prepare(self, net: nn.Module) -> None:
        """Load the weights that the parameter `weights` chooses."""
        assert isinstance(net, FineTuned)
        choice = self.settings.weights
        if choice in SHA256:
            _load(net.network, tensors(musicnn_weights(choice), "network."), choice)
        elif choice != "none":
            stored = read_weights(choice, [*SHA256, "none"])
            # A run of this model has a last layer besides.
            of_run = {name[8:]: value for name, value in stored.items() if name.startswith("network.")}
            _load(net.network, of_run or stored, choice)


class FineTuned(nn.Module):
    """Maps rows (B, mel, frame) of any number of frames to logits (B, outputs).

    Parameters
    ----------
    mels, outputs : int
    frozen : bool
        Whether the network before the last layer is not trained.
    """

    def __init__(self, mels: int, outputs: int, *, frozen: bool = False) -> None:
        super().__init__()
        self.network = Musicnn(mels).requires_grad_(not frozen)
        self.frozen = frozen
        self.dropout = nn.Dropout(0.5)
        self.last = nn.Linear(PENULTIMATE, outputs)
        self.train()

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits (B, outputs) of rows (B, mel, frame)."""
        logits: Tensor = self.last(self.dropout(self.network(rows)))
        return logits

    def train(self, mode: bool = True) -> FineTuned:
        """Set the mode of training; a frozen network stays in evaluation, so its running means are fixed."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self


def _load(network: Musicnn, weights: Mapping[str, Tensor], choice: str) -> None:
    """Load weights; others, such as those of a last layer, are ignored."""
    state = network.state_dict()
    # A pretrained checkpoint has no counts of batches, which nothing uses.
    counts = {name: value for name, value in state.items() if name.endswith("num_batches_tracked")}
    try:
        network.load_state_dict(counts | {name: value for name, value in weights.items() if name in state})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"weights {choice} are not of this network ({reason})", "choose other `weights`"
        ) from error


def _check_spec(spec: FeatureSpec) -> None:
    """Raise `ModelError` unless rows of a spec are what the pretrained network reads."""
    expected = MusicnnSpec.mel_spec()
    names = [field.name for field in dataclasses.fields(expected) if field.name not in STORED]
    for name in ["feature", *names]:
        wanted, got = getattr(expected, name), getattr(spec, name, None)
        if wanted != got:
            raise ModelError(
                f"the weights of musicnn are for its own mel spectrogram, with {name}={shown(wanted)}; this "
                f"view has {name}={shown(got)}",
                'make a view of `audiospec.spec("musicnn")`, give waves `frontend="musicnn"`, or start from '
                'random weights with `weights="none"`',
            )
