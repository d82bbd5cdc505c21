"""mel: log-mel spectrograms, as librosa computes them (backends native, fft, conv and fused).

Four ways to one result:

- ``native`` (default on a CPU where the extension was built, for an `n_fft` that is a power of 2 from 64 to
  8192 and a `power` of 1 or 2): compiled code, from waveform to decibels; see `features.native.mel`. On other
  devices, in float64, where a gradient is needed, and while torch compiles or exports a model, it computes
  as ``fft`` does.
- ``fft`` (default elsewhere): a real FFT. On a CPU in float32 it processes a chunk in blocks of frames that
  stay in cache; on other devices, or where a gradient is needed, all frames at once.
- ``conv``: nnAudio's transform, one convolution with windowed Fourier kernels; the reference.
- ``fused``: one Triton kernel from waveform to decibels, for CUDA devices and an `n_fft` that is a power of 2
  from 64 to 4096. In float64, where a gradient is needed, and while torch compiles or exports a model, it
  computes as ``fft`` does. It has run in Triton's interpreter only, so it is never chosen by default.

The transforms and filters are based on nnAudio (Cheuk et al. 2020, IEEE Access,
doi:10.1109/ACCESS.2020.3019084; Roy et al. 2026, arXiv:2606.05394).
"""

from __future__ import annotations

import math
import os
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from audiospec.features.base import Frontend
from audiospec.features.kernels.log_scale import finish, to_scale
from audiospec.features.kernels.mel_filters import mel_filters
from audiospec.features.kernels.mel_reference import mel_parity
from audiospec.features.kernels.transform import conditioned, nnaudio_stft
from audiospec.features.kernels.windows import (
    analysis_window,
    centred_window,
    dither,
    reason_not_fused,
    window_start,
)
from audiospec.features.native.base import NATIVE, Kernel, kernels, native_reason
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.mel import MelSpec

#: Largest number of frames in a block. Their windows and spectra, 1.2 MB each for 2048 samples, nearly fit
#: in a core's second-level cache of 2 MB; smaller blocks would pay more often for MKL's plan of a transform,
#: 35 µs a call.
BLOCK = 144
#: Mel filters in a band; a band's product skips the Fourier bins that none of its filters touches. 16 floats
#: fill a vector register.
BAND = 16


@features.register
class MelFrontend(Frontend):
    """Computes a `MelSpec`: waves (..., samples) → log-mel spectrograms (..., n_mels, frames)."""

    spec_class = MelSpec
    backends = (NATIVE, "fft", "conv", "fused")

    spec: MelSpec
    window: Tensor
    mel: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        spec = self.spec
        # Constants are not in a checkpoint: they are computed from the spec.
        window = torch.from_numpy(analysis_window(spec)).float()
        self.register_buffer("window", window, persistent=False)
        filters = torch.from_numpy(mel_filters(spec))
        self.register_buffer("mel", filters, persistent=False)
        self.stft = nnaudio_stft(spec) if self.backend == "conv" else None
        self._bands = _bands(filters)
        self.kernel: Kernel | None = kernels[spec.feature](spec) if self.backend == NATIVE else None
        self.fused: nn.Module | None = None
        if self.backend == "fused":
            self._fuse()

    @classmethod
    def reason_missing(cls, backend: str, spec: FeatureSpec, device: str | None = None) -> str:
        """Return why a backend cannot compute a spec on this machine; ``""`` if it can."""
        if backend == NATIVE:
            return native_reason(spec, device)
        if backend != "fused":
            return ""
        if isinstance(spec, MelSpec) and (reason := reason_not_fused(spec)):
            return reason
        if find_spec("triton") is None:
            return "it needs Triton, which torch for CUDA on Linux brings, and which is not installed"
        if device is not None and not device.startswith("cuda"):
            return (
                "" if os.environ.get("TRITON_INTERPRET") == "1" else f"it needs CUDA; got device {device!r}"
            )
        return ""

    def _fuse(self) -> None:
        from audiospec.features.kernels.fused import FusedMel

        # From the spec in full precision, even if this module was cast in the meantime.
        window = torch.from_numpy(centred_window(self.spec))
        fused = FusedMel(self.spec, window, torch.from_numpy(mel_filters(self.spec)))
        self.fused = fused.to(self.mel.device)

    def compute(self, waves: Tensor) -> Tensor:
        """Compute the log-mel spectrograms (B, n_mels, frames) of waves (B, samples)."""
        self.require_full_precision(self.mel.dtype)
        if self.fused is not None:
            from audiospec.features.kernels.fused import require_device

            require_device(waves)
        waves = waves.to(self.mel.dtype)
        tracked = torch.is_grad_enabled() and waves.requires_grad
        plain = waves.dtype == torch.float32 and not tracked and not torch.compiler.is_compiling()
        if self.fused is not None and plain:
            return finish(self.spec, self.fused(waves))
        if self.kernel is not None and waves.device.type == "cpu" and plain:
            return self._by_kernel(self.kernel, waves)
        if self.spec.dither:
            noise = torch.from_numpy(dither(self.spec, waves.shape[1]))
            waves = waves + noise.to(waves.device, waves.dtype)
        if self.stft is not None:
            rows = self._by_convolution(waves)
        elif waves.device.type == "cpu" and plain:
            rows = self._by_blocks(waves)
        else:
            rows = self._all_at_once(waves)
        return to_scale(self.spec, rows)

    def _by_kernel(self, kernel: Kernel, waves: Tensor) -> Tensor:
        """Spectrograms by compiled code: float32 on a CPU, without a gradient."""
        waves = waves.detach()
        rows = waves.new_empty(len(waves), *self.spec.row_shape(waves.shape[1]))
        for wave, row in zip(waves.numpy(), rows.numpy(), strict=True):
            kernel.compute(wave, row)
        return rows

    def _by_convolution(self, waves: Tensor) -> Tensor:
        """Mel spectra by nnAudio's convolution."""
        assert self.stft is not None
        # TensorFloat-32 would lose three decimal digits.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            parts = self.stft(waves.unsqueeze(1), output_format="Complex")  # (B, bins, frames, 2)
        parts = parts[:, :, : self.spec.row_shape(waves.shape[1])[1]]
        return self.mel @ self._magnitude(parts.square().sum(-1))

    def _all_at_once(self, waves: Tensor) -> Tensor:
        """Mel spectra by one FFT of all frames: on any device, in any floating dtype, differentiable."""
        spec, total = self.spec, self.spec.row_shape(waves.shape[1])[1]
        if spec.center:
            half = spec.n_fft // 2
            waves = pad(waves.unsqueeze(1), (half, half), mode=spec.pad_mode).squeeze(1)
        frames = waves[:, window_start(spec) :].unfold(1, spec.window_samples, spec.hop_length)[:, :total]
        frames = conditioned(spec, frames) * self.window
        parts = torch.view_as_real(torch.fft.rfft(frames, spec.n_fft))  # (B, frames, bins, 2)
        return self.mel @ self._magnitude(parts.square().sum(-1)).transpose(1, 2)

    def _by_blocks(self, waves: Tensor) -> Tensor:
        """Mel spectra by FFTs of up to `BLOCK` frames at a time: float32 on a CPU, without a gradient.

        Each step was chosen by measurement. `rfft` into a new tensor is faster than ``out=`` (which copies).
        Squaring real and imaginary parts, then summing them inside the mel product (where each filter's
        weight occurs twice), is faster than any way of adding the two squares first. The squares overwrite
        the windowed frames, because that memory is in the cache. Making a view costs as much as a small
        product, so all blocks have one size and share their views; the last block overlaps the one before.
        """
        spec = self.spec
        half = spec.n_fft // 2 if spec.center else 0
        rows = waves.new_empty(len(waves), *spec.row_shape(waves.shape[1]))
        padded = waves.new_empty(waves.shape[1] + 2 * half)
        padded[:half] = padded[half + waves.shape[1] :] = 0
        frames = padded[window_start(spec) :].unfold(0, spec.window_samples, spec.hop_length)
        total = rows.shape[2]
        count = math.ceil(total / math.ceil(total / BLOCK))
        low = min(band[0] for band in self._bands)
        width = max(band[0] + band[1] for band in self._bands) - low
        memory = waves.new_empty(count * (spec.n_fft + 2))
        windowed = memory[: count * spec.window_samples].view(count, spec.window_samples)
        squares = memory[: count * width].view(count, width)
        mel = waves.new_empty(count, spec.n_mels)
        products = [
            (squares.narrow(1, first - low, columns), weights, mel[:, filters])
            for first, columns, filters, weights in self._bands
        ]
        for row, wave in zip(rows, waves, strict=True):
            padded[half : half + len(wave)] = wave
            if half and spec.pad_mode == "reflect":
                padded[:half] = wave[1 : half + 1].flip(0)
                padded[half + len(wave) :] = wave[-half - 1 : -1].flip(0)
            for begin in range(0, total, count):
                first = min(begin, total - count)
                torch.mul(conditioned(spec, frames.narrow(0, first, count)), self.window, out=windowed)
                parts = torch.view_as_real(torch.fft.rfft(windowed, spec.n_fft)).flatten(1)
                torch.square(parts.narrow(1, low, width), out=squares)
                if spec.power != 2:
                    pairs = squares.view(count, -1, 2)
                    pairs[:] = self._magnitude(pairs.sum(-1, keepdim=True)) / 2
                for source, weights, target in products:
                    torch.mm(source, weights, out=target)
                row.narrow(1, first, count).copy_(mel.T)
        return rows

    def _magnitude(self, power: Tensor) -> Tensor:
        """|X|^spec.power, from |X|²."""
        if self.spec.power == 2:
            return power
        # The smallest normal number keeps the gradient of a silent bin finite.
        return power.clamp(min=torch.finfo(power.dtype).tiny).pow(self.spec.power / 2)

    def parity(self, samples: int) -> float:
        """Return the largest difference in dB from float64, over bins within 80 dB of the peak, on noise."""

        def compute(wave: NDArray[np.float32]) -> NDArray[Any]:
            row: NDArray[Any] = self(torch.from_numpy(wave).to(self.mel.device)).cpu().numpy()
            return row

        return mel_parity(self.spec, samples, compute)

    def extra_repr(self) -> str:
        """Return the spec and the backend, for the module's `repr`."""
        return f"{self.spec}, backend={self.backend!r}"


def _bands(filters: Tensor) -> list[tuple[int, int, slice, Tensor]]:
    """Cut mel filters (n_mels, bins) into bands of `BAND` filters.

    Returns for each band: its first column and number of columns among interleaved real and imaginary parts,
    its filters, and its weights (columns, filters), each repeated for both parts.
    """
    bands = []
    for first in range(0, len(filters), BAND):
        band = filters[first : first + BAND]
        used = band.any(0).nonzero().flatten()
        if not len(used):  # filters without a Fourier bin
            used = torch.zeros(1, dtype=torch.long)
        low, high = int(used[0]), int(used[-1]) + 1
        weights = band[:, low:high].T.repeat_interleave(2, dim=0).contiguous()
        bands.append((2 * low, 2 * (high - low), slice(first, first + len(band)), weights))
    return bands
