"""Options that choose a model and the rows to use, which several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

_PANEL = "Data"

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of a model; `audiospec models` lists the models.")
]
StorePath = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH",
        rich_help_panel=_PANEL,
        help="A feature store, a path or s3://… (the only one in this folder).",
    ),
]
ChunkSeconds = Annotated[
    float | None,
    typer.Option(
        "--chunk", metavar="SECONDS", rich_help_panel=_PANEL, help="Length of the chunks of the view."
    ),
]
ViewName = Annotated[
    str | None,
    typer.Option(
        "--view",
        metavar="NAME",
        rich_help_panel=_PANEL,
        help="Name of a view, a prefix of it, or the preset that it was made with.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="LABELS",
        rich_help_panel=_PANEL,
        help="Labels of the rows to use, separated by commas (all).",
    ),
]
TrackColumn = Annotated[
    str | None,
    typer.Option(
        "--label-column",
        metavar="NAME",
        rich_help_panel=_PANEL,
        help="Column of the store's tracks whose text is the label (the store's labels or targets).",
    ),
]
SetParameters = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PARAMETER=VALUE",
        rich_help_panel="Training",
        help="Set a parameter of the model; `audiospec models NAME` lists the parameters.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        metavar="N",
        rich_help_panel="Training",
        help="Short for --set epochs=N (the model's: 100).",
    ),
]
