"""The families of the tabular feature: the values computed from a batch of chunks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from audiospec.features.kernels.chroma import PEAK_THRESHOLD, peak_bins, tunings
from audiospec.features.kernels.median import running_median
from audiospec.specs.tabular import TabularSpec

#: Number of frames transformed at once: 128 windows of 2048 samples in float64 are 2 MiB.
FRAMES = 128
#: Smallest power that is not clipped, and the range in dB below a chunk's peak (librosa's defaults).
AMIN, TOP_DB = 1e-10, 80.0
#: Seconds over which the onset strength is autocorrelated; the fastest tempo in beats per minute.
TEMPO_SECONDS, MAX_TEMPO = 8.0, 320.0
#: Smallest amplitude at which a sample counts as negative in zero crossings.
ZERO = 1e-10
#: Lowest edge of the spectral contrast's octaves in Hz; share of a band's bins in its peak and in its valley.
CONTRAST_FMIN, CONTRAST_QUANTILE = 200.0, 0.02


class Chunks:
    """Chunks of equal length and the quantities that families share, computed on first use.

    Parameters
    ----------
    spec : TabularSpec
    waves : Tensor, shape (B, samples)
    mel_filters : Tensor, shape (n_mels, bins)
    chroma_filters : Tensor, shape (tunings, n_chroma, bins)

    A family's method returns its values, shape (B, parts, n); their mean and variance over n are its columns.
    """

    def __init__(self, spec: TabularSpec, waves: Tensor, mel_filters: Tensor, chroma_filters: Tensor) -> None:
        self.spec = spec
        self.waves = waves
        self.mel_filters = mel_filters
        self.chroma_filters = chroma_filters
        self.exact: dict[str, Any] = {"dtype": torch.float64, "device": waves.device}

    def columns(self, family: str) -> Tensor:
        """Return a family's columns (B, columns)."""
        if family == "tempo":
            return self.tempo()
        method: Callable[[], Tensor] = getattr(self, family)
        return self.moments(method())

    def moments(self, values: Tensor) -> Tensor:
        """Mean and variance of values (B, parts, n): (B, 2 · parts), each part's mean before its variance."""
        mean = values.mean(-1, dtype=torch.float64)
        # Two passes: the mean's rounding error is far below the last digit of a value.
        away = values - mean[..., None].to(values.dtype)
        variance = away.square_().mean(-1, dtype=torch.float64)
        return torch.stack([mean, variance], dim=-1).flatten(1).to(values.dtype)

    # --- shared by families --------------------------------------------------------------------------

    def frames(self, waves: Tensor) -> Tensor:
        """Return centred frames of waves (B, samples): (B, frames, n_fft), a view of the padded waves."""
        half = self.spec.n_fft // 2
        padded = pad(waves, (half, half), mode=self.spec.pad_mode)
        return padded.unfold(1, self.spec.n_fft, self.spec.hop_length)

    @cached_property
    def window(self) -> Tensor:
        """Periodic Hann window (n_fft,), float64."""
        return torch.hann_window(self.spec.n_fft, periodic=True, **self.exact)

    @cached_property
    def spectrum(self) -> Tensor:
        """Short-time Fourier transform X (B, frames, bins), complex.

        Computed in float64, as librosa does: in float32 the weakest bins of a pure tone would be noise.
        """
        frames = self.frames(self.waves.double())
        kind = self.waves.dtype.to_complex()
        spectrum = frames.new_empty(*frames.shape[:2], len(self.hertz), dtype=kind)
        for first in range(0, frames.shape[1], FRAMES):
            part = slice(first, first + FRAMES)
            spectrum[:, part] = torch.fft.rfft(frames[:, part] * self.window)
        return spectrum

    @cached_property
    def power(self) -> Tensor:
        """|X|² (B, frames, bins)."""
        return _power(self.spectrum)

    @cached_property
    def magnitude(self) -> Tensor:
        """|X| (B, frames, bins)."""
        return self.power.sqrt()

    @cached_property
    def total(self) -> Tensor:
        """Σ |X| of each frame (B, frames); 1 where it is silent."""
        return _unless_tiny(self.magnitude.sum(-1))

    @cached_property
    def hertz(self) -> Tensor:
        """Frequency of each bin (bins,)."""
        spec = self.spec
        bins = torch.arange(spec.n_fft // 2 + 1, dtype=torch.float64, device=self.waves.device)
        return (bins * spec.sample_rate / spec.n_fft).to(self.waves.dtype)

    @cached_property
    def centroids(self) -> Tensor:
        """Spectral centroid of each frame (B, frames) in Hz."""
        return (self.magnitude * self.hertz).sum(-1) / self.total

    @cached_property
    def mel(self) -> Tensor:
        """Decibels of the mel bins (B, frames, n_mels)."""
        return _limited(self.mel_decibels())

    def mel_decibels(self) -> Tensor:
        """Decibels of the mel bins (B, frames, n_mels), however weak."""
        return _decibels(self.power @ self.mel_filters.T)

    @cached_property
    def chroma(self) -> Tensor:
        """Chroma (B, frames, n_chroma), each frame's largest value 1."""
        chroma = self.filtered(self.chroma_filters[tunings(self.spec, len(self.waves), *self.peaks())])
        return chroma / _unless_tiny(chroma.amax(-1, keepdim=True))

    def filtered(self, filters: Tensor) -> Tensor:
        """Products (B, frames, n) of |X|² with each chunk's filters (B, n, bins)."""
        return self.power @ filters.transpose(1, 2)

    def peaks(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the spectral peaks: the number of the chunk, the height and the pitch in Hz of each."""
        power = self.power
        low, high = peak_bins(self.spec)
        least = PEAK_THRESHOLD * power.amax(-1, keepdim=True)
        centre, before, after = (power[..., low + i : high + i] for i in (0, -1, 1))
        # A plateau's first bin is its peak. Neighbours below `least` are kept: peaks are higher.
        peak = (centre > least) & (centre > before) & (centre >= after)
        row, frame, bin = peak.nonzero(as_tuple=True)
        centre, before, after = (power[row, frame, bin + low + i] for i in (0, -1, 1))
        # The vertex of the parabola through a peak and its neighbours, if it is between them.
        curve, slope = after + before - 2 * centre, (after - before) / 2
        shift = torch.where(slope.abs() < curve.abs(), -slope / curve, 0)
        height = centre + slope * shift / 2
        spacing = self.spec.sample_rate / self.spec.n_fft
        return row, height, ((bin + low + shift.double()) * spacing).to(power.dtype)

    @cached_property
    def mfccs(self) -> Tensor:
        """MFCC (B, n_mfcc, frames)."""
        bins, count = self.spec.n_mels, self.spec.n_mfcc
        places = torch.arange(0.5, bins, **self.exact)
        turns = math.pi / bins * torch.arange(count, **self.exact)[:, None] * places
        cosines = (math.sqrt(2 / bins) * turns.cos()).to(self.waves.dtype)
        # The cosines add up to 0, so the mean can be subtracted first: a flat spectrum then gives exactly 0.
        # The mean itself is the first MFCC.
        mean = self.mel.mean(-1, keepdim=True)
        mfccs = cosines @ (self.mel - mean).transpose(1, 2)
        mfccs[:, :1] = math.sqrt(bins) * mean.transpose(1, 2)
        return mfccs

    @cached_property
    def harmonic(self) -> Tensor:
        """Wave of the harmonic part (B, samples).

        The harmonic and percussive waves add up to the wave, because their masks add up to 1.
        """
        size = self.spec.kernel_size
        harmonic = running_median(self.magnitude, size)
        percussive = running_median(self.magnitude.transpose(1, 2).contiguous(), size).transpose(1, 2)
        # 1 / (1 + (P/H)²) is H² / (H² + P²) without overflow; where both are 0, each part gets half.
        ratio = torch.div(percussive, harmonic, out=harmonic)  # keeps the memory layout of the spectrum
        mask = ratio.square_().add_(1).reciprocal_().nan_to_num_(nan=0.5)
        parts = torch.view_as_real(self.spectrum) * mask.unsqueeze(-1)
        return self._wave(torch.view_as_complex(parts))

    def _wave(self, spectrum: Tensor) -> Tensor:
        """Wave (B, samples) whose short-time Fourier transform is closest to `spectrum`.

        D. Griffin and J. Lim, *Signal estimation from modified short-time Fourier transform*, 1984.
        """
        window, size = self.window.to(self.waves.dtype), self.spec.n_fft
        frames = torch.fft.irfft(spectrum, n=size).mul_(window)
        wave = self._overlap(frames)
        weight = self._overlap(window.square().expand(1, *frames.shape[1:]))
        return wave.div_(torch.where(weight > torch.finfo(weight.dtype).tiny, weight, 1))

    def _overlap(self, frames: Tensor) -> Tensor:
        """Overlap-add frames (B, frames, n_fft): (B, samples)."""
        spec, count = self.spec, frames.shape[1]
        hops = -(-spec.n_fft // spec.hop_length)
        wave = frames.new_zeros(len(frames), count + hops - 1, spec.hop_length)
        for number in range(hops):
            part = frames[..., number * spec.hop_length : (number + 1) * spec.hop_length]
            wave[:, number : number + count, : part.shape[-1]] += part
        start, samples = spec.n_fft // 2, self.waves.shape[1]
        return wave.flatten(1)[:, start : start + samples]

    # --- families: values (B, parts, n) --------------------------------------------------------------

    def chroma_stft(self) -> Tensor:
        """Chroma of all pitch classes and frames, as one part."""
        return self.chroma.flatten(1)[:, None]

    def rms(self) -> Tensor:
        """Root of the mean square of each frame."""
        return self.frames(self.waves.square()).mean(-1).sqrt()[:, None]

    def spectral_centroid(self) -> Tensor:
        """Centre of gravity of |X|."""
        return self.centroids[:, None]

    def spectral_bandwidth(self) -> Tensor:
        """Standard deviation of the frequency, weighted by |X|."""
        away = (self.hertz - self.centroids[..., None]).square_()
        return (away.mul_(self.magnitude).sum(-1) / self.total).sqrt_()[:, None]

    def rolloff(self) -> Tensor:
        """Lowest frequency below which `roll_percent` of the sum of |X| lies."""
        cumulative = self.magnitude.cumsum(-1)
        bins = torch.searchsorted(cumulative, self.spec.roll_percent * cumulative[..., -1:])
        return self.hertz[bins.squeeze(-1)][:, None]

    def zero_crossing_rate(self) -> Tensor:
        """Share of samples in each frame whose sign differs from the sample before."""
        half, size = self.spec.n_fft // 2, self.spec.n_fft
        negative = self.waves < -ZERO
        crossings = (negative[:, 1:] != negative[:, :-1]).to(self.waves.dtype)
        # A frame's first sample has no sample before it. Beyond its ends the wave is constant: no crossings.
        crossings = pad(crossings, (half, half))
        return (crossings.unfold(1, size - 1, self.spec.hop_length).sum(-1) / size)[:, None]

    def harmony(self) -> Tensor:
        """Samples of the harmonic part."""
        return self.harmonic[:, None]

    def perceptr(self) -> Tensor:
        """Samples of the percussive part."""
        return (self.waves - self.harmonic)[:, None]

    def mfcc(self) -> Tensor:
        """MFCC of each frame."""
        return self.mfccs

    def mfcc_delta(self) -> Tensor:
        """Slope of each MFCC."""
        return self._derivative(1)

    def mfcc_delta2(self) -> Tensor:
        """Second derivative of each MFCC."""
        return self._derivative(2)

    def spectral_contrast(self) -> Tensor:
        """Peaks relative to valleys in dB, band by band."""
        peaks, valleys = self.extremes()
        return _limited(_decibels(peaks)) - _limited(_decibels(valleys))

    def extremes(self) -> tuple[Tensor, Tensor]:
        """Return the peaks and the valleys of the spectral contrast's bands, each (B, bands, frames)."""
        peaks, valleys = [], []
        for first, end, count in contrast_bands(self.spec):
            band = self.magnitude[..., first:end]
            peaks.append(band.topk(count, dim=-1).values.mean(-1))
            valleys.append(band.topk(count, dim=-1, largest=False).values.mean(-1))
        return torch.stack(peaks, 1), torch.stack(valleys, 1)

    def spectral_flatness(self) -> Tensor:
        """Geometric mean of |X|² divided by its arithmetic mean."""
        power = self.power.clamp(min=AMIN)
        return (power.log().mean(-1).exp() / power.mean(-1))[:, None]

    def tonnetz(self) -> Tensor:
        """Tonal centroid of each frame."""
        chroma = self.chroma / _unless_tiny(self.chroma.sum(-1, keepdim=True))
        pitches = torch.arange(self.spec.n_chroma, **self.exact) * (12 / self.spec.n_chroma)
        turns = torch.tensor([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], **self.exact)[:, None] * pitches
        turns[::2] -= 0.5
        radii = torch.tensor([1, 1, 1, 1, 0.5, 0.5], **self.exact)[:, None]
        return (radii * torch.cos(math.pi * turns)).to(chroma.dtype) @ chroma.transpose(1, 2)

    def tempo(self) -> Tensor:
        """Return the tempo (B, 1) in beats per minute; 0 without an onset."""
        spec, onsets = self.spec, self._onsets()
        lags = tempo_lags(spec)
        # Windows are centred. Before the start is silence; after the end the last value fades out.
        fade = torch.arange(lags // 2 - 1, -1, -1, **self.exact) / (lags // 2)
        padded = pad(torch.cat([onsets, onsets[:, -1:] * fade], dim=1), (lags // 2, 0))
        correlation = self.correlation(padded, onsets.shape[1])
        tempi = 60 * spec.sample_rate / (spec.hop_length * torch.arange(lags, **self.exact))
        prior = -0.5 * (tempi.log2() - math.log2(spec.start_bpm)).square()
        prior[tempi >= MAX_TEMPO] = -torch.inf
        best = ((1e6 * correlation).log1p() + prior).argmax(-1)
        tempo = torch.where(onsets.any(-1), tempi[best], 0)
        return tempo[:, None].to(self.waves.dtype)

    def correlation(self, values: Tensor, windows: int) -> Tensor:
        """Return the mean autocorrelation (B, lags) of values in the first windows, each 1 at lag 0.

        Parameters
        ----------
        values : Tensor, shape (B, n), float64
        windows : int
            Windows of `tempo_lags` values, each one value later than the one before.
        """
        lags = tempo_lags(self.spec)
        parts = values.unfold(1, lags, 1)[:, :windows]
        hann = torch.hann_window(lags, periodic=True, **self.exact)
        # The autocorrelation is the inverse Fourier transform of |Fourier transform|². It is linear, so one
        # inverse of the windows' mean suffices; each window is first divided by its value at lag 0.
        size = 2 * lags
        total = torch.zeros(len(values), lags + 1, **self.exact)
        for first in range(0, windows, FRAMES):
            block = parts[:, first : first + FRAMES] * hann
            energy = _unless_tiny(block.square().sum(-1, keepdim=True))
            total += (_power(torch.fft.rfft(block, n=size)) / energy).sum(1)
        correlation: Tensor = torch.fft.irfft(total / windows, n=size)[:, :lags]
        return correlation

    def _onsets(self) -> Tensor:
        """Onset strength (B, frames): the `rises` at the frames that they are centred on."""
        shift = 1 + self.spec.n_fft // (2 * self.spec.hop_length)
        return pad(self.rises(), (shift, 0))[:, : self.mel.shape[1]]

    def rises(self) -> Tensor:
        """Return the median rise (B, frames - 1) of the mel bins' decibels from one frame to the next."""
        bins = self.spec.n_mels
        rise: Tensor = self.mel.diff(dim=1).clamp_(min=0).topk(bins // 2 + 1, dim=-1).values
        middle: Tensor = rise[..., [(bins - 1) // 2, bins // 2]].mean(-1)
        return middle

    def _derivative(self, order: int) -> Tensor:
        """First or second derivative of the MFCC by least squares (Savitzky and Golay, 1964)."""
        width = self.spec.delta_width
        if self.mfccs.shape[-1] < width:
            return torch.zeros_like(self.mfccs)
        half = width // 2
        places = torch.arange(-half, half + 1, dtype=self.mfccs.dtype, device=self.mfccs.device)
        if order == 2:
            places = places.square() - places.square().mean()
        weights = places * (order / places.square().sum())
        windows = self.mfccs.unfold(-1, width, 1)
        # The weights add up to 0, so the middle value can be subtracted: a constant then gives exactly 0.
        inner = (windows - windows[..., half : half + 1]) @ weights
        # The first and the last fit extend to the ends.
        ends = [inner[..., :1].expand(-1, -1, half), inner[..., -1:].expand(-1, -1, half)]
        return torch.cat([ends[0], inner, ends[1]], dim=-1)


def _power(spectrum: Tensor) -> Tensor:
    """|X|² of a complex tensor."""
    real, imaginary = spectrum.real, spectrum.imag
    return torch.addcmul(real.square(), imaginary, imaginary)


def _unless_tiny(values: Tensor) -> Tensor:
    """Values to divide by: 1 in place of those that are too small."""
    return torch.where(values < torch.finfo(values.dtype).tiny, 1, values)


def _decibels(power: Tensor) -> Tensor:
    """Decibels of power."""
    return power.clamp(min=AMIN).log10().mul_(10)


def _limited(decibels: Tensor) -> Tensor:
    """Decibels (B, …), none more than `TOP_DB` below its chunk's peak."""
    least = decibels.flatten(1).amax(1) - TOP_DB
    return decibels.maximum(least.view(-1, *[1] * (decibels.ndim - 1)))


def contrast_bands(spec: TabularSpec) -> list[tuple[int, int, int]]:
    """Return the bands of the spectral contrast: first bin, end, and number of bins in a peak or a valley."""
    spacing, bands = spec.sample_rate / spec.n_fft, []
    for number, low in enumerate([0.0, *(CONTRAST_FMIN * 2**octave for octave in range(spec.n_bands))]):
        # As in librosa: all bands but the first begin one bin early, and the last band reaches the last
        # bin. The number of bins includes each band's last bin, although only the last band uses it.
        first = math.ceil(low / spacing) - (number > 0)
        last = spec.n_fft // 2
        if number < spec.n_bands:
            last = min(last, math.floor(CONTRAST_FMIN * 2**number / spacing))
        count = max(1, round(CONTRAST_QUANTILE * (last + 1 - first)))
        bands.append((first, last + (number == spec.n_bands), count))
    return bands


def tempo_lags(spec: TabularSpec) -> int:
    """Return the number of frames in the windows that the onset strength is correlated in."""
    return int(TEMPO_SECONDS * spec.sample_rate) // spec.hop_length
