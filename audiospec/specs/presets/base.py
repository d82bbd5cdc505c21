"""Presets: specs with names, such as the spectrogram that Whisper reads; the registry of presets.

A preset is a function under ``@presets.register`` that returns a spec, in a file of
`audiospec.specs.presets` or in another package (entry point ``audiospec.presets``). Its docstring gives the
source of its values.

Nothing heavy is imported here, as in all specs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from audiospec.errors import RegistryError
from audiospec.registry import Registry
from audiospec.specs.base import FeatureSpec, features

Preset = Callable[[], FeatureSpec]
P = TypeVar("P", bound=Preset)

presets: Registry[Preset] = Registry("preset", "audiospec.specs.presets", "audiospec.presets")

#: Fields that say which audio is read and how numbers are stored, not how they are computed.
STORED = ("channel", "dtype")


@dataclass(frozen=True)
class Reference:
    """The implementation that a preset is held to by a test.

    Attributes
    ----------
    name : str
        Such as ``"transformers' WhisperFeatureExtractor"``.
    within : float
        Largest difference that the test allows: in the preset's own unit, or as a share of the largest value
        (see `is_share`).
    """

    name: str
    within: float


_REFERENCES: dict[Preset, Reference] = {}


def held_to(name: str, *, within: float) -> Callable[[P], P]:
    """Name the implementation that a preset is held to; a decorator below ``@presets.register``.

    Parameters
    ----------
    name, within
        As in `Reference`.
    """

    def enter(preset: P) -> P:
        _REFERENCES[preset] = Reference(name, within)
        return preset

    return enter


def reference(name: str) -> Reference | None:
    """Return what a preset is held to; None if it names nothing.

    Raises
    ------
    RegistryError
        No such preset.
    """
    return _REFERENCES.get(presets[name])


def spec(name: str, /, **changes: object) -> FeatureSpec:
    """Return the spec of a preset, such as that of the spectrogram that Whisper reads.

    Parameters
    ----------
    name : str
        Name in the registry of presets; ``audiospec specs`` lists them.
    changes
        Field → value that replaces the preset's, converted as by the spec's class.

    Returns
    -------
    FeatureSpec

    Raises
    ------
    RegistryError
        No such preset; the message lists the choices and the nearest name.
    SpecError
        The feature has no such field, or the values are inconsistent.

    Examples
    --------
    >>> audiospec.spec("whisper").n_mels
    80
    >>> audiospec.spec("whisper", n_mels=128) == audiospec.spec("whisper-large-v3")
    True
    """
    try:
        preset = presets[name]
    except RegistryError:
        if name not in features.names():
            raise
        raise RegistryError(
            f"{name!r} is a feature, not a preset (there are: {', '.join(presets)})",
            f"`features={name}` computes its defaults",
        ) from None
    made = preset()
    if not isinstance(made, FeatureSpec):
        raise RegistryError(
            f"preset {name!r} returns a {type(made).__name__}; expected a spec", "correct its function"
        )
    values = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    return type(made).replace_in(values | changes, f"preset {name!r} of feature {made.feature!r}")


def is_share(made: FeatureSpec) -> bool:
    """Whether differences of a spec's values are a share of the largest: its scale is linear."""
    return getattr(made, "scale", "") == "linear"


def preset_of(computed: FeatureSpec) -> str | None:
    """Return the first preset that a spec is of; None if it is of none."""
    return next((name for name in presets if is_preset(computed, name)), None)


def is_preset(computed: FeatureSpec, name: str) -> bool:
    """Whether a spec computes what a preset does.

    `dtype` and `channel` may differ: they do not change how a value is computed.
    """
    return _without_stored(computed) == _without_stored(spec(name))


def _without_stored(made: FeatureSpec) -> dict[str, object]:
    return {field: value for field, value in made.to_dict().items() if field not in STORED}
