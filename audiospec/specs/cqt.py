"""CqtSpec: how a constant-Q transform is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.specs.base import FeatureSpec, Kind, require
from audiospec.specs.byte_code import DecibelCode
from audiospec.specs.decibel_scale import reference_decibels, require_scale
from audiospec.specs.rules import require_hop_length, spectrogram_shape

#: Smallest normal float32 is 1.2e-38, and magnitudes are squared.
_LEAST_AMIN = 1.1e-19
#: Bandwidth of a Hann window in bins of its Fourier transform: N Σ w² / (Σ w)².
_HANN_BANDWIDTH = 1.5
#: Most weights of wavelets, and most samples of the longest one: nnAudio takes 16 bytes for each.
MOST_WAVELETS, LONGEST_WAVELET = 1 << 25, 1 << 20


@dataclass(frozen=True, kw_only=True)
class CqtSpec(FeatureSpec, feature="cqt"):
    """A constant-Q transform: wavelets of a constant number of periods, each applied in full to the waveform.

    Bin k is at f = fmin · 2^(k / bins_per_octave). Its wavelet w is a complex sine of this frequency under a
    periodic Hann window of N = ⌈Q · sample_rate / f⌉ samples, with Σ|w| = 1, centred on sample
    t · hop_length; Q = filter_scale · (r² + 1) / (r² - 1), r = 2^(1 / bins_per_octave). The magnitude is
    √N · |Σ x w*|, as librosa scales it: a sine of amplitude a gives about √N · a / 2.

    librosa computes lower octaves from downsampled audio, where wavelets are rounded to whole samples of a
    lower rate; here every octave is computed at the full rate, as nnAudio's CQT1992v2 does (Cheuk et al.
    2020, IEEE Access, doi:10.1109/ACCESS.2020.3019084). Source of the transform: Brown, J. Acoust. Soc. Am.
    89(1), 1991.

    Parameters
    ----------
    hop_length : int
        Samples from one frame to the next.
    fmin : float
        Frequency of the lowest bin in Hz; the default is the note C1.
    n_bins : int
        Number of bins.
    bins_per_octave : int
        Bins in an octave.
    filter_scale : float
        Factor of the wavelets' lengths: below 1 for a better resolution in time, above 1 in frequency.
    pad_mode : "constant" or "reflect"
        How the chunk is padded at its ends: with zeros, as librosa does, or by reflection, as nnAudio does.
    scale : "db" or "linear"
        ``"db"``: 20 log10(max(m, amin) / ref), where m is the magnitude. ``"linear"``: m itself, which needs
        float32.
    ref : float or "max"
        Magnitude at 0 dB; ``"max"`` is the chunk's largest.
    amin : float
        Lower limit of the magnitude before the logarithm.
    top_db : float or None
        If given, values are limited to at most this many dB below the chunk's peak.

    Raises
    ------
    SpecError
        See `FeatureSpec`. Also if the highest band passes half the sample rate, or if the wavelets are too
        many or too long.
    """

    kind: ClassVar[Kind] = "spectrogram"

    hop_length: int = 512
    fmin: float = 32.70319566257483
    n_bins: int = 84
    bins_per_octave: int = 12
    filter_scale: float = 1.0
    pad_mode: Literal["constant", "reflect"] = "constant"
    scale: Literal["db", "linear"] = "db"
    ref: float | Literal["max"] = 1.0
    amin: float = 1e-5
    top_db: float | None = None

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        require_hop_length(self.hop_length)
        require(self.fmin > 0, "fmin", "above 0 Hz", self.fmin)
        require(1 <= self.bins_per_octave <= 1200, "bins_per_octave", "from 1 to 1200", self.bins_per_octave)
        require(1 <= self.n_bins <= 1 << 14, "n_bins", f"from 1 to {1 << 14}", self.n_bins)
        require(0 < self.filter_scale <= 1000, "filter_scale", "above 0, at most 1000", self.filter_scale)
        self._require_bands()
        require_scale(self, _LEAST_AMIN)
        nyquist = self.sample_rate / 2
        octaves = (self.n_bins - 1) / self.bins_per_octave
        top = self.fmin * 2.0**octaves if octaves < 64 else math.inf
        reach = top * (1 + 0.5 * _HANN_BANDWIDTH / self.quality) + 0.5 * self.offset
        if reach > nyquist:
            raise SpecError(
                f"the highest of n_bins={self.n_bins} bins, at {top:.6g} Hz, reaches to {reach:.6g} Hz; "
                f"expected at most {nyquist:g} Hz, half the sample rate of {self.sample_rate} Hz",
                "lower `n_bins` or `fmin`, or raise `sample_rate`",
            )
        longest, shortest = self._length(self.fmin), self._length(top)
        if longest > LONGEST_WAVELET or longest * self.n_bins > MOST_WAVELETS:
            most = min(LONGEST_WAVELET, MOST_WAVELETS // self.n_bins)
            raise SpecError(
                f"the longest of n_bins={self.n_bins} wavelets, at fmin={self.fmin:g} Hz, has {longest:g} "
                f"samples; expected at most {most}",
                "raise `fmin`, or lower `filter_scale`, `bins_per_octave` or `n_bins`",
            )
        if shortest < 4:
            raise SpecError(
                f"the shortest wavelet, at {top:.6g} Hz, has {shortest} samples; expected at least 4",
                "raise `filter_scale` or `bins_per_octave`, or lower `n_bins`",
            )
        if self.dtype == "uint8":
            loudest = 10 ** (self._loudest() / 20)
            require(self.amin < loudest, "amin", f"below {loudest:g}, the largest possible value", self.amin)

    def _require_bands(self) -> None:
        """Raise `SpecError` if the bands have no width; for subclasses."""

    @property
    def quality(self) -> float:
        """Q: a bin's frequency by its bandwidth, without `offset`."""
        return self.filter_scale / self.alpha

    @property
    def alpha(self) -> float:
        """Relative bandwidth (r² - 1) / (r² + 1), where r is the ratio of neighbouring bins."""
        ratio = math.pow(2.0, 2 / self.bins_per_octave)
        return (ratio - 1) / (ratio + 1)

    @property
    def offset(self) -> float:
        """What is added to each bandwidth in Hz: 0, as Q is constant."""
        return 0.0

    @cached_property
    def frequencies(self) -> list[float]:
        """Centres of the bins in Hz, rising."""
        return [self.fmin * 2.0 ** (k / self.bins_per_octave) for k in range(self.n_bins)]

    @cached_property
    def lengths(self) -> list[int]:
        """Samples of each bin's wavelet, falling."""
        return [self._length(hertz) for hertz in self.frequencies]

    def _length(self, hertz: float) -> int:
        return math.ceil(self.quality * self.sample_rate / (hertz + self.offset / self.alpha))

    @cached_property
    def code(self) -> DecibelCode | None:
        """Decibels in one byte if `dtype` is ``"uint8"``, else None.

        The range is from `amin` to a bound on audio of twice full scale, as lossy decoders overshoot. With
        ref="max" it ends at 0 dB, and begins at -`top_db` if that is given.
        """
        if self.dtype != "uint8":
            return None
        reference = None if self.ref == "max" else reference_decibels(self, 20)
        return DecibelCode.of_levels(20 * math.log10(self.amin), self._loudest(), reference, self.top_db)

    def _loudest(self) -> float:
        """Return an upper bound in dB on audio within ±2: |Σ x w*| is at most 2 Σ|w|, which is 2."""
        return 20 * math.log10(2) + 10 * math.log10(self.lengths[0])

    @property
    def dims(self) -> tuple[str, ...]:
        """``("bin", "frame")``."""
        return ("bin", "frame")

    @property
    def unit(self) -> str:
        """``"dB"``, or ``""`` on the linear scale."""
        return "dB" if self.scale == "db" else ""

    @property
    def least_samples(self) -> int:
        """1, or half the longest wavelet and a sample if the chunk is reflected."""
        return 1 if self.pad_mode == "constant" else (self.lengths[0] + 1) // 2 + 1

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(n_bins, frames)`` for a chunk of `samples` samples at `sample_rate`."""
        if samples < self.least_samples:
            raise SpecError(
                f"a chunk of {samples} samples is too short for a wavelet of {self.lengths[0]} samples with "
                f"pad_mode={self.pad_mode!r}; expected at least {self.least_samples} samples",
                'lengthen the chunk, raise `fmin`, or give `pad_mode="constant"`',
            )
        frames = 1 + samples // self.hop_length
        return spectrogram_shape(samples, self.n_bins, frames, "bins")

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the centre of each bin in Hz, and of each frame in seconds from the chunk's start."""
        times = [t * self.hop_length / self.sample_rate for t in range(self.row_shape(samples)[1])]
        return {"bin": (self.frequencies, "Hz"), "frame": (times, "s")}
