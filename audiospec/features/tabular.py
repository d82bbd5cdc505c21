"""tabular: one number a column, such as the 57 of GTZAN's tables, as librosa computes them (backend fft).

Every family is written as librosa's documentation defines it, over arrays of shape (chunk, …), so that a
whole batch goes through on a GPU; on a CPU chunks go one by one, which is faster there and makes a row
depend on nothing but its own chunk. One Fourier transform serves all families.

Sources: McFee et al., *librosa: Audio and Music Signal Analysis in Python* (SciPy 2015; version 0.11);
harmonic-percussive separation: Fitzgerald (DAFx 2010); tempo: Ellis (J. New Music Research 36(1), 2007);
spectral contrast: Jiang et al. (ICME 2002); tonnetz: Harte, Sandler and Gasser (ACM MM workshop 2006).
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from torch import Tensor

from audiospec.errors import SpecError
from audiospec.features.base import Frontend, one_thread
from audiospec.features.kernels.chroma import chroma_filters
from audiospec.features.kernels.families import Chunks
from audiospec.features.mel import mel_filters
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.tabular import FAMILIES, TabularSpec

#: Fourier bins that go through a device that is not a CPU together, at most.
DEVICE_BINS = 1 << 26


@features.register
class TabularFrontend(Frontend):
    """Computes a `TabularSpec`: waves (..., samples) → columns (..., columns).

    It is not differentiable. What librosa leaves open has these values: a chunk without an onset has tempo
    0; one with fewer frames than `delta_width` has deltas of 0; silent frames have centroid, bandwidth,
    rolloff, chroma and tonnetz of 0 and flatness of 1.
    """

    spec_class = TabularSpec
    backends = ("fft",)
    keeps_half = False  # variances exceed it

    spec: TabularSpec
    mel: Tensor
    chroma: Tensor

    def __init__(self, spec: FeatureSpec, *, backend: str | None = None) -> None:
        super().__init__(spec, backend=backend)
        spec = self.spec
        # Constants are no part of a checkpoint: the spec gives them again.
        heard = {"mfcc", "mfcc_delta", "mfcc_delta2", "tempo"}.intersection(spec.families)
        mel = mel_filters(spec.mel_spec()) if heard else torch.zeros(0, spec.n_fft // 2 + 1)
        self.register_buffer("mel", mel, persistent=False)
        pitched = {"chroma_stft", "tonnetz"}.intersection(spec.families)
        chroma = chroma_filters(spec) if pitched else torch.zeros(0, spec.n_chroma, spec.n_fft // 2 + 1)
        self.register_buffer("chroma", chroma, persistent=False)

    def compute(self, waves: Tensor) -> Tensor:
        """Columns (B, columns) of waves (B, samples)."""
        if self.mel.dtype not in (torch.float32, torch.float64):
            raise SpecError(
                "a tabular frontend computes in float32 or float64; this one was cast to "
                f"{self.mel.dtype}: leave it out of the cast (waves may be of any floating type)"
            )
        bins = (1 + waves.shape[1] // self.spec.hop_length) * self.mel.shape[1]
        on_cpu = waves.device.type == "cpu"
        step = 1 if on_cpu else max(1, DEVICE_BINS // bins)
        rows = waves.new_empty(len(waves), len(self.spec.columns), dtype=self.mel.dtype)
        # Matrix products round otherwise on another number of threads.
        with torch.no_grad(), one_thread() if on_cpu else nullcontext():
            for first in range(0, len(waves), step):
                part = slice(first, first + step)
                rows[part] = self.together(waves[part].to(self.mel.dtype))
        return rows

    def together(self, waves: Tensor) -> Tensor:
        """Columns (B, columns) of waves (B, samples) in one piece, as on a GPU."""
        chunks = Chunks(self.spec, waves, self.mel, self.chroma)
        return torch.cat([chunks.columns(family) for family in self.spec.families], dim=1)

    def harmonic(self, waves: Tensor) -> Tensor:
        """Harmonic part of waves: what harmony's columns are of; the percussive part is the rest.

        Parameters
        ----------
        waves : Tensor, shape (B, samples)

        Returns
        -------
        Tensor, shape (B, samples)
        """
        return Chunks(self.spec, waves, self.mel, self.chroma).harmonic

    def parity(self, samples: int) -> float:
        """Largest relative difference from float64 (see `deviation`), on notes with a beat in noise."""
        spec = self.spec
        samples = min(samples, max(4 * spec.sample_rate, 2 * spec.n_fft))
        time = torch.arange(samples, dtype=torch.float64) / spec.sample_rate
        noise = torch.randn(samples, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 50
        beat = torch.exp(-20 * time.remainder(0.5))
        wave = noise + beat * sum(torch.sin(2 * math.pi * hertz * time) / 8 for hertz in (262, 330, 392))
        exact = TabularFrontend(spec).double()(wave)
        found = self(wave.float().to(self.mel.device)).cpu().double()
        return float(deviation(spec, found, exact).max())

    def extra_repr(self) -> str:
        """What stands between the brackets of the module's text."""
        return f"{self.spec}, backend={self.backend!r}"


def deviation(spec: TabularSpec, found: Tensor, exact: Tensor) -> Tensor:
    """How far columns are from the exact ones, each by its own measure.

    Parameters
    ----------
    found, exact : Tensor, shape (..., columns), float64

    Returns
    -------
    Tensor, shape (..., columns)
        |found - exact| / |exact|. Where a mean is less than a thousandth of its values' standard deviation
        (that of a wave's samples always is), against that thousandth. Against no less than 0.01 dB, and a
        variance of 1e-6 dB²; in columns without a unit against no less than 1e-6, and 1e-9.
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
    return (found - exact).abs() / scale
