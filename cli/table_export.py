"""table export: write a view as a table of features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._text import count, say
from audiospec.text import size

EPILOG = "Example: audiospec table export gtzan.zarr --chunk 30 --out features_30_sec.csv"


def command(
    store: Annotated[str, typer.Argument(metavar="STORE", help="A feature store.")],
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Table to write, .csv or .parquet.", show_default=False),
    ],
    chunk: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Length of the chunks of the view.")
    ] = None,
    view: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of a view, or a prefix of it.")
    ] = None,
) -> None:
    """Write a tabular view as a CSV or Parquet file.

    The columns are filename, length, the features and label.
    """
    from audiospec.find import find_view
    from audiospec.stores.base import open_store
    from audiospec.tables.exporting import export_table

    chosen = find_view(open_store(store), chunk, view)
    export_table(chosen, out)
    rows, columns = count(len(chosen), "row"), count(len(chosen.columns), "feature")
    say(f"{out}: {rows} of {columns} from {chosen.name} ({size(out.stat().st_size)})")
