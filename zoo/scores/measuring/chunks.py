"""Scores of the predictions of chunks: by chunk and by track.

The predicted class of a track is the one with the highest mean log-probability over its chunks.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import Items, Sample, Score, all_scores
from audiospec.zoo.scores.measuring.bootstrap import draw_tracks, interval
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
    seed : int
        Seed of the bootstrap.

    Raises
    ------
    ModelError
        There are no chunks, the shapes do not fit, or a score is not finite.
    """
    values = np.asarray(probabilities, np.float64)
    truth = np.asarray(targets)
    names, track_of = np.unique(np.asarray(tracks), return_inverse=True)
    if not len(truth) or values.shape != (len(truth), len(classes)) or len(track_of) != len(truth):
        raise ModelError(
            f"expected probabilities of shape (chunks, {len(classes)}), and a target and a track for each "
            f"chunk; got {values.shape}, {truth.shape} and {track_of.shape}"
        )
    means = track_log_probabilities(values, track_of, len(names))
    truth_of_track = np.empty(len(names), truth.dtype)
    truth_of_track[track_of] = truth
    draws = draw_tracks(len(names), seed)
    chunks = Items(truth, values.argmax(1), values, track_of, len(names))
    by_track = Items(truth_of_track, means.argmax(1), shares_of(means), np.arange(len(names)), len(names))
    scores = all_scores()
    return Evaluation(*(_table(items, draws, classes, scores) for items in (chunks, by_track)))


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
    np.add.at(sums, track_of, np.log(np.maximum(probabilities, LEAST_PROBABILITY)))
    return sums / np.bincount(track_of, minlength=count)[:, None]


def shares_of(log_probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities (n, classes) in proportion to the given ones; each row adds up to 1."""
    shares: NDArray[np.float64] = np.exp(log_probabilities - log_probabilities.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares


def _table(
    items: Items, draws: NDArray[np.float64], classes: list[str], scores: Mapping[str, Score]
) -> ScoreTable:
    matrix = Sample(items).confusion[0].astype(np.int64)
    right, actual, predicted = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    return ScoreTable(
        count=len(items.truth),
        scores=_values(items, draws, scores),
        per_class={
            name: {
                "precision": float(right[i] / predicted[i]) if predicted[i] else 0.0,
                "recall": float(right[i] / actual[i]) if actual[i] else 0.0,
                "f1": float(2 * right[i] / (actual[i] + predicted[i])) if actual[i] + predicted[i] else 0.0,
                "support": int(actual[i]),
            }
            for i, name in enumerate(classes)
        },
        confusion=matrix.tolist(),
    )


def _values(items: Items, draws: NDArray[np.float64], scores: Mapping[str, Score]) -> dict[str, ScoreValue]:
    """Return the scores of the items, and their intervals over the resamples."""
    step = max(1, MEMORY // (8 * len(items.truth)))
    computed: dict[str, list[NDArray[np.float64]]] = {key: [] for key in scores}
    blocks = (Sample(items, draws[first : first + step]) for first in range(0, len(draws), step))
    for sample in itertools.chain([Sample(items)], blocks):
        for key, score in scores.items():
            values = score.compute(sample)
            if np.shape(values) != (len(sample),) or not np.isfinite(values).all():
                got = "some that are not finite" if np.shape(values) == (len(sample),) else np.shape(values)
                raise ModelError(
                    f"score {key} must be a finite number for each of {len(sample)} resamples; got {got}",
                    "fix or uninstall the package that provides it",
                )
            computed[key].append(values)
    return {
        key: ScoreValue(float(of_items[0]), interval(np.concatenate(of_resamples)))
        for key, (of_items, *of_resamples) in computed.items()
    }
