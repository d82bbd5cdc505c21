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
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from audiospec.errors import SpecError
from audiospec.features._median import running_median
from audiospec.features.base import Frontend, one_thread
from audiospec.features.mel import mel_filters
from audiospec.spec import FAMILIES, FeatureSpec, TabularSpec, features

#: Fourier bins that go through a device that is not a CPU together, at most.
DEVICE_BINS = 1 << 26
#: Frames that are transformed together: 128 windows of 2048 samples in float64 are 2 MiB.
FRAMES = 128
#: Smallest power that decibels tell from silence, and their range below a chunk's peak (librosa's defaults).
AMIN, TOP_DB = 1e-10, 80.0
#: Chroma filters are ready for so many tunings, from -0.5 to 0.49 pitch classes.
TUNINGS = 100
#: Peaks that tell a chunk's tuning: their range in Hz, and their least part of their frame's strongest bin.
PITCHES, PITCH_THRESHOLD = (150.0, 4000.0), 0.1
#: Seconds over which the onset strength is correlated with itself; the fastest tempo in beats a minute.
TEMPO_SECONDS, MAX_TEMPO = 8.0, 320.0
#: Smallest amplitude whose sign counts as one.
ZERO = 1e-10
#: Lowest edge of the spectral contrast's octaves in Hz; share of a band that is its peak, or its valley.
CONTRAST_FMIN, CONTRAST_QUANTILE = 200.0, 0.02


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
        chroma = _chroma_filters(spec) if pitched else torch.zeros(0, spec.n_chroma, spec.n_fft // 2 + 1)
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
        chunks = _Chunks(self, waves)
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
        return _Chunks(self, waves).harmonic

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


class _Chunks:
    """Some chunks of equal length, and what families share: each is computed when it is first asked for.

    A family's method gives its values, shape (B, parts, n), whose mean and variance over n are its columns.
    """

    def __init__(self, frontend: TabularFrontend, waves: Tensor) -> None:
        self.frontend = frontend
        self.spec = frontend.spec
        self.waves = waves
        self.exact: dict[str, Any] = {"dtype": torch.float64, "device": waves.device}

    def columns(self, family: str) -> Tensor:
        """A family's columns (B, columns)."""
        if family == "tempo":
            return self.tempo()
        method: Callable[[], Tensor] = getattr(self, family)
        return _mean_and_variance(method())

    # --- what is shared ------------------------------------------------------------------------------

    def frames(self, waves: Tensor) -> Tensor:
        """Centred frames of waves (B, samples): (B, frames, n_fft), a view."""
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
        return _decibels(self.power @ self.frontend.mel.T)

    @cached_property
    def chroma(self) -> Tensor:
        """Chroma (B, frames, n_chroma), each frame's largest value 1."""
        filters = self.frontend.chroma[self.tunings()]
        chroma = self.power @ filters.transpose(1, 2)
        return chroma / _unless_tiny(chroma.amax(-1, keepdim=True))

    @cached_property
    def mfccs(self) -> Tensor:
        """MFCC (B, n_mfcc, frames)."""
        bins, count = self.spec.n_mels, self.spec.n_mfcc
        places = torch.arange(0.5, bins, **self.exact)
        turns = math.pi / bins * torch.arange(count, **self.exact)[:, None] * places
        cosines = (math.sqrt(2 / bins) * turns.cos()).to(self.waves.dtype)
        # Cosines add up to 0: less its mean, a flat spectrum gives 0 exactly. The mean is the first MFCC.
        mean = self.mel.mean(-1, keepdim=True)
        mfccs = cosines @ (self.mel - mean).transpose(1, 2)
        mfccs[:, :1] = math.sqrt(bins) * mean.transpose(1, 2)
        return mfccs

    @cached_property
    def harmonic(self) -> Tensor:
        """Wave of the harmonic part (B, samples).

        Those of both parts add up to the whole, because their masks do.
        """
        size = self.spec.kernel_size
        harmonic = running_median(self.magnitude, size)
        percussive = running_median(self.magnitude.transpose(1, 2).contiguous(), size).transpose(1, 2)
        # 1 / (1 + (P/H)²) is H² / (H² + P²) without an overflow; where there is nothing, half goes to each.
        ratio = torch.div(percussive, harmonic, out=harmonic)  # in the layout of the spectrum
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
        """Add frames (B, frames, n_fft) up where they overlap: (B, samples)."""
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
        """Chroma of all pitch classes and frames, together."""
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
        """Lowest bin up to which |X| has its share."""
        heard = self.magnitude.cumsum(-1)
        place = torch.searchsorted(heard, self.spec.roll_percent * heard[..., -1:])
        return self.hertz[place.squeeze(-1)][:, None]

    def zero_crossing_rate(self) -> Tensor:
        """Share of samples with another sign than the one before, in each frame."""
        half, size = self.spec.n_fft // 2, self.spec.n_fft
        negative = self.waves < -ZERO
        crossings = (negative[:, 1:] != negative[:, :-1]).to(self.waves.dtype)
        # A frame's first sample has none before it; beyond the ends the wave goes on as it is.
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
        """Decibels of peaks over those of valleys, band by band."""
        spec, spacing = self.spec, self.spec.sample_rate / self.spec.n_fft
        lows = [0.0, *(CONTRAST_FMIN * 2**octave for octave in range(spec.n_bands))]
        peaks, valleys = [], []
        for number, low in enumerate(lows):
            # As in librosa: from the bin before the band's first, and up to the end in the last band; a
            # share of the bins counted with the last one, which all bands but the last then leave out.
            first = math.ceil(low / spacing) - (number > 0)
            last = spec.n_fft // 2
            if number < spec.n_bands:
                last = min(last, math.floor(CONTRAST_FMIN * 2**number / spacing))
            count = max(1, round(CONTRAST_QUANTILE * (last + 1 - first)))
            band = self.magnitude[..., first : last + (number == spec.n_bands)]
            peaks.append(band.topk(count, dim=-1).values.mean(-1))
            valleys.append(band.topk(count, dim=-1, largest=False).values.mean(-1))
        return _decibels(torch.stack(peaks, 1)) - _decibels(torch.stack(valleys, 1))

    def spectral_flatness(self) -> Tensor:
        """Geometric over arithmetic mean of |X|²."""
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
        """Tempo (B, 1) in beats a minute; 0 if nothing begins."""
        spec, onsets = self.spec, self._onsets()
        lags = int(TEMPO_SECONDS * spec.sample_rate) // spec.hop_length
        # Windows are centred. Before the start nothing sounds; after the end the last value fades out.
        fade = torch.arange(lags // 2 - 1, -1, -1, **self.exact) / (lags // 2)
        padded = pad(torch.cat([onsets, onsets[:, -1:] * fade], dim=1), (lags // 2, 0))
        windows = padded.unfold(1, lags, 1)[:, : onsets.shape[1]]
        hann = torch.hann_window(lags, periodic=True, **self.exact)
        # Autocorrelation is |Fourier transform|², turned back: once for the mean over windows, each of which
        # counts in proportion to its value at lag 0.
        size = 2 * lags
        total = torch.zeros(len(windows), lags + 1, **self.exact)
        for first in range(0, windows.shape[1], FRAMES):
            some = windows[:, first : first + FRAMES] * hann
            energy = _unless_tiny(some.square().sum(-1, keepdim=True))
            total += (_power(torch.fft.rfft(some, n=size)) / energy).sum(1)
        correlation = torch.fft.irfft(total / windows.shape[1], n=size)[:, :lags]
        tempi = 60 * spec.sample_rate / (spec.hop_length * torch.arange(lags, **self.exact))
        likely = -0.5 * (tempi.log2() - math.log2(spec.start_bpm)).square()
        likely[tempi >= MAX_TEMPO] = -torch.inf
        best = ((1e6 * correlation).log1p() + likely).argmax(-1)
        found = torch.where(onsets.any(-1), tempi[best], 0)
        return found[:, None].to(self.waves.dtype)

    def _onsets(self) -> Tensor:
        """Onset strength (B, frames): the median rise of the mel bins' decibels since the last frame."""
        bins = self.spec.n_mels
        rise = self.mel.diff(dim=1).clamp_(min=0).topk(bins // 2 + 1, dim=-1).values
        middle = (rise[..., (bins - 1) // 2] + rise[..., bins // 2]) / 2
        shift = 1 + self.spec.n_fft // (2 * self.spec.hop_length)
        return pad(middle, (shift, 0))[:, : self.mel.shape[1]]

    def tunings(self) -> Tensor:
        """Number (B,) of each chunk's tuning, 0 to `TUNINGS` - 1: where in a semitone its peaks crowd."""
        spec, power = self.spec, self.power
        spacing = spec.sample_rate / spec.n_fft
        low = max(1, math.ceil(PITCHES[0] / spacing))
        high = min(math.ceil(PITCHES[1] / spacing), spec.n_fft // 2)
        rows = len(power)
        if low >= high:
            return torch.full((rows,), TUNINGS // 2, device=power.device)
        least = PITCH_THRESHOLD * power.amax(-1, keepdim=True)
        centre, before, after = (power[..., low + i : high + i] for i in (0, -1, 1))
        # A plateau's first bin is its peak. What is too weak to be a peak counts as nothing beside one, too.
        peak = (centre > least) & (centre > before) & (centre >= after)
        row, frame, bin = peak.nonzero(as_tuple=True)
        centre, before, after = (power[row, frame, bin + low + i] for i in (0, -1, 1))
        # The top of the parabola through a peak and its neighbours, where it lies between them.
        curve, slope = after + before - 2 * centre, (after - before) / 2
        shift = torch.where(slope.abs() < curve.abs(), -slope / curve, 0)
        height = centre + slope * shift / 2
        pitch = ((bin + low + shift.double()) * spacing).to(power.dtype)
        # Peaks at least as high as the median of their chunk's.
        order = height.argsort()
        order = order[row[order].argsort(stable=True)]
        counts = row.bincount(minlength=rows)
        middle = (counts.cumsum(0) - counts)[None] + torch.stack([(counts - 1).clamp(min=0), counts]) // 2
        sorted_heights = pad(height[order], (0, 1))  # a place to look at for a chunk without a peak
        median = sorted_heights[middle.clamp(max=len(height))].mean(0)
        high_enough = height >= median[row]
        row, pitch = row[high_enough], pitch[high_enough]
        # The fraction of a pitch class, -0.5 to 0.5, and the fullest of its hundredths.
        away = (spec.n_chroma * (pitch / (440 / 16)).log2()).remainder(1)
        away = torch.where(away >= 0.5, away - 1, away)
        edges = torch.linspace(-0.5, 0.5, TUNINGS + 1, dtype=torch.float64, device=power.device)
        place = torch.bucketize(away.double(), edges, right=True).sub_(1).clamp_(0, TUNINGS - 1)
        counts = (row * TUNINGS + place).bincount(minlength=rows * TUNINGS).view(rows, TUNINGS)
        return torch.where(counts.any(-1), counts.argmax(-1), TUNINGS // 2)

    def _derivative(self, order: int) -> Tensor:
        """First or second derivative of the MFCC by least squares: Savitzky and Golay, 1964."""
        width = self.spec.delta_width
        if self.mfccs.shape[-1] < width:
            return torch.zeros_like(self.mfccs)
        half = width // 2
        places = torch.arange(-half, half + 1, dtype=self.mfccs.dtype, device=self.mfccs.device)
        if order == 2:
            places = places.square() - places.square().mean()
        weights = places * (order / places.square().sum())
        windows = self.mfccs.unfold(-1, width, 1)
        # The weights add up to 0; less its middle, what is constant comes to 0 exactly.
        inner = (windows - windows[..., half : half + 1]) @ weights
        # At the ends the first and the last fit go on.
        ends = [inner[..., :1].expand(-1, -1, half), inner[..., -1:].expand(-1, -1, half)]
        return torch.cat([ends[0], inner, ends[1]], dim=-1)


def _mean_and_variance(values: Tensor) -> Tensor:
    """Mean and variance of values (B, parts, n): (B, 2 parts), each part's mean before its variance."""
    mean = values.mean(-1, dtype=torch.float64)
    # In two passes: what the mean loses in rounding is far below a value's own last digit.
    away = values - mean[..., None].to(values.dtype)
    variance = away.square_().mean(-1, dtype=torch.float64)
    return torch.stack([mean, variance], dim=-1).flatten(1).to(values.dtype)


def _power(spectrum: Tensor) -> Tensor:
    """|X|² of a complex tensor."""
    real, imaginary = spectrum.real, spectrum.imag
    return torch.addcmul(real.square(), imaginary, imaginary)


def _unless_tiny(values: Tensor) -> Tensor:
    """Values to divide by: 1 where they are too small for it."""
    return torch.where(values < torch.finfo(values.dtype).tiny, 1, values)


def _decibels(power: Tensor) -> Tensor:
    """Decibels of power (B, …), none more than `TOP_DB` below its chunk's peak."""
    decibels = power.clamp(min=AMIN).log10().mul_(10)
    least = decibels.flatten(1).amax(1) - TOP_DB
    return decibels.maximum(least.view(-1, *[1] * (power.ndim - 1)))


def _chroma_filters(spec: TabularSpec) -> Tensor:
    """Chroma filters (TUNINGS, n_chroma, bins): D. Ellis, *Chroma feature analysis and synthesis*, 2007.

    Gaussian bumps over the pitch of a Fourier bin, in pitch classes from A; a bin's weights have norm 1,
    times a Gaussian over octaves that favours the middle of the keyboard. The first filter is C.
    """
    count, bins = spec.n_chroma, spec.n_fft // 2 + 1
    tuning = torch.arange(TUNINGS, dtype=torch.float64)[:, None] / TUNINGS - 0.5
    a0 = 440 / 16 * 2 ** (tuning / count)
    hertz = torch.arange(1, bins + 1, dtype=torch.float64) * spec.sample_rate / spec.n_fft
    pitch = count * (hertz / a0).log2()
    pitch = torch.cat([pitch[:, :1] - 1.5 * count, pitch], dim=1)  # 0 Hz is far below, and wide
    width = pitch.diff(dim=1).clamp(min=1)[:, None]
    pitch = pitch[:, None, :bins]
    half = round(count / 2)
    away = (pitch - torch.arange(count, dtype=torch.float64)[:, None] + half).remainder(count) - half
    weights = torch.exp(-0.5 * (2 * away / width).square())
    weights /= weights.square().sum(1, keepdim=True).sqrt()
    weights *= torch.exp(-0.5 * ((pitch / count - 5) / 2).square())
    return weights.roll(-3 * (count // 12), dims=1).float()
