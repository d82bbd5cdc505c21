"""The columns of a table of events."""

from __future__ import annotations

from collections.abc import Sequence

from audiospec.annotations.formats.base import Event, checked, number
from audiospec.errors import DatasetError, nearest
from audiospec.text import printable

#: Columns of a new table.
COLUMNS = ("file", "onset", "offset", "label", "score")
#: Other names of a column, in lower case.
_OTHERS = {
    "onset": ("start", "begin", "start_time"),
    "offset": ("end", "stop", "end_time"),
    "label": ("event_label", "class", "species", "category"),
    "file": ("filename", "path"),
}


def events_of(
    header: Sequence[str],
    rows: Sequence[tuple[int, Sequence[str]]],
    source: str,
    label_column: str | None = None,
) -> list[Event]:
    """Return the events of a table of text.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of (int, sequence of str)
        Number of the row, for messages, and its cells.
    source : str
        The file, for messages.
    label_column : str or None

    Raises
    ------
    DatasetError
        A column is missing, or an event is impossible.
    """
    names = [name.strip().lower() for name in header]
    place_of: dict[str, int] = {}
    for column in COLUMNS:
        wanted = (column, *_OTHERS.get(column, ()))
        if column == "label" and label_column is not None:
            wanted = (label_column.strip().lower(),)
        found = next((name for name in wanted if name in names), None)
        if found is not None:
            place_of[column] = names.index(found)
        elif column in ("onset", "offset", "label"):
            has = ", ".join(map(printable, header))
            raise DatasetError(
                f"{source} has no column {wanted[0]!r}{nearest(wanted[0], names)} (it has: {has})",
                "name the column of labels with `label_column`"
                if column == "label"
                else "add it, in seconds",
            )
    events = []
    for row, given in rows:
        cells = [*map(str.strip, given), *[""] * (len(header) - len(given))]
        place = f"{source}, row {row}"
        texts = {column: cells[n] for column, n in place_of.items()}
        event = Event(
            onset=number(texts["onset"], place),
            offset=number(texts["offset"], place),
            label=texts["label"],
            score=number(texts["score"], place) if texts.get("score") else None,
            file=texts.get("file", ""),
        )
        events.append(checked(event, place))
    return events
