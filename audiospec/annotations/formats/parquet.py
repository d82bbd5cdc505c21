"""parquet: a table with the columns file, onset, offset, label and score, as Parquet."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from typing import Any

from audiospec.annotations.formats.base import AnnotationFormat, Event, annotation_formats
from audiospec.annotations.formats.tables.columns import COLUMNS, events_of
from audiospec.errors import DatasetError


@annotation_formats.register
class Parquet(AnnotationFormat):
    """A table of events; it needs pyarrow (``audiospec[table]``)."""

    suffixes = (".parquet",)
    has_files = names_files = True

    def read(self, content: bytes, source: str, label_column: str | None = None) -> list[Event]:
        """Return the events of a table."""
        if not content:
            return []
        arrow, parquet = _pyarrow(source)
        try:
            table = parquet.ParquetFile(arrow.BufferReader(content)).read()
            columns = [column.to_pylist() for column in table.columns]
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise DatasetError(f"{source} is not Parquet ({' '.join(str(error).split())})") from error
        rows = enumerate(zip(*columns, strict=True), 1)
        texts = [(n, ["" if cell is None else str(cell) for cell in cells]) for n, cells in rows]
        return events_of(table.column_names, texts, source, label_column)

    def write(self, events: Sequence[Event], seconds: float | None = None) -> bytes:
        """Return a table."""
        arrow, parquet = _pyarrow("writing events")
        kinds = (arrow.string(), arrow.float64(), arrow.float64(), arrow.string(), arrow.float64())
        arrays = [
            arrow.array([getattr(one, name) for one in events], kind)
            for name, kind in zip(COLUMNS, kinds, strict=True)
        ]
        content = io.BytesIO()
        parquet.write_table(arrow.table(arrays, names=list(COLUMNS)), content)
        return content.getvalue()


def _pyarrow(what: str) -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise DatasetError(f"{what} needs pyarrow", "install audiospec[table], or use CSV") from error
