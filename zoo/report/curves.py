"""The curves of a training on a page: loss and F1 of training and validation over the epochs."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence

from audiospec.render.html import attribute, text
from audiospec.zoo.report.chart import chart
from audiospec.zoo.runs.info import HISTORY
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.base import EPOCH_SCORES
from audiospec.zoo.scores.base import scores as registered

#: Columns of scores of an epoch; the chart shows the first that a history has.
_CHART_SCORES = ("f1", "accuracy", "mae")
#: Those that are no shares, and that fall.
_PLAIN = ("mae",)


def curves(history: Mapping[str, list[float | None]], title: str = "Training") -> str:
    """Return charts of loss, and of F1 or accuracy, over the epochs, as HTML.

    Parameters
    ----------
    history : mapping
        See `read_history`. Empty for a model without epochs, which has no charts.
    title : str
        Plain text above the charts.
    """
    if not history:
        return ""
    epochs = epochs_of(history)
    best, why = best_epoch(history, epochs)
    heading = f"<h4>{attribute(title)}</h4>"
    charts = []
    loss = _lines(history, "loss")
    if loss:
        charts.append(chart("loss", epochs, loss, best))
    for measure in _CHART_SCORES:
        lines = _lines(history, measure)
        if lines:
            scale, unit = (1, "") if measure in _PLAIN else (100, ", %")
            scaled = {
                side: [None if value is None else scale * value for value in line]
                for side, line in lines.items()
            }
            charts.append(chart(f"{_title(measure)}{unit}", epochs, scaled, best))
            break
    if not charts:
        names = text(", ".join(history))
        return f'{heading}<p class="quiet">The history has no loss, F1 or accuracy: {names}.</p>'
    note = f'<p class="quiet">Best epoch: {why}.</p>' if best is not None else ""
    return f'{heading}<div class="charts">{"".join(charts)}</div>{note}'


def _title(measure: str) -> str:
    return registered[EPOCH_SCORES.get(measure, measure)].title


def read_history(run: Run) -> dict[str, list[float | None]]:
    """Return each column of a run's history, with one value per epoch; None where it cannot be drawn."""
    try:
        with open(run.path / HISTORY, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return {}  # a model of another package may have none
    names = [name for name in rows[0] if name is not None] if rows else []
    return {name: [_number(row[name]) for row in rows] for name in names}


def epochs_of(history: Mapping[str, list[float | None]]) -> list[float]:
    """Return the numbers of the epochs: the history's, or from 1 if it does not number all of them."""
    column = history.get("epoch", [None])
    numbers = [epoch for epoch in column if epoch is not None]
    length = len(next(iter(history.values())))
    return numbers if len(numbers) == length else [float(number) for number in range(1, length + 1)]


def _number(cell: str | None) -> float | None:
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e12 else None


def _lines(history: Mapping[str, list[float | None]], measure: str) -> dict[str, list[float | None]]:
    lines = {side: history.get(f"{side}_{measure}", []) for side in ("train", "valid")}
    return {side: line for side, line in lines.items() if any(value is not None for value in line)}


def best_epoch(
    history: Mapping[str, list[float | None]], epochs: Sequence[float]
) -> tuple[float | None, str]:
    """Return the best epoch and why it is the best; None and ``""`` if no column decides."""
    for name, sign, why in (
        ("valid_loss", 1, "the lowest validation loss"),
        *(
            (f"valid_{measure}", 1, f"the lowest validation {_title(measure)}")
            if measure in _PLAIN
            else (f"valid_{measure}", -1, f"the highest validation {_title(measure)}")
            for measure in _CHART_SCORES
        ),
    ):
        values = [
            (sign * value, epoch)
            for value, epoch in zip(history.get(name, []), epochs, strict=False)
            if value is not None
        ]
        if values:
            return min(values)[1], why
    return None, ""
