"""Options of the datasets of your own audio, which several commands have."""

from __future__ import annotations

from typing import Annotated, Any

import typer

_TARGETS = "Targets and annotations"

LabelLevel = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Dataset folder: which folder is the label; 1 is the first below --data, -1 the file's own "
        "(the only one that can be it).",
    ),
]
PathColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the paths, of csv or metadata (path, file_name …)."),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the labels, of csv or metadata (label, class, genre …)."),
]
GroupColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column of the group, of csv or metadata (group).")
]
IdColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the tracks' ids, of csv (id, or else the path)."),
]
FoldColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the fold, of csv (fold, or split with train …)."),
]
ClusterColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of near-duplicates, of csv or metadata (cluster)."),
]
AudioRoot = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Folder that the paths of csv are relative to (the table's)."),
]

Target = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_TARGETS,
        help="What labels are read as, of csv or folder: single, multi-label, number or frames (single).",
    ),
]
Separator = Annotated[
    str | None,
    typer.Option(
        metavar="SIGN",
        rich_help_panel=_TARGETS,
        help="Sign between several labels of a cell, of csv (; | or , whichever the cells have).",
    ),
]
LabelColumns = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        rich_help_panel=_TARGETS,
        help="Columns of csv that are a label each, with 1 or 0, separated by commas.",
    ),
]
StartColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_TARGETS,
        help="Column of the start of segments, of csv (start, onset …); none: rows are whole files.",
    ),
]
EndColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_TARGETS,
        help="Column of the end or duration of segments, of csv (end, offset, duration …).",
    ),
]
AnnotationFiles = Annotated[
    str | None,
    typer.Option(
        "--annotations",
        metavar="FORMAT",
        rich_help_panel=_TARGETS,
        help="Dataset folder: read annotations from files beside the audio: raven, audacity, jams …",
    ),
]
MinOverlap = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        show_default=False,
        rich_help_panel=_TARGETS,
        help="Share of a chunk or of an annotation that must overlap: then the chunk has its label (0.5).",
    ),
]
KeepBackground = Annotated[
    bool,
    typer.Option(
        "--background",
        rich_help_panel=_TARGETS,
        help="Make rows of chunks without an annotation, too, which have no label.",
    ),
]
BackgroundClass = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=_TARGETS,
        help="Make rows of them, which have this label.",
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}
