"""musicnn: the embedding (200 columns) or 50 tags of a pretrained tagger of music (Pons and Serra 2019).

The network is a torch module of ours, with the weights of the wheel musicnn 0.1.0 (ISC licence). It reads
log-mel spectrograms of 16 kHz audio, which are computed in float32: the wheel's own are in float16, whose
range loud audio exceeds. The output is the mean over windows of 3 s; see `MusicnnSpec`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from audiospec.features.base import Frontend, one_thread
from audiospec.features.mel import MelFrontend
from audiospec.features.pretrained.constants import as_constants
from audiospec.features.pretrained.musicnn_network import Musicnn, tensors
from audiospec.features.pretrained.musicnn_weights import LICENCE, musicnn_weights
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.musicnn import PENULTIMATE, TAGS, WINDOW, MusicnnSpec

#: Windows that a device other than a CPU computes at once. On a CPU, one is fastest: its maps stay in cache.
TOGETHER = 32


@features.register
class MusicnnFrontend(Frontend):
    """Computes a `MusicnnSpec`: waves (..., samples) → columns (..., 200 or 50)."""

    spec_class = MusicnnSpec
    backends = ("torch",)
    licence: ClassVar[str] = LICENCE

    spec: MusicnnSpec

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        self.mel = MelFrontend(self.spec.mel_spec(), backend="fft")
        weights = musicnn_weights(self.spec.weights, self.spec.sha256)
        network, tags = Musicnn(), nn.Linear(PENULTIMATE, len(TAGS[self.spec.weights]))
        # The checkpoint has no counts of batches, which training alone would use.
        network.load_state_dict({**network.state_dict(), **tensors(weights, "network.")})
        tags.load_state_dict(tensors(weights, "tags."))
        self.network, self.tags = as_constants(network), as_constants(tags)

    def train(self, mode: bool = True) -> MusicnnFrontend:
        """Set the mode of training, which does not change what is computed: the network stays as it is."""
        super().train(mode)
        self.network.eval()
        return self

    def compute(self, waves: Tensor) -> Tensor:
        """Compute the columns (B, columns) of waves (B, samples)."""
        dtype = self.mel.mel.dtype
        self.require_full_precision(dtype)
        waves = waves.to(dtype)
        if torch.compiler.is_compiling():
            # The number of windows is recorded, so a record is for one length: `int` says so to torch.
            return self._together(waves.reshape(-1, int(waves.shape[1])), windows=None)
        if not len(waves):
            return waves.new_empty(0, len(self.spec.columns))
        if waves.device.type == "cpu":
            # Chunk by chunk, on one thread: a convolution's rounding depends on the rows and the threads.
            with one_thread():
                return torch.cat([self._together(wave[None], windows=1) for wave in waves])
        parts = torch.split(waves, TOGETHER)
        return torch.cat([self._together(part, windows=max(1, TOGETHER // len(part))) for part in parts])

    def _together(self, waves: Tensor, *, windows: int | None) -> Tensor:
        """Compute the columns (B, columns) of waves (B, samples), so many windows of each at once, or all."""
        mel = self.mel(waves)
        places = self.spec.windows(mel.shape[2])
        step = windows or len(places)
        outputs = []
        for start in range(0, len(places), step):
            some = torch.stack([mel[:, :, first:end] for first, end in places[start : start + step]], dim=1)
            outputs.append(self._outputs(some.flatten(0, 1)).reshape(*some.shape[:2], -1))
        return torch.cat(outputs, dim=1).mean(1)

    def _outputs(self, windows: Tensor) -> Tensor:
        """Return the outputs (n, columns) of windows (n, mel, frame)."""
        if self.spec.output == "tags":
            probabilities: Tensor = self.tags(self.network(windows)).sigmoid()
            return probabilities
        embeddings: Tensor = self.network(windows)
        return embeddings

    def parity(self, samples: int) -> float:
        """Return the largest difference from float64, on at most a window of notes and noise."""
        samples = min(samples, WINDOW * self.mel.spec.hop_length)
        time = torch.arange(samples, dtype=torch.float64) / self.spec.sample_rate
        wave = torch.randn(samples, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 50
        for hertz in (262, 330, 392):
            wave += torch.sin(2 * torch.pi * hertz * time) / 8
        exact = MusicnnFrontend(self.spec).double()(wave)
        columns = self(wave.float().to(self.mel.mel.device)).cpu().double()
        return float((columns - exact).abs().max())

    def extra_repr(self) -> str:
        """Return the spec, for the module's `repr`."""
        return f"{self.spec}"
