"""Scores of the predictions of several labels a chunk: by chunk and by track; thresholds of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import Score, all_scores
from audiospec.zoo.scores.measuring.f1 import f1_of
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.label_items import LabelItems
from audiospec.zoo.scores.measuring.resamples import score_values
from audiospec.zoo.scores.measuring.tables import Evaluation, ScoreTable

#: Threshold of a label for which none can be chosen.
THRESHOLD = 0.5


def score_labels(
    probabilities: ArrayLike,
    truth: ArrayLike,
    tracks: ArrayLike,
    classes: Sequence[str],
    *,
    thresholds: ArrayLike = THRESHOLD,
    units: ArrayLike | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score the predictions of some chunks by every registered score of the target multi-label.

    A track has the labels that at least one of its chunks has. Its probabilities and thresholds are the means
    over its chunks.

    Parameters
    ----------
    probabilities : array, shape (chunks, classes)
        0 to 1 each.
    truth : array of bool, shape (chunks, classes)
        Whether each chunk has each label; a chunk may have none.
    tracks : array, shape (chunks,)
        Id or number of each chunk's track.
    classes : sequence of str
    thresholds : array of float
        A label is predicted if its probability is at least this: one number, one for each class, or one for
        each chunk and class, such as that of the fold that tested the chunk. See `choose_thresholds`.
    units : array, shape (chunks,), or None
        Name or number of each chunk's unit. Only units are independent of each other, so intervals are over
        them. All chunks of a track have one unit. None: each track is a unit.
    seed : int
        Seed of the bootstrap, for the scores that have their intervals from it.

    Raises
    ------
    ModelError
        There are no chunks, the shapes do not fit, a track has several units, or a score is not finite.
    """
    values, labels = np.asarray(probabilities, np.float64), np.asarray(truth, bool)
    grouping = Grouping.of(tracks, units)
    if (
        not len(values)
        or not values.shape == labels.shape == (len(values), len(classes))
        or not len(grouping.track_of) == len(grouping.unit_of) == len(values)
    ):
        raise ModelError(
            f"expected probabilities and labels of shape (chunks, {len(classes)}), and a track and a unit "
            f"for each chunk; got {values.shape}, {labels.shape}, {grouping.shapes}"
        )
    try:
        limits = np.broadcast_to(np.asarray(thresholds, np.float64), values.shape)
    except ValueError as error:
        raise ModelError(
            f"expected a threshold, or one for each of {len(classes)} classes; got some of shape "
            f"{np.shape(thresholds)}"
        ) from error
    items_of_both = label_items(values, labels, grouping, limits)
    scores = all_scores("multi-label")
    return Evaluation(*(_table(items, scores, classes, seed) for items in items_of_both))


def label_items(
    probabilities: NDArray[np.float64],
    truth: NDArray[np.bool_],
    grouping: Grouping,
    thresholds: NDArray[np.float64],
) -> tuple[LabelItems, LabelItems]:
    """Return the chunks and the tracks to score, as `score_labels` scores them.

    Parameters
    ----------
    probabilities, thresholds : ndarray of float64, shape (chunks, classes)
    truth : ndarray of bool, shape (chunks, classes)
    grouping : Grouping

    Raises
    ------
    ModelError
        A track has several units.
    """
    chunks = LabelItems(truth, probabilities, thresholds, grouping.unit_of, grouping.units)
    alike = bool((thresholds == thresholds[:1]).all())  # their mean would differ by rounding
    by_track = LabelItems(
        grouping.means(truth.astype(np.float64)) > 0,
        grouping.means(probabilities),
        thresholds[: len(grouping.tracks)] if alike else grouping.means(thresholds),
        grouping.unit_of_tracks(),
        grouping.units,
    )
    return chunks, by_track


def choose_thresholds(truth: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the threshold of each label with the highest F1 on some items, such as those of validation.

    It is half-way between the lowest probability that is taken and the next one; of equal F1, the highest. A
    label that no item has, or all have, has `THRESHOLD`: such items cannot show where it should be.

    Parameters
    ----------
    truth : array of bool, shape (items, classes)
    probabilities : array, shape (items, classes)

    Returns
    -------
    ndarray of float64, shape (classes,)

    Raises
    ------
    ModelError
        The shapes differ.
    """
    labels, values = np.asarray(truth, bool), np.asarray(probabilities, np.float64)
    if labels.ndim != 2 or labels.shape != values.shape:
        raise ModelError(
            f"expected labels and probabilities of one shape (items, classes); got {labels.shape} and "
            f"{values.shape}"
        )
    thresholds = np.full(labels.shape[1], THRESHOLD)
    for number, (has, of_label) in enumerate(zip(labels.T, values.T, strict=True)):
        if not has.any() or has.all():
            continue
        order = np.argsort(-of_label, kind="stable")
        ordered = of_label[order]
        last = np.append(ordered[1:] < ordered[:-1], True)  # all items of equal probability, or none
        right, taken = np.cumsum(has[order])[last], np.flatnonzero(last) + 1
        counts = np.stack([right, taken, np.full(len(taken), has.sum())], 1)[..., None]
        best = int(np.argmax(f1_of(counts)[:, 0]))
        lowest, below = ordered[last][best], np.append(ordered[last], 0.0)[best + 1]
        middle = (lowest + below) / 2
        thresholds[number] = middle if middle > below else lowest  # next to each other in float64
    return thresholds


def _table(items: LabelItems, scores: Mapping[str, Score], classes: Sequence[str], seed: int) -> ScoreTable:
    right, predicted, actual = items.counts.sum(0)
    f1 = np.nan_to_num(f1_of(items.counts.sum(0)[None])[0])
    per_class: dict[str, dict[str, float]] = {
        name: {
            "precision": float(right[i] / predicted[i]) if predicted[i] else 0.0,
            "recall": float(right[i] / actual[i]) if actual[i] else 0.0,
            "f1": float(f1[i]),
            "support": int(actual[i]),
            "threshold": float(np.median(items.thresholds[:, i])),
        }
        for i, name in enumerate(classes)
    }
    for key, areas in (("roc_auc", items.ranking.roc), ("ap", items.ranking.pr)):
        for number, area in zip(items.ranking.known, areas.tolist(), strict=True):
            per_class[classes[number]][key] = area
    return ScoreTable(len(items), score_values(items, scores, seed), per_class, [])
