"""Intervals from the jackknife over units: the score without each unit in turn.

For scores that are no means and no shares, on a scale where they are close to normal. Of few units it covers
more often than the linear approximation of the variance and the percentiles of a bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.bootstrap import COVERAGE
from audiospec.zoo.scores.measuring.units import UnitItems, UnitSample

#: Most parts of the units that are left out in turn; of more units, several are left out together.
PARTS = 500
#: Number of samples at a time.
_BLOCK = 64


def jackknife(
    items: UnitItems, compute: Callable[[Any], NDArray[np.float64]], most: int = PARTS
) -> tuple[float, int]:
    """Return the variance of a score and its degrees of freedom; infinite and 0 if there is one unit.

    Parameters
    ----------
    items : UnitItems
    compute : callable
        Returns the score of each resample, NaN or infinite where it has none.
    most : int
        Most times that `compute` is asked for a score.
    """
    parts = min(items.units, most)
    if parts < 2:
        return math.inf, 0
    part_of = np.arange(items.units) % parts
    blocks = (np.arange(first, min(first + _BLOCK, parts)) for first in range(0, parts, _BLOCK))
    values = np.concatenate(
        [compute(items.sample((part_of != block[:, None]).astype(np.float64))) for block in blocks]
    )
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return math.inf, 0
    return float(values.var()) * (parts - 1), len(values) - 1


def t_interval(value: float, variance: float, freedom: int) -> tuple[float, float]:
    """Return the ends of the t interval of a value; they are infinite if its variance is."""
    from scipy.special import stdtrit

    if not math.isfinite(variance):
        return -math.inf, math.inf
    half = float(stdtrit(freedom, (1 + COVERAGE) / 2)) * math.sqrt(variance)
    return value - half, value + half


def correlation_interval(
    items: UnitItems, value: float, compute: Callable[[Any], NDArray[np.float64]]
) -> tuple[float, float]:
    """Return the t interval of Fisher's z of a score from -1 to 1; all such scores if there is one unit.

    Parameters
    ----------
    items : UnitItems
    value : float
        The score of the items.
    compute : callable
        Returns the score of each resample.
    """
    if abs(value) >= 1:
        return value, value

    def fisher(sample: UnitSample) -> NDArray[np.float64]:
        values = compute(sample)
        inside = np.abs(values) < 1
        return np.where(inside, np.arctanh(np.where(inside, values, 0)), np.nan)

    low, high = map(math.tanh, t_interval(math.atanh(value), *jackknife(items, fisher)))
    return min(low, value), max(high, value)
