"""Pictures of a run: how it learnt, and what it takes for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from audiospec.render.spectrogram import save
from audiospec.zoo.scores.base import EPOCH_SCORES, scores

_TEXT, _QUIET = "#222222", "#777777"
#: What the history has of each side that is drawn.
MEASURES = ("loss", "f1")
_TRAIN, _VALID = "#4477aa", "#cc6644"


def draw_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Draw loss and F1 of training and validation over the epochs; the best epoch is marked.

    Parameters
    ----------
    history : sequence of mapping
        With ``epoch``, and ``train_`` and ``valid_`` of ``loss`` and ``f1``; at least one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained", facecolor="white")
    epochs = [entry["epoch"] for entry in history]
    best = int(np.argmin([entry["valid_loss"] for entry in history]))
    for axes, measure in zip(figure.subplots(1, 2), MEASURES, strict=True):
        for side, colour, name in (("train", _TRAIN, "training"), ("valid", _VALID, "validation")):
            values = [entry[f"{side}_{measure}"] for entry in history]
            axes.plot(epochs, values, color=colour, label=name, marker="." if len(values) == 1 else None)
        axes.axvline(epochs[best], color=_QUIET, linewidth=0.8, linestyle=":")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch", color=_QUIET)
        title = scores[EPOCH_SCORES[measure]].title if measure in EPOCH_SCORES else measure
        axes.set_title(title, loc="left", color=_TEXT, fontsize=11)
        _plain(axes)
    figure.axes[0].legend(frameon=False, labelcolor=_TEXT, fontsize=9)
    figure.axes[0].annotate(
        "best",
        (epochs[best], 1),
        xycoords=("data", "axes fraction"),
        color=_QUIET,
        fontsize=8,
        ha="center",
        va="bottom",
    )
    return figure


def draw_confusion(score: Mapping[str, Any], title: str) -> Figure:
    """Draw a confusion matrix: a row for each true class, a column for each predicted one.

    Parameters
    ----------
    score : mapping
        As `ScoreTable.to_dict`.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    classes = list(score["per_class"])
    matrix = np.array(score["confusion"])
    side = max(4.0, 1.6 + 0.45 * len(classes))
    figure = Figure(figsize=(side + 0.6, side), dpi=150, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 30:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if shares[row, column] > 0.6 else _TEXT
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    # Names are somebody's own: a `$` in them is no formula.
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(places, classes, parse_math=False)
    axes.set_xlabel("predicted", color=_QUIET)
    axes.set_ylabel("true", color=_QUIET)
    axes.set_title(title, loc="left", color=_TEXT, fontsize=11, parse_math=False)
    _plain(axes)
    return figure


def save_pictures(
    folder: Path, metrics: Mapping[str, Any], history: Sequence[Mapping[str, float]], leaky: bool
) -> None:
    """Write ``confusion.png``, and ``curves.png`` for a model that has epochs, into a run's folder."""
    title = f"test rows by track{' (leaky)' if leaky else ''}"
    save(draw_confusion(metrics["test"]["track"], title), folder / "confusion.png")
    measured = {"epoch", *(f"{side}_{what}" for side in ("train", "valid") for what in MEASURES)}
    if history and measured <= set(history[0]):  # a model of another package may have other figures
        save(draw_curves(history), folder / "curves.png")


def _plain(axes: Axes) -> None:
    axes.tick_params(colors=_QUIET, labelsize=9, length=3)
    axes.spines[:].set_visible(False)
