"""table import: import a table of features as a view of a store."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._text import by, count, emit, say
from audiospec.cli._views import described, tracks_of
from audiospec.text import size

EPILOG = "Example: audiospec table import features_30_sec.csv --store gtzan.zarr"

#: Number of skipped columns to name; --json lists all.
MAX_COLUMNS = 20


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table, .csv or .parquet.")],
    store: Annotated[
        str,
        typer.Option(
            metavar="PATH", help="Store to create or add to, .zarr or .h5, or s3://….", show_default=False
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Dataset of the tracks (that of the store, or the name of its file)."
        ),
    ] = None,
    chunk: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Length of a row (the median of the column length)."),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="From the start of one piece to the next (the value of --chunk)."
        ),
    ] = None,
    sample_rate: Annotated[
        int,
        typer.Option(metavar="HZ", show_default=False, help="Sample rate of the column length (22050)."),
    ] = 22050,
    columns: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            show_default=False,
            help="Features to import: published (GTZAN's 57), all, or comma-separated names (published).",
        ),
    ] = "published",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Import a published table of features into a store.

    The columns filename and label identify the track of each row: jazz.00012.wav is a whole track,
    jazz.00012.7.wav is its eighth piece. Numbers are stored as float32.
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
        names = ", ".join(table.left_out[:MAX_COLUMNS]) + (", …" if len(table.left_out) > MAX_COLUMNS else "")
        say(f"{count(len(table.left_out), 'column')} not imported (see --columns): {names}", "yellow")
    say(f"next: audiospec store info {shlex.quote(str(store))}", "dim")
