"""Findings as text and table columns; the terminal and the page share these functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

#: The columns of `case_table`; columns without values are left out.
COLUMNS = (
    "contender",
    "time",
    "quartiles",
    "rate",
    "time over ours",
    "ratio quartiles",
    "memory",
    "difference",
)


def case_table(case: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return a case as a table: the column titles, and one row per contender."""
    rows = [_row(case, contender) for contender in case["contenders"]]
    filled = [column for column in range(len(COLUMNS)) if any(row[column] for row in rows)]
    return [COLUMNS[column] for column in filled], [[row[column] for column in filled] for row in rows]


def _row(case: Mapping[str, Any], contender: Mapping[str, Any]) -> list[str]:
    low, high = contender["quartiles"]
    ratio_low, ratio_high = contender["ratio_quartiles"]
    ours = contender["role"] == "ours"
    memory, difference = contender["memory_bytes"], contender["difference"]
    return [
        contender["name"] + (" (floor)" if contender["role"] == "floor" else ""),
        format_seconds(contender["seconds"]),
        f"{format_seconds(low)} – {format_seconds(high)}",
        format_rate(contender["per_second"], case["unit"]),
        "" if ours else f"{format_number(contender['ratio'])}×",
        "" if ours else f"{format_number(ratio_low)} – {format_number(ratio_high)}",
        "" if memory is None else format_size(memory),
        "" if difference is None else f"{difference:.2g} {case['difference_unit']}".strip(),
    ]


class TargetText(NamedTuple):
    """A target as text.

    Attributes
    ----------
    verdict : str
        ``"met"``, ``"missed"`` or ``"not measured"``.
    what : str
        The quantity that the target limits.
    bound : str
        The limit, such as ``"at least 2.8"``.
    measured : str
        The measured value; empty if nothing was measured.
    """

    verdict: str
    what: str
    bound: str
    measured: str


def describe_target(target: Mapping[str, Any]) -> TargetText:
    """Return the parts of a target as text."""
    verdict = {True: "met", False: "missed", None: "not measured"}[target["met"]]
    value = target["found"]
    key = "at_least" if "at_least" in target else "at_most"
    formatted = {"bytes": format_size, "s": format_seconds}.get(target.get("unit", ""), format_number)
    bound = f"{key.replace('_', ' ')} {formatted(target[key])}"
    return TargetText(verdict, target["what"], bound, "" if value is None else formatted(value))


def target_line(target: Mapping[str, Any]) -> str:
    """Return a target in one line, such as ``"met: time of help: 210 ms (at most 300 ms)"``."""
    parts = describe_target(target)
    measured = f": {parts.measured}" if parts.measured else ""
    return f"{parts.verdict}: {parts.what}{measured} ({parts.bound})"


def format_number(value: float) -> str:
    """Return three significant digits, or all digits from 100 on: ``"0.0123"``, ``"4.61"``, ``"1,230"``."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def format_seconds(value: float) -> str:
    """Return a time with its unit, such as ``"3.21 ms"``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{format_number(value / scale)} {unit}"
    return f"{format_number(value / 1e-9)} ns"


def format_rate(per_second: float, unit: str) -> str:
    """Return a speed, such as ``"2,410 rows/s"``; for audio, ``"3,120 × real time"``."""
    if unit == "s of audio":
        return f"{format_number(per_second)} × real time"
    if unit == "bytes":
        return f"{format_size(per_second)}/s"
    return f"{format_number(per_second)} {unit}/s"


def format_size(count: float) -> str:
    """Return a number of bytes with its unit, such as ``"84.4 MB"``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{format_number(count / scale)} {unit}"
    return f"{count:.0f} B"
