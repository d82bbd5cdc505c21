"""explore: show a store on a page of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._progress import progress
from audiospec.cli._rows import ViewName
from audiospec.cli._text import count, say
from audiospec.text import size

if TYPE_CHECKING:
    from audiospec.doctor.diagnosis import Diagnosis

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
    export_: Annotated[
        Path | None,
        typer.Option(
            "--export",
            metavar="FOLDER",
            show_default=False,
            help="Write a copy of the page that opens without a server, and exit.",
        ),
    ] = None,
    audio_cap: Annotated[
        float | None,
        typer.Option(
            metavar="MB",
            min=0,
            show_default=False,
            help="Most audio in a copy (200); 0: none.",
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

    given = None if findings is None else read_findings(findings)
    if export_ is not None:
        _export(store, runs, view, given, export_, audio_cap)
        return
    if audio_cap is not None:
        raise typer.BadParameter("it is of a copy: give --export, too", param_hint="--audio-cap")

    def ready(address: str) -> None:
        say(address)
        say("Ctrl-C ends it; whoever has this address on this machine can correct labels", "dim")
        sys.stdout.flush()  # it may be a pipe

    explore(
        store,
        runs=runs,
        view=view,
        findings=given,
        port=port,
        open_browser=not no_open,
        who=who,
        ready=ready,
    )


def _export(
    store: str,
    runs: Path | None,
    view: str | None,
    findings: Diagnosis | None,
    folder: Path,
    audio_cap: float | None,
) -> None:
    """Write a copy of the page."""
    from audiospec.explorer.export import AUDIO_CAP, LEFT_OUT, export
    from audiospec.explorer.run import opened

    with opened(store, runs, view, findings) as session, progress(False, "copying") as step:
        done = export(
            session,
            folder,
            audio_cap=AUDIO_CAP if audio_cap is None else audio_cap,
            tell=lambda what, done, total: step(what, done, total, f"{done}/{total}"),
        )
    say(f"{done.folder / 'index.html'}: {count(done.tracks, 'track')}, {count(done.pictures, 'spectrogram')}")
    say(f"audio of {count(done.audio, 'track')}, {size(done.audio_bytes)}")
    if done.left_out:
        say(f"without audio: {count(len(done.left_out), 'track')}, named in {LEFT_OUT}", "yellow")
