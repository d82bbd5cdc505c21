"""Specs: frozen, validated descriptions of how a feature is computed, and their fingerprints.

Nothing heavy is imported here: a plan can be made, and a store understood, without torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from audiospec.code import Code
from audiospec.errors import RegistryError, SpecError, nearest
from audiospec.fields import Fields
from audiospec.registry import Registry

if TYPE_CHECKING:
    from audiospec.features.base import Frontend

#: The registry of features; an entry is the frontend's class, which names its spec's class.
features: Registry[type[Frontend]] = Registry("feature", "audiospec.features", "audiospec.features")

_SPECS: dict[str, type[FeatureSpec]] = {}

#: Below it float32 has few digits or none, and the logarithm of silence is minus infinity.
_TINY = 1.2e-38


@dataclass(frozen=True, kw_only=True)
class FeatureSpec(Fields, ABC):
    """What every spec has: a feature's name, a sample rate, a stored dtype, and a fingerprint.

    A subclass is a frozen dataclass whose header names its feature: ``class MelSpec(FeatureSpec,
    feature="mel")``. Values are coerced to the fields' types, so ``fmin=0`` and ``fmin=0.0`` are one spec.

    Parameters
    ----------
    sample_rate : int
        Rate in Hz to which audio is resampled before anything else.
    dtype : "float16", "float32" or "uint8"
        How a store keeps the numbers; frontends compute in float32. ``"uint8"`` is for features that have a
        `code`: a byte each, compressed.

    Raises
    ------
    SpecError
        A value of the wrong type, or one with which nothing can be computed.
    """

    feature: ClassVar[str]
    #: Bumped by hand when the mathematics changes, from decoding to the last decimal.
    version: ClassVar[int] = 1
    #: Whether a row shorter than the chunk is padded with zeros before the transform. Where rows have one
    #: shape at any length, as statistics do, it may be false: the frontend gets just the audio there is.
    pads: ClassVar[bool] = True

    sample_rate: int = 22050
    dtype: Literal["float16", "float32", "uint8"] = "float16"

    def __init_subclass__(cls, *, feature: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.feature = feature
        cls.whose = f"feature {feature!r}"
        other = _SPECS.setdefault(feature, cls)
        # A module that is loaded again, as in a notebook, replaces its own.
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise RegistryError(
                f"two specs are of feature {feature!r}: {other.__module__}.{other.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}; rename one"
            )
        _SPECS[feature] = cls

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.sample_rate >= 1, "sample_rate", "at least 1 Hz", self.sample_rate)
        self.validate()
        if self.dtype == "uint8" and (self.code is None or len(self.dims) < 2):
            raise SpecError(
                f'dtype="uint8" is a code of decibels, which feature {self.feature!r} has none of: give '
                'dtype="float32"; among several features, --set mel.dtype=uint8 means one alone'
            )

    @property
    def code(self) -> Code | None:
        """How a store keeps a number in one byte; None where it keeps numbers as they are."""
        return None

    @abstractmethod
    def validate(self) -> None:
        """Raise `SpecError` if the values cannot work together."""

    @property
    @abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Names of a row's axes, such as ``("mel", "frame")``."""

    @abstractmethod
    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Shape of one row's features for a chunk of so many samples at `sample_rate`.

        Raises
        ------
        SpecError
            The chunk is too short for this spec.
        """

    @property
    def least_samples(self) -> int:
        """Fewest samples of audio that a row can be computed from, where it is not padded."""
        return 1

    @abstractmethod
    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """For each axis of `dims`: its values along a row, and their unit (``""`` if none)."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """Unit of the numbers in a row, such as ``"dB"``."""

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain JSON values, with the feature's name and version."""
        return {"feature": self.feature, "version": self.version, **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> FeatureSpec:
        """The spec that `to_dict` described.

        Raises
        ------
        SpecError
            An unknown feature or field, another version, or an impossible value.
        """
        fields = dict(values)
        cls = spec_class(str(fields.pop("feature", "")))
        version = fields.pop("version", None)
        if version != cls.version:
            raise SpecError(
                f"spec of feature {cls.feature!r} has version {version}, this audiospec computes version "
                f"{cls.version}: featurize again, or use the audiospec that wrote it"
            )
        return cls.replace_in(fields)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) of the canonical JSON of `to_dict`."""
        return digest(self.to_dict())


@dataclass(frozen=True, kw_only=True)
class MelSpec(FeatureSpec, feature="mel"):
    """A log-mel spectrogram: windowed Fourier transform → |X|^power → mel filters → decibels.

    The defaults are the study's: 22050 Hz, 192 mel bins up to 8000 Hz, hop 256 samples. The window is a
    periodic Hann window of `n_fft` samples. Bases come from nnAudio (Cheuk et al. 2020, IEEE Access,
    doi:10.1109/ACCESS.2020.3019084; Roy et al. 2026, arXiv:2606.05394) and agree with librosa.

    Parameters
    ----------
    n_fft, hop_length : int
        Window and step in samples.
    n_mels : int
        Number of mel bins.
    fmin, fmax : float
        Edges of the mel filters in Hz; 0 ≤ fmin < fmax ≤ sample_rate / 2.
    mel_scale : "htk" or "slaney"
        ``"htk"``: m = 2595 log10(1 + f / 700). ``"slaney"``: linear below 1 kHz (Auditory Toolbox).
    norm : "slaney" or None
        ``"slaney"``: each triangle has area 1 over Hz. None: each has height 1.
    power : float
        Exponent of the magnitude: 2 is power, 1 is magnitude.
    pad_mode : "reflect" or "constant"
        What lies beyond the chunk's ends if `center`.
    center : bool
        Whether frame t is centred on sample t · hop_length (else it starts there).
    scale : "db" or "linear"
        ``"db"``: 10 log10(max(m, amin) / ref). ``"linear"``: m itself, which needs float32.
    ref : float or "max"
        What 0 dB is; ``"max"`` is the chunk's largest value.
    amin : float
        Smallest value that is told from silence before the logarithm.
    top_db : float or None
        If given, nothing lies lower than this many dB below the chunk's peak.

    Raises
    ------
    SpecError
        See `FeatureSpec`; also mel filters so narrow that one holds no Fourier bin.
    """

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
        """Raise `SpecError` if the values cannot work together."""
        _require(self.n_fft >= 2, "n_fft", "at least 2 samples", self.n_fft)
        _require(self.hop_length >= 1, "hop_length", "at least 1 sample", self.hop_length)
        _require(self.n_mels >= 1, "n_mels", "at least 1", self.n_mels)
        nyquist = self.sample_rate / 2
        if self.fmax > nyquist:
            raise SpecError(
                f"parameter fmax must be at most {nyquist:g} Hz, half the sample rate of "
                f"{self.sample_rate} Hz; got {self.fmax:g}: lower fmax or raise sample_rate"
            )
        _require(0 <= self.fmin < self.fmax, "fmin", f"from 0 to below fmax ({self.fmax:g} Hz)", self.fmin)
        _require(self.power > 0, "power", "above 0", self.power)
        _require(self.amin >= _TINY, "amin", f"at least {_TINY}, the least of float32", self.amin)
        _require(self.ref == "max" or self.ref > 0, "ref", 'above 0, or "max"', self.ref)
        _require(self.top_db is None or self.top_db > 0, "top_db", "above 0, or none", self.top_db)
        if self.scale == "linear" and self.dtype != "float32":
            raise SpecError(
                f'scale="linear" needs dtype="float32": power spans more than {self.dtype} can hold'
            )
        bins = self.n_fft // 2 + 1
        _require(self.n_mels <= 2 * bins, "n_mels", f"at most 2 for each of {bins} Fourier bins", self.n_mels)
        empty = self._empty_filters()
        if empty:
            raise SpecError(
                f"{len(empty)} of {self.n_mels} mel filters hold no Fourier bin (the first is number "
                f"{empty[0]}): lower n_mels, raise n_fft ({self.n_fft}), or widen fmin to fmax"
            )
        if self.dtype == "uint8":
            loudest = 10 ** (self._loudest() / 10)
            _require(self.amin < loudest, "amin", f"below {loudest:g}, the most there can be", self.amin)

    @cached_property
    def code(self) -> Code | None:
        """If `dtype` is ``"uint8"``: decibels in a byte, from the quietest that there can be to the loudest.

        The quietest is `amin`, the loudest a bound on audio of twice full scale: lossy decoders overshoot.
        With ref="max" the loudest is 0 dB, and the quietest `top_db` below it, if that is given.
        """
        if self.dtype != "uint8":
            return None
        silence, loudest = 10 * math.log10(self.amin), self._loudest()
        if self.ref == "max":
            return Code.spanning(silence - loudest if self.top_db is None else -self.top_db, 0.0)
        over = 10 * math.log10(max(self.ref, self.amin))
        return Code.spanning(silence - over, loudest - over)

    def _loudest(self) -> float:
        """Decibels over 1 that no mel bin exceeds where no sample exceeds 2.

        By Parseval, |X|² over the Fourier bins between 0 and half the rate, which alone have a weight, adds
        up to half of n_fft Σ (window · x)² at the most, and a Hann window has Σ window² = 3/8 n_fft. What a
        filter makes of |X|^power is most where |X|² is best shared among its bins (Hölder's inequality).
        """
        energy = 2**2 * 3 / 16 * self.n_fft**2
        norm = max(map(self._norm, self._weights()))
        return 10.0 * math.log10(norm) + 5 * self.power * math.log10(energy)

    def _norm(self, weights: list[float]) -> float:
        """The most of Σ w |X|^power where Σ |X|² is 1: the norm of a filter that is dual to |X|^power's."""
        largest = max(weights)
        if self.power >= 2:
            return largest
        dual = 2 / (2 - self.power)
        shares = math.fsum(math.pow(weight / largest, dual) for weight in weights)
        return largest * math.pow(shares, 1 / dual)

    def _weights(self) -> Iterator[list[float]]:
        """Of each mel filter, the weights of the Fourier bins in it."""
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
        # In Fourier bins. A bin on a filter's edge has no weight in it, or one that is a rounding error.
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
        """``(n_mels, frames)`` for a chunk of so many samples at `sample_rate`."""
        pad = self.n_fft // 2 if self.center else 0
        reach = pad + 1 if self.center and self.pad_mode == "reflect" else self.n_fft - 2 * pad
        if samples < max(reach, 1):
            raise SpecError(
                f"a chunk of {samples} samples is too short for n_fft={self.n_fft} with "
                f"center={self.center}, pad_mode={self.pad_mode!r}: expected at least {max(reach, 1)} "
                "samples; lengthen the chunk or lower n_fft"
            )
        return (self.n_mels, 1 + (samples + 2 * pad - self.n_fft) // self.hop_length)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """Centre of each mel bin in Hz, and of each frame in seconds from the chunk's start."""
        first = 0.0 if self.center else self.n_fft / 2
        frames = [(first + t * self.hop_length) / self.sample_rate for t in range(self.row_shape(samples)[1])]
        return {"mel": (self.mel_edges[1:-1], "Hz"), "frame": (frames, "s")}


@dataclass(frozen=True, slots=True)
class Family:
    """Columns of a `TabularSpec` that are computed together.

    Attributes
    ----------
    formula : str
        What is computed in each frame (or once, for `tempo`). X is the short-time Fourier transform, f the
        frequency of a bin in Hz, x the wave.
    unit : str
        Of the value, and of a column of means; a column of variances has its square. FS: full scale is 1.
    """

    formula: str
    unit: str


#: The families of a `TabularSpec`, in the order of their columns.
FAMILIES: Mapping[str, Family] = types.MappingProxyType(
    {
        "chroma_stft": Family(
            "C |X|², each frame divided by its largest value; C: n_chroma Gaussian filters, one a pitch "
            "class, tuned to the chunk's own peaks. Over all pitch classes and frames",
            "",
        ),
        "rms": Family("sqrt(mean of x²)", "FS"),
        "spectral_centroid": Family("c = Σ f |X| / Σ |X|", "Hz"),
        "spectral_bandwidth": Family("sqrt(Σ (f - c)² |X| / Σ |X|)", "Hz"),
        "rolloff": Family("lowest f up to which Σ |X| is roll_percent of the whole", "Hz"),
        "zero_crossing_rate": Family("share of samples whose sign is not that of the one before", ""),
        "harmony": Family(
            "samples of the harmonic part: X H² / (H² + P²) turned back to a wave; H, P: running medians of "
            "|X| over kernel_size frames and bins",
            "FS",
        ),
        "perceptr": Family("samples of the percussive part: X P² / (H² + P²) turned back to a wave", "FS"),
        "tempo": Family(
            "beats a minute: lag of the highest mean autocorrelation of the onset strength over 8 s, "
            "weighted by a normal distribution of log2(tempo / start_bpm)",
            "BPM",
        ),
        "mfcc": Family(
            "DCT-II (orthonormal) of the decibels of n_mels mel bins, none more than 80 dB below the chunk's "
            "peak; coefficients 1 to n_mfcc, the first being the zeroth of the transform",
            "dB",
        ),
        "spectral_contrast": Family(
            "decibels of the mean of the strongest 2 % of |X| less those of the weakest 2 %: below 200 Hz, "
            "then in n_bands octaves, the last without an end",
            "dB",
        ),
        "spectral_flatness": Family("geometric over arithmetic mean of |X|²", ""),
        "tonnetz": Family(
            "the chroma, summing to 1, on the circles of fifths, minor and major thirds: sine, then cosine",
            "",
        ),
        "mfcc_delta": Family("slope of the line fitted to delta_width frames of each MFCC", "dB/frame"),
        "mfcc_delta2": Family("second derivative of the parabola fitted to the same frames", "dB/frame²"),
    }
)

#: The families of the published GTZAN tables: 57 columns.
PUBLISHED = tuple(FAMILIES)[:10]


@dataclass(frozen=True, kw_only=True)
class TabularSpec(FeatureSpec, feature="tabular"):
    """One number a column: means and variances over a chunk's frames, and its tempo.

    The defaults give the 57 columns of the published GTZAN tables, in their order and by their names, as
    librosa 0.11 computes them by its own defaults at 22050 Hz. `FAMILIES` says what each is. Frames are
    centred and Hann-windowed. A chunk at a track's end is not filled up: its statistics are those of the
    audio that there is.

    Parameters
    ----------
    families : tuple of str
        Which columns, of `FAMILIES`; ``"published"`` stands for the published ones, ``"all"`` for all. Text
        has commas. Columns are in the order of `FAMILIES`, however the families are ordered here.
    n_fft, hop_length : int
        Window and step in samples, of every family.
    pad_mode : "constant" or "reflect"
        What lies beyond the chunk's ends: zeros, as in librosa since 0.9, or the chunk mirrored, as before.
        The published tables are of the time before.
    n_chroma : int
        Pitch classes in an octave.
    n_mels : int
        Mel bins (Slaney's, up to half the sample rate) under the MFCC and the tempo.
    n_mfcc : int
        MFCC coefficients; at most n_mels.
    roll_percent : float
        Share of the magnitude below the rolloff, between 0 and 1.
    kernel_size : int
        Odd length of the running medians that part harmonic from percussive, in frames and in bins.
    start_bpm : float
        The tempo that is likeliest before anything is heard, in beats a minute.
    n_bands : int
        Octaves of the spectral contrast; the highest begins below half the sample rate.
    delta_width : int
        Odd number of frames, 3 or more, that a slope is fitted to.

    Raises
    ------
    SpecError
        See `FeatureSpec`; also an unknown family, float16 (which ends at 65504), or parameters that leave a
        chosen family without a bin.
    """

    pads: ClassVar[bool] = False

    dtype: Literal["float16", "float32", "uint8"] = "float32"
    families: tuple[str, ...] = PUBLISHED
    n_fft: int = 2048
    hop_length: int = 512
    pad_mode: Literal["constant", "reflect"] = "constant"
    n_chroma: int = 12
    n_mels: int = 128
    n_mfcc: int = 20
    roll_percent: float = 0.85
    kernel_size: int = 31
    start_bpm: float = 120.0
    n_bands: int = 6
    delta_width: int = 9

    def validate(self) -> None:
        """Raise `SpecError` if the values cannot work together."""
        object.__setattr__(self, "families", _families(self.families))
        if self.dtype == "float16":
            raise SpecError('a tabular spec needs dtype="float32": variances exceed what float16 can hold')
        _require(self.n_fft >= 4 and self.n_fft % 2 == 0, "n_fft", "an even number, at least 4", self.n_fft)
        _require(
            1 <= self.hop_length <= self.n_fft,
            "hop_length",
            f"from 1 to n_fft ({self.n_fft})",
            self.hop_length,
        )
        _require(self.n_chroma >= 1, "n_chroma", "at least 1", self.n_chroma)
        _require(1 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"from 1 to n_mels ({self.n_mels})", self.n_mfcc)
        _require(0 < self.roll_percent < 1, "roll_percent", "between 0 and 1", self.roll_percent)
        odd = self.kernel_size % 2 == 1 and self.kernel_size >= 3
        _require(odd, "kernel_size", "an odd number, at least 3", self.kernel_size)
        _require(self.start_bpm > 0, "start_bpm", "above 0", self.start_bpm)
        odd = self.delta_width % 2 == 1 and self.delta_width >= 3
        _require(odd, "delta_width", "an odd number, at least 3", self.delta_width)
        _require(self.n_bands >= 1, "n_bands", "at least 1", self.n_bands)
        if not {"tempo", "mfcc", "mfcc_delta", "mfcc_delta2"}.isdisjoint(self.families):
            self.mel_spec()  # raises where a filter would be empty
        if "tempo" in self.families:
            most = max(1, self.sample_rate // 2)  # 16 lags in 8 s
            _require(self.hop_length <= most, "hop_length", f"at most {most} for a tempo", self.hop_length)
        if not {"harmony", "perceptr"}.isdisjoint(self.families):
            half = self.n_fft // 2
            what = f"at most half of n_fft ({half}) for harmony and perceptr"
            _require(self.hop_length <= half, "hop_length", what, self.hop_length)
        if "spectral_contrast" in self.families:
            top, nyquist = 200 * 2 ** (self.n_bands - 1), self.sample_rate / 2
            _require(
                top < nyquist, "n_bands", f"so few that the highest begins below {nyquist:g} Hz", self.n_bands
            )
            least = math.ceil(self.sample_rate / 200)
            _require(self.n_fft >= least, "n_fft", f"at least {least} for a spectral contrast", self.n_fft)

    def mel_spec(self) -> MelSpec:
        """The mel filters under the MFCC and the tempo."""
        return MelSpec(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            fmax=self.sample_rate / 2,
            mel_scale="slaney",
            pad_mode="constant",
        )

    def parts(self, family: str) -> list[str]:
        """The values of a family in one frame, by name, such as ``["mfcc1", …]``."""
        counts = {"mfcc": self.n_mfcc, "spectral_contrast": self.n_bands + 1, "tonnetz": 6}
        stem, _, delta = family.partition("_delta")
        if stem in counts:
            end = f"_delta{delta}" if stem != family else ""
            return [f"{stem}{number}{end}" for number in range(1, counts[stem] + 1)]
        return [family]

    def columns_of(self, family: str) -> list[str]:
        """Names of a family's columns."""
        if family == "tempo":
            return ["tempo"]
        return [f"{part}_{statistic}" for part in self.parts(family) for statistic in ("mean", "var")]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column for family in self.families for column in self.columns_of(family))

    @property
    def least_samples(self) -> int:
        """1; but what is mirrored has to reach half a window."""
        return 1 if self.pad_mode == "constant" else self.n_fft // 2 + 1

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: each column has its own, see `FAMILIES`."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """``(number of columns,)``, for a chunk of at least `least_samples`."""
        _require_samples(samples, self.least_samples)
        return (len(self.columns),)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """The columns' names."""
        return {"feature": (list(self.columns), "")}


@dataclass(frozen=True, kw_only=True)
class TableSpec(FeatureSpec, feature="table"):
    """Columns that somebody else computed, taken over from a table (`audiospec table import`).

    It cannot be computed: there is no frontend for it.

    Parameters
    ----------
    columns : tuple of str
        Their names, in order; at least one, each once.
    sha256 : str
        SHA-256 of the table's file, so that two tables are never one view.

    Raises
    ------
    SpecError
        No column, or one that is there twice.
    """

    dtype: Literal["float16", "float32", "uint8"] = "float32"
    columns: tuple[str, ...] = ()
    sha256: str = ""

    def validate(self) -> None:
        """Raise `SpecError` if the values cannot work together."""
        _require(len(self.columns) > 0, "columns", "at least one name", self.columns)
        _require(len(set(self.columns)) == len(self.columns), "columns", "names that differ", self.columns)

    @property
    def dims(self) -> tuple[str, ...]:
        """``("feature",)``."""
        return ("feature",)

    @property
    def unit(self) -> str:
        """``""``: whoever made the table knows."""
        return ""

    def row_shape(self, samples: int) -> tuple[int, ...]:
        """``(number of columns,)``."""
        _require_samples(samples, 1)
        return (len(self.columns),)

    def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
        """The columns' names."""
        return {"feature": (list(self.columns), "")}


def spec_class(feature: str) -> type[FeatureSpec]:
    """The spec class of a feature.

    Parameters
    ----------
    feature : str
        Name in the registry of features.

    Raises
    ------
    RegistryError
        No such feature (with the choices and the nearest name).
    """
    # Our own specs are in this file, so that torch is not imported; others come with their frontends.
    return _SPECS[feature] if feature in _SPECS else features[feature].spec_class


def digest(value: object) -> str:
    """SHA-256 (64 hexadecimal digits) of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


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


def _families(names: tuple[str, ...]) -> tuple[str, ...]:
    """Families by name, the words for several spelt out, in their order."""
    chosen: set[str] = set()
    for name in names:
        if name not in (*FAMILIES, "published", "all"):
            choices = ["published", "all", *FAMILIES]
            close = nearest(name, choices)
            raise SpecError(f"parameter families must be some of {', '.join(choices)}; got {name!r}{close}")
        chosen.update({"published": PUBLISHED, "all": tuple(FAMILIES)}.get(name, (name,)))
    _require(bool(chosen), "families", "at least one name", names)
    return tuple(family for family in FAMILIES if family in chosen)


def _require_samples(samples: int, least: int) -> None:
    if samples < least:
        raise SpecError(f"a chunk of {samples} samples is too short: expected at least {least}")


def _require(fine: bool, name: str, expected: str, value: object) -> None:
    if not fine:
        raise SpecError(f"parameter {name} must be {expected}; got {value!r}")
