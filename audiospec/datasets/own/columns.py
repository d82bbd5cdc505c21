"""Choose the columns of a table that say path, label, group and so on, and refuse parts of files."""

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

_UNITS = r"(_?(time|at|s|sec|secs|second|seconds|ms|millisecond|milliseconds|sample|samples|frame|frames))*"
_FROM = re.compile(rf"(t_|time_|event_|segment_|clip_|crop_)?(start|onset|begin|offset){_UNITS}|t0|tmin")
_TO = re.compile(rf"(t_|time_|event_|segment_|clip_|crop_)?(end|stop|offset|finish){_UNITS}|t1|tmax")
#: Names that are times only beside each other.
_PAIRS = (("from", "to"), ("xmin", "xmax"), ("time", "duration"), ("low_time", "high_time"))
_TIME = re.compile(r"[-+]?(\d+:)*\d*[.,]?\d+([eE][-+]?\d+)?\s*m?s?")


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


def choose(table: Table, asked: Mapping[str, str | None]) -> dict[str, int]:
    """Return the column of each role that the table has.

    Parameters
    ----------
    table : Table
    asked : mapping
        Role → name of the column that was asked for. None: the column is found by its name.

    Raises
    ------
    DatasetError
        A column that was asked for, or that of paths or labels, is missing; several may be meant; or the
        table lists parts of files.
    """
    chosen = {}
    for role in ROLES:
        if (name := asked.get(role)) is not None:
            chosen[role] = _asked(table, role, name)
            continue
        found = candidates(table, role)
        if not found and role in REQUIRED:
            raise DatasetError(
                f"{table.file} has no column {role!r}{nearest(role, map(str.lower, table.columns))} "
                f"({_has(table)})",
                f"name the column with `{role}_column`" if table.columns else "",
            )
        if found:
            chosen[role] = found[0] if len(found) == 1 else _one_of(table, role, found)
    _refuse_segments(table, set(chosen.values()))
    return chosen


def _asked(table: Table, role: str, name: str) -> int:
    names = [column.lower() for column in table.columns]
    found = [column for column, title in enumerate(table.columns) if title == name.strip()]
    found = found or [column for column, title in enumerate(names) if title == name.strip().lower()]
    if not found:
        raise DatasetError(
            f"{table.file} has no column {name!r}{nearest(name, table.columns)} ({_has(table)})",
            f"give another `{role}_column`",
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


def _refuse_segments(table: Table, used: set[int]) -> None:
    """Refuse columns of times: their labels are those of parts of a file, not of the whole."""
    names = set(map(plain, table.columns))
    paired = {name for pair in _PAIRS if names.issuperset(pair) for name in pair}
    for column, name in enumerate(table.columns):
        known = plain(name)
        if column in used or not (_FROM.fullmatch(known) or _TO.fullmatch(known) or known in paired):
            continue
        cells = ((number, row[column]) for number, row in table.rows)
        number, value = next(((n, text) for n, text in cells if _TIME.fullmatch(text)), (0, ""))
        if number:
            raise DatasetError(
                f"{table.file}, row {number}, column {printable(name)!r} is {printable(value)!r}: segments "
                "of files are not supported yet, and a label of a segment is not that of the whole file",
                "cut the files into one for each segment and list those; or, if each row is a whole file, "
                "remove the columns of times",
            )


def refuse_several_labels(file: object, labels: Sequence[tuple[int, str]]) -> None:
    """Refuse a column whose cells contain several labels, such as ``Music,Guitar``.

    A semicolon, a bar or a list in brackets always separates labels. A comma does if no blank follows it, or
    if a part of the cell is in another cell as well, so that ``Fire, crackling`` may be the name of a class.

    Raises
    ------
    DatasetError
        The message names the row.
    """
    cells = {label for _, label in labels}
    commas = {label for label in cells if "," in label}
    shared: dict[str, int] = {}
    for label in cells if commas else ():
        for part in set(_parts(label, ",")):
            shared[part] = shared.get(part, 0) + 1
    for number, label in labels:
        several = any(len(_parts(label, sign)) > 1 for sign in ";|") or _is_list(label)
        if label in commas and not several:
            parts = _parts(label, ",")
            tight = re.search(r"[^\s\d],[^\s]|[^\s],[^\s\d]", label) is not None
            several = len(parts) > 1 and (tight or any(shared[part] > 1 for part in parts))
        if several:
            raise DatasetError(
                f"{file}, row {number}: {printable(label)!r} is several labels, and several labels of one "
                "file are not supported yet",
                "keep one label in each cell; if it is the name of one class, write it without , ; and |",
            )


def _parts(label: str, sign: str) -> list[str]:
    return [part for part in map(str.strip, label.split(sign)) if part]


def _is_list(label: str) -> bool:
    return label.startswith("[") and label.endswith("]") and "," in label
