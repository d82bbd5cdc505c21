"""report: compare runs on one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._runs import quieten
from audiospec.cli._text import count, emit, reasons, say
from audiospec.text import size

EPILOG = "Example: audiospec report runs --out report.html"


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUNS",
            show_default=False,
            help="Folders of runs, or folders that contain them at any depth; or hf://USER/NAME (runs).",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", show_default=False, help="HTML page to write (report.html).")
    ] = Path("report.html"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare runs on one HTML page.

    The page has leaderboards, what leaks add, learning curves, confusion matrices and errors. It is a single
    file without scripts and loads nothing from the network. Only runs of the same dataset and classes are
    ranked together; leaky runs are not ranked. If a run is damaged, it is listed and left out, and the exit
    status is 1.
    """
    from audiospec.errors import RunError
    from audiospec.zoo.report.collect import find_runs
    from audiospec.zoo.report.page import write_report

    quieten()
    folders = runs or ["runs"]
    search = find_runs(folders)
    if not search.runs:
        where = ", ".join(folders)
        why = "".join(f" ({path}: {reason})" for path, reason in list(search.problems.items())[:1])
        raise RunError(
            f"no run to report in {where}{why}",
            "train one with `audiospec train`, or give the folder of runs",
        )
    written = write_report(
        search.runs, out, problems=search.problems, unfinished=search.unfinished, ladders=search.ladders
    )
    if json:
        emit(
            "report",
            path=str(written),
            runs=[run.source or str(run.path) for run in search.runs],
            refused=search.problems,
            unfinished=search.unfinished,
            ladders=[str(ladder.path) for ladder in search.ladders],
        )
    else:
        say(f"{written}: {count(len(search.runs), 'run')} ({size(written.stat().st_size)})")
        if search.unfinished:
            say(f"{count(search.unfinished, 'unfinished run')} left out", "yellow")
        reasons(f"{count(len(search.problems), 'run')} refused", search.problems, None)
    if search.problems:
        raise typer.Exit(1)
