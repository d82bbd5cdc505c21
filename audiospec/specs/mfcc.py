"""MfccSpec: how mel-frequency cepstral coefficients are computed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, Literal

from audiospec.errors import SpecError
from audiospec.specs.base import FeatureSpec, Kind, require
from audiospec.specs.mel import MelSpec


@dataclass(frozen=True, kw_only=True)
class MfccSpec(FeatureSpec, feature="mfcc"):
    """Mel-frequency cepstral coefficients: a log-mel spectrogram (`MelSpec`) → DCT-II over its bins.

    The defaults are librosa's. Source of the coefficients: Davis and Mermelstein, IEEE Transactions on
    Acoustics, Speech and Signal Processing 28(4), 1980.

    Parameters
    ----------
    n_mfcc : int
        Number of coefficients, from the zeroth; at most n_mels.
    lifter : float
        If above 0, coefficient k (from 0) is multiplied by 1 + lifter / 2 · sin(π (k + 1) / lifter).
    fmin, fmax : float
        Edges of the mel filters in Hz. An fmax of None is sample_rate / 2.
    scale : "db", "ln", "log10" or "log1p"
        The logarithm of the mel bins, as in `MelSpec`: librosa's is ``"db"``, Kaldi's ``"ln"``.
    n_fft, hop_length, n_mels, mel_scale, norm, power, pad_mode, center, amin, top_db, win_length, window
        Of the log-mel spectrogram, as in `MelSpec`, with librosa's defaults.
    periodic, gain, remove_dc, preemphasis, filter_domain
        Also of the log-mel spectrogram, as in `MelSpec`.

    Raises
    ------
    SpecError
        See `FeatureSpec` and `MelSpec`.
    """

    kind: ClassVar[Kind] = "spectrogram"

    dtype: Literal["float16", "float32", "uint8"] = "float32"
    n_mfcc: int = 20
    lifter: float = 0.0
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    mel_scale: Literal["htk", "slaney"] = "slaney"
    norm: Literal["slaney"] | None = "slaney"
    power: float = 2.0
    pad_mode: Literal["reflect", "constant"] = "constant"
    center: bool = True
    scale: Literal["db", "ln", "log10", "log1p"] = "db"
    amin: float = 1e-10
    top_db: float | None = 80.0
    win_length: int | None = None
    window: Literal["hann", "hamming", "blackman", "povey", "rectangular"] = "hann"
    periodic: bool = True
    gain: float = 1.0
    remove_dc: bool = False
    preemphasis: float = 0.0
    filter_domain: Literal["hz", "mel"] = "hz"

    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""
        require(1 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"from 1 to n_mels ({self.n_mels})", self.n_mfcc)
        require(self.lifter >= 0, "lifter", "at least 0", self.lifter)
        if self.dtype == "uint8":
            raise SpecError(
                'dtype="uint8" stores decibels, and MFCCs are sums of logarithms with either sign',
                'give `dtype="float32"` or `dtype="float16"`',
            )
        self.mel_spec  # noqa: B018 - raises if the mel filters are impossible

    @cached_property
    def mel_spec(self) -> MelSpec:
        """The log-mel spectrogram that the coefficients are computed from."""
        shared = {field.name for field in fields(MelSpec)} - {"dtype", "channel", "fmax"}
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name in shared}
        return MelSpec(**values, fmax=self.sample_rate / 2 if self.fmax is None else self.fmax)

    @property
    def dims(self) -> tuple[str, ...]:
        """``("coefficient", "frame")``."""
        return ("coefficient", "frame")

    @property
    def unit(self) -> str:
        """``""``: weighted sums of logarithms, with either sign, which are no levels."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return ``(n_mfcc, frames)`` for a chunk of `samples` samples at `sample_rate`."""
        return (self.n_mfcc, self.mel_spec.row_shape(samples)[1])

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Return the number of each coefficient from 0, and each frame's centre in seconds from the start."""
        numbers = [float(number) for number in range(self.n_mfcc)]
        return {
            "coefficient": (numbers, ""),
            "frame": self.mel_spec.coordinates(samples)["frame"],
        }
