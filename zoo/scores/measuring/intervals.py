"""Intervals of scores without resampling: from each item's influence on a score, summed by unit.

All are 95 % intervals. The sums by unit take into account that the items of a unit (the chunks of a track,
the tracks of an artist) are right or wrong together. `benchmarks.studies.coverage` measures how often the
intervals contain the true score.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.bootstrap import COVERAGE

#: The normal distribution has a share of `COVERAGE` within so many deviations.
QUANTILE = NormalDist().inv_cdf((1 + COVERAGE) / 2)

#: Halvings of a search for an interval's end.
_HALVINGS = 40


def unit_variance(influence: NDArray[np.float64], unit_of: NDArray[np.int64], units: int) -> float:
    """Return the variance of a score, from the influence of each item on it.

    Parameters
    ----------
    influence : ndarray, shape (items,)
        By how much the score changes as an item's weight grows, in multiples of the change of the weight.
    unit_of : ndarray of int, shape (items,)
        Number of each item's unit.
    units : int
        Number of units, at least 2.
    """
    sums = np.bincount(unit_of, influence, units)
    return float(sums @ sums) * units / (units - 1)


def unit_size(unit_of: NDArray[np.int64], units: int) -> float:
    """Return how many items the unit of an item has, on average over the items."""
    sizes = np.bincount(unit_of, minlength=units)
    return float(sizes @ sizes) / len(unit_of)


def design_effect(variance: float, reference: float, size: float, pseudo: float) -> float:
    """Return how many times larger a score's variance is than that of a sample of independent items.

    Few errors say little about how errors stick together. So one more unit is assumed whose items all are:
    if there are no errors, the items of a unit count as one; the more errors there are, the less it matters.

    Parameters
    ----------
    variance : float
        From `unit_variance`.
    reference : float
        Variance if the items were independent.
    size : float
        From `unit_size`.
    pseudo : float
        Share of the assumed unit in the reference, more than 0.

    Returns
    -------
    float
        At least 1.
    """
    return max(1.0, (variance + pseudo * size) / (reference + pseudo))


def wilson(value: float, count: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, with the exact end if the share is 0 or 1.

    Parameters
    ----------
    value : float
        The share, from 0 to 1.
    count : float
        Number of independent items, more than 0; need not be whole. For a share in correlated items: their
        number divided by `design_effect` (N. Dean and M. Pagano, Stat. Methods Med. Res. 24, 2015).
    """
    square = QUANTILE**2 / count
    centre = (value + square / 2) / (1 + square)
    half = math.sqrt(square * value * (1 - value) + square * square / 4) / (1 + square)
    exact = ((1 - COVERAGE) / 2) ** (1 / count)
    low = min(centre - half, exact) if value == 1 else centre - half
    high = max(centre + half, 1 - exact) if value == 0 else centre + half
    return min(max(low, 0.0), value), max(min(high, 1.0), value)


def of_share(value: float, variance: float, count: float, size: float, units: int) -> tuple[float, float]:
    """Return Wilson's interval of a share, with fewer items where those of a unit are right together.

    Parameters
    ----------
    value : float
        The share, from 0 to 1.
    variance : float
        From `unit_variance`; it does not matter if there is one unit.
    count : float
        Number of items that would give the share's variance if they were independent, more than 0.
    size : float
        How many items the unit of an item has.
    units : int
    """
    if units == 1:
        return wilson(value, 1)
    reference = value * (1 - value) / count
    pseudo = (1 - 1 / units) / units / count  # as if one of the units were all wrong
    return wilson(value, count / design_effect(variance, reference, size, pseudo))


def inverted(value: float, variance: Callable[[float], float]) -> tuple[float, float]:
    """Return the shares that a score is compatible with.

    Parameters
    ----------
    value : float
        The score, from 0 to 1.
    variance : callable
        True score → variance of the score. With p (1 - p) / n, the interval is Wilson's.
    """

    def end(outside: float) -> float:
        inside = value
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if (value - middle) ** 2 > QUANTILE**2 * variance(middle):
                outside = middle
            else:
                inside = middle
        return inside

    return end(0.0), end(1.0)


def of_resampled_share(
    value: float, values: NDArray[np.float64], units: int, items: int
) -> tuple[float, float]:
    """Return Wilson's interval of a share, with the number of items that gives the resamples' variance.

    A percentile interval of a share is a point if all resamples are right, and too low near 1.

    Parameters
    ----------
    value : float
        From 0 to 1.
    values : ndarray, shape (resamples,)
        The share in each resample of the units.
    units, items : int
    """
    variance = float(values.var()) * units / (units - 1) if units > 1 else 0.0
    return of_varying_share(value, variance, units, items)


def of_varying_share(value: float, variance: float, units: int, items: float) -> tuple[float, float]:
    """Return Wilson's interval of a share of a known variance.

    Parameters
    ----------
    value : float
        From 0 to 1.
    variance : float
        Of the share, over units; it does not matter if there is one unit.
    units : int
    items : float
        Largest number of independent items that the share can have the variance of.
    """
    if units == 1:
        return wilson(value, 1)
    pseudo = (units - 1) / units**3  # as if one of the units were wrong
    count = units * (value * (1 - value) / units + pseudo) / (variance + pseudo)
    return wilson(value, min(max(count, 1.0), items))


def of_mean(
    values: NDArray[np.float64], unit_of: NDArray[np.int64], units: int, size: float
) -> tuple[float, float]:
    """Return the interval of a mean of skewed values: the t interval with Hall's correction.

    P. Hall, On the removal of skewness by transformation, J. R. Stat. Soc. B 54, 1992.

    Parameters
    ----------
    values : ndarray, shape (items,)
    unit_of : ndarray of int, shape (items,)
    units : int
    size : float
        From `unit_size`.
    """
    from scipy.special import stdtrit

    count, mean = len(values), float(values.mean())
    sums = np.bincount(unit_of, values - mean, units) / count
    squares = float(sums @ sums)
    if units == 1:  # its items vary, but not by how much units do: they count as one
        squares = float(values.var()) * size / count
    if squares <= (1e-12 * mean) ** 2:
        return mean, mean
    deviation = math.sqrt(squares * units / max(units - 1, 1))
    quantile = float(stdtrit(max(units - 1, 1), (1 + COVERAGE) / 2))
    skew = float((sums**3).sum()) / squares**1.5
    if abs(skew) < 1e-6:
        return mean - quantile * deviation, mean + quantile * deviation

    def corrected(t: float) -> float:
        return float(3 / skew * (np.cbrt(1 + skew * (t - skew / 6)) - 1))

    return mean - corrected(quantile) * deviation, mean - corrected(-quantile) * deviation


def accuracy_interval(
    correct: NDArray[np.bool_], unit_of: NDArray[np.int64], units: int
) -> tuple[float, float]:
    """Return Wilson's interval of the share of correct items; the items of a unit may be correct together.

    Parameters
    ----------
    correct : ndarray of bool, shape (items,)
    unit_of : ndarray of int, shape (items,)
    units : int
    """
    count, value = len(correct), float(correct.mean())
    if units == count:
        return wilson(value, count)
    if units == 1:
        return wilson(value, 1)
    variance = unit_variance((correct - value) / count, unit_of, units)
    return of_share(value, variance, count, unit_size(unit_of, units), units)


def by_class_and_unit(truth: NDArray[np.int64], unit_of: NDArray[np.int64], units: int) -> float:
    """Return what the variance of a mean over classes is too small by, from 1 to 4.

    Each class has its own mean, so deviations from it are too small, as those of one sample are by 1 - 1/n.
    What counts is the number of pairs of a class and a unit that has it, because a unit may have several.

    Parameters
    ----------
    truth : ndarray of int, shape (items,)
    unit_of : ndarray of int, shape (items,)
    units : int
    """
    pairs = len(np.unique(truth * units + unit_of))
    classes = len(np.unique(truth))
    factor = pairs / max(pairs - classes, pairs / 4)
    # `unit_variance` has the factor of one mean.
    return float(max(1.0, factor * (units - 1) / units))
