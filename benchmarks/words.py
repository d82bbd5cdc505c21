"""Findings in words and columns, the same on a terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The columns of `rows`; those in which a case has nothing are left out.
COLUMNS = (
    "contender",
    "time",
    "quartiles",
    "rate",
    "time over ours",
    "quartiles of it",
    "memory",
    "differs by",
)


def rows(case: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A case as a table: titles, and a row for each contender."""
    full = [_row(case, contender) for contender in case["contenders"]]
    kept = [number for number in range(len(COLUMNS)) if any(row[number] for row in full)]
    return [COLUMNS[number] for number in kept], [[row[number] for number in kept] for row in full]


def _row(case: Mapping[str, Any], contender: Mapping[str, Any]) -> list[str]:
    low, high = contender["quartiles"]
    least, most = contender["ratio_quartiles"]
    ours = contender["role"] == "ours"
    memory, difference = contender["memory_bytes"], contender["difference"]
    return [
        contender["name"] + (" (floor)" if contender["role"] == "floor" else ""),
        seconds(contender["seconds"]),
        f"{seconds(low)} – {seconds(high)}",
        rate(contender["per_second"], case["unit"]),
        "" if ours else f"{contender['ratio']:.3g}×",
        "" if ours else f"{least:.3g} – {most:.3g}",
        "" if memory is None else size(memory),
        "" if difference is None else f"{difference:.2g} {case['difference_unit']}".strip(),
    ]


def target(found: Mapping[str, Any]) -> str:
    """A target in words, such as ``"met: speed of audiospec over that of librosa: 4.61 (at least 2.8)"``."""
    how = {True: "met", False: "missed", None: "not measured"}[found["met"]]
    value = found["found"]
    bound = "at_least" if "at_least" in found else "at_most"
    unit = found.get("unit", "")

    def shown(number: float) -> str:
        if found["what"].startswith("memory_bytes") or unit == "bytes":
            return size(number)
        if found["what"].startswith("seconds") or unit == "s":
            return seconds(number)
        return f"{number:.3g}"

    said = "" if value is None else f": {shown(value)}"
    return f"{how}: {found['what']}{said} ({bound.replace('_', ' ')} {shown(found[bound])})"


def seconds(value: float) -> str:
    """A time, such as ``"3.21 ms"``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def rate(per_second: float, unit: str) -> str:
    """A speed, such as ``"2,410 rows/s"``; of audio, ``"3,120 × real time"``."""
    number = f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"
    if unit == "s of audio":
        return f"{number} × real time"
    if unit == "bytes":
        return f"{size(per_second)}/s"
    return f"{number} {unit}/s"


def size(count: float) -> str:
    """Bytes, such as ``"84.4 MB"``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} B"
