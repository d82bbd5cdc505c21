"""Interval of the expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.intervals import (
    QUANTILE,
    accuracy_interval,
    design_effect,
    unit_size,
    unit_variance,
)

#: The gaps of the bins that are tried, in multiples of those that were found.
_MULTIPLES = np.linspace(0, 3, 121)


def error_interval(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    bins: NDArray[np.int64],
    unit_of: NDArray[np.int64],
    units: int,
) -> tuple[float, float]:
    """Return the calibration errors that are compatible with the one found.

    An error is the sum of the bins' absolute gaps between accuracy and confidence. Chance makes it larger: of
    a calibrated model it is not 0. So the gaps that were found are multiplied by 0 to 3, and a multiple is
    compatible if the sum that was found is within 1.96 deviations of the sum to be expected with it. The gaps
    of the bins are then normal, and their absolute values folded normal. The interval also has the smallest
    errors at the ends of the accuracy's interval, because few items may have no error at all.

    Parameters
    ----------
    confidence : ndarray, shape (items,)
    correct : ndarray of bool, shape (items,)
    bins : ndarray of int, shape (items,)
    unit_of : ndarray of int, shape (items,)
    units : int
    """
    count, size = len(confidence), unit_size(unit_of, units)
    _, bin_of, in_bin = np.unique(bins, return_inverse=True, return_counts=True)
    gaps = correct - confidence
    gap = np.bincount(bin_of, gaps) / count
    found = float(np.abs(gap).sum())
    effect = _effect(gaps, unit_of, units, size)

    # A bin of few items may have none or all correct by chance: half an item is added to either.
    shares = (np.bincount(bin_of, correct) + np.bincount(bin_of, confidence) / in_bin) / (in_bin + 1)
    as_found = effect * in_bin * shares * (1 - shares) / count**2
    as_claimed = effect * np.bincount(bin_of, confidence * (1 - confidence)) / count**2
    # What units add to several bins at once.
    signed = np.sign(gap)[bin_of] * (gaps - (gap * count / in_bin)[bin_of]) / count
    least = unit_variance(signed, unit_of, units) if units > 1 else 0.0

    at_least, spread = _expected(gap, np.maximum(as_found, as_claimed), least)
    enough = np.flatnonzero(found <= at_least + QUANTILE * spread)
    at_most, spread = _expected(gap, as_found, least)
    few = np.flatnonzero(found >= at_most - QUANTILE * spread)
    low = found * min(1.0, float(_MULTIPLES[enough[0]]) if len(enough) else 1.0)
    high = found * max(1.0, float(_MULTIPLES[few[-1]]) if len(few) else 1.0)
    fewest, most = accuracy_interval(correct, unit_of, units)
    mean = float(confidence.mean())
    return low, min(1.0, max(high, mean - fewest, most - mean))


def _effect(gaps: NDArray[np.float64], unit_of: NDArray[np.int64], units: int, size: float) -> float:
    """Return the design effect of the mean gap."""
    count = len(gaps)
    if units == count:
        return 1.0
    if units == 1:
        return size
    influence = (gaps - gaps.mean()) / count
    pseudo = size / count**2 / 4  # as if a quarter of a unit were all wrong
    variance = unit_variance(influence, unit_of, units)
    return design_effect(variance, float(influence @ influence), size, pseudo)


def _expected(
    gap: NDArray[np.float64], variance: NDArray[np.float64], least: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and deviation of the sum of absolute gaps, for each multiple of the gaps."""
    from scipy.special import ndtr

    deviation = np.sqrt(np.maximum(variance, 1e-24))
    true = _MULTIPLES[:, None] * np.abs(gap)
    ratio = true / deviation
    folded = deviation * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + true * (1 - 2 * ndtr(-ratio))
    rest = np.maximum(true**2 + deviation**2 - folded**2, 0)
    return folded.sum(1), np.sqrt(np.maximum(rest.sum(1), least))
