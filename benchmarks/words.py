"""Findings in words and columns, the same on a terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

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
    kept = [place for place in range(len(COLUMNS)) if any(row[place] for row in full)]
    return [COLUMNS[place] for place in kept], [[row[place] for place in kept] for row in full]


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
        "" if ours else f"{number(contender['ratio'])}×",
        "" if ours else f"{number(least)} – {number(most)}",
        "" if memory is None else size(memory),
        "" if difference is None else f"{difference:.2g} {case['difference_unit']}".strip(),
    ]


class Told(NamedTuple):
    """A target in words; the verdict is ``"met"``, ``"missed"`` or ``"not measured"``."""

    verdict: str
    what: str
    found: str
    wanted: str


def target(found: Mapping[str, Any]) -> str:
    """A target in words, such as ``"met: speed of audiospec over that of librosa: 4.61 (at least 2.8)"``."""
    one = told(found)
    said = f": {one.found}" if one.found else ""
    return f"{one.verdict}: {one.what}{said} ({one.wanted})"


def told(found: Mapping[str, Any]) -> Told:
    """The parts of a target in words; what was found is empty where nothing was measured."""
    verdict = {True: "met", False: "missed", None: "not measured"}[found["met"]]
    value = found["found"]
    bound = "at_least" if "at_least" in found else "at_most"
    shown = {"bytes": size, "s": seconds}.get(found.get("unit", ""), number)
    wanted = f"{bound.replace('_', ' ')} {shown(found[bound])}"
    return Told(verdict, found["what"], "" if value is None else shown(value), wanted)


def number(value: float) -> str:
    """Three digits that count, or all of a large whole one, such as ``"0.0123"``, ``"4.61"``, ``"1,230"``."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(value: float) -> str:
    """A time, such as ``"3.21 ms"``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{number(value / scale)} {unit}"
    return f"{number(value / 1e-9)} ns"


def rate(per_second: float, unit: str) -> str:
    """A speed, such as ``"2,410 rows/s"``; of audio, ``"3,120 × real time"``."""
    if unit == "s of audio":
        return f"{number(per_second)} × real time"
    if unit == "bytes":
        return f"{size(per_second)}/s"
    return f"{number(per_second)} {unit}/s"


def size(count: float) -> str:
    """Bytes, such as ``"84.4 MB"``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{number(count / scale)} {unit}"
    return f"{count:.0f} B"
