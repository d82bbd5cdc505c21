"""The families of the tabular feature while torch traces them: no loop and no step depends on the length.

`torch.export` records operations once, for chunks of any length and any number of chunks. So what `Chunks`
does block by block is done at once here, what it collects in lists of their own lengths is masked, and
complex numbers are pairs of real ones, which ONNX has.
"""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from audiospec.features.kernels.chroma import PEAK_THRESHOLD, TUNINGS, peak_bins
from audiospec.features.kernels.families import MAX_TEMPO, Chunks, tempo_lags
from audiospec.features.kernels.windows import hann_window


class TracedChunks(Chunks):
    """Chunks whose columns torch can export; the same values as those of `Chunks`, up to rounding."""

    @cached_property
    def window(self) -> Tensor:
        """Periodic Hann window (n_fft,), float64: a constant of the graph."""
        return torch.from_numpy(hann_window(self.spec.n_fft))

    @cached_property
    def pairs(self) -> Tensor:
        """Short-time Fourier transform (B, frames, bins, 2): real and imaginary parts, from float64."""
        frames = self.frames(self.waves.double()) * self.window
        return torch.view_as_real(torch.fft.rfft(frames)).to(self.waves.dtype)

    @cached_property
    def power(self) -> Tensor:
        """|X|² (B, frames, bins)."""
        return self.pairs.square().sum(-1)

    @cached_property
    def chroma_tunings(self) -> Tensor:
        """Where in a semitone most spectral peaks of each chunk are (B,); see `chroma.tunings`."""
        power = self.power
        low, high = peak_bins(self.spec)
        if low == high:
            return torch.full((power.shape[0],), TUNINGS // 2)
        least = PEAK_THRESHOLD * power.amax(-1, keepdim=True)
        centre, before, after = (power[..., low + i : high + i] for i in (0, -1, 1))
        peak = ((centre > least) & (centre > before) & (centre >= after)).flatten(1)
        curve, slope = after + before - 2 * centre, (after - before) / 2
        shift = torch.where(slope.abs() < curve.abs(), -slope / curve, 0)
        height = (centre + slope * shift / 2).flatten(1)
        bins = torch.arange(low, high, dtype=torch.float64)
        pitch = ((bins + shift.double()) * (self.spec.sample_rate / self.spec.n_fft)).to(power.dtype)
        # The median of the peaks' heights: others are sorted behind them.
        count = peak.sum(1, keepdim=True)
        ordered = torch.where(peak, height, torch.inf).sort(1).values
        middle = torch.cat([(count - 1).clamp(min=0) // 2, count // 2], dim=1)
        counted = peak & (height >= ordered.gather(1, middle).mean(1, keepdim=True))
        # The logarithm in float64, so that every runtime rounds it alike: a peak may be on a bin's edge.
        octaves = (pitch / (440 / 16)).double().log2().to(power.dtype)
        away = (self.spec.n_chroma * octaves).remainder(1).flatten(1)
        away = torch.where(away >= 0.5, away - 1, away)
        place = ((away.double() + 0.5) * TUNINGS).floor().long().clamp(0, TUNINGS - 1)
        counts = torch.zeros_like(power[:, 0, :1]).expand(-1, TUNINGS)
        counts = counts.scatter_add(1, place, counted.to(power.dtype))
        return torch.where((counts > 0).any(1), counts.argmax(1), TUNINGS // 2)

    @cached_property
    def chroma(self) -> Tensor:
        """Chroma (B, frames, n_chroma), each frame's largest value 1."""
        chroma = self.filtered(self.chroma_filters[self.chroma_tunings])
        return chroma / _unless_tiny(chroma.amax(-1, keepdim=True))

    @cached_property
    def mfccs(self) -> Tensor:
        """MFCC (B, n_mfcc, frames)."""
        bins, count = self.spec.n_mels, self.spec.n_mfcc
        turns = math.pi / bins * torch.arange(1.0, count, dtype=torch.float64)[:, None]
        turns = turns * torch.arange(0.5, bins, dtype=torch.float64)
        cosines = (math.sqrt(2 / bins) * turns.cos()).to(self.waves.dtype)
        mean = self.mel.mean(-1, keepdim=True)
        others = cosines @ (self.mel - mean).transpose(1, 2)
        return torch.cat([math.sqrt(bins) * mean.transpose(1, 2), others], dim=1)

    @cached_property
    def harmonic(self) -> Tensor:
        """Wave of the harmonic part (B, samples)."""
        size = self.spec.kernel_size
        harmonic = traced_median(self.magnitude, size)
        percussive = traced_median(self.magnitude.transpose(1, 2), size).transpose(1, 2)
        # H² / (H² + P²) without overflow; where both are 0, each part gets half.
        silent = (harmonic == 0) & (percussive == 0)
        mask = torch.where(silent, 0.5, 1 / (1 + (percussive / harmonic).square()))
        return self._wave(torch.view_as_complex((self.pairs * mask.unsqueeze(-1)).contiguous()))

    def _overlap(self, frames: Tensor) -> Tensor:
        """Overlap-add frames (B, frames, n_fft): (B, samples)."""
        hop = self.spec.hop_length
        hops = -(-self.spec.n_fft // hop)
        parts = pad(frames, (0, hops * hop - self.spec.n_fft)).reshape(*frames.shape[:2], hops, hop)
        wave = sum(pad(parts[:, :, number], (0, 0, number, hops - 1 - number)) for number in range(hops))
        assert isinstance(wave, Tensor)
        start, samples = self.spec.n_fft // 2, self.waves.shape[1]
        return wave.flatten(1)[:, start : start + samples]

    def rolloff(self) -> Tensor:
        """Lowest frequency below which `roll_percent` of the sum of |X| lies."""
        # In float64, as torch adds up on a CPU; others would be a bin off in some frames.
        cumulative = self.magnitude.double().cumsum(-1).to(self.waves.dtype)
        bins = (cumulative < self.spec.roll_percent * cumulative[..., -1:]).sum(-1)
        return self.hertz[bins.clamp(max=len(self.hertz) - 1)][:, None]

    def tempo(self) -> Tensor:
        """Return the tempo (B, 1) in beats per minute; 0 without an onset."""
        spec, onsets = self.spec, self._onsets()
        lags = tempo_lags(spec)
        fade = torch.arange(lags // 2 - 1, -1, -1, dtype=torch.float64) / (lags // 2)
        padded = pad(torch.cat([onsets, onsets[:, -1:] * fade], dim=1), (lags // 2, 0))
        correlation = self.correlation(padded, onsets.shape[1])
        tempi = 60 * spec.sample_rate / (spec.hop_length * torch.arange(lags, dtype=torch.float64))
        prior = -0.5 * (tempi.log2() - math.log2(spec.start_bpm)).square()
        prior = torch.where(tempi >= MAX_TEMPO, -torch.inf, prior)
        best = ((1e6 * correlation).log1p() + prior).argmax(-1)
        tempo = torch.where((onsets != 0).any(-1), tempi[best], 0)
        return tempo[:, None].to(self.waves.dtype)

    def correlation(self, values: Tensor, windows: int) -> Tensor:
        """Return the mean autocorrelation (B, lags) of values in the first windows, each 1 at lag 0."""
        lags = tempo_lags(self.spec)
        # Not `unfold`, for which torch would record an order of strides, which limits the length.
        places = torch.arange(windows)[:, None] + torch.arange(lags)
        parts = values[:, places] * torch.from_numpy(hann_window(lags))
        energy = _unless_tiny(parts.square().sum(-1, keepdim=True))
        size = 1 << (2 * lags - 1).bit_length()  # a power of 2, which runtimes transform fastest
        spectra = torch.view_as_real(torch.fft.rfft(pad(parts, (0, size - lags))))
        # Of a symmetric spectrum, the inverse transform is a sum of cosines.
        total = (spectra.square().sum(-1) / energy).mean(1)
        turns = torch.arange(lags, dtype=torch.float64) * torch.arange(size // 2 + 1)[:, None]
        cosines = (2 * math.pi / size * (turns % size)).cos() * (2 / size)
        cosines[0], cosines[-1] = cosines[0] / 2, cosines[-1] / 2
        return total @ cosines


def traced_median(values: Tensor, size: int) -> Tensor:
    """Return the running median along the second axis; see `median.running_median`.

    Parameters
    ----------
    values : Tensor, shape (B, n, width)
    size : int
        Odd.

    Returns
    -------
    Tensor, shape (B, n, width)
    """
    # A network of minima and maxima is faster, and takes a minute to trace: each of its steps is a node.
    count, half = values.shape[1], size // 2
    places = torch.arange(count + 2 * half) - half
    places = places.remainder(torch.ones_like(places) * (2 * count))
    places = torch.where(places < count, places, 2 * count - 1 - places)
    windows = values.index_select(1, places).unfold(1, size, 1)
    return windows.topk(half + 1, dim=-1).values[..., -1]


def _unless_tiny(values: Tensor) -> Tensor:
    """Values to divide by: 1 in place of those that are too small."""
    return torch.where(values < torch.finfo(values.dtype).tiny, 1, values)
