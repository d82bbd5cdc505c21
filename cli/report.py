"""report: leaderboards and every run's curves and errors, as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiospec.cli._text import count, emit, reasons, say, size

EPILOG = "Example: audiospec report runs --out report.html"


def command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUNS", show_default=False, help="Runs, or folders of runs at any depth (runs)."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", show_default=False, help="Page to write (report.html).")
    ] = Path("report.html"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Compare runs: leaderboards, leakage gaps, and each run's curves, confusion and errors.

    The page is one file without scripts; it needs no network. Runs are ranked with those of the same dataset
    and classes only, and leaky ones are not ranked. A run that is damaged is named and left out; the exit
    status is 1 if there was one.
    """
    from audiospec.errors import RunError
    from audiospec.zoo.report.collect import find_runs
    from audiospec.zoo.report.page import write_report

    folders = runs or [Path("runs")]
    found = find_runs(folders)
    if not found.runs:
        where = ", ".join(map(str, folders))
        why = "".join(f" ({path}: {reason})" for path, reason in list(found.problems.items())[:1])
        raise RunError(
            f"no run to report in {where}{why}: train one with `audiospec train`, or name the folder of runs"
        )
    written = write_report(found.runs, out, problems=found.problems, unfinished=found.unfinished)
    if json:
        emit(
            "report",
            path=str(written),
            runs=[str(run.path) for run in found.runs],
            refused=found.problems,
            unfinished=found.unfinished,
        )
    else:
        say(f"{written}: {count(len(found.runs), 'run')} ({size(written.stat().st_size)})")
        if found.unfinished:
            say(f"{count(found.unfinished, 'unfinished run')} left out", "yellow")
        reasons(f"{count(len(found.problems), 'run')} refused", found.problems, None)
    if found.problems:
        raise typer.Exit(1)
