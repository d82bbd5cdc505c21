"""Differences with intervals: over the splits of several runs, or over the units of one test set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audiospec.errors import ModelError
from audiospec.zoo.scores.base import Score
from audiospec.zoo.scores.measuring.bootstrap import COVERAGE, draw_tracks
from audiospec.zoo.scores.measuring.resamples import MEMORY
from audiospec.zoo.scores.measuring.units import ScoredItems


class Estimate(NamedTuple):
    """A mean with its 95 % interval, and the test that it is 0; the interval has no 0 if `p` is below 0.05.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the interval.
    p : float
        Two-sided.
    """

    value: float
    low: float
    high: float
    p: float


def estimate(value: float, error: float, freedom: float) -> Estimate:
    """Return an estimate by Student's t.

    Parameters
    ----------
    value : float
    error : float
        Standard error of the value, at least 0.
    freedom : float
        Degrees of freedom, at least 1.
    """
    from scipy.stats import t

    if not error:
        return Estimate(value, value, value, 1.0 if value == 0 else 0.0)
    half = float(t.ppf((1 + COVERAGE) / 2, freedom)) * error
    return Estimate(value, value - half, value + half, float(2 * t.sf(abs(value) / error, freedom)))


def corrected_t(values: ArrayLike, train: ArrayLike, test: ArrayLike, *, step: float = 0.0) -> Estimate:
    """Return the mean over splits, with the corrected standard error of resampled splits.

    The training rows of splits overlap, so the scores on them are not independent, and s²/n is too small.
    Nadeau and Bengio (Inference for the generalization error, Machine Learning 52, 2003) put
    s² (1/n + test/train) in its place; n is the number of splits, s the sample deviation.

    Parameters
    ----------
    values : array of float, shape (n,)
        One score, or one difference of scores, for each of at least two splits.
    train, test : array of int, shape (n,) or ()
        Numbers of tracks (or units) that were trained on and tested on.
    step : float
        Scores of few items take few values, so a deviation may be 0 by chance. It is not taken to be less
        than that of rounding to this step.

    Raises
    ------
    ModelError
        There are fewer than two values, or a split has no training or test tracks.
    """
    scores = np.asarray(values, np.float64)
    sizes = np.broadcast_to(train, scores.shape), np.broadcast_to(test, scores.shape)
    if scores.ndim != 1 or len(scores) < 2 or min(map(np.min, sizes)) <= 0:
        raise ModelError(
            "expected the scores of two splits or more, each with training and test tracks; got "
            f"{scores.shape} scores, training {list(sizes[0].flat)}, test {list(sizes[1].flat)}"
        )
    variance = max(float(scores.var(ddof=1)), step**2 / 12)
    ratio = float(np.mean(sizes[1] / sizes[0]))
    error = math.sqrt(variance * (1 / len(scores) + ratio))
    return estimate(float(scores.mean()), error, len(scores) - 1)


def paired_bootstrap(
    score: Score, a: Sequence[ScoredItems], b: Sequence[ScoredItems], *, seed: int = 0
) -> Estimate:
    """Return the difference a - b of a score on one set of test items, with an interval over its units.

    The standard error is that of the paired bootstrap: both models are scored on the same resamples of units.
    Where models differ on few units, resamples show too little, and none if they differ on none. Therefore
    the error of a share is taken as if there were two units more: one that only A predicts correctly, and one
    that only B does (as in the interval of Bonett and Price for paired proportions, Journal of Educational
    and Behavioral Statistics 37, 2012). Several runs add the variance of their mean.

    Parameters
    ----------
    score : Score
    a, b : sequence of Items, LabelItems or NumberItems
        The predictions of each run of the two models: all of the same items in the same order, and of the
        same units (`unit_of`).
    seed : int
        Seed of the resamples.

    Raises
    ------
    ModelError
        There are fewer than two units, or the items are not the same.
    """
    first, *others = (*a, *b)
    units = first.units
    for other in others:
        if not (np.array_equal(first.truth, other.truth) and np.array_equal(first.unit_of, other.unit_of)):
            raise ModelError("expected predictions of the same items in the same order; got others")
    if units < 2:
        raise ModelError("expected at least two units to resample; got one", "test on more tracks")
    draws = draw_tracks(units, seed)
    means, spread = [], 0.0
    for runs in (a, b):
        values = np.array([score.compute(items.sample())[0] for items in runs])
        if len(values) > 1:
            spread += float(values.var(ddof=1)) / len(values)
        means.append(float(values.mean()))
    resampled = _mean_on(score, a, draws) - _mean_on(score, b, draws)
    resampled = resampled[~np.isnan(resampled)]  # of resamples without a label, or of one true number
    if len(resampled) < 2:
        raise ModelError(
            f"score {score.title} is not defined for resamples of {units} units", "test on more tracks"
        )
    variance = float(resampled.var(ddof=1)) * units / (units - 1) + spread
    if score.percent:
        variance += 2 / (units + 2) ** 2
    return estimate(means[0] - means[1], math.sqrt(variance), units - 1)


def holm(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the p-values of several tests, adjusted by Holm's method: the chance of any false one is kept.

    Parameters
    ----------
    probabilities : array of float, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
        In the same order, at most 1.
    """
    p = np.asarray(probabilities, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def _mean_on(score: Score, runs: Sequence[ScoredItems], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean score of the runs on each resample: (resamples,); NaN where it may be undefined."""
    step = max(1, MEMORY // (8 * len(runs[0])))
    total = np.zeros(len(draws))
    for items in runs:
        blocks = [score.compute(items.sample(draws[at : at + step])) for at in range(0, len(draws), step)]
        total += np.concatenate(blocks)
    if not np.isfinite(total if score.always_defined else total[~np.isnan(total)]).all():
        raise ModelError(
            f"score {score.title} must be a finite number for each resample; got some that are not finite",
            "compare by another score, or fix the package that provides it",
        )
    return total / len(runs)
