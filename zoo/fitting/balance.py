"""A balanced order of training rows: rare labels, or numbers of a rare size, are shown as often as others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Ranges of equal width that numbers are in; each that occurs is shown as often.
RANGES = 10


def sampling_weights(targets: NDArray[Any]) -> NDArray[np.float64]:
    """Return how often each training row is to be shown in an epoch, on average.

    One label a row: each label that occurs is shown as often. Several labels a row: a row counts for its
    rarest label, or, if it has none, for background; each of these is shown as often. Numbers: each of
    `RANGES` ranges of equal width that occurs is shown as often.

    Parameters
    ----------
    targets : ndarray
        Class numbers, int64, shape (n,); or indicators or shares of several labels, shape (n, classes) or
        (n, frames, classes), NaN where a label is not known; or numbers, float64, shape (n,), finite.

    Returns
    -------
    ndarray of float64, shape (n,)
        Above 0; they add up to n.
    """
    if targets.ndim > 1:
        stratum = _rarest_label(targets)
    elif np.issubdtype(targets.dtype, np.floating):
        stratum = _range_of(targets)
    else:
        stratum = targets
    _, stratum, counts = np.unique(stratum, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = len(targets) / (max(1, len(counts)) * counts[stratum])
    return weights


def _rarest_label(targets: NDArray[Any]) -> NDArray[np.int64]:
    """Return the label of each row that the fewest rows have; the number of labels if a row has none."""
    known = np.nan_to_num(targets.astype(np.float64)) >= 0.5
    has = np.asarray(known.any(tuple(range(1, known.ndim - 1))))
    counts = np.where(has, has.sum(0), len(has) + 1)
    rarest: NDArray[np.int64] = np.where(has.any(1), counts.argmin(1), has.shape[1])
    return rarest


def _range_of(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the range of equal width that each number is in."""
    low, high = numbers.min(initial=np.inf), numbers.max(initial=-np.inf)
    if not high > low:
        return np.zeros(len(numbers), np.int64)
    share = (numbers - low) / (high - low)
    stratum: NDArray[np.int64] = np.minimum((share * RANGES).astype(np.int64), RANGES - 1)
    return stratum


def balanced_order(weights: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Draw as many rows as there are, by their weights; a row may be drawn several times, or not at all.

    Each row is drawn as often as its weight says, rounded up or down at random: one of weight 0.1 is in one
    epoch of ten. So are rows of equal weight together.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        As from `sampling_weights`.
    seed, epoch : int
        The order follows from these.

    Returns
    -------
    ndarray of int64, shape (n,)
        Places of rows, in random order.
    """
    random = np.random.default_rng([seed, epoch, 1])
    # Systematic sampling: equally spaced points on the line of the weights, from a random start.
    order = random.permutation(len(weights))
    order = order[np.argsort(weights[order], kind="stable")]
    ends = np.cumsum(weights[order])
    points = (random.random() + np.arange(len(weights))) * (ends[-1] / len(weights))
    drawn = order[np.minimum(np.searchsorted(ends, points, side="right"), len(weights) - 1)]
    return random.permutation(drawn)
