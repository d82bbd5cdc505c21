"""Probabilities whose largest is of a given class: what scales probabilities does not change predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: By how much the winner's share exceeds an equal one.
MORE = 1 + 1e-9


def keep_winners(probabilities: NDArray[np.float64], winners: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probabilities nearest to the given ones of which those of the winners are the largest.

    Where another class has more, the winner and all that have more get one share, as isotonic regression
    pools values that are in the wrong order. Other rows are returned as they are.

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
        Each row adds up to 1.
    winners : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Each row adds up to 1, and has its largest value, and no other, at its winner.
    """
    kept = probabilities.copy()
    wrong = np.flatnonzero(probabilities.argmax(1) != winners)
    values, winner = probabilities[wrong], winners[wrong]
    own = values[np.arange(len(wrong)), winner][:, None]
    others = values.copy()
    others[np.arange(len(wrong)), winner] = -np.inf
    others = -np.sort(-others, axis=1)[:, :-1]  # the largest first, without the winner
    # The mean of the winner and of the m largest others, until the next of them is below it.
    means = (own + others.cumsum(1)) / (2 + np.arange(others.shape[1]))
    following = np.concatenate([others[:, 1:], np.full((len(wrong), 1), -np.inf)], axis=1)
    level = means[np.arange(len(wrong)), (following <= means).argmax(1)][:, None]
    values = np.minimum(values, level)
    values[np.arange(len(wrong)), winner] = level[:, 0] * MORE
    kept[wrong] = values / values.sum(1, keepdims=True)
    return kept
