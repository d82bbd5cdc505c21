"""mel: log-mel spectrograms by the compiled extension, from waveform to stored bytes in one pass."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.compiled import library as compiled
from audiospec.features.kernels.mel_filters import mel_filters, sparse
from audiospec.features.kernels.mel_reference import mel_parity
from audiospec.features.kernels.windows import centred_window, reason_not_plain
from audiospec.features.native.base import Kernel, kernels
from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec

#: Windows that the extension transforms, in samples: the powers of two between these.
SHORTEST, LONGEST = 64, 8192


@kernels.register
class MelKernel(Kernel):
    """Computes a `MelSpec` whose `n_fft` is a power of two, whose `power` is 1 or 2, and that is plain.

    See `reason_not_plain`.
    """

    spec_class = MelSpec
    spec: MelSpec

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__(spec)
        spec = self.spec
        filters = sparse(mel_filters(spec))
        padding = {"reflect": 1, "constant": 2}[spec.pad_mode] if spec.center else 0
        decibels, of_the_peak = spec.scale == "db", spec.ref == "max"
        library = compiled.library()
        assert library is not None  # else `reason_unsupported` says so
        self._log_mel = library.LogMel(
            window=centred_window(spec).astype(np.float32),
            starts=filters.starts,
            counts=filters.counts,
            weights=filters.weights,
            hop_length=spec.hop_length,
            power=int(spec.power),
            padding=padding,
            decibels=decibels,
            amin=spec.amin,
            reference=0.0 if of_the_peak else 10 * math.log10(max(float(spec.ref), spec.amin)),
            peak_reference=decibels and of_the_peak,
            top_db=-1.0 if spec.top_db is None or not decibels else spec.top_db,
            offset=0.0 if spec.code is None else spec.code.offset,
            scale=0.0 if spec.code is None else spec.code.scale,
            instruction_set="",  # the best of this processor
        )
        self._memory = threading.local()

    @classmethod
    def reason_missing(cls) -> str:
        """Return why this machine has no compiled extension; ``""`` if it has one."""
        return compiled.reason_missing()

    @classmethod
    def reason_unsupported(cls, spec: FeatureSpec) -> str:
        """Return why the extension cannot compute a spec; ``""`` if it can."""
        if not isinstance(spec, MelSpec):
            return f"it computes a MelSpec; got {type(spec).__name__}"
        if not SHORTEST <= spec.n_fft <= LONGEST or spec.n_fft.bit_count() != 1:
            return f"n_fft must be a power of 2 from {SHORTEST} to {LONGEST}; got {spec.n_fft}"
        if spec.power not in (1, 2):
            return f"power must be 1 or 2; got {spec.power:g}"
        return reason_not_plain(spec) or cls.reason_missing()

    def write(self, wave: NDArray[np.float32], row: NDArray[Any]) -> None:
        """Compute a log-mel spectrogram, (n_mels, frames) of the spec's dtype; see `Kernel.write`."""
        least, most = self._write(wave, row)
        if self.spec.code is not None:
            self.spec.code.require_range(least, most)

    def compute(
        self, wave: NDArray[np.float32], row: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute a log-mel spectrogram, (n_mels, frames), in float32; see `Kernel.compute`."""
        if row is None:
            row = np.empty(self.spec.row_shape(len(wave)), np.float32)
        self._write(wave, row)
        return row

    def _write(self, wave: NDArray[np.float32], row: NDArray[Any]) -> tuple[float, float]:
        """Write a row in its own dtype; return its smallest and largest value before the byte code."""
        wave = np.ascontiguousarray(wave, np.float32)
        shape = self.spec.row_shape(len(wave))
        if row.shape != shape:
            raise ValueError(f"expected a row of shape {shape}; got {row.shape}")
        extremes: tuple[float, float] = self._log_mel.write(wave, row, self._scratch(len(wave)))
        return extremes

    def _scratch(self, samples: int) -> NDArray[np.uint8]:
        """Return this thread's memory for a wave of `samples` samples."""
        size = self._log_mel.scratch_bytes(samples)
        scratch: NDArray[np.uint8] | None = getattr(self._memory, "scratch", None)
        if scratch is None or len(scratch) < size:
            scratch = self._memory.scratch = np.empty(size, np.uint8)
        return scratch

    def parity(self, samples: int) -> float:
        """Return the largest difference in dB from float64, over bins within 80 dB of the peak, on noise."""
        return mel_parity(self.spec, samples, self.compute)
