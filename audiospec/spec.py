"""Specs: frozen, validated descriptions of how a feature is computed, and their fingerprints.

Nothing heavy is imported here: a plan can be made, and a store understood, without torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from audiospec.errors import RegistryError, SpecError, nearest
from audiospec.registry import Registry

if TYPE_CHECKING:
    from audiospec.features.base import Frontend

#: The registry of features; an entry is the frontend's class, which names its spec's class.
features: Registry[type[Frontend]] = Registry("feature", "audiospec.features", "audiospec.features")

_SPECS: dict[str, type[FeatureSpec]] = {}

#: Below it float32 has few digits or none, and the logarithm of silence is minus infinity.
_TINY = 1.2e-38


@dataclass(frozen=True, kw_only=True)
class FeatureSpec(ABC):
    """What every spec has: a feature's name, a sample rate, a stored dtype, and a fingerprint.

    A subclass is a frozen dataclass whose header names its feature: ``class MelSpec(FeatureSpec,
    feature="mel")``. Values are coerced to the fields' types, so ``fmin=0`` and ``fmin=0.0`` are one spec.

    Parameters
    ----------
    sample_rate : int
        Rate in Hz to which audio is resampled before anything else.
    dtype : "float16" or "float32"
        How a store keeps the numbers; frontends compute in float32.

    Raises
    ------
    SpecError
        A value of the wrong type, or one with which nothing can be computed.
    """

    feature: ClassVar[str]
    #: Bumped by hand when the mathematics changes, from decoding to the last decimal.
    version: ClassVar[int] = 1

    sample_rate: int = 22050
    dtype: Literal["float16", "float32"] = "float16"

    def __init_subclass__(cls, *, feature: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.feature = feature
        other = _SPECS.setdefault(feature, cls)
        # A module that is loaded again, as in a notebook, replaces its own.
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise RegistryError(
                f"two specs are of feature {feature!r}: {other.__module__}.{other.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}; rename one"
            )
        _SPECS[feature] = cls

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _coerce(field.name, hints[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        _require(self.sample_rate >= 1, "sample_rate", "at least 1 Hz", self.sample_rate)
        self.validate()

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

    @classmethod
    def replace_in(cls, values: Mapping[str, Any]) -> Self:
        """A spec of this class with the given fields, the others at their defaults.

        Raises
        ------
        SpecError
            A field that the spec does not have (with the nearest one), or an impossible value.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise SpecError(
                    f"feature {cls.feature!r} has no parameter {name!r}{nearest(name, names)} "
                    f"(it has: {', '.join(names)})"
                )
        return cls(**values)

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
        if self.scale == "linear" and self.dtype == "float16":
            raise SpecError('scale="linear" needs dtype="float32": power spans more than float16 can hold')
        bins = self.n_fft // 2 + 1
        _require(self.n_mels <= 2 * bins, "n_mels", f"at most 2 for each of {bins} Fourier bins", self.n_mels)
        empty = self._empty_filters()
        if empty:
            raise SpecError(
                f"{len(empty)} of {self.n_mels} mel filters hold no Fourier bin (the first is number "
                f"{empty[0]}): lower n_mels, raise n_fft ({self.n_fft}), or widen fmin to fmax"
            )

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


def _require(fine: bool, name: str, expected: str, value: object) -> None:
    if not fine:
        raise SpecError(f"parameter {name} must be {expected}; got {value!r}")


def _coerce(name: str, hint: Any, value: Any) -> Any:
    """Return `value` as the type that `hint` names, or raise SpecError.

    Text counts as the value it spells, so that the command line needs no parser of its own.
    """
    text = value if isinstance(value, str) else None
    for choice in typing.get_args(hint) if _is_union(hint) else (hint,):
        if choice is type(None):
            if value is None or text == "none":
                return None
        elif typing.get_origin(choice) is Literal:
            for literal in typing.get_args(choice):
                same = isinstance(value, type(literal)) and value == literal
                if same or (literal is None and text == "none"):
                    return literal
        elif choice is bool:
            if isinstance(value, bool) or text in ("true", "false"):
                return value is True or text == "true"
        elif choice is int or choice is float:
            number = _number(value)
            if number is not None and (choice is float or number.is_integer()):
                return choice(number) + 0  # -0.0 is 0.0
        elif isinstance(value, choice):
            return value
    raise SpecError(f"parameter {name} must be {_expected(hint)}; got {value!r}")


def _number(value: Any) -> float | None:
    """`value` as a finite float, or None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _expected(hint: Any) -> str:
    """A type hint in words."""
    words = []
    for choice in typing.get_args(hint) if _is_union(hint) else (hint,):
        if choice is type(None):
            words.append("none")
        elif typing.get_origin(choice) is Literal:
            words += [repr(literal) if literal is not None else "none" for literal in typing.get_args(choice)]
        else:
            words.append(
                {int: "a whole number", float: "a finite number", bool: "true or false"}.get(
                    choice, getattr(choice, "__name__", str(choice))
                )
            )
    return " or ".join(words)
