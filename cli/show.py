"""show: draw the spectrogram of a track."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._text import say

if TYPE_CHECKING:
    from audiospec.stores.base import FeatureStore
    from audiospec.stores.layout.view import View

EPILOG = "Example: audiospec show gtzan.zarr rock.00000 --out rock.png"


def command(
    store: Annotated[str, typer.Argument(metavar="STORE", help="A feature store.")],
    track: Annotated[str, typer.Argument(metavar="TRACK", help="Id of a track, or the name of its file.")],
    view: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of a view, or a prefix of it (the view with the longest chunks)."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture to write: .png, .pdf or .svg (TRACK.png).")
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option("--chunk-number", metavar="N", help="Draw only this chunk, counted from 0."),
    ] = None,
) -> None:
    """Draw the spectrogram of a track as a picture."""
    from audiospec.render import spectrogram as picture
    from audiospec.stores.base import open_store

    opened = open_store(store)
    chosen = _default_view(opened) if view is None else opened.view(view)
    file = out or Path(_file_name(str(opened.tracks["id"][opened.find_track(track)])))
    picture.save(picture.draw(chosen, track, chunk), file)
    say(f"{file}: {track} in {chosen.name}")


def _default_view(store: FeatureStore) -> View:
    """Return the view of spectrograms with the longest chunks, or else the only view of the store."""
    drawable = [view for view in store.views() if view.spec.kind == "spectrogram"]
    if not drawable:
        return store.view()
    return max(drawable, key=lambda view: view.chunking.seconds)


def _file_name(track: str) -> str:
    """Return a file name for a picture of a track that is valid on any system."""
    return re.sub(r"[^\w.-]+", "-", track).strip(".-")[:100] + ".png"
