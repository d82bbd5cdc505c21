"""tabular: one number per column, such as the 57 of GTZAN's tables, as librosa computes them (native, fft).

Every family is written as librosa's documentation defines it, over arrays of shape (chunk, …), so that a
GPU computes a whole batch at once; a CPU computes chunks one by one, which is faster there and makes a row
depend only on its own chunk. All families share one Fourier transform.

Backend ``native`` is the default on a CPU where the extension was built, for an `n_fft` that is a power of 2
from 64 to 8192. Compiled code then computes the transforms, the running medians, and what needs one frame
alone. On other devices and in float64 it computes as ``fft`` does. While torch exports a model, both compute
as `TracedChunks` does, for chunks of any length.

Sources: McFee et al., *librosa: Audio and Music Signal Analysis in Python* (SciPy 2015; version 0.11);
harmonic-percussive separation: Fitzgerald (DAFx 2010); tempo: Ellis (J. New Music Research 36(1), 2007);
spectral contrast: Jiang et al. (ICME 2002); tonnetz: Harte, Sandler and Gasser (ACM MM workshop 2006).
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from torch import Tensor

from audiospec.features.base import Frontend, one_thread
from audiospec.features.kernels.chroma import chroma_filters
from audiospec.features.kernels.compiled_families import Analyser, CompiledChunks, reason_unsupported
from audiospec.features.kernels.families import Chunks
from audiospec.features.kernels.mel_filters import mel_filters
from audiospec.features.kernels.traced_families import TracedChunks
from audiospec.features.native.base import NATIVE
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.tabular import FAMILIES, TabularSpec

#: Largest number of Fourier bins computed at once on a device other than a CPU.
DEVICE_BINS = 1 << 26


@features.register
class TabularFrontend(Frontend):
    """Computes a `TabularSpec`: waves (..., samples) → columns (..., columns).

    It is not differentiable. Cases that librosa does not define have these values: a chunk without an onset
    has tempo 0; one with fewer frames than `delta_width` has deltas of 0; silent frames have centroid,
    bandwidth, rolloff, chroma and tonnetz of 0 and flatness of 1.
    """

    spec_class = TabularSpec
    backends = (NATIVE, "fft")
    keeps_half = False  # variances exceed the range of half precision

    spec: TabularSpec
    mel: Tensor
    chroma: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        spec = self.spec
        # Constants are not in a checkpoint: they are computed from the spec.
        needs_mel = {"mfcc", "mfcc_delta", "mfcc_delta2", "tempo"}.intersection(spec.families)
        if needs_mel:
            mel = torch.from_numpy(mel_filters(spec.mel_spec()))
        else:
            mel = torch.zeros(0, spec.n_fft // 2 + 1)
        self.register_buffer("mel", mel, persistent=False)
        needs_chroma = {"chroma_stft", "tonnetz"}.intersection(spec.families)
        chroma = chroma_filters(spec) if needs_chroma else torch.zeros(0, spec.n_chroma, spec.n_fft // 2 + 1)
        self.register_buffer("chroma", chroma, persistent=False)
        self.analyser = Analyser(spec) if self.backend == NATIVE else None

    @classmethod
    def reason_missing(cls, backend: str, spec: FeatureSpec, device: str | None = None) -> str:
        """Return why a backend cannot compute a spec on this machine; ``""`` if it can."""
        if backend != NATIVE or not isinstance(spec, TabularSpec):
            return ""
        if device is not None and device.partition(":")[0] != "cpu":
            return f"it computes on a CPU; got device {device!r}"
        return reason_unsupported(spec)

    def compute(self, waves: Tensor) -> Tensor:
        """Compute the columns (B, columns) of waves (B, samples)."""
        self.require_full_precision(self.mel.dtype)
        if torch.compiler.is_compiling():
            return self.together(waves.to(self.mel.dtype))
        bins = (1 + waves.shape[1] // self.spec.hop_length) * self.mel.shape[1]
        on_cpu = waves.device.type == "cpu"
        step = 1 if on_cpu else max(1, DEVICE_BINS // bins)
        rows = waves.new_empty(len(waves), len(self.spec.columns), dtype=self.mel.dtype)
        # The rounding of matrix products depends on the number of threads.
        with torch.no_grad(), one_thread() if on_cpu else nullcontext():
            for first in range(0, len(waves), step):
                part = slice(first, first + step)
                rows[part] = self.together(waves[part].to(self.mel.dtype))
        return rows

    def together(self, waves: Tensor) -> Tensor:
        """Compute the columns (B, columns) of waves (B, samples) all at once, as on a GPU."""
        chunks = self.chunks(waves)
        return torch.cat([chunks.columns(family) for family in self.spec.families], dim=1)

    def chunks(self, waves: Tensor) -> Chunks:
        """Return what families of columns are computed from, by the backend: the one place that chooses.

        Parameters
        ----------
        waves : Tensor, shape (B, samples), of the module's precision
        """
        if torch.compiler.is_compiling():
            return TracedChunks(self.spec, waves, self.mel, self.chroma)
        plain = waves.dtype == torch.float32 and waves.device.type == "cpu"
        if self.analyser is not None and plain and len(waves) == 1:
            return CompiledChunks(self.analyser, waves, self.chroma)
        return Chunks(self.spec, waves, self.mel, self.chroma)

    def harmonic(self, waves: Tensor) -> Tensor:
        """Return the harmonic part of waves, from which the harmony columns are computed.

        The percussive part is the rest of the wave.

        Parameters
        ----------
        waves : Tensor, shape (B, samples)

        Returns
        -------
        Tensor, shape (B, samples)
        """
        return torch.cat([self.chunks(wave[None]).harmonic for wave in waves])

    def parity(self, samples: int) -> float:
        """Return the largest relative difference from float64 (see `deviation`), on notes with a beat."""
        spec = self.spec
        samples = min(samples, max(4 * spec.sample_rate, 2 * spec.n_fft))
        time = torch.arange(samples, dtype=torch.float64) / spec.sample_rate
        noise = torch.randn(samples, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 50
        beat = torch.exp(-20 * time.remainder(0.5))
        wave = noise + beat * sum(torch.sin(2 * math.pi * hertz * time) / 8 for hertz in (262, 330, 392))
        exact = TabularFrontend(spec, backend="fft").double()(wave)
        columns = self(wave.float().to(self.mel.device)).cpu().double()
        return float(deviation(spec, columns, exact).max())

    def extra_repr(self) -> str:
        """Return the spec and the backend, for the module's `repr`."""
        return f"{self.spec}, backend={self.backend!r}"


def deviation(spec: TabularSpec, computed: Tensor, exact: Tensor) -> Tensor:
    """Return how far columns are from the exact ones, each on its own scale.

    Parameters
    ----------
    computed, exact : Tensor, shape (..., columns), float64

    Returns
    -------
    Tensor, shape (..., columns)
        |computed - exact| / scale. The scale is |exact|, with lower limits: a mean's is a thousandth of its
        values' standard deviation (the mean of a wave's samples is always below that); in dB, 0.01 dB for a
        mean and 1e-6 dB² for a variance; in columns without a unit, 1e-6 and 1e-9.
    """
    scale = exact.abs()
    place = 0
    for family in spec.families:
        unit = FAMILIES[family].unit
        least = {"": (1e-6, 1e-9), "dB": (1e-2, 1e-6)}.get(unit.partition("/")[0], (1e-30, 1e-30))
        for column in spec.columns_of(family):
            if column.endswith("_mean"):
                scale[..., place] = scale[..., place].maximum(1e-3 * exact[..., place + 1].abs().sqrt())
            scale[..., place].clamp_(min=least[column.endswith("_var")])
            place += 1
    return (computed - exact).abs() / scale
