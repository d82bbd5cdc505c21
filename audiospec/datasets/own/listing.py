"""Read a table that lists audio files with their labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audiospec.datasets.own.columns import REQUIRED, choose, refuse_several_labels
from audiospec.datasets.own.folds import fold_named
from audiospec.datasets.own.paths import Finder
from audiospec.datasets.own.tables import Table, read_table
from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.text import printable


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a listing.

    Attributes
    ----------
    number : int
        In the file.
    file : str
        Absolute path, or a URL.
    path : str
        As written, with forward slashes.
    id, label, group, fold, cluster : str
        ``""`` if the table has none; the label always is one.
    """

    number: int
    file: str
    path: str
    label: str
    id: str = ""
    group: str = ""
    fold: str = ""
    cluster: str = ""


def read_listing(
    file: Location,
    folder: Location,
    asked: Mapping[str, str | None],
    elsewhere: str = "give the folder that paths are relative to with `audio_root`",
) -> list[Row]:
    """Read the rows of a table of files.

    Parameters
    ----------
    file : Location
    folder : Location
        What paths are relative to.
    asked : mapping
        Role → name of its column, or None; see `choose`.
    elsewhere : str
        What to do if none of the files exists.

    Raises
    ------
    DatasetError
        The table is not one of whole files with one label each; the message names the row and the column. Or
        none of the files exists.
    """
    table = read_table(file)
    chosen = choose(table, asked)
    if not table.rows:
        raise DatasetError(f"{file} has no row after its header: expected one for each audio file")
    titles = {role: table.columns[column].lower() for role, column in chosen.items()}
    finder = Finder(
        os.path.normpath(folder) if isinstance(folder, Path) else str(folder),
        [cells[chosen["path"]] for _, cells in table.rows],
    )
    rows = []
    for number, cells in table.rows:
        values = {role: cells[column] for role, column in chosen.items()}
        for role in REQUIRED:
            if not values[role]:
                raise DatasetError(f"{file}, row {number}, column {titles[role]!r} is empty")
        try:
            found, written = finder.find(values["path"])
        except DatasetError as error:
            raise DatasetError(
                f"{file}, row {number}, column {titles['path']!r}: {error.reason}", error.hint
            ) from error
        fold = values.get("fold", "")
        rows.append(
            Row(
                number,
                found,
                written if "://" in written else Path(os.path.normpath(written)).as_posix(),
                values["label"],
                values.get("id", ""),
                values.get("group", ""),
                fold_named(fold) or fold,
                values.get("cluster", ""),
            )
        )
    refuse_several_labels(file, [(row.number, row.label) for row in rows])
    _refuse_doubles(table, titles, rows)
    if not any(finder.exists(row.file) for row in rows):
        row = rows[0]
        raise DatasetError(
            f"{file}: none of its {len(rows)} files exists; row {row.number}, column {titles['path']!r} is "
            f"{printable(row.path)!r}, which stands for {printable(row.file)}",
            elsewhere,
        )
    return rows


def _refuse_doubles(table: Table, titles: Mapping[str, str], rows: list[Row]) -> None:
    """Refuse an id or a file that is listed twice."""
    ids: dict[str, Row] = {}
    files: dict[str, Row] = {}
    for row in rows:
        id = row.id or row.path
        for column, value, seen, text in (
            (titles.get("id", "id"), id, ids, id),
            (titles["path"], row.file, files, row.path),
        ):
            other = seen.setdefault(value, row)
            if other is row:
                continue
            reason = (
                f"{table.file}, row {row.number}, column {column!r}: {printable(text)!r} is already in row "
                f"{other.number}"
            )
            if other.file == row.file and other.label != row.label:
                raise DatasetError(
                    f"{reason} with the label {printable(other.label)!r}, here with "
                    f"{printable(row.label)!r}; several labels of one file are not supported yet",
                    "keep one row for each file",
                )
            raise DatasetError(reason)
