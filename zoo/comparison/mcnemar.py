"""McNemar's test: which of two models is right more often, from the units on which they differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError


class McNemar(NamedTuple):
    """How often only one of two models is right, and the test that both are right equally often.

    Attributes
    ----------
    only_a, only_b : int
        Number of items that only the first model, and only the second, predicts correctly.
    p : float
        Two-sided, exact. 1 if the models are right on the same number of items of every unit.
    """

    only_a: int
    only_b: int
    p: float


def mcnemar(right_a: ArrayLike, right_b: ArrayLike, units: ArrayLike | None = None) -> McNemar:
    """Return McNemar's exact test of two models' predictions of the same items.

    If the models are equally good, then it is as likely for a unit that A has more right than B as that B has
    as many more than A. The probability of the observed sum of differences follows: binomial if no unit has a
    difference of more than one item, as in McNemar's test, else that of a sum with random signs.

    Parameters
    ----------
    right_a, right_b : array of bool, shape (items,)
        Whether each model's prediction is correct.
    units : array, shape (items,), or None
        Name or number of each item's unit, such as the track of a chunk. None: each item is a unit.

    Raises
    ------
    ModelError
        There are no items, or the shapes differ.
    """
    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    unit_of = np.arange(len(a)) if units is None else np.unique(np.asarray(units), return_inverse=True)[1]
    if not len(a) or a.shape != b.shape or unit_of.shape != a.shape:
        raise ModelError(
            "expected whether each of at least one item is right, for both models, and a unit for each; got "
            f"{a.shape}, {b.shape} and {unit_of.shape}"
        )
    signed = a.astype(np.int64) - b.astype(np.int64)
    differences = np.bincount(unit_of, signed).round().astype(np.int64)
    only_a, only_b = int((signed > 0).sum()), int((signed < 0).sum())
    return McNemar(only_a, only_b, _two_sided(differences[differences != 0]))


def _two_sided(differences: NDArray[np.int64]) -> float:
    """Return the probability that the sum, with random signs, is as far from 0 as it is; none is 0."""
    from scipy.stats import binomtest

    if not len(differences):
        return 1.0
    sizes, counts = np.unique(np.abs(differences), return_counts=True)
    if sizes[-1] == 1:
        return float(binomtest(int((differences > 0).sum()), len(differences)).pvalue)
    # A sum with random signs has the characteristic function Π cos(size * t), and takes values from -most to
    # most, so that one Fourier transform gives the probability of each value.
    most = int(sizes @ counts)
    period = 2 * most + 1
    angles = 2 * np.pi * np.arange(most + 1) / period
    spectrum = np.ones(most + 1)
    for size, number in zip(sizes, counts, strict=True):
        spectrum *= np.cos(size * angles) ** number
    probabilities = np.fft.irfft(spectrum, period)  # of 0, 1, …, most, -most, …, -1
    observed = abs(int(differences.sum()))
    tail = probabilities[observed : period - observed + 1].sum() if observed else 1.0
    least = 2.0 ** (1 - len(differences))  # all signs are equal; rounding errors are larger than very small p
    return float(np.clip(tail, min(least, 1.0), 1.0))
