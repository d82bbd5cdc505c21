"""Specs: frozen, validated descriptions of how a feature is computed, and their fingerprints.

Nothing heavy is imported here, so that a run can be planned and a store can be read without torch.
"""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from audiospec.digests import digest
from audiospec.errors import RegistryError, SpecError
from audiospec.fields import Fields, shown
from audiospec.registry import Registry
from audiospec.specs.byte_code import DecibelCode

#: Limits far above what audio needs. A spec may come from a damaged file, and must not ask for gigabytes:
#: rate in Hz, samples in a window and in a hop, weights of filters, and numbers in a row.
MOST_RATE, MOST_WINDOW, MOST_HOP, MOST_WEIGHTS, MOST_VALUES = 10**7, 1 << 20, 1 << 24, 1 << 27, 1 << 28

#: Layout of a row: ``"table"``, one number per named column; ``"spectrogram"``, frequency (Hz) or the number
#: of a coefficient by frame (s); ``"wave"``, samples (s); ``"other"``, any other axes.
Kind = Literal["table", "spectrogram", "wave", "other"]


class FrontendClass(Protocol):
    """The part of a feature's entry that planning needs, without torch: its spec class and backends."""

    spec_class: type[FeatureSpec]
    backends: tuple[str, ...]

    def __call__(self, spec: FeatureSpec, *, backend: str | None = None) -> Any:
        """Construct the frontend, a `torch.nn.Module`."""


#: The registry of features; an entry is a frontend class, which names its spec class.
features: Registry[FrontendClass] = Registry("feature", "audiospec.features", "audiospec.features")

_log = logging.getLogger("audiospec")
_announced: set[str] = set()
_SPECS: dict[str, type[FeatureSpec]] = {}
#: Names of channels; a number from 0 is another.
CHANNELS = ("mix", "left", "right", "loudest")


@dataclass(frozen=True, kw_only=True)
class FeatureSpec(Fields, ABC):
    """Base class of specs: a feature's name, a sample rate, a stored dtype and a fingerprint.

    A subclass is a frozen dataclass whose header names its feature: ``class MelSpec(FeatureSpec,
    feature="mel")``. Values are coerced to the fields' types: ``fmin=0`` and ``fmin=0.0`` give equal specs.

    Parameters
    ----------
    sample_rate : int
        Rate in Hz to which audio is resampled before anything else.
    dtype : "float16", "float32" or "uint8"
        Type of the stored numbers; frontends compute in float32. ``"uint8"`` stores one byte per number,
        compressed, and is available only for features with a `code`.
    channel : str
        Which channel of a file is used: ``"mix"``, the mean of all; ``"left"`` and ``"right"``, the first and
        the second; ``"loudest"``, the one with the most energy in the whole file; or a number from 0. The
        only channel of a mono file is left, right and loudest. A file without the channel of a number has a
        problem.

    Raises
    ------
    SpecError
        A value has the wrong type, or the feature cannot be computed with it.
    """

    feature: ClassVar[str]
    #: Layout of a row. Models, pictures and tables check this, not the names of the axes.
    kind: ClassVar[Kind] = "other"
    #: Incremented manually when the mathematics changes, from decoding to the last decimal.
    version: ClassVar[int] = 1
    #: Whether audio shorter than the chunk is padded with zeros before the transform. It may be false if the
    #: shape of a row does not depend on the length, as for statistics: the frontend gets the unpadded audio.
    pads: ClassVar[bool] = True
    #: Fields that specs did not always have. `to_dict` leaves them out while they have their defaults, so
    #: that fingerprints stay what they were.
    later: ClassVar[frozenset[str]] = frozenset({"channel"})
    #: What everyone who computes the feature has to know, such as conditions of a licence; see `announce`.
    notice: ClassVar[str] = ""
    #: Fields that only say what to make a spec from, such as a file. They are not a part of it: `to_dict`
    #: leaves them out, and `from_dict`, whose values may come from elsewhere, refuses them.
    arguments: ClassVar[frozenset[str]] = frozenset()
    #: What `Frontend.parity` is the largest difference from, for messages.
    exact: ClassVar[str] = "float64"
    #: Packages that compute the feature, besides audiospec's own; their versions are stored with a view.
    packages: ClassVar[tuple[str, ...]] = ()

    sample_rate: int = 22050
    dtype: Literal["float16", "float32", "uint8"] = "float16"
    channel: str = "mix"

    def __init_subclass__(cls, *, feature: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.feature = feature
        cls.whose = f"feature {feature!r}"
        other = _SPECS.setdefault(feature, cls)
        # A class defined again by the same module, as in a notebook, replaces the old one.
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise RegistryError(
                f"feature {feature!r} has two specs, {other.__module__}.{other.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}",
                "rename one",
            )
        _SPECS[feature] = cls

    def __post_init__(self) -> None:
        channel: object = self.channel
        if isinstance(channel, int) and not isinstance(channel, bool):
            object.__setattr__(self, "channel", str(channel))
        super().__post_init__()
        expected = f"{', '.join(CHANNELS)}, or a number from 0"
        numbered = self.channel.isascii() and self.channel.isdecimal()
        require(numbered or self.channel in CHANNELS, "channel", expected, self.channel)
        if numbered:
            object.__setattr__(self, "channel", str(int(self.channel)))
        require(self.sample_rate >= 1, "sample_rate", "at least 1 Hz", self.sample_rate)
        require(self.sample_rate <= MOST_RATE, "sample_rate", f"at most {MOST_RATE} Hz", self.sample_rate)
        self.validate()
        if self.dtype == "uint8" and (self.code is None or len(self.dims) < 2):
            raise SpecError(
                f'dtype="uint8" stores decibels, but feature {self.feature!r} is not in decibels',
                'give `dtype="float32"`, or `mel.dtype="uint8"` to set it for mel alone',
            )

    @property
    def code(self) -> DecibelCode | None:
        """How a store encodes a number in one byte; None if numbers are not encoded."""
        return None

    @property
    def trial(self) -> tuple[str, Path] | None:
        """What to try before a run relies on it, if foreign code computes the feature: a function and a file.

        The function, ``"module:name"``, is called in a process that may die, with the spec as ``spec`` and a
        number of samples as ``samples`` of a mapping; the size of the file sets its limits.
        """
        return None

    @abstractmethod
    def validate(self) -> None:
        """Raise `SpecError` if the values are inconsistent."""

    @property
    @abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Names of the axes of a row, such as ``("mel", "frame")``; at least one."""

    @abstractmethod
    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Return the shape of a row for a chunk of `samples` samples at `sample_rate`.

        Raises
        ------
        SpecError
            The chunk is too short for this spec.
        """

    def is_of(self, what: str) -> bool:
        """Whether `what` is the kind of the rows, such as ``"table"``, or the name of the feature."""
        return what in (self.kind, self.feature)

    @property
    def least_samples(self) -> int:
        """Fewest samples that a row can be computed from if it is not padded."""
        return 1

    @abstractmethod
    def coordinates(self, samples: int) -> Mapping[str, tuple[Sequence[float] | Sequence[str], str]]:
        """Return, for each axis of `dims`, its values along a row and their unit (``""`` if none)."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """Unit of the numbers in a row, such as ``"dB"``."""

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON values, with the feature's name and version.

        Fields in `later` that have their defaults are left out, and those in `arguments`.
        """
        values = dataclasses.asdict(self)
        for field in dataclasses.fields(self):
            unchanged = field.name in self.later and values[field.name] == field.default
            if unchanged or field.name in self.arguments:
                del values[field.name]
        return {"feature": self.feature, "version": self.version, **values}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> FeatureSpec:
        """Return the spec that `to_dict` described.

        Raises
        ------
        SpecError
            The version is not the one that this audiospec computes, or a field is unknown or invalid.
        RegistryError
            The feature is unknown.
        """
        if not isinstance(values, Mapping):
            raise SpecError(f"a spec is a mapping of fields to values; got {shown(values)}")
        fields = dict(values)
        cls = spec_class(str(fields.pop("feature", "")))
        version = fields.pop("version", None)
        if version != cls.version:
            raise SpecError(
                f"spec of feature {cls.feature!r} has version {shown(version)}, this audiospec computes "
                f"version {cls.version}",
                "featurize again, or use the version of audiospec that wrote it",
            )
        if given := sorted(cls.arguments.intersection(fields)):
            raise SpecError(f"a spec of feature {cls.feature!r} has no field {given[0]!r} once it is made")
        return cls.replace_in(fields)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) of the canonical JSON of `to_dict`."""
        return digest(self.to_dict())


def spec_class(feature: str) -> type[FeatureSpec]:
    """Return the spec class of a feature.

    Parameters
    ----------
    feature : str
        Name in the registry of features.

    Raises
    ------
    RegistryError
        No such feature; the message lists the choices and the nearest name.
    """
    # Built-in specs have separate modules, which do not import torch; other specs are imported with their
    # frontends.
    module = f"audiospec.specs.{feature}"
    if feature not in _SPECS and feature.isidentifier() and find_spec(module) is not None:
        import_module(module)
    return _SPECS[feature] if feature in _SPECS else features[feature].spec_class


def announce(spec: FeatureSpec) -> None:
    """Write a spec's `notice` to the log, once in a process.

    What computes rows for a user calls it, in the user's own process; workers do not.
    """
    if spec.notice and spec.notice not in _announced:
        _announced.add(spec.notice)
        _log.warning("%s", spec.notice)


def require_samples(samples: int, least: int) -> None:
    """Raise `SpecError` if a chunk has fewer than `least` samples."""
    if samples < least:
        raise SpecError(f"a chunk of {samples} samples is too short; expected at least {least}")


def require(valid: bool, name: str, expected: str, value: object) -> None:
    """Raise `SpecError` for parameter `name` unless its value is valid."""
    if not valid:
        raise SpecError(f"parameter {name} must be {expected}; got {shown(value)}")
