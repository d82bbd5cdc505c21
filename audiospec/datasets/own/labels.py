"""Read the labels and numbers in the cells of a table."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from audiospec.datasets.own.tables import Table, cell
from audiospec.errors import DatasetError
from audiospec.text import printable

_YES, _NO = ("1", "true", "yes", "1.0"), ("0", "false", "no", "0.0")
_NUMBER = re.compile(r"[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
_ROWS_NAMED = 3


def refuse_several_labels(file: object, labels: Iterable[tuple[int, str]]) -> None:
    """Refuse a column whose cells contain several labels, such as ``Music,Guitar``.

    Raises
    ------
    DatasetError
        The message names the row.
    """
    listed = list(labels)
    several = several_in({label for _, label in listed})
    for number, label in listed:
        if label in several:
            raise DatasetError(
                f"{file}, row {number}: {printable(label)!r} is several labels, and the target is one label",
                'read all with `target="multi-label"`, or keep one in each cell; if it is the name of one '
                "class, write it without , ; and |",
            )


def several_in(cells: Iterable[str]) -> set[str]:
    """Return the cells of a column that contain several labels, as far as their text says so.

    A semicolon, a bar or a list in brackets always separates labels. A comma does if no blank follows it, or
    if a part of the cell is in another cell as well, so that ``Fire, crackling`` may be the name of a class.
    """
    distinct = set(cells)
    commas = {label for label in distinct if "," in label}
    shared: dict[str, int] = {}
    for label in distinct if commas else ():
        for part in set(_parts(label, ",")):
            shared[part] = shared.get(part, 0) + 1
    several = {
        label
        for label in distinct
        if any(len(_parts(label, sign)) > 1 for sign in ";|")
        or (label.startswith("[") and label.endswith("]") and "," in label)
    }
    for label in commas - several:
        parts = _parts(label, ",")
        if len(parts) > 1 and (_is_tight(label) or any(shared[part] > 1 for part in parts)):
            several.add(label)
    return several


def _parts(label: str, sign: str) -> list[str]:
    return [part for part in map(str.strip, label.split(sign)) if part]


def _is_tight(label: str) -> bool:
    """Whether a comma stands without a blank after it, and not as that of a number."""
    return re.search(r"[^\s\d],[^\s]|[^\s],[^\s\d]", label) is not None


def split_cells(table: Table, column: int, separator: str | None = None) -> dict[int, list[str]]:
    """Return row number → labels of a column whose cells may contain several.

    Parameters
    ----------
    table : Table
    column : int
    separator : str or None
        What separates labels. None: a semicolon, a bar or a comma, whichever the cells have. Lists of JSON,
        of Parquet or in brackets need none.

    Raises
    ------
    DatasetError
        Separators differ, a label is empty, or one is twice in a cell.
    """
    title = printable(table.columns[column])
    lists: dict[int, list[str]] = {}
    texts: dict[int, str] = {}
    for number, cells in table.rows:
        listed = table.lists.get((number, column))
        if listed is None:
            listed = _list_in(cells[column])
        if listed is None:
            texts[number] = cells[column]
        else:
            lists[number] = listed
    sign = _separator(table, title, texts, separator)
    for number, text in texts.items():
        if not text:
            lists[number] = []
            continue
        parts = [part.strip() for part in text.split(sign)] if sign else [text]
        lists[number] = parts[:-1] if len(parts) > 1 and not parts[-1] else parts
    for number, labels in lists.items():
        place = f"{table.file}, row {number}, column {title!r}"
        if "" in labels:
            raise DatasetError(f"{place} has an empty label: {printable(texts.get(number, ''))!r}")
        if len({*labels}) < len(labels):
            twice = next(label for n, label in enumerate(labels) if label in labels[:n])
            raise DatasetError(f"{place}: the label {printable(twice)!r} is in it twice", "keep it once")
    return lists


def _separator(table: Table, title: str, texts: Mapping[int, str], asked: str | None) -> str:
    """Return what separates labels; ``""`` if each cell is one label."""
    distinct = {*texts.values()}
    several = several_in(distinct)
    first = next(((number, text) for number, text in texts.items() if text in several), None)
    if asked is not None:
        sign = {"\\t": "\t"}.get(asked, asked)
        if not sign:
            raise DatasetError("parameter separator must be a text between labels; got an empty text")
        if first is not None and not any(sign in text for text in distinct):
            raise DatasetError(
                f"{table.file}, column {title!r}: no cell contains the separator {sign!r}; row {first[0]} is "
                f"{printable(first[1])!r}",
                "give another `separator`",
            )
        return sign
    signs = [sign for sign in ";|" if any(len(_parts(text, sign)) > 1 for text in distinct)]
    commas = [(number, text) for number, text in texts.items() if len(_parts(text, ",")) > 1]
    if len(signs) > 1:
        raise DatasetError(
            f"{table.file}, column {title!r} has labels separated by ; and by |",
            'choose one with `separator=";"` or `separator="|"`',
        )
    if signs or not commas:
        return "".join(signs)
    tight = [item for item in commas if _is_tight(item[1])]
    loose = [item for item in commas if re.search(r",\s", item[1])]
    if (tight and loose) or not (tight or any(text in several for _, text in loose)):
        number, text = loose[0] if loose else commas[0]
        raise DatasetError(
            f"{table.file}, row {number}, column {title!r}: {printable(text)!r} may be one label with a "
            "comma, or several",
            'give `separator=","` to split it, or separate labels by ; and give `separator=";"`',
        )
    return ","


def _list_in(text: str) -> list[str] | None:
    """Return the items of a list in brackets, as JSON or Python writes it; None if it is none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            items = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(items, list) and all(isinstance(item, str | int | float) for item in items):
            return [cell(item) for item in items]
    return _parts(text[1:-1], ",") if "," in text else None


def read_columns(table: Table, columns: Mapping[str, int]) -> dict[int, list[str]]:
    """Return row number → labels of a table with one column a label.

    Parameters
    ----------
    table : Table
    columns : mapping of str to int
        Label → column, whose cells say whether a row has the label.

    Raises
    ------
    DatasetError
        A cell is not 0 or 1, true or false, or yes or no.
    """
    labels: dict[int, list[str]] = {}
    for number, cells in table.rows:
        labels[number] = []
        for label, column in columns.items():
            text = cells[column].lower()
            if text in _YES:
                labels[number].append(label)
            elif text not in _NO:
                what = "is empty" if not text else f"is {printable(cells[column])!r}"
                hint = (
                    "write 1 from the probability on at which the label counts as given"
                    if _NUMBER.fullmatch(text)
                    else "correct the row, or leave the column out of `label_columns`"
                )
                title = printable(table.columns[column])
                raise DatasetError(
                    f"{table.file}, row {number}, column {title!r} {what}: expected 0 or 1, true or false, "
                    "or yes or no",
                    hint,
                )
    return labels


def number_of(table: Table, number: int, column: int, text: str) -> float:
    """Return the number in a cell.

    Raises
    ------
    DatasetError
        It is none, or is not finite.
    """
    value = math.nan
    if _NUMBER.fullmatch(text) and not _THOUSANDS.fullmatch(text):
        value = float(text.replace(",", "."))
    if not math.isfinite(value):
        why = " (thousands, or decimals after a comma?)" if _THOUSANDS.fullmatch(text) else ""
        title = printable(table.columns[column])
        raise DatasetError(
            f"{table.file}, row {number}, column {title!r} is {printable(text)!r}: expected a number{why}",
            "correct the row, choose another `label_column`, or read labels with another `target`",
        )
    return value


def refuse_empty(table: Table, title: str, rows: Sequence[int], of: int, hint: str) -> None:
    """Refuse the empty cells of a column.

    Parameters
    ----------
    table : Table
    title : str
        Of the column, in the message.
    rows : sequence of int
        Numbers of the rows in which it is empty.
    of : int
        Number of rows that should have it.
    hint : str

    Raises
    ------
    DatasetError
        There are some.
    """
    if len(rows) == 1:
        raise DatasetError(f"{table.file}, row {rows[0]}, column {title!r} is empty", hint)
    if rows:
        named = ", ".join(map(str, rows[:_ROWS_NAMED])) + (", …" if len(rows) > _ROWS_NAMED else "")
        raise DatasetError(
            f"{table.file}, column {title!r} is empty in {len(rows)} of {of} rows, such as row {named}", hint
        )
