"""GammatoneSpec: how a gammatone spectrogram is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.specs.base import FeatureSpec, Kind, require
from audiospec.specs.decibel_scale import require_scale
from audiospec.specs.rules import require_hop_length, require_n_fft, require_range, spectrogram_shape

#: Smallest normal float32.
_TINY = 1.2e-38
#: Most weights of filters: nnAudio takes about 100 bytes for each while it computes them.
MOST_GAMMATONE = 1 << 22
#: The ear's bandwidth at f is 24.7 Hz + f / 9.26449 (Glasberg and Moore, Hearing Research 47, 1990).
EAR_QUALITY, LEAST_BANDWIDTH = 9.26449, 24.7


@dataclass(frozen=True, kw_only=True)
class GammatoneSpec(FeatureSpec, feature="gammatone"):
    """A gammatone spectrogram: windowed Fourier transform → |X|^power → gammatone filters → decibels.

    The weights of a bin are the magnitudes of the frequency response of a gammatone filter of fourth order
    (Slaney, Apple Technical Report 35, 1993), which is 1 at the bin's centre, divided by n_fft, as Ellis
    (Gammatone-like spectrograms, 2009) and nnAudio (Cheuk et al. 2020, IEEE Access,
    doi:10.1109/ACCESS.2020.3019084) have them. Centres are evenly spaced on the ear's scale of bandwidths,
    from `fmin` to one step below `fmax`. Frame t is centred on sample t · hop_length; the window is a
    periodic Hann window.

    Parameters
    ----------
    n_fft : int
        Length of the window in samples.
    hop_length : int
        Samples from one frame to the next.
    n_bins : int
        Number of filters.
    fmin, fmax : float
        Range of the filters in Hz; 0 ≤ fmin < fmax ≤ sample_rate / 2. An fmax of None is sample_rate / 2.
    power : float
        Exponent of the magnitude: 2 is power, as in nnAudio; 1 is magnitude, as in Ellis's.
    pad_mode : "reflect" or "constant"
        How the chunk is padded at its ends.
    scale : "db" or "linear"
        ``"db"``: 10 log10(max(m, amin) / ref), where m is the output of a filter. ``"linear"``: m itself,
        which needs float32.
    ref : float or "max"
        Value of m at 0 dB; ``"max"`` is the chunk's largest value.
    amin : float
        Lower limit of m before the logarithm.
    top_db : float or None
        If given, values are limited to at most this many dB below the chunk's peak.

    Raises
    ------
    SpecError
        See `FeatureSpec`.
    """

    kind: ClassVar[Kind] = "spectrogram"

    n_fft: int = 2048
    hop_length: int = 512
    n_bins: int = 64
    fmin: float = 50.0
    fmax: float | None = None
    power: float = 2.0
    pad_mode: Literal["reflect", "constant"] = "reflect"
    scale: Literal["db", "linear"] = "db"
    ref: float | Literal["max"] = 1.0
    amin: float = 1e-10
    top_db: float | None = None

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        require_n_fft(self.n_fft)
        require_hop_length(self.hop_length)
        most = MOST_GAMMATONE // (self.n_fft // 2 + 1)
        require(1 <= self.n_bins <= most, "n_bins", f"1 to {most} for n_fft={self.n_fft}", self.n_bins)
        require_range(self.fmin, self.highest, self.sample_rate)
        require(0 < self.power <= 16, "power", "above 0, at most 16", self.power)
        require_scale(self, _TINY)
        if self.dtype == "uint8":
            raise SpecError(
                "dtype=\"uint8\" needs a bound on the loudest value, which feature 'gammatone' does not have",
                'give `dtype="float16"`',
            )

    @property
    def highest(self) -> float:
        """`fmax`, or half the sample rate."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @cached_property
    def frequencies(self) -> list[float]:
        """Centres of the filters in Hz, rising."""
        shift = EAR_QUALITY * LEAST_BANDWIDTH
        octaves = math.log((self.highest + shift) / (self.fmin + shift))
        steps = range(self.n_bins)
        return [(self.fmin + shift) * math.exp(octaves * i / self.n_bins) - shift for i in steps]

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
        """1, or half a window and a sample if the chunk is reflected; one more of an odd window of zeros."""
        return self.n_fft // 2 + 1 if self.pad_mode == "reflect" else 1 + self.n_fft % 2

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(n_bins, frames)`` for a chunk of `samples` samples at `sample_rate`."""
        if samples < self.least_samples:
            raise SpecError(
                f"a chunk of {samples} samples is too short for n_fft={self.n_fft} with "
                f"pad_mode={self.pad_mode!r}; expected at least {self.least_samples} samples",
                "lengthen the chunk or lower `n_fft`",
            )
        frames = 1 + (samples + 2 * (self.n_fft // 2) - self.n_fft) // self.hop_length
        return spectrogram_shape(samples, self.n_bins, frames, "bins")

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the centre of each bin in Hz, and of each frame in seconds from the chunk's start."""
        times = [t * self.hop_length / self.sample_rate for t in range(self.row_shape(samples)[1])]
        return {"bin": (self.frequencies, "Hz"), "frame": (times, "s")}
