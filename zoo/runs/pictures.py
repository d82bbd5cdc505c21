"""Pictures of a run: its learning curves, and its errors as its target draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from audiospec.render.spectrogram import save
from audiospec.zoo.runs.predictions import Predictions
from audiospec.zoo.scores.base import EPOCH_SCORES, scores
from audiospec.zoo.targets.base import Target

_TEXT, _QUIET = "#222222", "#777777"
#: Most labels whose scores are drawn.
MOST_LABELS = 60
_TRAIN, _VALID = "#4477aa", "#cc6644"


def draw_curves(history: Sequence[Mapping[str, float]], measures: Sequence[str] = ("loss", "f1")) -> Figure:
    """Draw loss and F1, or other measures, of training and validation over the epochs; mark the best epoch.

    Parameters
    ----------
    history : sequence of mapping
        At least one entry, with ``epoch``, ``train_loss``, ``train_f1``, ``valid_loss`` and ``valid_f1``.
    measures : sequence of str
        Two columns of the history, without their sides; the loss is one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained", facecolor="white")
    epochs = [entry["epoch"] for entry in history]
    best = int(np.argmin([entry["valid_loss"] for entry in history]))
    for axes, measure in zip(figure.subplots(1, 2), measures, strict=True):
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
    """Draw a confusion matrix, with one row per true class and one column per predicted class.

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
    # Names of classes are arbitrary text: a `$` in them does not begin a formula.
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(places, classes, parse_math=False)
    axes.set_xlabel("predicted", color=_QUIET)
    axes.set_ylabel("true", color=_QUIET)
    axes.set_title(title, loc="left", color=_TEXT, fontsize=11, parse_math=False)
    _plain(axes)
    return figure


def draw_labels(score: Mapping[str, Any], title: str) -> Figure:
    """Draw precision, recall and F1 of each of several labels, the most frequent first.

    Parameters
    ----------
    score : mapping
        As `ScoreTable.to_dict`.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    frequent = sorted(score["per_class"].items(), key=lambda label: -label[1].get("support", 0))[:MOST_LABELS]
    figure = Figure(figsize=(6, 1.2 + 0.3 * len(frequent)), dpi=150, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    places = np.arange(len(frequent))
    axes.barh(places, [values["f1"] for _, values in frequent], color=_TRAIN, height=0.6, label="F1")
    for name, marker in (("precision", "|"), ("recall", "x")):
        axes.plot([values[name] for _, values in frequent], places, marker, color=_VALID, label=name)
    names = [f"{name} ({values.get('support', 0):.0f})" for name, values in frequent]
    axes.set_yticks(places, names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.legend(frameon=False, labelcolor=_TEXT, fontsize=8, loc="lower right")
    axes.set_title(title, loc="left", color=_TEXT, fontsize=11, parse_math=False)
    _plain(axes)
    return figure


def draw_numbers(truth: NDArray[Any], outputs: NDArray[Any], name: str, title: str) -> Figure:
    """Draw predicted numbers over true ones, and the line where they are equal.

    Parameters
    ----------
    truth, outputs : ndarray, shape (n,)
    name : str
        Of the number.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(4.6, 4.6), dpi=150, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    both = np.concatenate([truth, outputs])
    ends = [both.min(), both.max()] if len(both) else [0, 1]
    axes.plot(ends, ends, color=_QUIET, linewidth=0.8, linestyle=":")
    axes.plot(truth, outputs, ".", color=_TRAIN, alpha=0.6, markersize=4)
    axes.set_xlabel(f"true {name}", color=_QUIET, parse_math=False)
    axes.set_ylabel(f"predicted {name}", color=_QUIET, parse_math=False)
    axes.set_title(title, loc="left", color=_TEXT, fontsize=11, parse_math=False)
    _plain(axes)
    return figure


def save_pictures(
    folder: Path,
    target: Target,
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    predictions: Predictions,
    leaky: bool,
) -> None:
    """Write the target's picture of the test rows into a run's folder, and, of epochs, ``curves.png``."""
    ending = " (leaky)" if leaky else ""
    tested = predictions.of("test")
    match target.picture:
        case "confusion.png":
            figure = draw_confusion(metrics["test"]["track"], f"test rows by track{ending}")
        case "numbers.png":
            name = target.classes[0]
            figure = draw_numbers(tested.truth, tested.probabilities[:, 0], name, f"test rows{ending}")
        case _:
            figure = draw_labels(metrics["test"]["track"], f"test rows{ending}")
    save(figure, folder / target.picture)
    measures = ("loss", target.epoch_score)
    columns = {"epoch", *(f"{side}_{measure}" for side in ("train", "valid") for measure in measures)}
    if history and columns <= set(history[0]):  # a plug-in's model may have other columns
        save(draw_curves(history, measures), folder / "curves.png")


def _plain(axes: Axes) -> None:
    axes.tick_params(colors=_QUIET, labelsize=9, length=3)
    axes.spines[:].set_visible(False)
