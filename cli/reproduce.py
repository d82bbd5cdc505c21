"""reproduce: the study's tables, run again, each figure beside the study's."""

from __future__ import annotations

import shlex
import sys
import textwrap
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from audiospec.cli._progress import progress
from audiospec.cli._text import assignments, count, emit, names, numbers, say, table
from audiospec.specs.mel import MelSpec

if TYPE_CHECKING:
    from audiospec.zoo.study.cells import Cell

EPILOG = "Example: audiospec reproduce gtzan --tables tables --data genres --songs songs"

_DATA, _WHAT, _HOW, _OUTPUT = "Data that there is", "What to run", "How to run it", "What to print"


def command(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study: gtzan.")],
    tables: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_DATA,
            help="The published tables, features_30_sec.csv and features_3_sec.csv, or parts of them.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", rich_help_panel=_DATA, help="GTZAN's audio.")
    ] = None,
    songs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_DATA,
            help="Other songs; a folder, or the file's name, says a song's genre.",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(metavar="NAMES", rich_help_panel=_WHAT, help="Models of the study, with commas (all)."),
    ] = None,
    chunks: Annotated[
        str,
        typer.Option(
            metavar="SECONDS",
            show_default=False,
            rich_help_panel=_WHAT,
            help="Lengths of the networks' chunks, with commas (30,10,3,1).",
        ),
    ] = "30,10,3,1",
    classes: Annotated[
        str | None, typer.Option(metavar="GENRES", rich_help_panel=_WHAT, help="Genres, with commas (all).")
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, show_default=False, rich_help_panel=_HOW, help="Splits of each table (10)."
        ),
    ] = 10,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, rich_help_panel=_HOW, help="Most epochs of a network.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, rich_help_panel=_HOW, help="Epochs that may bring nothing."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", min=1, rich_help_panel=_HOW, help="Chunks in a step.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="none|FILE",
            rich_help_panel=_HOW,
            help="What the pretrained network begins with, where ImageNet's weights cannot be downloaded.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            rich_help_panel=_HOW,
            help="A field of the spectrograms that is not the study's; `audiospec features mel` lists them.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=_HOW,
            help="Processes that compute features (one for each core); 0 for none but this one.",
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
        bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="One JSON object a line, for machines.")
    ] = False,
) -> None:
    """Run the study that audiospec grew out of, and print each figure beside the study's.

    Six models on tables of features, three networks on four lengths of chunks, each on random chunks (leaky)
    as the study had it and on whole tracks, and songs from elsewhere. Data that is not there is told, and
    all else is run. What was stopped goes on when it is run again.
    """
    from audiospec.zoo.study.figures import require_study
    from audiospec.zoo.study.reproduce import reproduce
    from audiospec.zoo.study.results import not_run, tables_of, write_result

    require_study(study)
    given = {"epochs": epochs, "patience": patience, "batch": batch}
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
            settings={name: value for name, value in given.items() if value is not None},
            weights=weights,
            spec=MelSpec.replace_in(assignments(set_ or [])),
            workers=workers,
            told=step,
        ):
            cells.append(cell)
            if json:
                emit("cell", **cell.to_dict())
    said = shlex.join(["audiospec", *sys.argv[1:]])
    result = write_result(out, study, said, cells)
    if json:
        emit("done", result=str(out / "result.json"), not_run=result["not_run"])
        return
    for part in tables_of(cells):
        say(part.title, "bold")
        _paragraph(part.words)
        table(part.rows, part.head, indent=2)
        for number, note in enumerate(part.notes, 1):
            _paragraph(f"{number}: {note}", "dim")
        say()
    missing = not_run(cells)
    left = sum(bool(cell.missing) for cell in cells)
    if missing:
        say(f"not run, {count(left, 'cell')} of {len(cells)}:", "yellow")
        for line in missing:
            say(f"  {line}")
    say(f"written: {out / 'result.md'}, {out / 'result.json'}", "dim")


def _paragraph(text: str, style: str = "") -> None:
    for line in textwrap.wrap(text, min(110, get_terminal_size().columns - 2)):
        say(f"  {line}", style)
