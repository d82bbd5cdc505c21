"""Find the columns of a table that say where in a file a row is, and read their times in seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audiospec.datasets.own.columns import column_named, plain
from audiospec.datasets.own.tables import Table
from audiospec.errors import DatasetError
from audiospec.text import printable

#: Value of `start_column` for a table whose columns of times are not about its files.
NONE = "none"

_UNITS = (
    r"((_?(time|at|s|sec|secs|second|seconds|ms|msec|millisecond|milliseconds|sample|samples|frame|frames))*)"
)
_OF = r"(?:t_|time_|event_|segment_|clip_|crop_)?"
_START = re.compile(rf"{_OF}(?:start|onset|begin|offset){_UNITS}|t0|tmin")
_END = re.compile(rf"{_OF}(?:end|stop|offset|finish){_UNITS}|t1|tmax")
_DURATION = re.compile(rf"{_OF}(?:duration|dur|length){_UNITS}")
_OFFSET = re.compile(rf"{_OF}offset{_UNITS}")
#: Names that are times only beside each other.
_PAIRS = (("from", "to"), ("xmin", "xmax"), ("time", "duration"), ("low_time", "high_time"))
_RATES = ("sample_rate", "samplerate", "sampling_rate", "sr", "fs")
_UNIT_AT_END = re.compile(r"(?:^|_)(s|secs?|seconds?|ms|msec|milliseconds?|samples?|frames?)$")
_TIME = re.compile(
    r"([-+]?)((?:\d+:){0,2})(\d+(?:[.,]\d*)?(?:[eE][-+]?\d+)?|[.,]\d+(?:[eE][-+]?\d+)?)\s*(ms|s)?"
)


def seconds_of(text: str, scale: float = 1.0) -> float | None:
    """Return a time in seconds; None if the text is no time.

    Parameters
    ----------
    text : str
        A number, with a point or a comma before its decimals, also as minutes or hours (``1:02.5``), and with
        a unit (``20 ms``).
    scale : float
        Seconds of a number without a unit.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    sign, clock, number, unit = match.groups()
    value = float(number.replace(",", "."))
    if clock:
        parts = [int(part) for part in clock[:-1].split(":")]
        if value >= 60 or any(part >= 60 for part in parts[1:]):
            return None
        minutes = parts[-1] + (60 * parts[0] if len(parts) > 1 else 0)
        value, unit = value + 60.0 * minutes, unit or "s"
    value *= {"ms": 1e-3, "s": 1.0}.get(unit or "", scale)
    return -value if sign == "-" else value


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of times.

    Attributes
    ----------
    number : int
    title : str
    unit : str
        ``"s"``, ``"ms"`` or ``"samples"``.
    """

    number: int
    title: str
    unit: str


@dataclass(frozen=True, slots=True)
class Times:
    """The columns of a table's times.

    Attributes
    ----------
    table : Table
    start, end : column
    has_duration : bool
        Whether `end` is a duration.
    rate : int or None
        Column of the sample rate, for times in samples.
    """

    table: Table
    start: _Column
    end: _Column
    has_duration: bool
    rate: int | None

    @property
    def columns(self) -> set[int]:
        """The numbers of the columns; that of the sample rate is about the file."""
        return {self.start.number, self.end.number}

    def are_empty(self, cells: Sequence[str]) -> bool:
        """Whether a row has no time at all, as that of a file in which nothing is."""
        return not any(cells[column] for column in self.columns)

    def read(self, number: int, cells: Sequence[str]) -> tuple[float, float]:
        """Return start and end of a row in seconds.

        Raises
        ------
        DatasetError
            A cell is empty, is no time or is negative, or the start is after the end.
        """
        start, end = (self._value(column, number, cells) for column in (self.start, self.end))
        if self.has_duration:
            end += start
        if start > end:
            raise DatasetError(
                f"{self.table.file}, row {number}: start {start:g} s is after end {end:g} s (columns "
                f"{self.start.title!r} and {self.end.title!r})",
                "correct the row, or choose the columns with `start_column` and `end_column`",
            )
        return start, end

    def _value(self, column: _Column, number: int, cells: Sequence[str]) -> float:
        text = cells[column.number]
        scale = {"s": 1.0, "ms": 1e-3}.get(column.unit) or self._sample(number, cells)
        value = seconds_of(text, scale)
        place = f"{self.table.file}, row {number}, column {column.title!r}"
        if value is None:
            what = f"is {printable(text)!r}" if text else "is empty"
            raise DatasetError(
                f"{place} {what}: expected a time, such as 1.5 or 0:01.5",
                "correct the row, or choose another column with `start_column` or `end_column`",
            )
        if value < 0:
            raise DatasetError(
                f"{place} is {printable(text)!r}: expected a time from the start of the file, at least 0",
                "correct the row",
            )
        return value

    def _sample(self, number: int, cells: Sequence[str]) -> float:
        """Return the seconds of a sample."""
        text = cells[self.rate] if self.rate is not None else ""
        if not re.fullmatch(r"[1-9]\d*(\.0*)?", text):
            title = self.table.columns[self.rate] if self.rate is not None else ""
            raise DatasetError(
                f"{self.table.file}, row {number}, column {printable(title)!r} is {printable(text)!r}: "
                "expected the sample rate in hertz",
                "correct the row, or write times in seconds",
            )
        return 1 / float(text)


def choose_times(table: Table, start: str | None, end: str | None, used: set[int]) -> Times | None:
    """Return the columns of times of a table; None if its rows are whole files.

    Parameters
    ----------
    table : Table
    start, end : str or None
        Names of columns. None: those with a usual name and a time in at least one row. The end may be a
        duration. ``"none"`` as start: the rows are whole files.
    used : set of int
        Columns that have another role.

    Raises
    ------
    DatasetError
        A column is missing, or several can be it.
    """
    if start is not None and start.strip().lower() == NONE and start not in table.columns:
        return None
    names = [plain(name) for name in table.columns]
    paired = {name: place for pair in _PAIRS if {*pair} <= {*names} for place, name in enumerate(pair)}
    free = [n for n in range(len(names)) if n not in used]
    starts = [n for n in free if _START.fullmatch(names[n]) or paired.get(names[n]) == 0]
    ends = [n for n in free if _END.fullmatch(names[n]) or paired.get(names[n]) == 1]
    if start is None and end is None and not any(_has_times(table, n) for n in {*starts, *ends}):
        return None
    starts, ends = (_with_times(table, columns) for columns in (starts, ends))
    durations = [n for n in free if _DURATION.fullmatch(names[n])]
    offsets = {n for n in starts if _OFFSET.fullmatch(names[n])}
    if {*starts} - offsets or start is not None:
        starts = [n for n in starts if n not in offsets]  # it is the end of what has an onset
    else:
        ends = [n for n in ends if n not in offsets]
    first = _column(table, "start", start, starts, names)
    ends = [n for n in ends if n != first.number and n not in durations]
    last = _column(table, "end", end, ends or durations, names)
    rate = None
    if "samples" in (first.unit, last.unit):
        rates = [n for n, name in enumerate(names) if name in _RATES]
        if len(rates) != 1:
            title = first.title if first.unit == "samples" else last.title
            raise DatasetError(
                f"{table.file}, column {title!r} is in samples: expected a column sample_rate beside it",
                "write times in seconds, or choose other columns with `start_column` and `end_column`",
            )
        (rate,) = rates
    return Times(table, first, last, _DURATION.fullmatch(names[last.number]) is not None, rate)


def _has_times(table: Table, column: int) -> bool:
    return any(cells[column] and seconds_of(cells[column]) is not None for _, cells in table.rows)


def _with_times(table: Table, columns: list[int]) -> list[int]:
    """Return the columns that have a time in some row, or all if none has."""
    return [n for n in columns if _has_times(table, n)] or columns


def _column(table: Table, role: str, asked: str | None, found: list[int], names: list[str]) -> _Column:
    """Return the column of start or end: that which was asked for, or the only one."""
    if asked is not None:
        number = column_named(table, asked, f"{role}_column")
    else:
        if len(found) > 1:  # the same time in samples, or in milliseconds, is in such tables as well
            found = [n for n in found if _unit(names[n]) == "s" and _UNIT_AT_END.search(names[n])] or found
        if len(found) != 1:
            titles = ", ".join(printable(table.columns[n]) for n in found)
            what = f"{len(found)} columns of {role}s ({titles})" if found else f"no column of {role}s"
            has = ", ".join(map(printable, table.columns))
            raise DatasetError(
                f"{table.file} has times of segments, and {what} (row 1 has: {has})",
                f'name it with `{role}_column`; if each row is a whole file, give `start_column="{NONE}"`',
            )
        (number,) = found
    title = printable(table.columns[number])
    unit = _unit(names[number])
    if unit == "frames":
        raise DatasetError(
            f"{table.file}, column {title!r} is in frames, whose length the table does not say",
            "write times in seconds, or choose other columns with `start_column` and `end_column`",
        )
    return _Column(number, title, unit)


def _unit(name: str) -> str:
    """Return the unit that a column's name says: ``"s"`` (or it says none), ``"ms"`` and so on."""
    for pattern in (_START, _END, _DURATION):
        if (match := pattern.fullmatch(name)) and match[1]:
            return _unit_in(match[1])
    match = _UNIT_AT_END.search(name)
    return _unit_in(match[1]) if match else "s"


def _unit_in(words: str) -> str:
    if "sample" in words:
        return "samples"
    if "frame" in words:
        return "frames"
    return "ms" if re.search("ms|milli", words) else "s"
