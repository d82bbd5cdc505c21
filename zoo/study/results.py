"""Results of a reproduction: as tables of text, as Markdown, and as JSON.

A result has all cells, the study's figures beside ours, and at the end what was not run, and why.
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

#: Packages whose versions bear on the figures.
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

#: What stands where there is no figure.
NOTHING, NOT_RUN = "-", "not run"

#: What has to be known to read the tables.
_WORDS_30_S = (
    "Macro F1 in %, train / test; one row a track, 80/20. Ours: mean ± standard deviation over seeds. "
    "Measured: on ten splits, with all columns. Near: whether our mean is within two of our deviations of "
    "the measured one."
)
_WORDS_3_S = (
    "Macro F1 in %, train / test; ten rows a track, 80/20. The study's split is of random rows: leaky, for "
    "pieces of one recording are on both sides. Ours: mean ± standard deviation over seeds, by row, and the"
    " test by track."
)
_WORDS_DEEP = (
    "Macro F1 in %, train / validation / test; 80/10/10. The study's split is of random chunks: leaky. "
    "Ours: one seed, by chunk, and the test by track; with 95 % intervals over tracks. The study has the "
    "same figures of validation and test for 10 s transfer and 3 s base, and for 3 s transfer and 1 s base."
)
_WORDS_SONGS = (
    "Songs that are not in GTZAN, predicted by the networks: how many are right. Of its own ten the study "
    f"says only that they scored {SONGS}."
)


@dataclass(frozen=True)
class Table:
    """A part of a result, to be shown: a cell a row.

    Attributes
    ----------
    title, words : str
        What it is; what has to be known to read it.
    head : tuple of str
    rows : list of list of str
        The last column has numbers of `notes`.
    notes : list of str
        Footnotes, from number 1 on.
    """

    title: str
    words: str
    head: tuple[str, ...]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def tables_of(cells: Sequence[Cell]) -> list[Table]:
    """Show cells, section by section; sections without any are left out."""
    shown = [
        _table(
            cells,
            "30 s table",
            "Tables of features, 30 s",
            _WORDS_30_S,
            ("model", "features", "study", "measured", "ours", "near"),
            lambda cell: [
                cell.model,
                cell.features,
                _study(cell),
                _measured(cell),
                _found(cell, "train", "test"),
                {True: "yes", False: "no", None: NOTHING}[cell.agrees],
            ],
        ),
        _table(
            cells,
            "3 s table",
            "Tables of features, 3 s",
            _WORDS_3_S,
            ("model", "split", "study", "ours", "by track"),
            lambda cell: [
                cell.model,
                cell.split,
                _study(cell),
                _found(cell, "train", "test"),
                _by_track(cell),
            ],
        ),
        _table(
            cells,
            "deep",
            "Networks on log-mel spectrograms",
            _WORDS_DEEP,
            ("chunks", "model", "split", "study", "ours", "test within", "by track"),
            lambda cell: [
                f"{cell.chunk:g} s",
                cell.model,
                cell.split,
                _study(cell),
                _found(cell, "train", "valid", "test"),
                _interval(cell.found["test"]["chunk"]) if cell.found else NOTHING,
                _by_track(cell),
            ],
        ),
        _table(
            cells,
            "songs",
            "External songs",
            _WORDS_SONGS,
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
    return [table for table in shown if table.rows]


def not_run(cells: Sequence[Cell]) -> list[str]:
    """What was not run, and why: a line for each section and reason."""
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
    """Put a result in Markdown.

    Parameters
    ----------
    result : dict
        As `write_result` returns it.
    cells : sequence of Cell
    """
    made = result["machine"]
    lines = [
        f"# The study of {result['study']}, run again",
        "",
        f"The study: {SOURCE}.",
        "",
        f"- command: `{result['command']}`",
        f"- date: {result['date']}",
        f"- machine: {made['processor']}, {made['cores']} cores, {made['memory_gib']} GiB, {made['system']}, "
        f"Python {made['python']}",
        f"- versions: {', '.join(f'{name} {version}' for name, version in result['versions'].items())}",
    ]
    for table in tables_of(cells):
        lines += ["", f"## {table.title}", "", table.words, ""]
        lines += [_row(table.head), _row(["---"] * len(table.head)), *map(_row, table.rows)]
        lines += ["", *(f"{number}. {_plain(note)}" for number, note in enumerate(table.notes, 1))]
    missing = not_run(cells)
    lines += [
        "",
        "## Not run",
        "",
        *(f"- {_plain(line)}" for line in missing or ["nothing: all cells were run"]),
    ]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def write_result(out: Path, study: str, command: str, cells: Sequence[Cell]) -> dict[str, Any]:
    """Write ``result.json`` and ``result.md`` into a folder, and return what the first holds.

    Its cells are the same for the same data, command and machine; the versions say what else bears on them.

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
        raise RunError(f"cannot write the result to {out}: {error.strerror}; choose another --out") from error
    return result


def _table(
    cells: Sequence[Cell],
    section: str,
    title: str,
    words: str,
    head: tuple[str, ...],
    row: Callable[[Cell], list[str]],
) -> Table:
    mine = [cell for cell in cells if cell.section == section]
    notes = list(dict.fromkeys(note for cell in mine for note in cell.notes))
    numbered = [
        [*row(cell), " ".join(str(number) for number, note in enumerate(notes, 1) if note in cell.notes)]
        for cell in mine
    ]
    return Table(title, words, (*head, "notes"), numbered, notes)


def _study(cell: Cell) -> str:
    return " / ".join(f"{value:g}" for value in cell.study.values()) or NOTHING


def _measured(cell: Cell) -> str:
    if not cell.measured:
        return NOTHING
    return f"{cell.measured['train']:.1f} / {cell.measured['test']:.1f} ± {cell.measured['deviation']:.1f}"


def _found(cell: Cell, *sides: str) -> str:
    """Ours on some sides, by chunk; only the test has its deviation."""
    if cell.missing:
        return NOT_RUN
    *others, test = (cell.found[side]["chunk"] for side in sides)
    return " / ".join([*(f"{f1.mean:.1f}" for f1 in others), _spread(test)])


def _by_track(cell: Cell) -> str:
    """Ours on the test, by track; of tracks that are on two sides that says nothing."""
    if not cell.found or cell.leaky:
        return NOTHING
    f1 = cell.found["test"]["track"]
    return _spread(f1) + (f" ({_interval(f1)})" if f1.interval is not None else "")


def _spread(f1: F1) -> str:
    return f"{f1.mean:.1f}" + (f" ± {f1.deviation:.1f}" if f1.deviation is not None else "")


def _interval(f1: F1) -> str:
    if f1.interval is None:
        return NOTHING
    low, high = f1.interval
    return f"{low:.1f} to {high:.1f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text in which Markdown finds no table of its own."""
    return text.replace("|", r"\|")
