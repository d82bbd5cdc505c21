"""reproduce: run the study's tables again, each figure next to the study's."""

from __future__ import annotations

import shlex
import sys
import textwrap
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._options import options_of, with_options
from audiospec.cli._progress import progress
from audiospec.cli._text import assignments, count, emit, names, numbers, say, table
from audiospec.specs.mel import MelSpec

if TYPE_CHECKING:
    from audiospec.zoo.study.cells import Cell

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
            help="Folder for stores, runs, result.json and result.md (reproduce-gtzan).",
        ),
    ] = Path("reproduce-gtzan"),
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="One JSON object per line, for programs.")
    ] = False,
) -> None:
    """Run the study that audiospec grew out of, and print each figure next to the study's.

    It trains six models on tables of features and three networks on chunks of four lengths, each on random
    rows (leaky), as in the study, and on whole tracks, and tests the networks on songs from elsewhere. Cells
    whose data is missing are listed, and the others are run. An interrupted command is resumed when it is
    run again.
    """
    from audiospec.zoo.study.figures import require_study
    from audiospec.zoo.study.reproduce import reproduce
    from audiospec.zoo.study.results import write_result
    from audiospec.zoo.study.tables import not_run, tables_of

    require_study(study)
    options = options_of(context.command)
    settings = {"epochs": epochs, "patience": patience, "batch": batch}
    cells: list[Cell] = []
    with progress(json) as step:
        for cell in reproduce(
            study,
            tables=tables,
            data=data,
            songs=songs,
            out=out,
            seeds=seeds,
            chunks=numbers(chunks, "--chunks", "seconds with commas, such as 30,10"),
            models=names(models),
            classes=names(classes),
            settings={name: value for name, value in settings.items() if value is not None},
            weights=weights,
            spec=MelSpec.replace_in(assignments(set_ or [])),
            workers=workers,
            progress=step,
        ):
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
    say(f"written: {out / 'result.md'}, {out / 'result.json'}", "dim")


def _paragraph(text: str, style: str = "") -> None:
    for line in textwrap.wrap(text, min(110, get_terminal_size().columns - 2)):
        say(f"  {line}", style)
