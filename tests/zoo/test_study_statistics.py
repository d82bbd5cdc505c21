"""The intervals of the study: sizes, known formulas, and which pairings of models they tell apart."""

from __future__ import annotations

import itertools
from statistics import mean, pstdev

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from audiospec.zoo.study.figures import BASELINES, Measured
from audiospec.zoo.study.statistics import difference, mean_interval


def values_of(mean: float, deviation: float, count: int = 10) -> list[float]:
    """Return values with this mean and sample deviation."""
    values = np.arange(count, dtype=float)
    return list((values - values.mean()) / values.std(ddof=1) * deviation + mean)


def samples(random: np.random.Generator, mean: float, deviation: float) -> NDArray[np.float64]:
    return random.normal(mean, deviation, size=10)


def measured_of(values: NDArray[np.float64]) -> Measured:
    return Measured(0.0, float(values.mean()), float(values.std(ddof=1)), len(values))


def test_the_difference_is_welchs() -> None:
    ours, theirs = values_of(71, 1.9, 8), Measured(90, 73.5, 2.3, 10)
    found = difference(ours, theirs)
    assert found is not None
    assert found.mean == pytest.approx(-2.5)
    for end in (found.low, found.high):  # at the ends of the interval, the test's p is 5 %
        test = stats.ttest_ind_from_stats(71, 1.9, 8, 73.5 + end, 2.3, 10, equal_var=False)
        assert test.pvalue == pytest.approx(0.05)
    assert found.excludes_zero == (
        stats.ttest_ind_from_stats(71, 1.9, 8, 73.5, 2.3, 10, equal_var=False).pvalue < 0.05
    )


def test_a_single_run_has_no_difference() -> None:
    assert difference([70.0], Measured(90, 71, 2)) is None


def test_the_interval_of_a_mean_is_corrected() -> None:
    values = values_of(70, 2, 10)
    low, high = mean_interval(values, 0.25)
    assert (low + high) / 2 == pytest.approx(70)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 9) * 2 * (1 / 10 + 0.25) ** 0.5)
    assert mean_interval([99.0, 100.0], 0.25)[1] == 100


def test_equal_experiments_are_rarely_called_different() -> None:
    random = np.random.default_rng(0)
    excluded = 0
    for _ in range(2000):
        found = difference(list(samples(random, 70, 2.5)), measured_of(samples(random, 70, 2.5)))
        assert found is not None
        excluded += found.excludes_zero
    # 5 % of 2000, and three standard deviations of that count.
    assert 100 - 3 * 9.7 < excluded < 100 + 3 * 9.7


def accepted(ours: dict[str, list[float]]) -> list[tuple[str, str]]:
    """Return the pairings of different models whose interval does not exclude 0."""
    pairs = []
    for model, other in itertools.permutations(BASELINES, 2):
        found = difference(ours[model.name], other.measured)
        assert found is not None
        if not found.excludes_zero:
            pairs.append((model.name, other.name))
    return pairs


def within_two_deviations(ours: dict[str, list[float]]) -> int:
    """Return how many wrong pairings the rule accepts that was used before."""
    return sum(
        abs(mean(ours[model.name]) - other.measured.test) <= 2 * pstdev(ours[model.name])
        for model, other in itertools.permutations(BASELINES, 2)
    )


def test_different_models_are_told_apart() -> None:
    """Each baseline's measured figures, as if they were ours, against those of each other baseline."""
    ours = {b.name: values_of(b.measured.test, b.measured.deviation) for b in BASELINES}
    assert len(list(itertools.permutations(BASELINES, 2))) == 42
    pairs = accepted(ours)
    # What is left differs by less than two means of ten splits can show; each pair counts both ways round.
    assert {frozenset(pair) for pair in pairs} == {
        frozenset(("svm", "svm-c10")),
        frozenset(("svm", "lr")),
        frozenset(("svm-c10", "lr")),
        frozenset(("knn-1", "knn-5")),
    }
    assert len(pairs) == 8
    assert within_two_deviations(ours) >= 2 * len(pairs)


def test_more_splits_give_a_shorter_interval() -> None:
    measured = Measured(90, 71, 2.3, 10)
    ten, hundred = (difference(values_of(71, 2, count), measured) for count in (10, 100))
    assert ten is not None
    assert hundred is not None
    # The measured mean has only ten splits, so our side alone can shrink.
    assert 2 * 1.96 * 2.3 / 10**0.5 < hundred.high - hundred.low < ten.high - ten.low
