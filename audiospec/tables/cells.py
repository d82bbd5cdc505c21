"""Cells of a table: text, numbers and paths, checked one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import DatasetError
from audiospec.tables.names import LENGTH, MOST_SAMPLES
from audiospec.text import printable

NumberedRows = list[tuple[int, Sequence[Any]]]


def refuse_cell(file: Path, number: int, column: str, problem: str) -> NoReturn:
    """Raise `DatasetError` for one cell of a table."""
    raise DatasetError(f"{file}, row {number}, column {column!r}: {problem}")


def quoted(cell: object) -> str:
    """A cell for a message: printable, and not a whole page of it."""
    text = printable(str(cell))
    return repr(text if len(text) <= 60 else text[:60] + "…")


def read_text(file: Path, number: int, column: str, cell: object) -> str:
    """A cell as text that is not empty."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        cell = str(cell)  # labels may be digits
    if cell is not None and not isinstance(cell, str):
        refuse_cell(file, number, column, f"expected text; got {quoted(cell)}")
    text = printable(cell or "").strip()
    if not text:
        refuse_cell(file, number, column, "is empty")
    return text


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _float(cell: object) -> float | None:
    """A cell as a number; None if it is none."""
    if isinstance(cell, str):
        # Python's own spellings are not a table's: 1_000, or digits of other scripts.
        if "_" in cell or not cell.isascii():
            return None
    elif isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return None
    try:
        return float(cell)
    except ValueError:
        return None
    except OverflowError:  # a whole number of 400 digits
        return math.inf


def read_length(file: Path, number: int, cell: object) -> int:
    """A cell as a number of samples."""
    value = _float(cell)
    if _is_empty(cell):
        refuse_cell(file, number, LENGTH, "is empty; expected a number of samples")
    if value is None or not 1 <= value <= MOST_SAMPLES or not value.is_integer():
        refuse_cell(
            file, number, LENGTH, f"expected a number of samples, 1 to {MOST_SAMPLES}; got {quoted(cell)}"
        )
    return int(value)


def read_features(
    file: Path, number: int, columns: Sequence[str], cells: Sequence[object]
) -> NDArray[np.float32]:
    """The features of a row."""
    values = [_float(cell) for cell in cells]
    for column, cell, value in zip(columns, cells, values, strict=True):
        if _is_empty(cell):
            refuse_cell(file, number, column, "is empty; expected a number")
        if value is None:
            refuse_cell(file, number, column, f"expected a number; got {quoted(cell)}")
        if not math.isfinite(value):
            refuse_cell(file, number, column, f"expected a finite number; got {quoted(cell)}")
    with np.errstate(over="ignore", under="ignore"):
        floats = np.array(values, np.float64).astype(np.float32)
    for place in np.flatnonzero(~np.isfinite(floats)).tolist():
        problem = f"expected a number within float32 (at most 3.4e38); got {quoted(cells[place])}"
        refuse_cell(file, number, columns[place], problem)
    return floats
