"""cqt: constant-Q transforms, bins at the notes of a scale, by nnAudio's wavelets at the full sample rate.

One convolution with nnAudio's wavelets, as its CQT1992v2 (Cheuk et al. 2020, IEEE Access,
doi:10.1109/ACCESS.2020.3019084; Roy et al. 2026, arXiv:2606.05394), on any device.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from audiospec.features.kernels.chunkwise import Chunkwise
from audiospec.features.kernels.decibels import decibels, noise_parity
from audiospec.features.kernels.wavelets import magnitudes, wavelets
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.cqt import CqtSpec


@features.register
class CqtFrontend(Chunkwise):
    """Computes a `CqtSpec`: waves (..., samples) → spectrograms (..., n_bins, frames)."""

    spec_class = CqtSpec
    backends = ("conv",)

    spec: CqtSpec
    wavelets: Tensor
    lengths: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        # Constants are not in a checkpoint: they are computed from the spec.
        kernels = torch.from_numpy(wavelets(self.spec)).unsqueeze(1)
        self.register_buffer("wavelets", kernels, persistent=False)
        lengths = torch.tensor(self.spec.lengths, dtype=torch.float32).unsqueeze(1)
        self.register_buffer("lengths", lengths, persistent=False)

    def together(self, waves: Tensor) -> Tensor:
        """Compute the spectrograms (B, n_bins, frames) of waves (B, samples)."""
        spec = self.spec
        half = self.wavelets.shape[2] // 2
        padded = pad(waves.unsqueeze(1), (half, half), mode=spec.pad_mode)
        # TensorFloat-32 would lose three decimal digits. Other devices, and exported graphs, have no such
        # flag.
        on_cuda = waves.device.type == "cuda" and not torch.compiler.is_compiling()
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if on_cuda else nullcontext():
            parts = conv1d(padded, self.wavelets, stride=spec.hop_length)
        real, imaginary = parts.square().chunk(2, dim=1)
        power: Tensor = (real + imaginary) * self.lengths
        if spec.scale == "linear":
            # The smallest normal number keeps the gradient of a silent bin finite.
            return power.clamp(min=torch.finfo(power.dtype).tiny).sqrt()
        ref = spec.ref if spec.ref == "max" else spec.ref**2
        return decibels(power, spec.amin**2, ref, spec.top_db)

    def parity(self, samples: int) -> float:
        """Return the largest difference in dB from float64, over bins within 80 dB of the peak, on noise."""
        samples = min(samples, max(2 * self.spec.sample_rate, 2 * self.spec.lengths[0]))
        return noise_parity(self.spec, samples, self.function(), partial(magnitudes, self.spec), factor=20)
