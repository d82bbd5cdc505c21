"""Options of the datasets of your own audio, which several commands have."""

from __future__ import annotations

from typing import Annotated, Any

import typer

PathColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the paths, of csv or metadata (path, file_name …)."),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the labels, of csv or metadata (label, class, genre …)."),
]
AudioRoot = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Folder that the paths of csv are relative to (the table's)."),
]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}
