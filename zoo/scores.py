"""Scores of predictions: by chunk and by track, with intervals over tracks.

A track's prediction is the class of the highest mean log-probability of its chunks. Intervals are percentile
bootstrap over tracks, since the chunks of one are not independent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError

#: Resamples of the bootstrap, and the share that its interval covers.
RESAMPLES, COVERAGE = 2000, 0.95
#: A probability counts as no less, or one sure and wrong chunk would decide for its track.
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Score:
    """How right predictions are.

    Attributes
    ----------
    count : int
        Chunks, or tracks.
    accuracy : float
        Share that is right, 0 to 1.
    macro_f1 : float
        Mean over classes of 2 TP / (2 TP + FP + FN), 0 to 1; classes that neither occur nor are predicted
        do not count.
    accuracy_interval, macro_f1_interval : (float, float)
        95 % bootstrap interval over tracks.
    per_class : dict
        Class → precision, recall, f1 (0 where undefined) and support (how many there are).
    confusion : list of list of int
        Row: the true class; column: the predicted one; in the order of `per_class`.
    """

    count: int
    accuracy: float
    macro_f1: float
    accuracy_interval: tuple[float, float]
    macro_f1_interval: tuple[float, float]
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]]

    def to_dict(self) -> dict[str, Any]:
        """The score as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Scores:
    """Scores of chunks and of tracks.

    Attributes
    ----------
    chunk : Score
        Each chunk counts.
    track : Score
        Each track counts: its chunks' probabilities are put together.
    """

    chunk: Score
    track: Score

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return asdict(self)


def score(
    probabilities: ArrayLike,
    targets: ArrayLike,
    tracks: ArrayLike,
    classes: list[str],
    *,
    seed: int = 0,
) -> Scores:
    """Score the predictions of some chunks.

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
        No chunk, or arrays that do not fit.
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
    weights = _resampled(len(names), seed)
    number = np.arange(len(names))
    return Scores(
        chunk=_score(values.argmax(1), truth, track_of, classes, weights),
        track=_score(means.argmax(1), truth_of_track, number, classes, weights),
    )


def track_log_probabilities(
    probabilities: NDArray[np.float64], track_of: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Mean log-probability (tracks, classes) of each track's chunks; `track_of` has the chunks' tracks."""
    sums = np.zeros((count, probabilities.shape[1]))
    np.add.at(sums, track_of, np.log(np.maximum(probabilities, LEAST_PROBABILITY)))
    return sums / np.bincount(track_of, minlength=count)[:, None]


def _resampled(tracks: int, seed: int) -> NDArray[np.float64]:
    """How often each track is drawn, in each resample: (RESAMPLES, tracks)."""
    random = np.random.default_rng(seed)
    return random.multinomial(tracks, np.full(tracks, 1 / tracks), RESAMPLES).astype(np.float64)


def _score(
    predicted: NDArray[np.int64],
    truth: NDArray[np.int64],
    track_of: NDArray[np.int64],
    classes: list[str],
    weights: NDArray[np.float64],
) -> Score:
    count = len(classes)
    # What each track adds to the confusion matrix: a resample's matrix is a weighted sum of these.
    # In float64, which holds such counts exactly, and whose products are many times as fast as integers'.
    parts = np.zeros((weights.shape[1], count * count))
    np.add.at(parts, (track_of, truth * count + predicted), 1)
    matrix = parts.sum(0).astype(np.int64).reshape(count, count)
    resampled = (weights @ parts).reshape(-1, count, count)
    tails = 100 * (1 - COVERAGE) / 2, 100 * (1 + COVERAGE) / 2
    intervals = [tuple(np.percentile(measure(resampled), tails).tolist()) for measure in (accuracy, macro_f1)]
    right, there, said = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    return Score(
        count=len(truth),
        accuracy=float(accuracy(matrix[None])[0]),
        macro_f1=float(macro_f1(matrix[None])[0]),
        accuracy_interval=intervals[0],
        macro_f1_interval=intervals[1],
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


def accuracy(matrices: NDArray[Any]) -> NDArray[np.float64]:
    """Accuracy of confusion matrices (n, classes, classes)."""
    shares: NDArray[np.float64] = np.trace(matrices, axis1=1, axis2=2) / matrices.sum((1, 2))
    return shares


def macro_f1(matrices: NDArray[Any]) -> NDArray[np.float64]:
    """Macro F1 of confusion matrices (n, classes, classes)."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    both = matrices.sum(1) + matrices.sum(2)
    f1 = np.divide(2 * right, both, out=np.zeros(both.shape), where=both > 0)
    mean: NDArray[np.float64] = f1.sum(1) / (both > 0).sum(1)
    return mean
