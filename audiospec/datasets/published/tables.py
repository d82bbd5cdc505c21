"""Tables and lists beside the audio of published datasets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from audiospec.datasets.own.search import Found
from audiospec.datasets.own.tables import read_table
from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.storage.opening import read_file
from audiospec.text import printable


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a table.

    Attributes
    ----------
    place : str
        File and row, for messages.
    cells : mapping
        Column → text.
    """

    place: str
    cells: Mapping[str, str]


def find_file(found: Found, name: str) -> str | None:
    """Return the path of the other file of a name, in any case; the uppermost if there are several."""
    paths = [path for path in found.others if PurePosixPath(path).name.lower() == name.lower()]
    return min(paths, key=lambda path: (path.count("/"), path), default=None)


def read_entries(file: Location, columns: Sequence[str]) -> list[Entry]:
    """Read the rows of a table.

    Parameters
    ----------
    file : path or URL
    columns : sequence of str
        Columns that it must have, in any order; it may have others.

    Raises
    ------
    DatasetError
        It cannot be read, or lacks a column.
    """
    table = read_table(file)
    if missing := [name for name in columns if name not in table.columns]:
        raise DatasetError(
            f"{file} has no column {missing[0]!r} (it has: {', '.join(map(printable, table.columns))})",
            "restore the dataset's own table",
        )
    return [
        Entry(f"{file}, row {number}", dict(zip(table.columns, cells, strict=True)))
        for number, cells in table.rows
    ]


def by_name(entries: Iterable[Entry], column: str) -> dict[str, Entry]:
    """Return entries by the text of a column.

    Raises
    ------
    DatasetError
        Two entries have one text.
    """
    named: dict[str, Entry] = {}
    for entry in entries:
        name = entry.cells[column]
        if named.setdefault(name, entry) is not entry:
            raise DatasetError(
                f"{entry.place}: {printable(name)!r} is listed before, in {named[name].place}",
                "keep one row for each file",
            )
    return named


def read_lines(file: Location) -> list[str]:
    """Return the lines of a list that are not empty.

    Raises
    ------
    DatasetError
        It cannot be read, or is not UTF-8.
    """
    try:
        text = (file.read_bytes() if isinstance(file, Path) else read_file(file)).decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"cannot read {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{file} is not UTF-8 ({error.reason})", "restore the dataset's own list"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_object(file: Location) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DatasetError
        It cannot be read, or is no JSON object.
    """
    try:
        value = json.loads(file.read_bytes() if isinstance(file, Path) else read_file(file))
    except OSError as error:
        raise DatasetError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file} is not JSON: {error}", "restore the dataset's own file") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{file}: expected a JSON object; got {type(value).__name__}")
    return value


class ClipTable:
    """The table of a dataset whose paths say what a clip is: it confirms them, and has further columns.

    Parameters
    ----------
    root : path or URL
    found : Found
        The files under it.
    name : str
        Name of the table's file. Without such a file nothing is confirmed, and there are no columns.
    key : str
        Column of the names of the files.
    confirms : sequence of str
        Columns that `columns` compares with paths.
    free : sequence of str
        Further columns.

    Raises
    ------
    DatasetError
        The table cannot be read, or lacks a column.
    """

    def __init__(
        self,
        root: Location,
        found: Found,
        name: str,
        *,
        key: str,
        confirms: Sequence[str],
        free: Sequence[str],
    ) -> None:
        file = find_file(found, name)
        self.file = None if file is None else root / file
        self.confirms, self.free = confirms, free
        self.entries = {} if self.file is None else by_name(read_entries(self.file, (key, *confirms)), key)

    def columns(self, path: PurePosixPath, expected: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Return the free columns of a clip.

        Parameters
        ----------
        path : PurePosixPath
            The file; the table has the name of the ``.wav`` file, whatever the suffix is.
        expected : sequence of str
            What its path says for each of the columns `confirms`.

        Raises
        ------
        DatasetError
            The table has no row for the clip, or says something else.
        """
        if self.file is None:
            return ()
        entry = self.entries.get(f"{path.stem}.wav")
        if entry is None:
            raise DatasetError(
                f"{self.file} has no row for the file {printable(str(path))!r}",
                "use the dataset's own files and table, unchanged",
            )
        for column, text in zip(self.confirms, expected, strict=True):
            if entry.cells[column] != text:
                raise DatasetError(
                    f"{entry.place}, column {column!r}: expected {text!r} by the file "
                    f"{printable(str(path))!r}; got {printable(entry.cells[column])!r}",
                    "use the dataset's own files and table, unchanged",
                )
        return tuple(
            (name, printable(entry.cells[name])) for name in sorted(self.free) if entry.cells.get(name)
        )
