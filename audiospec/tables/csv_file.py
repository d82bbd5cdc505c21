"""Read and write tables as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from audiospec.errors import DatasetError
from audiospec.tables.cells import NumberedRows
from audiospec.tables.names import LABEL, FrontColumns
from audiospec.text import printable


def read_csv(file: Path, raw: bytes) -> tuple[list[str], NumberedRows]:
    """Return the header and the numbered rows of a CSV file with content `raw`."""
    if raw.startswith(b"PAR1"):
        raise DatasetError(f"table {file} is a Parquet file", "give it a name that ends in .parquet")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{file}, row {row}: is not UTF-8 text ({error.reason})", "save the table as CSV in UTF-8"
        ) from error
    if "\0" in text:
        raise DatasetError(f"table {file} is not a CSV file: it contains NUL bytes")
    # Blank lines before the header are skipped.
    delimiter = max(",;\t", key=text.lstrip("\r\n").partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: NumberedRows = []
    try:
        for line in reader:
            lines.append((len(lines) + 1, [cell.strip() for cell in line]))
    except csv.Error as error:
        raise DatasetError(f"{file}, row {len(lines) + 1}: is not CSV ({error})") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    header = list(map(printable, lines[0][1])) if lines else []
    rows = lines[1:]
    for number, cells in rows:
        if len(cells) != len(header):
            raise DatasetError(
                f"{file}, row {number}: has {len(cells)} cells, row 1 has {len(header)} columns",
                f"put double quotes around a cell that contains {delimiter!r}",
            )
    return header, rows


def write_csv(
    file: Path,
    front: FrontColumns,
    columns: list[str],
    values: NDArray[Any],
    labels: list[str],
) -> None:
    """Write rows as CSV: the columns in front, features, label."""
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*front, *columns, LABEL])
        for cells, row, label in zip(zip(*front.values(), strict=True), values, labels, strict=True):
            # The shortest digits that read back as the same float32.
            writer.writerow([*cells, *map(str, row), label])
