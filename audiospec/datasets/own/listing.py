"""Read a table that lists audio files with their labels, numbers or annotations."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiospec.annotations.annotation import Annotation
from audiospec.datasets.own.asked import Asked
from audiospec.datasets.own.columns import choose, column_named
from audiospec.datasets.own.folds import fold_named
from audiospec.datasets.own.labels import (
    number_of,
    read_columns,
    refuse_empty,
    refuse_several_labels,
    split_cells,
)
from audiospec.datasets.own.paths import Finder
from audiospec.datasets.own.row import Row
from audiospec.datasets.own.segments import refuse_doubled_segments
from audiospec.datasets.own.tables import Table, read_table
from audiospec.datasets.own.times import Times, choose_times
from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.text import printable

#: What a file has once, whatever the number of its rows.
_OF_A_FILE = ("id", "group", "fold", "cluster")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a table.

    Attributes
    ----------
    rows : list of Row
        One for each file, in the order of the table.
    column : str
        Column that the annotations are from; ``"label"`` if there are none.
    dropped : tuple of str
        Columns without a role that cannot be kept, because they differ between the rows of one file or have
        the name of another column.
    """

    rows: list[Row]
    column: str
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the table: where its file is, and its cells by role."""

    number: int
    file: str
    path: str
    cells: list[str]
    values: dict[str, str]


def read_listing(
    file: Location,
    folder: Location,
    asked: Asked,
    elsewhere: str = "give the folder that paths are relative to with `audio_root`",
) -> Listing:
    """Read the rows of a table of files.

    Parameters
    ----------
    file : Location
    folder : Location
        What paths are relative to.
    asked : Asked
    elsewhere : str
        What to do if none of the files exists.

    Raises
    ------
    DatasetError
        The table is not one of files with such labels; the message names the row and the column. Or none of
        the files exists.
    """
    table = read_table(file)
    required = ("path", "label") if asked.has_labels and not asked.label_columns else ("path",)
    chosen = choose(table, asked.columns, required)
    if not table.rows:
        raise DatasetError(f"{file} has no row after its header: expected one for each audio file")
    of_labels = {name: column_named(table, name, "label_columns") for name in asked.label_columns}
    used = {*chosen.values(), *of_labels.values()}
    times = None
    if asked.has_labels:
        times = choose_times(table, asked.columns.get("start"), asked.columns.get("end"), used)
    if times is None and asked.target == "frames":
        raise DatasetError(
            f"{file} has no columns of times, which labels of frames need",
            "name them with `start_column` and `end_column`, or read labels of whole files with "
            '`target="multi-label"`',
        )
    titles = {role: printable(table.columns[column].lower()) for role, column in chosen.items()}
    finder = Finder(
        os.path.normpath(folder) if isinstance(folder, Path) else str(folder),
        list(dict.fromkeys(cells[chosen["path"]] for _, cells in table.rows)),
    )
    _refuse_empty_cells(table, chosen, titles, times)
    lines = list(_lines(table, chosen, titles, finder))
    whole = times is None and asked.target in ("single", "number")
    if whole:
        _refuse_doubles(table, titles, lines, "number" if asked.target == "number" else "label")
    column = printable(table.columns[chosen["label"]]) if "label" in chosen else "label"
    found = _annotations(table, lines, chosen, of_labels, times, asked, column)
    files = _by_file(table, titles, lines)
    if not whole or asked.target == "number":
        for of_file in files:
            refuse_doubled_segments(
                table.file,
                of_file[0].path,
                [(line.number, one) for line in of_file for one in found[line.number]],
                asked.target,
            )
    if not any(finder.exists(of_file[0].file) for of_file in files):
        line = lines[0]
        raise DatasetError(
            f"{file}: none of its {len(files)} files exists; row {line.number}, column {titles['path']!r} is "
            f"{printable(line.path)!r}, which stands for {printable(line.file)}",
            elsewhere,
        )
    names, dropped = _free(table, used | (times.columns if times else set()), files)
    plain = whole and asked.target == "single"
    rows = [
        Row(
            of_file[0].number,
            of_file[0].file,
            of_file[0].path,
            of_file[0].values.get("label", "") if plain else "",
            annotations=() if plain else tuple(one for line in of_file for one in found[line.number]),
            columns={name: of_file[0].cells[number] for name, number in names.items()},
            **{role: of_file[0].values.get(role, "") for role in _OF_A_FILE},
        )
        for of_file in files
    ]
    if not plain and not any(row.annotations for row in rows):
        raise DatasetError(f"{file} has no annotation in any of its {len(table.rows)} rows: expected one")
    return Listing(rows, "label" if plain else column, dropped)


def _refuse_empty_cells(
    table: Table, chosen: Mapping[str, int], titles: Mapping[str, str], times: Times | None
) -> None:
    """Refuse empty cells of paths and labels; a file without events has neither label nor times."""
    empty = [number for number, cells in table.rows if not cells[chosen["path"]]]
    refuse_empty(table, titles["path"], empty, len(table.rows), "")
    if "label" not in chosen:
        return
    column = chosen["label"]
    required = [
        (number, cells) for number, cells in table.rows if times is None or not times.are_empty(cells)
    ]
    empty = [
        number
        for number, cells in required
        if not cells[column] and table.lists.get((number, column)) is None
    ]
    hint = "give each row a label, or remove the rows that have none"
    refuse_empty(table, titles["label"], empty, len(required), hint)


def _lines(
    table: Table, chosen: Mapping[str, int], titles: Mapping[str, str], finder: Finder
) -> Iterator[_Line]:
    """Find the file of each row."""
    known: dict[str, tuple[str, str]] = {}
    for number, cells in table.rows:
        values = {role: cells[column] for role, column in chosen.items()}
        fold = values.get("fold", "")
        values["fold"] = fold_named(fold) or fold
        text = values["path"]
        if text not in known:
            try:
                found, written = finder.find(text)
            except DatasetError as error:
                raise DatasetError(
                    f"{table.file}, row {number}, column {titles['path']!r}: {error.reason}", error.hint
                ) from error
            written = written if "://" in written else Path(os.path.normpath(written)).as_posix()
            known[text] = found, written
        yield _Line(number, *known[text], cells, values)


def _annotations(
    table: Table,
    lines: Sequence[_Line],
    chosen: Mapping[str, int],
    of_labels: Mapping[str, int],
    times: Times | None,
    asked: Asked,
    column: str,
) -> dict[int, list[Annotation]]:
    """Return row number → annotations; a row without a label has none."""
    if not asked.has_labels:
        return {}
    if asked.target == "single":
        refuse_several_labels(table.file, ((line.number, line.values["label"]) for line in lines))
        labels = {line.number: [label] if (label := line.values["label"]) else [] for line in lines}
    elif asked.target == "number":
        labels = {line.number: [line.values["label"]] for line in lines}
    elif of_labels:
        labels = read_columns(table, of_labels)
    else:
        labels = split_cells(table, chosen["label"], asked.separator)
    found: dict[int, list[Annotation]] = {}
    for line in lines:
        number, start, end = line.number, 0.0, math.inf
        if times is not None:
            if times.are_empty(line.cells):
                if any(labels[number]):
                    raise DatasetError(
                        f"{table.file}, row {number} has the label {printable(labels[number][0])!r} and no "
                        "times",
                        "give its start and end, or leave its label empty, too, if nothing is in the file",
                    )
                found[number] = []
                continue
            start, end = times.read(number, line.cells)
        if asked.target == "number":
            value = number_of(table, number, chosen["label"], line.values["label"])
            found[number] = [Annotation(start=start, end=end, value=value, column=column)]
        else:
            found[number] = [
                Annotation(start=start, end=end, label=printable(label), column=column)
                for label in labels[number]
            ]
    return found


def _by_file(table: Table, titles: Mapping[str, str], lines: Sequence[_Line]) -> list[list[_Line]]:
    """Return the rows of each file, which agree in what a file has once."""
    files: dict[str, list[_Line]] = {}
    ids: dict[str, _Line] = {}
    for line in lines:
        of_file = files.setdefault(line.file, [])
        of_file.append(line)
        first = of_file[0]
        for role in _OF_A_FILE:
            text, before = line.values.get(role, ""), first.values.get(role, "")
            if text != before:
                another = f'`id_column="{titles["path"]}"`' if role == "id" else f"another `{role}_column`"
                raise DatasetError(
                    f"{table.file}, row {line.number}, column {titles[role]!r} is {printable(text)!r}, and "
                    f"{printable(before)!r} in row {first.number} of the same file {printable(first.path)!r}",
                    f"give all rows of a file the same, or choose {another}",
                )
        id = first.values.get("id") or first.path
        if ids.setdefault(id, first) is not first:
            raise DatasetError(
                f"{table.file}, row {line.number}, column {titles.get('id', 'id')!r}: {printable(id)!r} is "
                f"already in row {ids[id].number}"
            )
    return list(files.values())


def _free(
    table: Table, used: set[int], files: Sequence[Sequence[_Line]]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the columns without a role that say one thing of each file, and the names of the others."""
    names: dict[str, int] = {}
    dropped: dict[str, None] = {}
    for number, title in enumerate(table.columns):
        if number in used or not title:  # a column without a name numbers the rows, or is empty
            continue
        one = all(line.cells[number] == lines[0].cells[number] for lines in files for line in lines[1:])
        if one and title not in names:
            names[title] = number
        else:
            dropped[printable(title)] = None
    return {printable(title): number for title, number in names.items()}, tuple(dropped)


def _refuse_doubles(table: Table, titles: Mapping[str, str], lines: Sequence[_Line], what: str) -> None:
    """Refuse an id or a file that is listed twice; each has a `what`."""
    ids: dict[str, _Line] = {}
    files: dict[str, _Line] = {}
    for line in lines:
        id = line.values.get("id") or line.path
        for column, value, seen, text in (
            (titles.get("id", "id"), id, ids, id),
            (titles["path"], line.file, files, line.path),
        ):
            other = seen.setdefault(value, line)
            if other is line:
                continue
            reason = (
                f"{table.file}, row {line.number}, column {column!r}: {printable(text)!r} is already in row "
                f"{other.number}"
            )
            label, before = line.values.get("label"), other.values.get("label")
            if other.file == line.file and label is not None and before is not None and before != label:
                several = ', or read several labels of a file with `target="multi-label"`'
                raise DatasetError(
                    f"{reason} with the {what} {printable(before)!r}, here with {printable(label)!r}",
                    f"keep one row for each file{several if what == 'label' else ''}",
                )
            raise DatasetError(reason)
