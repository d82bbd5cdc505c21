"""Results of a reproduction as files: Markdown, JSON, and a page with the networks' curves.

A result has all cells, with the study's figures next to ours; at the end it lists the cells that were not run
and why.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiospec.errors import DiskFullError, RunError
from audiospec.files import atomic_write
from audiospec.machine import machine, versions
from audiospec.zoo.study.cells import Cell
from audiospec.zoo.study.figures import SOURCE
from audiospec.zoo.study.page import result_page
from audiospec.zoo.study.tables import not_run, tables_of

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
        if table.notes:
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
    """Write ``result.json``, ``result.md`` and ``result.html`` into a folder.

    Returns the content of ``result.json``.

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
        with atomic_write(out / "result.html") as temporary:
            temporary.write_text(result_page(result, cells), encoding="utf-8")
    except DiskFullError:
        raise
    except OSError as error:
        raise RunError(
            f"cannot write the result to {out} ({error.strerror})", "choose another `out`"
        ) from error
    return result


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(text: str) -> str:
    """Escape what Markdown would read as the border of a table's cell."""
    return text.replace("|", r"\|")
