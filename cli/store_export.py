"""store export: copy a store, with or without a change of format."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from audiospec.cli._text import say
from audiospec.text import printable, size

EPILOG = "Example: audiospec store export gtzan.zarr gtzan.h5"


def command(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A feature store.")],
    target: Annotated[
        str,
        typer.Argument(metavar="DST", help="Path of the copy; its suffix, .zarr or .h5, selects the format."),
    ],
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Leave out the audio's folder and absolute paths: to publish."),
    ] = False,
) -> None:
    """Copy a feature store, optionally to another format."""
    from audiospec.stores.base import open_store

    store = open_store(source)
    copy = store.export(
        target, lambda view: print(f"copying {printable(view)}", file=sys.stderr), anonymous=anonymous
    )
    say(f"{source} ({size(store.bytes_on_disk())}) → {target} ({size(copy.bytes_on_disk())})")
