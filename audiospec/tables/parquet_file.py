"""Read and write tables as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import DatasetError, StoreError
from audiospec.tables.cells import NumberedRows
from audiospec.tables.names import FILENAME, LABEL, LENGTH
from audiospec.text import printable

_HINT = "pip install 'audiospec[table]', or use CSV"


def read_parquet(file: Path, raw: bytes) -> tuple[list[str], NumberedRows]:
    """Return the header and the numbered rows of a Parquet file with content `raw`."""
    arrow, parquet = _pyarrow("reading")
    try:
        table = parquet.ParquetFile(arrow.BufferReader(raw)).read()
        columns = [column.to_pylist() for column in table.columns]
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"table {file} cannot be read as a Parquet file ({reason})") from error
    return [printable(name).strip() for name in table.column_names], list(
        enumerate(zip(*columns, strict=True), 2)
    )


def _pyarrow(action: str) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise StoreError(f"{action} Parquet needs pyarrow", _HINT) from error
    return pyarrow, pyarrow.parquet


def write_parquet(
    file: Path,
    filenames: list[str],
    lengths: NDArray[np.int64],
    columns: list[str],
    values: NDArray[Any],
    labels: list[str],
) -> None:
    """Write rows as Parquet: file name, length, features, label."""
    arrow, parquet = _pyarrow("writing")
    features = [arrow.array(np.ascontiguousarray(column)) for column in values.T]
    arrays = [arrow.array(filenames, arrow.string()), arrow.array(lengths), *features]
    names = [FILENAME, LENGTH, *columns, LABEL]
    parquet.write_table(arrow.table([*arrays, arrow.array(labels, arrow.string())], names=names), file)
