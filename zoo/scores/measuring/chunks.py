"""Scores of the predictions of chunks: by chunk and by track.

The predicted class of a track is the one with the highest mean log-probability over its chunks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import Items, Sample, Score, all_scores
from audiospec.zoo.scores.measuring.bootstrap import draw_tracks
from audiospec.zoo.scores.measuring.tables import Evaluation, ScoreTable, ScoreValue

#: Lower probabilities are raised to this. Else a probability of 0 in one chunk would decide for its track.
LEAST_PROBABILITY = 1e-6
#: Largest number of bytes of the weights of items in resamples at a time.
MEMORY = 1 << 28


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
    names, track_of = np.unique(np.asarray(tracks), return_inverse=True)
    unit_names, unit_of = np.unique(np.asarray(tracks if units is None else units), return_inverse=True)
    if (
        not len(truth)
        or values.shape != (len(truth), len(classes))
        or not len(track_of) == len(unit_of) == len(truth)
    ):
        raise ModelError(
            f"expected probabilities of shape (chunks, {len(classes)}), and a target, a track and a unit for "
            f"each chunk; got {values.shape}, {truth.shape}, {track_of.shape} and {unit_of.shape}"
        )
    truth_of_track, unit_of_track = np.empty((2, len(names)), np.int64)
    truth_of_track[track_of], unit_of_track[track_of] = truth, unit_of
    if (unit_of_track[track_of] != unit_of).any():
        name = names[track_of[np.flatnonzero(unit_of_track[track_of] != unit_of)[0]]]
        raise ModelError(
            f"expected all chunks of a track in one unit; got several `units` for track {name}",
            "give each track the name of its group",
        )
    means = track_log_probabilities(values, track_of, len(names))
    chunks = Items(truth, values.argmax(1), values, unit_of, len(unit_names))
    by_track = Items(truth_of_track, means.argmax(1), shares_of(means), unit_of_track, len(unit_names))
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
    """Add the log-probabilities of chunks to the sums (tracks, classes) of their tracks, one after another."""
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
    return ScoreTable(len(items.truth), _values(items, scores, seed), per_class, matrix.tolist())


def _values(items: Items, scores: Mapping[str, Score], seed: int) -> dict[str, ScoreValue]:
    """Return the scores of the items that are defined for them, and their intervals."""
    resamples = _Resamples(items, seed)
    once = Sample(items)
    values = {}
    for key, score in scores.items():
        value = float(_compute(key, score, once)[0])
        if math.isnan(value):
            continue
        low, high = score.interval(items, value, partial(resamples.values, key, score))
        values[key] = ScoreValue(value, (float(low), float(high)))
    return values


class _Resamples:
    """Resamples of the units of items, drawn when the first score needs them."""

    def __init__(self, items: Items, seed: int) -> None:
        self._items = items
        self._seed = seed

    @cached_property
    def _draws(self) -> NDArray[np.float64]:
        return draw_tracks(self._items.units, self._seed)

    def values(self, key: str, score: Score) -> NDArray[np.float64]:
        """Return a score of all resamples for which it is defined."""
        step = max(1, MEMORY // (8 * len(self._items.truth)))
        blocks = (self._draws[first : first + step] for first in range(0, len(self._draws), step))
        values = np.concatenate([_compute(key, score, Sample(self._items, block)) for block in blocks])
        defined: NDArray[np.float64] = values[~np.isnan(values)]
        return defined


def _compute(key: str, score: Score, sample: Sample) -> NDArray[np.float64]:
    """Return the values of a score, after checking them: NaN only where the score may be undefined."""
    values = score.compute(sample)
    shape = np.shape(values)
    fits = shape == (len(sample),)
    if not fits or not np.isfinite(values if score.always_defined else values[~np.isnan(values)]).all():
        got = "some that are not finite" if fits else shape
        raise ModelError(
            f"score {key} must be a finite number for each of {len(sample)} resamples; got {got}",
            "fix or uninstall the package that provides it",
        )
    return values
