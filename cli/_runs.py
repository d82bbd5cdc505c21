"""RUN: the folder of a run, or its address on a hub; the same in all commands."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._text import say

if TYPE_CHECKING:
    from audiospec.zoo.runs.run import Run

RunPlace = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder of a run, or hf://USER/NAME[@REVISION] on a hub.")
]


def quieten() -> None:
    """Show the progress bars of the hub's client on a terminal only; to be called before it is imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def open_run(place: str, *, json: bool = False) -> Run:
    """Open a run; print the commit of one that was loaded from a hub."""
    from audiospec.zoo.hub.load import load_run

    quieten()
    opened = load_run(place)
    if opened.source and not json:
        say(opened.source, "dim")
    return opened
