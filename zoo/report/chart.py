"""Charts of the report page, as inline SVG; lines and marks also differ in shape, not only in colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from audiospec.render.html import ticks

_WIDTH, _HEIGHT = 360, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 352, 46, 206
_NAMES = {"train": "training", "valid": "validation"}
#: With more epochs than this, a line has no marks, because they would hide it.
_MOST_MARKS = 40


def interval_bar(low: float, mean: float, high: float, start: float) -> str:
    """Return a bar: a score and its interval on a line from `start` to 1.

    It is hidden from screen readers, because the numbers are beside it.
    """
    left, middle, right = (100 * (value - start) / (1 - start) for value in (low, mean, high))
    return (
        '<svg class="bar" viewBox="0 0 104 10" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="axis" d="M2 5H102"/>'
        f'<rect class="range" x="{left + 2:.1f}" y="1" width="{max(right - left, 0.5):.1f}" height="8"/>'
        f'<rect class="mean" x="{middle + 1:.1f}" y="0" width="2" height="10"/></svg>'
    )


def chart(
    measure: str, epochs: Sequence[float], lines: Mapping[str, Sequence[float | None]], best: float | None
) -> str:
    """Return a chart of a measure of training and validation over the epochs.

    Parameters
    ----------
    measure : str
        Title, such as ``"loss"``.
    epochs : sequence of float
        Numbers of the epochs.
    lines : mapping
        ``"train"``, ``"valid"`` or both → one value per epoch, None where there is none.
    best : float or None
        The epoch to mark as the best.
    """
    drawn = [_Line(side, _NAMES[side], line) for side, line in lines.items()]
    ends = "; ".join(_ends(line) for line in drawn)
    best_epoch = f"; best epoch {best:g}" if best is not None else ""
    label = f"{measure} over {len(epochs)} epochs: {ends}{best_epoch}"
    return _chart(measure, "epoch", epochs, drawn, best, label)


def share_chart(measure: str, tracks: Sequence[float], lines: Mapping[str, Sequence[float]]) -> str:
    """Return a learning curve: a measure of the test rows over the number of training tracks.

    Parameters
    ----------
    measure : str
        Title, such as ``"macro F1, %"``.
    tracks : sequence of float
        Numbers of training tracks, ascending.
    lines : mapping
        Up to two levels, such as ``"track"`` → one value for each number of tracks.
    """
    drawn = [
        _Line(style, f"by {level}", line) for style, (level, line) in zip(_NAMES, lines.items(), strict=False)
    ]
    label = f"{measure} over {min(tracks):g} to {max(tracks):g} training tracks: "
    return _chart(measure, "training tracks", tracks, drawn, None, label + "; ".join(map(_ends, drawn)))


def scatter_chart(name: str, truth: Sequence[float], predicted: Sequence[float]) -> str:
    """Return a chart of predicted numbers over true ones, and the line where they are equal.

    Parameters
    ----------
    name : str
        Of the number.
    truth, predicted : sequence of float
        At least one each.
    """
    marks = ticks(min(*truth, *predicted), max(*truth, *predicted))
    low, high = min(marks[0], *truth, *predicted), max(marks[-1], *truth, *predicted)
    spread = high - low or 1.0

    def x(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (value - low) / spread

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - low) / spread

    parts = [f'<text class="title" x="4" y="14">predicted {escape(name)}</text>']
    for mark in marks:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(mark):.1f}H{_RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>')
        parts.append(f'<text x="{x(mark):.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{mark:g}</text>')
    middle = (_LEFT + _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{_BOTTOM + 38}" text-anchor="middle">true {escape(name)}</text>')
    parts.append(f'<path class="best" d="M{x(low):.1f} {y(low):.1f}L{x(high):.1f} {y(high):.1f}"/>')
    points = zip(truth, predicted, strict=True)
    parts += [f'<circle class="dot-train" cx="{x(a):.1f}" cy="{y(b):.1f}" r="2"/>' for a, b in points]
    label = f"predicted over true {name} of {len(truth)} rows"
    described = f'role="img" aria-label="{escape(label)}"'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" {described}>{"".join(parts)}</svg>'


class _Line(NamedTuple):
    """A line of a chart: its style, ``"train"`` or ``"valid"``; its name; its values."""

    style: str
    name: str
    values: Sequence[float | None]


def _chart(
    measure: str, axis: str, epochs: Sequence[float], lines: Sequence[_Line], best: float | None, label: str
) -> str:
    """Return a chart of lines over a horizontal axis of whole numbers."""
    values = [value for line in lines for value in line.values if value is not None]
    y_ticks = ticks(min(values), max(values))
    x_ticks = [tick for tick in ticks(min(epochs), max(epochs)) if tick == round(tick)]
    low, high = min(y_ticks[0], *values), max(y_ticks[-1], *values)
    first, last = min(epochs), max(epochs)

    def x(epoch: float) -> float:
        return (
            _LEFT + 10 + (_RIGHT - _LEFT - 20) * ((epoch - first) / (last - first) if last > first else 0.5)
        )

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - low) / (high - low)

    parts = [f'<text class="title" x="4" y="14">{escape(measure)}</text>']
    for tick in y_ticks:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(tick):.1f}H{_RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        if first <= tick <= last:
            parts.append(f'<text x="{x(tick):.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{tick:g}</text>')
    middle = (_LEFT + _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{_BOTTOM + 38}" text-anchor="middle">{axis}</text>')
    if best is not None:
        anchor = "end" if x(best) > middle else "start"
        beside = x(best) + (-5 if anchor == "end" else 5)
        parts.append(f'<path class="best" d="M{x(best):.1f} {_TOP - 14}V{_BOTTOM}"/>')
        parts.append(f'<text x="{beside:.1f}" y="{_TOP - 6}" text-anchor="{anchor}">best: {best:g}</text>')
    for number, (side, name, line) in enumerate(lines):
        points = [
            None if value is None else (x(epoch), y(value)) for epoch, value in zip(epochs, line, strict=True)
        ]
        parts.append(f'<path class="{side}" d="{_path(points)}"/>')
        if len(points) <= _MOST_MARKS:
            parts += [_mark(side, *point) for point in points if point]
        start = 150 + 100 * number
        parts.append(f'<path class="{side}" d="M{start} 10h24"/>{_mark(side, start + 12, 10)}')
        parts.append(f'<text x="{start + 30}" y="14">{escape(name)}</text>')
    described = f'role="img" aria-label="{escape(label)}"'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" {described}>{"".join(parts)}</svg>'


def _path(points: Iterable[tuple[float, float] | None]) -> str:
    """Return the path of a line through the points, with a gap where a point is None."""
    parts, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
        else:
            parts.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
            pen = "L"
    return "".join(parts)


def _mark(side: str, x: float, y: float) -> str:
    """Return a mark: a circle for training, a square for validation."""
    if side == "train":
        return f'<circle class="dot-train" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
    return f'<rect class="dot-valid" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>'


def _ends(line: _Line) -> str:
    """Return a line's first and last value in words, for screen readers."""
    values = [value for value in line.values if value is not None]
    return f"{line.name} from {values[0]:.3g} to {values[-1]:.3g}" if values else f"{line.name} unknown"
