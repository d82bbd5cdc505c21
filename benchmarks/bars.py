"""Bar charts of the benchmark's page, as inline SVG; ours, peers and floors also differ without colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from audiospec.benchmarks.formatting import format_number, format_seconds
from audiospec.render.html import attribute, ticks
from audiospec.text import printable

#: The scale is logarithmic if the longest bar is more than this many times the shortest.
MAX_LINEAR_RANGE = 30
_WIDTH, _LEFT, _RIGHT = 360, 8, 348
_TOP, _ROW, _BAR = 28, 38, 12
#: Characters of a name that fit beside its number.
_MAX_NAME = 30

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


def draw_bars(contenders: Sequence[Mapping[str, Any]]) -> str:
    """Draw the ratio of each contender's time to ours, with its quartiles; the label has the numbers.

    Parameters
    ----------
    contenders : sequence of mappings
        As in the result of `audiospec.benchmarks.measure.measure`.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    drawn = [contender["ratio"] for contender in contenders if _positive(contender["ratio"])]
    ends = [end for contender in contenders for end in contender["ratio_quartiles"] if _positive(end)]
    logarithmic = bool(drawn) and max(drawn) > MAX_LINEAR_RANGE * min(drawn)
    if logarithmic:
        first = math.floor(math.log10(min(drawn + ends)) - 0.3)  # so that the shortest bar is visible
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
        value = f"{format_number(mark)}×"
        parts.append(f'<text x="{at:.1f}" y="{bottom + 15}" text-anchor="{anchor}">{value}</text>')
    parts.append(f'<path class="best" d="M{x(1):.1f} {_TOP}V{bottom}"/>')
    for place, contender in enumerate(contenders):
        top = _TOP + _ROW * place
        name = printable(contender["name"])
        name = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"
        value = contender["role"]
        if value == "ours":
            value += f", {format_seconds(contender['seconds'])}"
        parts.append(f'<text class="name" x="4" y="{top + 15}">{attribute(name)}</text>')
        parts.append(
            f'<text x="{_WIDTH - 4}" y="{top + 15}" text-anchor="end">'
            f"{format_number(contender['ratio'])}× ({attribute(value)})</text>"
        )
        if _positive(contender["ratio"]):
            parts.append(_bar(contender["role"], x(contender["ratio"]), top + 20))
            low_end, high_end = contender["ratio_quartiles"]
            if contender["role"] != "ours" and _positive(low_end) and _positive(high_end):
                parts.append(_whisker(x(low_end), x(high_end), top + 20 + _BAR / 2))
    label = attribute(f"time over ours{scale}: {'; '.join(map(_describe, contenders))}")
    return (
        f'<svg class="bars" viewBox="0 0 {_WIDTH} {bottom + 22}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _bar(role: str, end: float, top: float) -> str:
    """Draw a bar: ours is filled, a peer is striped, a floor has a dashed outline."""
    kind = role if role in ("ours", "floor") else "peer"
    width = max(end - _LEFT, 1.0)
    stripes = f'<path class="stripes" d="M{_LEFT} {top + _BAR / 2:g}h{width:.1f}"/>' if kind == "peer" else ""
    return f'{stripes}<rect class="{kind}" x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}"/>'


def _whisker(low: float, high: float, y: float) -> str:
    """Draw a line from the lower to the upper quartile, with a light edge to stand out from the bar."""
    line = f"M{low:.1f} {y:g}H{high:.1f}M{low:.1f} {y - 4:g}v8M{high:.1f} {y - 4:g}v8"
    return f'<path class="around" d="{line}"/><path class="whisker" d="{line}"/>'


def _describe(contender: Mapping[str, Any]) -> str:
    if contender["role"] == "ours":
        return f"{contender['name']} (ours) {format_seconds(contender['seconds'])}"
    ratio = format_number(contender["ratio"])
    low, high = map(format_number, contender["ratio_quartiles"])
    return f"{contender['name']} ({contender['role']}) {ratio}×, quartiles {low} to {high}"


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0
