"""The specs that a command computes: of features by name, or presets, with the fields that options set."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from audiospec.specs.base import FeatureSpec, spec_class
from audiospec.specs.presets.base import STORED, spec


def split_names(values: Sequence[str] | None) -> list[str]:
    """Split the values of an option at commas, and drop duplicates."""
    names = [name.strip() for value in values or () for name in value.split(",")]
    return list(dict.fromkeys(names))


def requested_specs(
    features: Sequence[str] | None,
    presets: Sequence[str] | None,
    options: Mapping[str, Any],
    settings: Mapping[str, str],
) -> list[FeatureSpec]:
    """Make the specs that options ask for.

    Parameters
    ----------
    features : sequence of str or None
        The values of ``--features``; None: mel, unless presets are named.
    presets : sequence of str or None
        The values of ``--spec``.
    options : mapping
        Field → value of the options that are named after a field. They go with features.
    settings : mapping
        Field → value of ``--set``; of one feature or preset, if its name stands before a dot.

    Returns
    -------
    list of FeatureSpec

    Raises
    ------
    typer.BadParameter
        Options contradict each other.
    """
    if presets is None:
        return _specs_of_features(split_names(features) or ["mel"], {**options, **settings})
    named = f"--spec {','.join(presets)}"
    if features is not None:
        raise typer.BadParameter(
            f"{named} says what is computed, and so does --features {','.join(features)}; give one of the two"
        )
    fixed = {name: value for name, value in options.items() if name not in STORED}
    if fixed:
        flags = ", ".join(_flag(name, value) for name, value in fixed.items())
        changes = " ".join(f"--set {name}={_plain(value)}" for name, value in fixed.items())
        raise typer.BadParameter(f"{named} has its own value for {flags}; to change it, give {changes}")
    return _specs_of_presets(split_names(presets), {**options, **settings})


def _flag(name: str, value: object) -> str:
    return f"--{'no-' if value is False else ''}{name.replace('_', '-')}"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _specs_of_features(features: Sequence[str], values: Mapping[str, Any]) -> list[FeatureSpec]:
    """Make the specs of features.

    A value is used for each feature that has the field, or only for the one that is named before a dot.
    """
    classes = {name: spec_class(name) for name in features}
    chosen = _dealt(values, {name: _fields(cls) for name, cls in classes.items()}, "--features")
    return [cls.replace_in(chosen[name]) for name, cls in classes.items()]


def _specs_of_presets(presets: Sequence[str], values: Mapping[str, Any]) -> list[FeatureSpec]:
    """Make the specs of presets; `values` as in `_specs_of_features`, with names of presets."""
    made = {name: spec(name) for name in presets}
    chosen = _dealt(values, {name: _fields(type(each)) for name, each in made.items()}, "--spec")
    return list(dict.fromkeys(spec(name, **changes) for name, changes in chosen.items()))


def _fields(cls: type[FeatureSpec]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


def _dealt(
    values: Mapping[str, Any], fields: Mapping[str, set[str]], option: str
) -> dict[str, dict[str, Any]]:
    """Deal values to the features or presets that have the field, or to the one before a dot."""
    # `assignments` writes a dash as an underscore.
    names = {name.replace("-", "_"): name for name in fields}
    chosen: dict[str, dict[str, Any]] = {name: {} for name in fields}
    for name, value in values.items():
        owner, dot, field = name.rpartition(".")
        if dot and owner not in names:
            what = "preset" if option == "--spec" else "feature"
            raise typer.BadParameter(
                f"{name!r} is of {what} {owner!r}; {option} has: {', '.join(fields)}", param_hint="--set"
            )
        having = [names[owner]] if dot else [each for each in fields if field in fields[each]]
        # The spec refuses a field that none has, and names the nearest.
        for each in having or list(fields)[:1]:
            chosen[each][field] = value
    return chosen
