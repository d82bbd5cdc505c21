"""gammatone: spectrograms by gammatone filters, which are as wide as the ear's, by nnAudio's weights.

A real FFT and nnAudio's weights of its bins, as nnAudio's Gammatonegram (Cheuk et al. 2020, IEEE Access,
doi:10.1109/ACCESS.2020.3019084; Roy et al. 2026, arXiv:2606.05394), on any device.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad

from audiospec.features.kernels.chunkwise import Chunkwise
from audiospec.features.kernels.decibels import decibels, noise_parity
from audiospec.features.kernels.gammatone_filters import gammatone_filters, gammatone_reference
from audiospec.features.kernels.windows import hann_window
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.gammatone import GammatoneSpec

#: Most samples of windows that a CPU transforms at once.
BLOCK = 1 << 21


@features.register
class GammatoneFrontend(Chunkwise):
    """Computes a `GammatoneSpec`: waves (..., samples) → spectrograms (..., n_bins, frames)."""

    spec_class = GammatoneSpec
    backends = ("fft",)

    spec: GammatoneSpec
    window: Tensor
    filters: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        # Constants are not in a checkpoint: they are computed from the spec.
        window = torch.from_numpy(hann_window(self.spec.n_fft)).float()
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", torch.from_numpy(gammatone_filters(self.spec)), persistent=False)

    def together(self, waves: Tensor) -> Tensor:
        """Compute the spectrograms (B, n_bins, frames) of waves (B, samples)."""
        spec = self.spec
        half = spec.n_fft // 2
        padded = pad(waves.unsqueeze(1), (half, half), mode=spec.pad_mode).squeeze(1)
        frames = padded.unfold(1, spec.n_fft, spec.hop_length)
        if waves.device.type != "cpu" or torch.compiler.is_compiling():
            values = self._filtered(frames)
        else:
            step = max(1, BLOCK // spec.n_fft)
            blocks = (frames[:, first : first + step] for first in range(0, frames.shape[1], step))
            values = torch.cat([self._filtered(block) for block in blocks], dim=2)
        return values if spec.scale == "linear" else decibels(values, spec.amin, spec.ref, spec.top_db)

    def _filtered(self, frames: Tensor) -> Tensor:
        """Filters of frames (B, frames, n_fft), on the linear scale: (B, n_bins, frames)."""
        power = torch.view_as_real(torch.fft.rfft(frames * self.window)).square().sum(-1)
        if self.spec.power != 2:
            # The smallest normal number keeps the gradient of a silent bin finite.
            power = power.clamp(min=torch.finfo(power.dtype).tiny).pow(self.spec.power / 2)
        return self.filters @ power.transpose(1, 2)

    def parity(self, samples: int) -> float:
        """Return the largest difference in dB from float64, over bins within 80 dB of the peak, on noise."""
        samples = min(samples, max(2 * self.spec.sample_rate, 2 * self.spec.n_fft))
        return noise_parity(self.spec, samples, self.function(), partial(gammatone_reference, self.spec))
