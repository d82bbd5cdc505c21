"""explore: show a store on a page of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._rows import ViewName
from audiospec.cli._text import say

EPILOG = "Example: audiospec explore gtzan.zarr --runs runs"


def command(
    store: Annotated[str, typer.Argument(metavar="STORE", help="A feature store.")],
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default=False,
            help="A run, or a folder that has runs at any depth: shows what they predict.",
        ),
    ] = None,
    view: ViewName = None,
    findings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Findings that `audiospec doctor --out` wrote (else the doctor looks now).",
        ),
    ] = None,
    who: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="Who corrects labels (the user's name)."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=65535, show_default=False, help="Port (8765, or a free one if in use)."
        ),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
) -> None:
    """Look at a store's tracks in a browser, listen to them, and correct their labels.

    The page has the tracks with what runs predict and the doctor finds, spectrograms, audio, a map, and the
    confusions of a run. It is served to this machine only, under an address that cannot be guessed, until
    Ctrl-C. The store is never changed: corrections go to corrections.csv beside it, which `train` applies.
    """
    from audiospec.explorer.findings import read_findings
    from audiospec.explorer.run import explore

    def ready(address: str) -> None:
        say(address)
        say("Ctrl-C ends it; whoever has this address on this machine can correct labels", "dim")

    explore(
        store,
        runs=runs,
        view=view,
        findings=None if findings is None else read_findings(findings),
        port=port,
        open_browser=not no_open,
        who=who,
        ready=ready,
    )
