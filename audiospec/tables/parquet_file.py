"""Read and write tables as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import DatasetError, StoreError
from audiospec.tables.cells import NumberedRows
from audiospec.tables.names import LABEL, FrontColumns
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
    front: FrontColumns,
    columns: list[str],
    values: NDArray[Any],
    labels: list[str],
) -> None:
    """Write rows as Parquet: the columns in front, features, label."""
    arrow, parquet = _pyarrow("writing")
    text = arrow.string()
    arrays = [arrow.array(cells, text if isinstance(cells, list) else None) for cells in front.values()]
    arrays += [arrow.array(np.ascontiguousarray(column)) for column in values.T]
    table = arrow.table([*arrays, arrow.array(labels, text)], names=[*front, *columns, LABEL])
    parquet.write_table(table, file)
