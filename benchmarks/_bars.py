"""Bars of the benchmark's page, as inline SVG; ours, peers and floors are told apart without colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from audiospec.benchmarks.words import number, seconds
from audiospec.render.html import attribute, ticks
from audiospec.text import printable

#: From such a factor between the shortest and the longest bar on, the scale is logarithmic.
WIDE = 30
_WIDTH, _LEFT, _RIGHT = 360, 8, 348
_TOP, _ROW, _BAR = 28, 38, 12
#: So many characters of a name fit beside its number.
_MOST = 30

STYLE = """
.bars text { paint-order: stroke; stroke: var(--back); stroke-width: 3px; stroke-linejoin: round }
.bars .name { fill: var(--text) }
.ours { fill: var(--one); stroke: var(--one); stroke-width: 1.5 }
.peer, .floor { fill: none; stroke: var(--two); stroke-width: 1.5 }
.floor { stroke: var(--quiet); stroke-dasharray: 5 3 }
.stripes { stroke: var(--two); stroke-width: 12; stroke-dasharray: 2 4; opacity: .7 }
.around { fill: none; stroke: var(--back); stroke-width: 5 }
.whisker { fill: none; stroke: var(--text); stroke-width: 1.5 }
@media print { .ours { print-color-adjust: exact } }
"""


def bars(contenders: Sequence[Mapping[str, Any]]) -> str:
    """Draw the time over ours of each contender, with its quartiles; the label says the numbers.

    Parameters
    ----------
    contenders : sequence of mappings
        As `audiospec.benchmarks.measure.measure` returns them.
    """
    drawn = [one["ratio"] for one in contenders if _positive(one["ratio"])]
    ends = [end for one in contenders for end in one["ratio_quartiles"] if _positive(end)]
    logarithmic = bool(drawn) and max(drawn) > WIDE * min(drawn)
    if logarithmic:
        first = math.floor(math.log10(min(drawn + ends)) - 0.3)  # so that the shortest has a length, too
        last = math.ceil(math.log10(max(drawn + ends)))
        low, high = 10.0**first, 10.0**last
        marks = [10.0**power for power in range(first, last + 1, 1 + (last - first) // 6)]
    else:
        marks = ticks(0, max([*drawn, *ends, 1]))
        low, high = 0.0, marks[-1]

    def x(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if logarithmic else value / high
        return _LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0)

    bottom = _TOP + _ROW * len(contenders)
    scale = ", logarithmic scale" if logarithmic else ""
    parts = [f'<text class="title" x="4" y="15">time over ours{scale}</text>']
    for mark in marks:
        anchor = "start" if mark == low else "end" if mark == high else "middle"
        at = {"start": 2, "end": _WIDTH - 2, "middle": x(mark)}[anchor]
        parts.append(f'<path class="grid" d="M{x(mark):.1f} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 15}" text-anchor="{anchor}">{number(mark)}×</text>')
    parts.append(f'<path class="best" d="M{x(1):.1f} {_TOP}V{bottom}"/>')
    for place, one in enumerate(contenders):
        top = _TOP + _ROW * place
        name = printable(one["name"])
        name = name if len(name) <= _MOST else f"{name[: _MOST - 1]}…"
        said = f"{one['role']}, {seconds(one['seconds'])}" if one["role"] == "ours" else one["role"]
        parts.append(f'<text class="name" x="4" y="{top + 15}">{attribute(name)}</text>')
        parts.append(
            f'<text x="{_WIDTH - 4}" y="{top + 15}" text-anchor="end">'
            f"{number(one['ratio'])}× ({attribute(said)})</text>"
        )
        if _positive(one["ratio"]):
            parts.append(_bar(one["role"], x(one["ratio"]), top + 20))
            low_end, high_end = one["ratio_quartiles"]
            if one["role"] != "ours" and _positive(low_end) and _positive(high_end):
                parts.append(_whisker(x(low_end), x(high_end), top + 20 + _BAR / 2))
    label = attribute(f"time over ours{scale}: {'; '.join(map(_said, contenders))}")
    return (
        f'<svg class="bars" viewBox="0 0 {_WIDTH} {bottom + 22}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _bar(role: str, end: float, top: float) -> str:
    """Ours is filled, a peer striped, a floor an empty box with a broken outline."""
    kind = role if role in ("ours", "floor") else "peer"
    width = max(end - _LEFT, 1.0)
    stripes = f'<path class="stripes" d="M{_LEFT} {top + _BAR / 2:g}h{width:.1f}"/>' if kind == "peer" else ""
    return f'{stripes}<rect class="{kind}" x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}"/>'


def _whisker(low: float, high: float, y: float) -> str:
    """From the lower to the upper quartile, with a light edge so that it stands out on its bar."""
    line = f"M{low:.1f} {y:g}H{high:.1f}M{low:.1f} {y - 4:g}v8M{high:.1f} {y - 4:g}v8"
    return f'<path class="around" d="{line}"/><path class="whisker" d="{line}"/>'


def _said(one: Mapping[str, Any]) -> str:
    if one["role"] == "ours":
        return f"{one['name']} (ours) {seconds(one['seconds'])}"
    low, high = map(number, one["ratio_quartiles"])
    return f"{one['name']} ({one['role']}) {number(one['ratio'])}×, quartiles {low} to {high}"


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0
