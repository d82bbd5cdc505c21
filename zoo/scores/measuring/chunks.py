"""Scores of the predictions of chunks: by chunk and by track.

The predicted class of a track is the one with the highest mean log-probability over its chunks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import Items, Sample, Score, all_scores
from audiospec.zoo.scores.measuring.grouping import Grouping
from audiospec.zoo.scores.measuring.resamples import score_values
from audiospec.zoo.scores.measuring.tables import Evaluation, ScoreTable

#: Lower probabilities are raised to this. Else a probability of 0 in one chunk would decide for its track.
LEAST_PROBABILITY = 1e-6


def score_chunks(
    probabilities: ArrayLike,
    targets: ArrayLike,
    tracks: ArrayLike,
    classes: list[str],
    *,
    units: ArrayLike | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score the predictions of some chunks by every registered score.

    Parameters
    ----------
    probabilities : array, shape (chunks, classes)
        Each row adds up to 1.
    targets : array of int, shape (chunks,)
        Number of each chunk's true class.
    tracks : array, shape (chunks,)
        Id or number of each chunk's track; all chunks of a track have one class.
    classes : list of str
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
    values = np.asarray(probabilities, np.float64)
    truth = np.asarray(targets)
    grouping = Grouping.of(tracks, units)
    if (
        not len(truth)
        or values.shape != (len(truth), len(classes))
        or not len(grouping.track_of) == len(grouping.unit_of) == len(truth)
    ):
        raise ModelError(
            f"expected probabilities of shape (chunks, {len(classes)}), and a target, a track and a unit for "
            f"each chunk; got {values.shape}, {truth.shape}, {grouping.shapes}"
        )
    unit_of_track = grouping.unit_of_tracks()
    truth_of_track = np.empty(len(grouping.tracks), np.int64)
    truth_of_track[grouping.track_of] = truth
    means = track_log_probabilities(values, grouping.track_of, len(grouping.tracks))
    chunks = Items(truth, values.argmax(1), values, grouping.unit_of, grouping.units)
    by_track = Items(truth_of_track, means.argmax(1), shares_of(means), unit_of_track, grouping.units)
    scores = all_scores()
    return Evaluation(*(_table(items, scores, classes, seed) for items in (chunks, by_track)))


def track_log_probabilities(
    probabilities: NDArray[np.float64], track_of: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return the mean log-probability over the chunks of each track.

    Parameters
    ----------
    probabilities : ndarray, shape (chunks, classes)
    track_of : ndarray, shape (chunks,)
        Number of each chunk's track, from 0.
    count : int
        Number of tracks.

    Returns
    -------
    ndarray of float64, shape (tracks, classes)
    """
    sums = np.zeros((count, probabilities.shape[1]))
    add_log_probabilities(sums, probabilities, track_of)
    return sums / np.bincount(track_of, minlength=count)[:, None]


def add_log_probabilities(
    sums: NDArray[np.float64], probabilities: NDArray[np.float64], track_of: NDArray[np.int64]
) -> None:
    """Add the log-probabilities of chunks to the sums (tracks, classes) of their tracks, one by one."""
    np.add.at(sums, track_of, np.log(np.maximum(probabilities, LEAST_PROBABILITY)))


def shares_of(log_probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities (n, classes) in proportion to the given ones; each row adds up to 1."""
    shares: NDArray[np.float64] = np.exp(log_probabilities - log_probabilities.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares


def _table(items: Items, scores: Mapping[str, Score], classes: list[str], seed: int) -> ScoreTable:
    matrix = Sample(items).confusion[0].astype(np.int64)
    right, actual, predicted = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    per_class: dict[str, dict[str, float]] = {
        name: {
            "precision": float(right[i] / predicted[i]) if predicted[i] else 0.0,
            "recall": float(right[i] / actual[i]) if actual[i] else 0.0,
            "f1": float(2 * right[i] / (actual[i] + predicted[i])) if actual[i] + predicted[i] else 0.0,
            "support": int(actual[i]),
        }
        for i, name in enumerate(classes)
    }
    for key, of_known in (("roc_auc", items.ranking.roc), ("pr_auc", items.ranking.pr)):
        for number, area in zip(items.ranking.known, of_known.tolist(), strict=True):
            per_class[classes[number]][key] = area
    return ScoreTable(len(items), score_values(items, scores, seed), per_class, matrix.tolist())
