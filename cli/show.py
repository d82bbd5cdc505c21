"""show: a picture of one track's spectrogram."""

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
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A feature store.")],
    track: Annotated[str, typer.Argument(metavar="TRACK", help="A track's id, or the name of its file.")],
    view: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A view, or how it begins (the one of longest chunks)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture to write: .png, .pdf, .svg (TRACK.png).")
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option("--chunk-number", metavar="N", help="Draw only this chunk, counted from 0."),
    ] = None,
) -> None:
    """Draw the spectrogram of a track."""
    from audiospec.render import spectrogram as picture
    from audiospec.stores.base import open_store

    opened = open_store(store)
    chosen = _usual_view(opened) if view is None else opened.view(view)
    file = out or Path(_file_name(str(opened.tracks["id"][opened.find_track(track)])))
    picture.save(picture.draw(chosen, track, chunk), file)
    say(f"{file}: {track} in {chosen.name}")


def _usual_view(store: FeatureStore) -> View:
    """Choose the view that shows most at a time; if none can be drawn, the store says what there is."""
    drawable = [view for view in store.views() if view.spec.kind == "spectrogram"]
    if not drawable:
        return store.view()
    return max(drawable, key=lambda view: view.chunking.seconds)


def _file_name(track: str) -> str:
    """Make a file name for a track's picture, safe on any system."""
    return re.sub(r"[^\w.-]+", "-", track).strip(".-")[:100] + ".png"
