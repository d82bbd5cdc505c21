"""checks: list the checks of `audiospec doctor`, or show one."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from audiospec.cli._text import entry, listing, say, table
from audiospec.cli.features import default_of, field_docs

EPILOG = "Example: audiospec checks near-duplicates"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the details of one check.", show_default=False)
    ] = None,
) -> None:
    """List the checks of a store's health, or show the settings of one."""
    from audiospec.doctor.checks.base import checks

    if name is None:
        listing(checks)
        return
    check = checks[name]
    entry(checks, name, check)
    docs = field_docs(check)
    rows = [(field.name, default_of(field), docs.get(field.name, "")) for field in dataclasses.fields(check)]
    if rows:
        table(rows, ("setting", "default", "meaning"), indent=2)
        say()
    setting = f" --set {name}.{rows[0][0]}={rows[0][1]}" if rows else ""
    say(f"next: audiospec doctor STORE --checks {name}{setting}", "dim")
