"""table import: a published table of features as a view of a store."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._text import by, count, emit, say, size
from audiospec.cli._views import described, tracks_of

EPILOG = "Example: audiospec table import features_30_sec.csv --store gtzan.zarr"

#: So many columns that are left out are named; --json names all.
MOST_COLUMNS = 20


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table, .csv or .parquet.")],
    store: Annotated[
        Path,
        typer.Option(metavar="PATH", help="Store to make or to add to, .zarr or .h5.", show_default=False),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Dataset that the tracks are of (the store's, or its file's name)."
        ),
    ] = None,
    chunk: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="What a row stands for (the median of the column length)."),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="From one piece's start to the next (the chunk's length)."),
    ] = None,
    sample_rate: Annotated[
        int,
        typer.Option(
            metavar="HZ", show_default=False, help="Rate of the samples in the column length (22050)."
        ),
    ] = 22050,
    columns: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            show_default=False,
            help="Features to take over: published (GTZAN's 57), all, or names with commas (published).",
        ),
    ] = "published",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")] = False,
) -> None:
    """Make a view of a published table of features.

    The columns filename and label say whose each row is: jazz.00012.wav is a track, jazz.00012.7.wav its
    eighth piece. Numbers are kept as float32, each within 6e-8 of itself.
    """
    from audiospec.tables.importing import import_table
    from audiospec.tables.reading import read_table

    table = read_table(file, columns)
    view = import_table(table, store, dataset=dataset, chunk=chunk, hop=hop, sample_rate=sample_rate)
    if json:
        emit(
            "done",
            store=str(store),
            tracks=len(view.store.tracks),
            views=[described(view)],
            columns=table.columns,
            left_out=table.left_out,
        )
        return
    say(f"{store}: {count(len(view.store.tracks), 'track')}", "bold")
    tracks = count(tracks_of(view), "track")
    say(f"  {view.name}  {tracks}  {by(view.shape)}  {view.spec.dtype}  {size(view.bytes_on_disk())}")
    if table.left_out:
        names = ", ".join(table.left_out[:MOST_COLUMNS]) + (
            ", …" if len(table.left_out) > MOST_COLUMNS else ""
        )
        say(f"left out, see --columns: {count(len(table.left_out), 'column')}: {names}", "yellow")
    say(f"next: audiospec store info {shlex.quote(str(store))}", "dim")
