"""MelSpec: how a log-mel spectrogram is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.specs.base import (
    MOST_HOP,
    MOST_VALUES,
    MOST_WEIGHTS,
    MOST_WINDOW,
    FeatureSpec,
    Kind,
    require,
)
from audiospec.specs.byte_code import DecibelCode

#: Smallest normal float32. Smaller numbers lose digits or become 0, whose logarithm is minus infinity.
_TINY = 1.2e-38


@dataclass(frozen=True, kw_only=True)
class MelSpec(FeatureSpec, feature="mel"):
    """A log-mel spectrogram: windowed Fourier transform → |X|^power → mel filters → decibels.

    The defaults are those of the study: 22050 Hz, 192 mel bins up to 8000 Hz, hop 256 samples. The window is
    a periodic Hann window of `n_fft` samples. The filters equal those of librosa and of nnAudio (Cheuk et
    al. 2020, IEEE Access, doi:10.1109/ACCESS.2020.3019084; Roy et al. 2026, arXiv:2606.05394).

    Parameters
    ----------
    n_fft : int
        Length of the window in samples.
    hop_length : int
        Samples from one frame to the next.
    n_mels : int
        Number of mel bins.
    fmin, fmax : float
        Edges of the mel filters in Hz; 0 ≤ fmin < fmax ≤ sample_rate / 2.
    mel_scale : "htk" or "slaney"
        ``"htk"``: m = 2595 log10(1 + f / 700). ``"slaney"``: linear below 1 kHz (Auditory Toolbox).
    norm : "slaney" or None
        ``"slaney"``: each triangular filter has area 1 over Hz. None: each has height 1.
    power : float
        Exponent of the magnitude: 2 is power, 1 is magnitude.
    pad_mode : "reflect" or "constant"
        How the chunk is padded at its ends if `center`.
    center : bool
        Whether frame t is centred on sample t · hop_length. If not, it starts there.
    scale : "db" or "linear"
        ``"db"``: 10 log10(max(m, amin) / ref), where m is the output of a mel filter. ``"linear"``: m itself,
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
        See `FeatureSpec`. Also if a mel filter is so narrow that it contains no Fourier bin.
    """

    kind: ClassVar[Kind] = "spectrogram"

    n_fft: int = 2048
    hop_length: int = 256
    n_mels: int = 192
    fmin: float = 0.0
    fmax: float = 8000.0
    mel_scale: Literal["htk", "slaney"] = "htk"
    norm: Literal["slaney"] | None = "slaney"
    power: float = 2.0
    pad_mode: Literal["reflect", "constant"] = "reflect"
    center: bool = True
    scale: Literal["db", "linear"] = "db"
    ref: float | Literal["max"] = 1.0
    amin: float = 1e-10
    top_db: float | None = None

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        require(self.n_fft >= 2, "n_fft", "at least 2 samples", self.n_fft)
        require(self.n_fft <= MOST_WINDOW, "n_fft", f"at most {MOST_WINDOW} samples", self.n_fft)
        require(self.hop_length >= 1, "hop_length", "at least 1 sample", self.hop_length)
        require(self.hop_length <= MOST_HOP, "hop_length", f"at most {MOST_HOP} samples", self.hop_length)
        require(self.n_mels >= 1, "n_mels", "at least 1", self.n_mels)
        nyquist = self.sample_rate / 2
        if self.fmax > nyquist:
            raise SpecError(
                f"parameter fmax must be at most {nyquist:g} Hz, half the sample rate of "
                f"{self.sample_rate} Hz; got {self.fmax:g}",
                "lower `fmax` or raise `sample_rate`",
            )
        require(0 <= self.fmin < self.fmax, "fmin", f"from 0 to below fmax ({self.fmax:g} Hz)", self.fmin)
        require(0 < self.power <= 16, "power", "above 0, at most 16", self.power)
        require(self.amin >= _TINY, "amin", f"at least {_TINY}, the smallest normal float32", self.amin)
        require(self.ref == "max" or self.ref > 0, "ref", 'above 0, or "max"', self.ref)
        require(self.top_db is None or self.top_db > 0, "top_db", "above 0, or none", self.top_db)
        if self.scale == "linear" and self.dtype != "float32":
            raise SpecError(
                f'scale="linear" needs dtype="float32", as power spans more than {self.dtype} can hold',
                'give `dtype="float32"`',
            )
        bins = self.n_fft // 2 + 1
        require(self.n_mels <= 2 * bins, "n_mels", f"at most 2 for each of {bins} Fourier bins", self.n_mels)
        most = MOST_WEIGHTS // bins
        require(self.n_mels <= most, "n_mels", f"at most {most} for n_fft={self.n_fft}", self.n_mels)
        empty = self._empty_filters()
        if empty:
            raise SpecError(
                f"{len(empty)} of {self.n_mels} mel filters hold no Fourier bin (the first is number "
                f"{empty[0]})",
                f"lower `n_mels`, raise `n_fft` ({self.n_fft}), or widen the range from `fmin` to `fmax`",
            )
        if self.dtype == "uint8":
            loudest = 10 ** (self._loudest() / 10)
            require(self.amin < loudest, "amin", f"below {loudest:g}, the largest possible value", self.amin)

    @cached_property
    def code(self) -> DecibelCode | None:
        """Decibels in one byte if `dtype` is ``"uint8"``, else None.

        The range is from `amin` to a bound on audio of twice full scale, as lossy decoders overshoot. With
        ref="max" it ends at 0 dB, and begins at -`top_db` if that is given.
        """
        if self.dtype != "uint8":
            return None
        silence, loudest = 10 * math.log10(self.amin), self._loudest()
        if self.ref == "max":
            return DecibelCode.spanning(silence - loudest if self.top_db is None else -self.top_db, 0.0)
        reference = 10 * math.log10(max(self.ref, self.amin))
        return DecibelCode.spanning(silence - reference, loudest - reference)

    def _loudest(self) -> float:
        """Return an upper bound in dB (relative to 1) on any mel bin of audio whose samples are within ±2.

        By Parseval's theorem, the sum of |X|² over the Fourier bins between 0 and half the sample rate, the
        only bins with weights, is at most half of n_fft Σ (window · x)², and a Hann window has Σ window² =
        3/8 n_fft. The maximum of Σ w |X|^power under this constraint follows from Hölder's inequality.
        """
        energy = 2**2 * 3 / 16 * self.n_fft**2
        norm = max(map(self._norm, self._weights()))
        return 10.0 * math.log10(norm) + 5 * self.power * math.log10(energy)

    def _norm(self, weights: list[float]) -> float:
        """Return the maximum of Σ w |X|^power subject to Σ |X|² = 1: the dual norm of the weights w."""
        largest = max(weights)
        if self.power >= 2:
            return largest
        dual = 2 / (2 - self.power)
        shares = math.fsum(math.pow(weight / largest, dual) for weight in weights)
        return largest * math.pow(shares, 1 / dual)

    def _weights(self) -> Iterator[list[float]]:
        """Yield, for each mel filter, the weights of the Fourier bins in it."""
        width, edges = self.sample_rate / self.n_fft, self.mel_edges
        for low, top, high in zip(edges, edges[1:], edges[2:], strict=False):
            height = 2 / (high - low) if self.norm == "slaney" else 1.0
            bins = range(math.floor(low / width) + 1, math.ceil(high / width))
            hertz = [k * width for k in bins]
            yield [height * max(0.0, min((f - low) / (top - low), (high - f) / (high - top))) for f in hertz]

    @property
    def mel_edges(self) -> list[float]:
        """The n_mels + 2 corner frequencies in Hz; filter i rises from [i] to [i + 1], falls to [i + 2]."""
        low, high = _hz_to_mel(self.fmin, self.mel_scale), _hz_to_mel(self.fmax, self.mel_scale)
        step = (high - low) / (self.n_mels + 1)
        return [_mel_to_hz(low + i * step, self.mel_scale) for i in range(self.n_mels + 2)]

    def _empty_filters(self) -> list[int]:
        # In units of Fourier bins. The weight of a bin on a filter's edge is 0, or a rounding error.
        edges = [hz * self.n_fft / self.sample_rate for hz in self.mel_edges]
        return [i for i in range(self.n_mels) if math.floor(edges[i] + 1e-6) + 1 >= edges[i + 2] - 1e-6]

    @property
    def dims(self) -> tuple[str, ...]:
        """``("mel", "frame")``."""
        return ("mel", "frame")

    @property
    def unit(self) -> str:
        """``"dB"``, or ``""`` on the linear scale."""
        return "dB" if self.scale == "db" else ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(n_mels, frames)`` for a chunk of `samples` samples at `sample_rate`."""
        pad = self.n_fft // 2 if self.center else 0
        # Reflection needs one sample more than it pads.
        least = max(pad + 1 if self.center and self.pad_mode == "reflect" else self.n_fft - 2 * pad, 1)
        if samples < least:
            raise SpecError(
                f"a chunk of {samples} samples is too short for n_fft={self.n_fft} with "
                f"center={self.center}, pad_mode={self.pad_mode!r}; expected at least {least} samples",
                "lengthen the chunk or lower `n_fft`",
            )
        frames = 1 + (samples + 2 * pad - self.n_fft) // self.hop_length
        if self.n_mels * frames > MOST_VALUES:
            raise SpecError(
                f"a chunk of {samples} samples has {frames} frames of {self.n_mels} mel bins; expected at "
                f"most {MOST_VALUES} numbers in a row",
                "shorten the chunk or raise `hop_length`",
            )
        return (self.n_mels, frames)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the centre of each mel bin in Hz, and of each frame in seconds from the chunk's start."""
        first = 0.0 if self.center else self.n_fft / 2
        frames = [(first + t * self.hop_length) / self.sample_rate for t in range(self.row_shape(samples)[1])]
        return {"mel": (self.mel_edges[1:-1], "Hz"), "frame": (frames, "s")}


def _hz_to_mel(hz: float, scale: str) -> float:
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if hz < 1000.0:
        return hz * 3.0 / 200.0
    return 15.0 + 27.0 * math.log(hz / 1000.0) / math.log(6.4)


def _mel_to_hz(mel: float, scale: str) -> float:
    if scale == "htk":
        return 700.0 * (math.pow(10.0, mel / 2595.0) - 1.0)
    if mel < 15.0:
        return mel * 200.0 / 3.0
    return 1000.0 * math.exp((mel - 15.0) * math.log(6.4) / 27.0)
