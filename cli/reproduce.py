"""reproduce: run the study's tables again, each figure next to the study's."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiospec.cli._options import options_of, with_options
from audiospec.cli._progress import Step, progress
from audiospec.cli._text import assignments, clock, count, emit, names, numbers, say, table
from audiospec.specs.mel import MelSpec

if TYPE_CHECKING:
    from audiospec.zoo.study.cells import Cell
    from audiospec.zoo.study.plan import Plan, PlannedCell

EPILOG = "Example: audiospec reproduce gtzan --tables tables --data genres --songs songs"

_DATA, _WHAT, _HOW, _OUTPUT = "Data to use", "What to run", "How to run it", "What to print"


def command(
    context: typer.Context,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study: gtzan.")],
    tables: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_DATA,
            help="Folder with the published features_30_sec.csv and features_3_sec.csv, or parts of them.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", rich_help_panel=_DATA, help="Folder with GTZAN's audio.")
    ] = None,
    songs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_DATA,
            help="Folder with other songs; a song's genre is in the name of a folder, or of its file.",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", rich_help_panel=_WHAT, help="Models of the study, separated by commas (all)."
        ),
    ] = None,
    chunks: Annotated[
        str,
        typer.Option(
            metavar="SECONDS",
            show_default=False,
            rich_help_panel=_WHAT,
            help="Lengths of the networks' chunks, separated by commas (30,10,3,1).",
        ),
    ] = "30,10,3,1",
    classes: Annotated[
        str | None,
        typer.Option(metavar="GENRES", rich_help_panel=_WHAT, help="Genres, separated by commas (all)."),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            show_default=False,
            rich_help_panel=_HOW,
            help="Number of splits of each table (10).",
        ),
    ] = 10,
    network_seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            show_default=False,
            rich_help_panel=_HOW,
            help="Number of trainings of each network, each on another split (1).",
        ),
    ] = 1,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, rich_help_panel=_HOW, help="Largest number of epochs of a network."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, rich_help_panel=_HOW, help="Epochs without improvement before training stops."
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", min=1, rich_help_panel=_HOW, help="Chunks per training step.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="none|FILE",
            rich_help_panel=_HOW,
            help="Initial weights of the pretrained network, if ImageNet's cannot be downloaded.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            rich_help_panel=_HOW,
            help="A spectrogram field with another value than the study's; see `audiospec features mel`.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_HOW,
            help="Number of processes that compute features (one per core); 0: only this process.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            show_default=False,
            help="Folder for stores, runs, result.json, result.md and result.html (reproduce-gtzan).",
        ),
    ] = Path("reproduce-gtzan"),
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=_OUTPUT,
            help="Print what would be run, what is done and the time left; run nothing.",
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="One JSON object per line, for programs.")
    ] = False,
) -> None:
    """Run the study that audiospec grew out of, and print each figure next to the study's.

    It trains six models on tables of features and three networks on chunks of four lengths, each on random
    rows (leaky), as in the study, on whole tracks, and on the fault-filtered list, and tests the networks on
    songs from elsewhere. Cells whose data is missing are listed, and the others are run. It begins with a
    plan and an estimate of the time left. An interrupted command is resumed when it is run again.
    """
    from audiospec.zoo.study.figures import require_study
    from audiospec.zoo.study.reproduce import plan_study, reproduce
    from audiospec.zoo.study.results import write_result
    from audiospec.zoo.study.tables import not_run, tables_of

    require_study(study)
    options = options_of(context.command)
    settings = {"epochs": epochs, "patience": patience, "batch": batch}
    arguments: dict[str, Any] = {
        "tables": tables,
        "data": data,
        "songs": songs,
        "out": out,
        "seeds": seeds,
        "network_seeds": network_seeds,
        "chunks": numbers(chunks, "--chunks", "seconds with commas, such as 30,10"),
        "models": names(models),
        "classes": names(classes),
        "settings": {name: value for name, value in settings.items() if value is not None},
        "weights": weights,
        "spec": MelSpec.replace_in(assignments(set_ or [])),
        "workers": workers,
    }
    if dry_run:
        _show_plan(plan_study(study, **arguments), options, json)
        return
    cells: list[Cell] = []
    with progress(json) as step:
        shown = _Plan(step, options, json)
        for cell in reproduce(study, **arguments, progress=step, watch=shown.watch):
            cells.append(cell)
            if json:
                emit("cell", **{**cell.to_dict(), "missing": with_options(cell.missing, options)})
    line = shlex.join(["audiospec", *sys.argv[1:]])
    write_result(out, study, line, cells)
    missing = [with_options(reason, options) for reason in not_run(cells)]
    if json:
        emit("done", result=str(out / "result.json"), not_run=missing)
        return
    for part in tables_of(cells):
        say(part.title, "bold")
        _paragraph(part.caption)
        table(part.rows, part.head, indent=2)
        for number, note in enumerate(part.notes, 1):
            _paragraph(f"{number}: {note}", "dim")
        say()
    number = sum(bool(cell.missing) for cell in cells)
    if missing:
        say(f"not run, {count(number, 'cell')} of {len(cells)}:", "yellow")
        for reason in missing:
            say(f"  {reason}")
    say("written: " + ", ".join(str(out / f"result.{suffix}") for suffix in ("md", "html", "json")), "dim")


class _Plan:
    """Shows the plan before the first run, then the time left after each run."""

    def __init__(self, step: Step, options: Mapping[str, str], json: bool) -> None:
        self.step = step
        self.options = options
        self.json = json
        self.first = True

    def watch(self, plan: Plan) -> None:
        if self.first:
            self.first = False
            _show_plan(plan, self.options, self.json)
        elif self.json:
            emit("left", runs=plan.runs, done=plan.done, seconds_left=plan.seconds_left)
        else:
            self.step("study", plan.done, plan.runs, _progress_of(plan))


def _show_plan(plan: Plan, options: Mapping[str, str], json: bool) -> None:
    """Print the plan: its cells, what is done, the time left, and what the estimates are from."""
    from audiospec.zoo.study.tables import not_run

    if json:
        content = plan.to_dict()
        for cell in content["cells"]:
            cell["missing"] = with_options(cell["missing"], options)
        emit("plan", **content)
        return
    say(f"plan: {_progress_of(plan)}", "bold")
    rows = [
        [
            cell.section,
            cell.model,
            f"{cell.chunk:g} s",
            cell.features,
            cell.split,
            f"{cell.done} of {cell.runs}",
            _left(cell),
        ]
        for cell in plan.cells
        if not cell.missing
    ]
    if rows:
        head = ("section", "model", "chunks", "features", "split", "runs done", "time left")
        table(rows, head, indent=2)
    for number, basis in enumerate(plan.bases):
        _paragraph(f"{'and' if number else 'estimated'} from {basis}", "dim")
    if plan.tracks:
        tracks = count(plan.tracks, "track")
        _paragraph(f"the spectrograms of {tracks} come first, and are not in the estimate", "dim")
    for reason in not_run(plan.cells):
        _paragraph(f"not run: {with_options(reason, options)}", "yellow")
    say()


def _progress_of(plan: Plan) -> str:
    done = f"{plan.done} of {count(plan.runs, 'run')} done"
    return done if plan.done == plan.runs else f"{done}, about {clock(plan.seconds_left)} left"


def _left(cell: PlannedCell) -> str:
    if cell.done == cell.runs:
        return "done"
    return "no estimate" if cell.seconds_left is None else clock(cell.seconds_left)


def _paragraph(text: str, style: str = "") -> None:
    for line in textwrap.wrap(text, min(110, get_terminal_size().columns - 2)):
        say(f"  {line}", style)
