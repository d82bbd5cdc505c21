"""Choose the columns of a table that say path, label, group and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from audiospec.datasets.own.folds import fold_named
from audiospec.datasets.own.tables import Table
from audiospec.errors import DatasetError, nearest
from audiospec.text import printable

#: Role → other names of its column, as `plain` gives them. The role's own name comes first.
ALIASES = {
    "path": (
        *("file_name", "filename", "file", "file_path", "filepath", "fname", "audio", "audio_path"),
        *("audio_file", "audio_filename", "wav", "wav_path", "wav_file", "slice_file_name", "recording"),
    ),
    "label": (
        *("class", "class_name", "class_label", "category", "genre", "target", "tag", "species"),
        *("scene_label", "event_label", "primary_label", "labels", "classes", "categories", "genres", "tags"),
    ),
    "fold": ("split", "subset", "partition"),
}
REQUIRED = ("path", "label")
ROLES = (*REQUIRED, "id", "group", "fold", "cluster")


def plain(name: str) -> str:
    """Return a column's name in lower case, its words joined by underscores: ``start_s`` of ``Start (s)``."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def candidates(table: Table, role: str) -> list[int]:
    """Return the columns that may have a role: that of its own name, or else those of its other names."""
    names = [name.lower() for name in table.columns]
    if named := [column for column, name in enumerate(names) if name == role]:
        return named
    known = [plain(name) for name in names]
    found = [column for column, name in enumerate(known) if name in ALIASES.get(role, ())]
    if role == "path" and not found:  # Hugging Face's AudioFolder: audio_file_name, speech_file_name …
        found = [column for column, name in enumerate(known) if name.endswith("_file_name")]
    if role == "fold":  # "subset" and its like are columns of many other things
        found = [column for column in found if _only_folds([cells[column] for _, cells in table.rows])]
    return found


def choose(
    table: Table, asked: Mapping[str, str | None], required: Sequence[str] = REQUIRED
) -> dict[str, int]:
    """Return the column of each role that the table has.

    Parameters
    ----------
    table : Table
    asked : mapping
        Role → name of the column that was asked for. None: the column is found by its name.
    required : sequence of str
        Roles that need a column; the label has none if it is not among them.

    Raises
    ------
    DatasetError
        A column that was asked for, or a required one, is missing, or several may be meant.
    """
    chosen = {}
    for role in ROLES:
        if role == "label" and role not in required:
            continue
        if (name := asked.get(role)) is not None:
            chosen[role] = column_named(table, name, f"{role}_column")
            continue
        found = candidates(table, role)
        if not found and role in required:
            raise DatasetError(
                f"{table.file} has no column {role!r}{nearest(role, map(str.lower, table.columns))} "
                f"({_has(table)})",
                f"name the column with `{role}_column`" if table.columns else "",
            )
        if found:
            chosen[role] = found[0] if len(found) == 1 else _one_of(table, role, found)
    return chosen


def column_named(table: Table, name: str, option: str) -> int:
    """Return the column that an option names, in any case.

    Raises
    ------
    DatasetError
        There is none, or there are several.
    """
    names = [column.lower() for column in table.columns]
    found = [column for column, title in enumerate(table.columns) if title == name.strip()]
    found = found or [column for column, title in enumerate(names) if title == name.strip().lower()]
    if not found:
        raise DatasetError(
            f"{table.file} has no column {name!r}{nearest(name, table.columns)} ({_has(table)})",
            f"give another `{option}`",
        )
    if len(found) > 1:
        raise _doubled(table, found)
    return found[0]


def _one_of(table: Table, role: str, found: Sequence[int]) -> int:
    """Return the one of several columns that may have a role, if they say the same of every file."""
    names = [table.columns[column] for column in found]
    if len({name.lower() for name in names}) < len(names):
        raise _doubled(table, found)
    values = {column: [cells[column] for _, cells in table.rows] for column in found}
    first = found[0]
    pairs = [set(zip(values[first], values[column], strict=True)) for column in found]
    counts = {column: len(set(values[column])) for column in found}
    if role == "label" and all(
        len(pair) == counts[first] == counts[n] for pair, n in zip(pairs, found, strict=True)
    ):
        # A class and its number: the one with names is easier to read.
        return next((n for n in found if not all(value.isdigit() for value in values[n])), first)
    choices = (f'`{role}_column="{printable(table.columns[n])}"` ({_sample(values[n])})' for n in found)
    what = {"path": "the files", "label": "the labels"}.get(role, f"the {role}")
    raise DatasetError(
        f"{len(found)} columns of {table.file} may be {what}: {', '.join(map(printable, names))}",
        f"choose {' or '.join(choices)}",
    )


def _doubled(table: Table, found: Sequence[int]) -> DatasetError:
    name = table.columns[found[0]].lower()
    return DatasetError(f"{table.file} has {len(found)} columns called {name!r}", "keep one")


def _sample(values: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(values))
    shown = ", ".join(map(printable, distinct[:2])) + (", …" if len(distinct) > 2 else "")
    return f"{len(distinct)} value{'s' * (len(distinct) != 1)}: {shown}"


def _has(table: Table) -> str:
    return f"{table.header} has: {', '.join(map(printable, table.columns)) or 'nothing'}"


def _only_folds(values: Sequence[str]) -> bool:
    return any(values) and all(fold_named(value) for value in values if value)
