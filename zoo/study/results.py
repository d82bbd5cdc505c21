"""Results of a reproduction: as tables of text, as Markdown, and as JSON.

A result has all cells, with the study's figures next to ours; at the end it lists the cells that were not run
and why.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiospec.errors import DiskFullError, RunError
from audiospec.files import atomic_write
from audiospec.machine import machine, versions
from audiospec.zoo.study.cells import F1, Cell
from audiospec.zoo.study.figures import SONGS, SOURCE

#: Packages whose versions affect the figures.
PACKAGES = (
    "audiospec",
    "numpy",
    "scikit-learn",
    "scipy",
    "torch",
    "torchvision",
    "lightning",
    "soundfile",
    "soxr",
)

#: Placeholders for a figure that does not exist, and for one of a cell that was not run.
NO_FIGURE, NOT_RUN = "-", "not run"

#: How to read the tables.
_CAPTION_30_S = (
    "Macro F1 in %, train / test; one row per track, 80/20. Ours: mean ± standard deviation over seeds. "
    "Measured: on ten splits, with all columns. Near: whether our mean is within two of our standard "
    "deviations of the measured one."
)
_CAPTION_3_S = (
    "Macro F1 in %, train / test; ten rows per track, 80/20. The study splits random rows, which is leaky: "
    "rows of one recording are on both sides. Ours: mean ± standard deviation over seeds, by row; the test "
    "also by track."
)
_CAPTION_DEEP = (
    "Macro F1 in %, train / validation / test; 80/10/10. The study splits random chunks, which is leaky. "
    "Ours: one seed, by chunk; the test also by track; with 95 % intervals over tracks. The study reports "
    "the same validation and test figures for 10 s transfer and 3 s base, and for 3 s transfer and 1 s base."
)
_CAPTION_SONGS = (
    "Songs that are not in GTZAN: how many the networks predict correctly. Of its own ten songs the study "
    f"reports only that they scored {SONGS}."
)


@dataclass(frozen=True)
class Table:
    """One section of a result as a table, with one row per cell.

    Attributes
    ----------
    title, caption : str
        The caption explains how to read the table.
    head : tuple of str
    rows : list of list of str
        The last column has the numbers of notes, separated by spaces.
    notes : list of str
        Footnotes, numbered from 1.
    """

    title: str
    caption: str
    head: tuple[str, ...]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def tables_of(cells: Sequence[Cell]) -> list[Table]:
    """Return a table for each section that has cells."""
    tables = [
        _table(
            cells,
            "30 s table",
            "Tables of features, 30 s",
            _CAPTION_30_S,
            ("model", "features", "study", "measured", "ours", "near"),
            lambda cell: [
                cell.model,
                cell.features,
                _study(cell),
                _measured(cell),
                _ours(cell, "train", "test"),
                {True: "yes", False: "no", None: NO_FIGURE}[cell.agrees],
            ],
        ),
        _table(
            cells,
            "3 s table",
            "Tables of features, 3 s",
            _CAPTION_3_S,
            ("model", "split", "study", "ours", "by track"),
            lambda cell: [
                cell.model,
                cell.split,
                _study(cell),
                _ours(cell, "train", "test"),
                _by_track(cell),
            ],
        ),
        _table(
            cells,
            "deep",
            "Networks on log-mel spectrograms",
            _CAPTION_DEEP,
            ("chunks", "model", "split", "study", "ours", "test within", "by track"),
            lambda cell: [
                f"{cell.chunk:g} s",
                cell.model,
                cell.split,
                _study(cell),
                _ours(cell, "train", "valid", "test"),
                _interval(cell.found["test"]["chunk"]) if cell.found else NO_FIGURE,
                _by_track(cell),
            ],
        ),
        _table(
            cells,
            "songs",
            "External songs",
            _CAPTION_SONGS,
            ("chunks", "model", "split", "study", "ours"),
            lambda cell: [
                f"{cell.chunk:g} s",
                cell.model,
                cell.split,
                SONGS,
                NOT_RUN if cell.missing else f"{cell.right} of {cell.songs} right",
            ],
        ),
    ]
    return [table for table in tables if table.rows]


def not_run(cells: Sequence[Cell]) -> list[str]:
    """Return one line for each section and reason why cells were not run."""
    reasons: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.missing:
            reasons.setdefault((cell.section, cell.missing), []).append(cell)
    lines = []
    for (section, reason), missing in reasons.items():
        names = ", ".join(dict.fromkeys(cell.model for cell in missing))
        lines.append(f"{section}: {len(missing)} cell{'s' * (len(missing) > 1)} ({names}): {reason}")
    return lines


def markdown(result: dict[str, Any], cells: Sequence[Cell]) -> str:
    """Format a result as Markdown.

    Parameters
    ----------
    result : dict
        As `write_result` returns it.
    cells : sequence of Cell
    """
    computer = result["machine"]
    lines = [
        f"# The study of {result['study']}, run again",
        "",
        f"The study: {SOURCE}.",
        "",
        f"- command: `{result['command']}`",
        f"- date: {result['date']}",
        f"- machine: {computer['processor']}, {computer['cores']} cores, {computer['memory_gib']} GiB, "
        f"{computer['system']}, Python {computer['python']}",
        f"- versions: {', '.join(f'{name} {version}' for name, version in result['versions'].items())}",
    ]
    for table in tables_of(cells):
        lines += ["", f"## {table.title}", "", table.caption, ""]
        lines += [_row(table.head), _row(["---"] * len(table.head)), *map(_row, table.rows)]
        lines += ["", *(f"{number}. {_escape(note)}" for number, note in enumerate(table.notes, 1))]
    missing = not_run(cells)
    lines += [
        "",
        "## Not run",
        "",
        *(f"- {_escape(line)}" for line in missing or ["nothing: all cells were run"]),
    ]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def write_result(out: Path, study: str, command: str, cells: Sequence[Cell]) -> dict[str, Any]:
    """Write ``result.json`` and ``result.md`` into a folder, and return the content of ``result.json``.

    The cells are the same for the same data, command, machine and versions of packages.

    Raises
    ------
    RunError
        The folder cannot be written to.
    """
    result = {
        "study": study,
        "source": SOURCE,
        "command": command,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(PACKAGES),
        "cells": [cell.to_dict() for cell in cells],
        "not_run": not_run(cells),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        with atomic_write(out / "result.json") as temporary:
            temporary.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        with atomic_write(out / "result.md") as temporary:
            temporary.write_text(markdown(result, cells), encoding="utf-8")
    except DiskFullError:
        raise
    except OSError as error:
        raise RunError(
            f"cannot write the result to {out} ({error.strerror})", "choose another `out`"
        ) from error
    return result


def _table(
    cells: Sequence[Cell],
    section: str,
    title: str,
    caption: str,
    head: tuple[str, ...],
    row: Callable[[Cell], list[str]],
) -> Table:
    members = [cell for cell in cells if cell.section == section]
    notes = list(dict.fromkeys(note for cell in members for note in cell.notes))
    numbered = [
        [*row(cell), " ".join(str(number) for number, note in enumerate(notes, 1) if note in cell.notes)]
        for cell in members
    ]
    return Table(title, caption, (*head, "notes"), numbered, notes)


def _study(cell: Cell) -> str:
    return " / ".join(f"{value:g}" for value in cell.study.values()) or NO_FIGURE


def _measured(cell: Cell) -> str:
    if not cell.measured:
        return NO_FIGURE
    return f"{cell.measured['train']:.1f} / {cell.measured['test']:.1f} ± {cell.measured['deviation']:.1f}"


def _ours(cell: Cell, *sides: str) -> str:
    """Our F1 on some sides, by chunk; the last side, the test, with its deviation."""
    if cell.missing:
        return NOT_RUN
    *before, test = (cell.found[side]["chunk"] for side in sides)
    return " / ".join([*(f"{f1.mean:.1f}" for f1 in before), _spread(test)])


def _by_track(cell: Cell) -> str:
    """Our F1 on the test, by track; a leaky split has none, because its tracks are on both sides."""
    if not cell.found or cell.leaky:
        return NO_FIGURE
    f1 = cell.found["test"]["track"]
    return _spread(f1) + (f" ({_interval(f1)})" if f1.interval is not None else "")


def _spread(f1: F1) -> str:
    return f"{f1.mean:.1f}" + (f" ± {f1.deviation:.1f}" if f1.deviation is not None else "")


def _interval(f1: F1) -> str:
    if f1.interval is None:
        return NO_FIGURE
    low, high = f1.interval
    return f"{low:.1f} to {high:.1f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(text: str) -> str:
    """Escape what Markdown would read as the border of a table's cell."""
    return text.replace("|", r"\|")
