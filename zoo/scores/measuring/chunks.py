"""Scores of the predictions of chunks: by chunk and by track.

A track's prediction is the class of the highest mean log-probability of its chunks.
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

#: A probability counts as no less, or one sure and wrong chunk would decide for its track.
LEAST_PROBABILITY = 1e-6
#: Bytes that the weights of resamples of items may take at a time.
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
        What tells the tracks apart; a track has one class.
    classes : list of str
    seed : int
        Of the bootstrap.

    Raises
    ------
    ModelError
        No chunk, arrays that do not fit, or a score that is not finite.
    """
    values = np.asarray(probabilities, np.float64)
    truth = np.asarray(targets)
    names, track_of = np.unique(np.asarray(tracks), return_inverse=True)
    if not len(truth) or values.shape != (len(truth), len(classes)) or len(track_of) != len(truth):
        raise ModelError(
            f"expected probabilities of shape (chunks, {len(classes)}), and a target and a track for each; "
            f"got {values.shape}, {truth.shape} and {track_of.shape}"
        )
    means = track_log_probabilities(values, track_of, len(names))
    truth_of_track = np.empty(len(names), truth.dtype)
    truth_of_track[track_of] = truth
    draws = draw_tracks(len(names), seed)
    chunks = Items(truth, values.argmax(1), values, track_of, len(names))
    whole = Items(truth_of_track, means.argmax(1), shares_of(means), np.arange(len(names)), len(names))
    found = all_scores()
    return Evaluation(*(_table(items, draws, classes, found) for items in (chunks, whole)))


def track_log_probabilities(
    probabilities: NDArray[np.float64], track_of: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Mean log-probability (tracks, classes) of each track's chunks; `track_of` has the chunks' tracks."""
    sums = np.zeros((count, probabilities.shape[1]))
    np.add.at(sums, track_of, np.log(np.maximum(probabilities, LEAST_PROBABILITY)))
    return sums / np.bincount(track_of, minlength=count)[:, None]


def shares_of(log_probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, classes) that are proportional to those, each row adding up to 1."""
    shares: NDArray[np.float64] = np.exp(log_probabilities - log_probabilities.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares


def _table(
    items: Items, draws: NDArray[np.float64], classes: list[str], found: Mapping[str, Score]
) -> ScoreTable:
    whole = Sample(items)
    matrix = whole.confusion[0].astype(np.int64)
    right, there, said = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    return ScoreTable(
        count=len(items.truth),
        scores=_values(items, whole, draws, found),
        per_class={
            name: {
                "precision": float(right[i] / said[i]) if said[i] else 0.0,
                "recall": float(right[i] / there[i]) if there[i] else 0.0,
                "f1": float(2 * right[i] / (there[i] + said[i])) if there[i] + said[i] else 0.0,
                "support": int(there[i]),
            }
            for i, name in enumerate(classes)
        },
        confusion=matrix.tolist(),
    )


def _values(
    items: Items, whole: Sample, draws: NDArray[np.float64], found: Mapping[str, Score]
) -> dict[str, ScoreValue]:
    """Scores of the items, and their intervals."""
    step = max(1, MEMORY // (8 * len(items.truth)))
    parts: dict[str, list[NDArray[np.float64]]] = {key: [] for key in found}
    blocks = (Sample(items, draws[first : first + step]) for first in range(0, len(draws), step))
    for sample in itertools.chain([whole], blocks):
        for key, score in found.items():
            values = score.compute(sample)
            if np.shape(values) != (len(sample),) or not np.isfinite(values).all():
                got = "some that are not finite" if np.shape(values) == (len(sample),) else np.shape(values)
                raise ModelError(
                    f"score {key} must be a finite number for each of {len(sample)} resamples; got {got}: "
                    "fix or uninstall the package that has it"
                )
            parts[key].append(values)
    return {
        key: ScoreValue(float(point[0]), interval(np.concatenate(drawn)))
        for key, (point, *drawn) in parts.items()
    }
