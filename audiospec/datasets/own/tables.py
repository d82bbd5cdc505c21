"""Read the rows of a table in CSV, TSV, JSON Lines or Parquet as text."""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.storage.opening import read_file

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""Suffixes of tables; a file with any other is read as CSV."""

_SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?[\r\n]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes
    ----------
    file : Location
    header : str
        What holds the names of the columns, such as ``"row 1"``, for messages.
    columns : list of str
        Names, as written, without blanks around them.
    rows : list of (int, list of str)
        Number of the row in the file (its first is 1) and its cells, one for each column; rows without any
        text are left out.
    lists : dict
        Number of a row and column → the items of a list of JSON or Parquet that is in the cell.
    """

    file: Location
    header: str
    columns: list[str]
    rows: list[tuple[int, list[str]]]
    lists: dict[tuple[int, int], list[str]] = field(default_factory=dict)


def read_table(file: Location) -> Table:
    """Read a table; its suffix says how, and any other than those of `SUFFIXES` is CSV.

    CSV is separated by commas, semicolons, tabs or bars, whichever the header has most of, or by what a
    first line ``sep=;`` says. Text is UTF-8, with or without a byte order mark, or UTF-16 with one.

    Raises
    ------
    DatasetError
        The file cannot be read, or is no such table; the message names the row.
    """
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return _from_records(file, _parquet(file))
    if suffix in (".jsonl", ".ndjson"):
        return _from_records(file, _json_lines(file))
    return _csv(file)


def _csv(file: Location) -> Table:
    text = _text(file)
    skipped = 0
    if match := _SEPARATOR_LINE.match(text):  # written for Excel
        delimiter, text, skipped = match[1], text[match.end() :].removeprefix("\n"), 1
    else:
        delimiter = max(",;\t|", key=re.split(r"[\r\n]", text, maxsplit=1)[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [(n, [cell.strip() for cell in line]) for n, line in enumerate(reader, 1 + skipped)]
    except csv.Error as error:
        raise DatasetError(f"{file}, line {reader.line_num + skipped}: {error}") from error
    columns = lines[0][1] if lines else []
    rows = []
    for number, cells in lines[1:]:
        if not any(cells):
            continue
        if any(cells[len(columns) :]):
            raise DatasetError(
                f"{file}, row {number}: {len(cells)} cells for {len(columns)} columns",
                f"put a cell that contains {delimiter!r} in double quotes",
            )
        cells = cells[: len(columns)]
        rows.append((number, cells + [""] * (len(columns) - len(cells))))
    return Table(file, f"row {1 + skipped}", columns, rows)


def _from_records(file: Location, records: Iterable[tuple[int, Mapping[str, Any]]]) -> Table:
    listed = list(records)
    columns = list(dict.fromkeys(str(name) for _, record in listed for name in record))
    rows = [(number, [cell(record.get(name)) for name in columns]) for number, record in listed]
    lists = {
        (number, columns.index(str(name))): [cell(item) for item in value]
        for number, record in listed
        for name, value in record.items()
        if isinstance(value, list)
    }
    return Table(file, "it", [name.strip() for name in columns], [row for row in rows if any(row[1])], lists)


def cell(value: object) -> str:
    """Return a value of JSON or Parquet as text, as it would stand in a CSV file; a list has bars."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return "|".join(map(cell, value))
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).strip()


def _json_lines(file: Location) -> Iterable[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{file}, line {number} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise DatasetError(f'{file}, line {number}: expected a JSON object, such as {{"path": …}}')
        yield number, record


def _parquet(file: Location) -> Iterable[tuple[int, Mapping[str, Any]]]:
    try:
        arrow, parquet = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
    except ImportError as error:
        raise DatasetError(
            f"{file} is Parquet, which needs pyarrow", "install audiospec[table], or save it as CSV"
        ) from error
    try:
        records = parquet.read_table(arrow.BufferReader(_bytes(file))).to_pylist()
    except (OSError, arrow.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"cannot read {file} as Parquet: {reason}") from error
    return list(enumerate(records, 1))


def _text(file: Location) -> str:
    """Return the text of a file in UTF-8 or, if it starts with a byte order mark of UTF-16, in UTF-16."""
    try:
        raw = _bytes(file)
        encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        text = raw.decode(encoding)
    except OSError as error:
        raise DatasetError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{file}, line {line} is not UTF-8 ({error.reason})", "save the file as UTF-8"
        ) from error
    if "\0" in text:
        raise DatasetError(f"{file} is not a CSV file: it contains zero bytes")
    return text


def _bytes(file: Location) -> bytes:
    return file.read_bytes() if isinstance(file, Path) else read_file(file)
