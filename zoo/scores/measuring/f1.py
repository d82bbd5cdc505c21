"""F1 from numbers of true positives, of predictions and of true labels (or events), with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.intervals import of_share, unit_variance
from audiospec.zoo.scores.measuring.ranking import mean_of_known


def f1_of(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return the F1 of each class: (n, classes), NaN where a class is neither true nor predicted.

    Parameters
    ----------
    counts : ndarray, shape (n, 3, classes)
        Numbers of true positives, of predictions and of true ones.
    """
    sums = counts[:, 1] + counts[:, 2]  # 2 TP + FP + FN
    f1: NDArray[np.float64] = np.divide(
        2 * counts[:, 0], sums, out=np.full(sums.shape, np.nan), where=sums > 0
    )
    return f1


def mean_f1(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean F1 of the classes that are true somewhere: (n,), NaN if there are none; see `f1_of`."""
    return mean_of_known(np.where(counts[:, 2] > 0, f1_of(counts), np.nan))


def f1_interval(
    counts: NDArray[np.float64],
    counted: NDArray[np.bool_],
    value: float,
    unit_of: NDArray[np.int64],
    units: int,
) -> tuple[float, float]:
    """Return Wilson's interval of the mean F1 of some classes, with the number of items of its variance.

    Parameters
    ----------
    counts : ndarray of float64, shape (items, 3, classes)
        Each item's numbers of true positives, of predictions and of true ones. Of one class: those of a
        micro average.
    counted : ndarray of bool, shape (classes,)
        The classes that the mean is of; each is true or predicted in some item.
    value : float
        The mean F1.
    unit_of : ndarray of int, shape (items,)
    units : int
    """
    right, predicted, actual = counts[..., counted].transpose(1, 0, 2)
    sums = (predicted + actual).sum(0)
    f1 = 2 * right.sum(0) / sums
    # By how much an item changes the F1 of each class.
    influence = ((2 * right - f1 * (predicted + actual)) / sums).mean(1)
    # If a class is predicted but never true, its predictions are all that there is to be wrong.
    present = np.where(actual.sum(0) > 0, actual.sum(0), predicted.sum(0))
    count = len(present) ** 2 / float((1 / present).sum())
    # With a precision of F1 and a recall of F1, its variance is F1 (1 - F1) (1 - F1 (3 - F1) / 4) / count.
    count /= 1 - value * (3 - value) / 4
    of_item = np.where(actual.sum(1) > 0, actual.sum(1), predicted.sum(1))
    by_unit = np.bincount(unit_of, of_item, units)
    size = float(by_unit @ by_unit) / float(by_unit.sum())
    variance = unit_variance(influence, unit_of, units) if units > 1 else 0.0
    return of_share(value, variance, count, min(size, count), units)
