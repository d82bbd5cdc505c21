"""Parse and check the cells of a table: text, lengths and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import DatasetError
from audiospec.tables.names import LENGTH, MAX_SAMPLES
from audiospec.text import printable

NumberedRows = list[tuple[int, Sequence[Any]]]


def refuse_cell(file: Path, number: int, column: str, problem: str) -> NoReturn:
    """Raise `DatasetError` for a cell; `number` is its row in the file, where the header is row 1."""
    raise DatasetError(f"{file}, row {number}, column {column!r}: {problem}")


def quoted(cell: object) -> str:
    """Return a cell as printable text for a message, cut to 60 characters."""
    text = printable(str(cell))
    return repr(text if len(text) <= 60 else text[:60] + "…")


def read_text(file: Path, number: int, column: str, cell: object) -> str:
    """Return a cell as text; raise if it is empty or not text."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        cell = str(cell)  # a label may be a number
    if cell is not None and not isinstance(cell, str):
        refuse_cell(file, number, column, f"expected text; got {quoted(cell)}")
    text = printable(cell or "").strip()
    if not text:
        refuse_cell(file, number, column, "is empty")
    return text


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _float(cell: object) -> float | None:
    """Return a cell as a number, or None if it is not one."""
    if isinstance(cell, str):
        # Reject spellings that only Python accepts: 1_000, and digits of other scripts.
        if "_" in cell or not cell.isascii():
            return None
    elif isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return None
    try:
        return float(cell)
    except ValueError:
        return None
    except OverflowError:  # an integer beyond float64
        return math.inf


def read_length(file: Path, number: int, cell: object) -> int:
    """Return a cell as a number of samples."""
    value = _float(cell)
    if _is_empty(cell):
        refuse_cell(file, number, LENGTH, "is empty; expected a number of samples")
    if value is None or not 1 <= value <= MAX_SAMPLES or not value.is_integer():
        refuse_cell(
            file, number, LENGTH, f"expected a number of samples, 1 to {MAX_SAMPLES}; got {quoted(cell)}"
        )
    return int(value)


def read_features(
    file: Path, number: int, columns: Sequence[str], cells: Sequence[object]
) -> NDArray[np.float32]:
    """Return the features of a row as float32, of shape (columns,)."""
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
    for index in np.flatnonzero(~np.isfinite(floats)).tolist():
        problem = f"expected a number within float32 (at most 3.4e38); got {quoted(cells[index])}"
        refuse_cell(file, number, columns[index], problem)
    return floats
