"""specs: list the presets, or show one."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from audiospec.cli._text import body, facts, listing, say, table
from audiospec.specs.presets.base import is_share, presets, reference, spec

EPILOG = "Example: audiospec specs whisper"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the details of one preset.", show_default=False)
    ] = None,
) -> None:
    """List the presets, which are specs of libraries and models by name, or show the details of one."""
    if name is None:
        listing(presets)
        return
    made = spec(name)
    summary = presets.summary(name)
    say(f"{name}: {summary}", "bold")
    body(presets[name], summary)
    held = reference(name)
    unit = " of the largest value" if is_share(made) else f" {made.unit}" if made.unit else ""
    facts(
        {
            "feature": made.feature,
            "axes": ", ".join(made.dims),
            "held to": f"{held.name}: differs by at most {held.within:g}{unit}" if held else "nothing",
        }
    )
    say()
    rows = [
        (field.name, _text(getattr(made, field.name)), _text(field.default))
        for field in dataclasses.fields(made)
        if getattr(made, field.name) != field.default
    ]
    if rows:
        table(rows, ("field", "value", f"default of {made.feature}"), indent=2)
        say()
    say(f"next: audiospec featurize DATASET --spec {name} --set FIELD=VALUE", "dim")


def _text(value: object) -> str:
    """Return a field's value as it is written on the command line."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
