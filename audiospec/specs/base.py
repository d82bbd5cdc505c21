"""Specs: frozen, validated descriptions of how a feature is computed, and their fingerprints.

Nothing heavy is imported here: a plan can be made, and a store understood, without torch.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Protocol

from audiospec.digests import digest
from audiospec.errors import RegistryError, SpecError
from audiospec.fields import Fields
from audiospec.registry import Registry
from audiospec.specs.byte_code import DecibelCode

#: What the rows of a spec are: ``"table"``, one number a column, each with a name; ``"spectrogram"``,
#: frequency (Hz) by frame (s); ``"other"``, axes of a feature's own.
Kind = Literal["table", "spectrogram", "other"]


class FrontendClass(Protocol):
    """What a plan needs of a feature's entry, without torch: the class of its spec, and its backends."""

    spec_class: type[FeatureSpec]
    backends: tuple[str, ...]

    def __call__(self, spec: FeatureSpec, *, backend: str | None = None) -> Any:
        """Make the frontend, a `torch.nn.Module`."""


#: The registry of features; an entry is the frontend's class, which names its spec's class.
features: Registry[FrontendClass] = Registry("feature", "audiospec.features", "audiospec.features")

_SPECS: dict[str, type[FeatureSpec]] = {}


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
    #: What the rows are: by it models, pictures and tables know what they can use, whatever the axes' names.
    kind: ClassVar[Kind] = "other"
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
        require(self.sample_rate >= 1, "sample_rate", "at least 1 Hz", self.sample_rate)
        self.validate()
        if self.dtype == "uint8" and (self.code is None or len(self.dims) < 2):
            raise SpecError(
                f'dtype="uint8" is a code of decibels, which feature {self.feature!r} has none of: give '
                'dtype="float32"; among several features, --set mel.dtype=uint8 means one alone'
            )

    @property
    def code(self) -> DecibelCode | None:
        """How a store keeps a number in one byte; None where it keeps numbers as they are."""
        return None

    @abstractmethod
    def validate(self) -> None:
        """Raise `SpecError` if the values cannot work together."""

    @property
    @abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Names of a row's axes, such as ``("mel", "frame")``; at least one."""

    @abstractmethod
    def row_shape(self, samples: int) -> tuple[int, ...]:
        """Shape of one row's features for a chunk of so many samples at `sample_rate`.

        Raises
        ------
        SpecError
            The chunk is too short for this spec.
        """

    def is_of(self, what: str) -> bool:
        """Whether `what` names these rows: their kind, such as ``"table"``, or their feature."""
        return what in (self.kind, self.feature)

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
    # Our own specs have modules of their own, without torch; others come with their frontends.
    home = f"audiospec.specs.{feature.replace('-', '_')}"
    if feature not in _SPECS and feature.isidentifier() and find_spec(home) is not None:
        import_module(home)
    return _SPECS[feature] if feature in _SPECS else features[feature].spec_class


def require_samples(samples: int, least: int) -> None:
    """Raise `SpecError` if a chunk has fewer than `least` samples."""
    if samples < least:
        raise SpecError(f"a chunk of {samples} samples is too short: expected at least {least}")


def require(fine: bool, name: str, expected: str, value: object) -> None:
    """Raise `SpecError` for a parameter that is not as expected."""
    if not fine:
        raise SpecError(f"parameter {name} must be {expected}; got {value!r}")
