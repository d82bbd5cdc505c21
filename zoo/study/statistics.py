"""Intervals of the study's figures: of a mean over splits, and of the difference from a measured mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from audiospec.zoo.study.figures import Measured

#: Confidence of the intervals.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A difference of two means in points, and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval shows that the two differ."""
        return not self.low <= 0 <= self.high


def mean_interval(values: Sequence[float], test_share: float) -> list[float]:
    """Return the 95 % interval of the F1 that a model has on average, from scores on several splits.

    The splits are of one dataset, so their training sets overlap, and the scores vary less than those on new
    data would. The variance of the mean is therefore corrected from 1/n to 1/n + test rows/training rows:
    Nadeau and Bengio, *Inference for the generalization error*, Machine Learning 52, 239-281, 2003.

    Parameters
    ----------
    values : sequence of float
        F1 in % of each split; at least two.
    test_share : float
        Number of test rows for each training row.

    Returns
    -------
    list of 2 floats
        In %, within 0 to 100.
    """
    count = len(values)
    half = _quantile(count - 1) * stdev(values) * (1 / count + test_share) ** 0.5
    return [max(0.0, mean(values) - half), min(100.0, mean(values) + half)]


def difference(values: Sequence[float], measured: Measured) -> Difference | None:
    """Return our mean F1 minus the measured one, with Welch's interval; None for a single value.

    Both are means over random splits of the same table. Given the table, the splits are drawn independently,
    so the variance of each mean is s²/n. The correction of `mean_interval` is for another question: which
    model is better on new data. Here the question is whether both experiments have the same mean on this
    table. With the correction, the interval would almost never exclude 0 for equal models, where it should in
    5 % of cases, and would include 0 for many that differ.

    Parameters
    ----------
    values : sequence of float
        Our test F1 in % on each split.
    measured : Measured
    """
    if len(values) < 2:
        return None
    ours, theirs = stdev(values) ** 2 / len(values), measured.deviation**2 / measured.splits
    if not ours + theirs:
        return None
    # The degrees of freedom of Welch and Satterthwaite.
    freedom = (ours + theirs) ** 2 / (ours**2 / (len(values) - 1) + theirs**2 / (measured.splits - 1))
    half = _quantile(freedom) * (ours + theirs) ** 0.5
    between = mean(values) - measured.test
    return Difference(between, between - half, between + half)


def _quantile(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
