"""Statistics of comparisons: against scipy, against values computed by hand, and by simulation."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from audiospec.errors import ModelError
from audiospec.testing.target_scores import LabelScoreContract, NumberScoreContract
from audiospec.zoo.comparison.difference import corrected_t, holm, paired_bootstrap
from audiospec.zoo.comparison.mcnemar import mcnemar
from audiospec.zoo.scores.accuracy import Accuracy
from audiospec.zoo.scores.base import Items, all_scores, scores
from audiospec.zoo.scores.macro_f1 import MacroF1
from audiospec.zoo.scores.measuring.label_items import LabelItems


def items(truth: NDArray[np.int64], predicted: NDArray[np.int64], units: NDArray[np.int64]) -> Items:
    """Predictions of 4 classes with full confidence."""
    return Items(truth, predicted, np.eye(4)[predicted], units, int(units.max()) + 1)


# --- McNemar -----------------------------------------------------------------------------------------------


def test_mcnemar_of_ten_and_two_discordant_items() -> None:
    a = [True] * 10 + [False] * 2 + [True] * 30 + [False] * 8
    b = [False] * 10 + [True] * 2 + [True] * 30 + [False] * 8
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (10, 2)
    assert found.p == pytest.approx(2 * (1 + 12 + 66) / 2**12)


@given(only_a=st.integers(0, 40), only_b=st.integers(0, 40), both=st.integers(1, 9))
def test_mcnemar_is_the_binomial_test_of_discordant_items(only_a: int, only_b: int, both: int) -> None:
    a = np.repeat([True, False, True], [only_a, only_b, both])
    b = np.repeat([False, True, True], [only_a, only_b, both])
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(a, b).p == pytest.approx(expected)
    assert mcnemar(b, a) == (only_b, only_a, pytest.approx(expected))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_mcnemar_over_units_counts_all_signs(differences: list[int]) -> None:
    units = np.repeat(np.arange(len(differences)), 5)
    ahead = np.concatenate([np.arange(5) < max(one, 0) for one in differences])
    behind = np.concatenate([np.arange(5) < max(-one, 0) for one in differences])
    sums = [
        abs(sum(sign * one for sign, one in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    expected = np.mean([one >= abs(sum(differences)) for one in sums])
    assert mcnemar(ahead, behind, units).p == pytest.approx(expected)


def test_the_chunks_of_one_track_are_no_evidence_each() -> None:
    """A hundred chunks of one track, all right or all wrong together, are one observation."""
    right, wrong = np.ones(100, bool), np.zeros(100, bool)
    assert mcnemar(right, wrong).p < 1e-20
    assert mcnemar(right, wrong, np.zeros(100)).p == 1
    assert mcnemar(right, wrong, np.repeat(np.arange(5), 20)).p == pytest.approx(2 / 2**5)


def test_mcnemar_of_many_units_has_no_p_of_zero() -> None:
    right, wrong = np.ones(4000, bool), np.zeros(4000, bool)
    assert 0 < mcnemar(right, wrong, np.repeat(np.arange(1000), 4)).p < 1e-15


@pytest.mark.parametrize(("a", "b", "units"), [([], [], None), ([1], [1, 0], None), ([1, 0], [1, 0], [1])])
def test_mcnemar_refuses_shapes_that_differ(a: list[int], b: list[int], units: list[int] | None) -> None:
    with pytest.raises(ModelError, match=r"^expected whether each of at least one item is right.*; got "):
        mcnemar(a, b, units)


# --- the corrected resampled t -----------------------------------------------------------------------------


def test_the_corrected_t_by_hand() -> None:
    """Ten differences with mean 0.03 and s = 0.02; n_test / n_train = 1/4."""
    steps = np.array([-1.5, -1, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1, 1.5])
    values = 0.03 + 0.02 * steps / steps.std(ddof=1)
    found = corrected_t(values, 80, 20)
    error = 0.02 * np.sqrt(1 / 10 + 1 / 4)
    assert found.value == pytest.approx(0.03)
    assert found.high - found.value == pytest.approx(2.262157 * error, rel=1e-6)
    assert found.value - found.low == pytest.approx(2.262157 * error, rel=1e-6)
    assert found.p == pytest.approx(2 * stats.t.sf(0.03 / error, 9))


def test_without_test_tracks_the_corrected_t_would_be_students() -> None:
    values = np.random.default_rng(0).normal(0.4, size=12)
    student = stats.ttest_1samp(values, 0)
    found = corrected_t(values, 10**12, 1)
    assert found.p == pytest.approx(student.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(student.confidence_interval(0.95)))


def test_equal_scores_on_two_splits_are_not_certain() -> None:
    assert corrected_t([0.05, 0.05], 80, 20).p == 0  # a plain number that does not vary at all
    found = corrected_t([0.05, 0.05], 80, 20, step=1 / 20)
    assert found.p == pytest.approx(2 * stats.t.sf(0.05 / np.sqrt(0.05**2 / 12 * 0.75), 1))
    assert corrected_t([0, 0], 80, 20).p == 1
    varied = [0.1, 0.2, 0.4]
    assert corrected_t(varied, 80, 20, step=1 / 20) == corrected_t(varied, 80, 20)


def test_splits_of_other_sizes_have_their_mean_ratio() -> None:
    assert corrected_t([1, 2, 4], [80, 90, 70], [20, 10, 30]) == pytest.approx(
        corrected_t([1, 2, 4], 1, np.mean([20 / 80, 10 / 90, 30 / 70]))
    )


@pytest.mark.parametrize(
    ("values", "train", "test"), [([1.0], 8, 2), ([], 8, 2), ([1.0, 2.0], 0, 2), ([1.0, 2.0], 8, [0, 1])]
)
def test_the_corrected_t_needs_two_splits(values: list[float], train: int, test: int | list[int]) -> None:
    with pytest.raises(ModelError, match=r"^expected the scores of two splits or more"):
        corrected_t(values, train, test)


# --- the paired bootstrap ----------------------------------------------------------------------------------


def guesses(seed: int, count: int, right: float = 0.7) -> tuple[NDArray[np.int64], ...]:
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 4
    wrong = (truth + random.integers(1, 4, size=count)) % 4
    return truth, np.where(random.random(count) < right, truth, wrong)


@settings(max_examples=30, deadline=None)
@given(
    seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    count=st.integers(4, 40),
    tracks=st.integers(2, 9),
)
def test_the_other_order_is_the_negative(seeds: tuple[int, int], count: int, tracks: int) -> None:
    units = np.arange(count) % min(tracks, count)
    a, b = (items(*guesses(seed, count), units) for seed in seeds)
    for score in (MacroF1(), Accuracy()):
        one, other = paired_bootstrap(score, [a], [b]), paired_bootstrap(score, [b], [a])
        assert (one.value, one.low, one.high, one.p) == (-other.value, -other.high, -other.low, other.p)
        assert (one.low <= 0 <= one.high) == (one.p >= 0.05)
        assert one.low < one.value < one.high


def test_the_difference_is_of_the_scores_on_the_items() -> None:
    truth, first = guesses(1, 40)
    _, second = guesses(2, 40, right=0.5)
    units = np.arange(40)
    found = paired_bootstrap(Accuracy(), [items(truth, first, units)], [items(truth, second, units)])
    assert found.value == pytest.approx(np.mean(first == truth) - np.mean(second == truth))
    # The bootstrap's error of an accuracy is known without resampling.
    differences = (first == truth).astype(float) - (second == truth)
    error = np.sqrt(differences.var(ddof=1) / 40 + 2 / 42**2)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 39) * error, rel=0.05)


def test_models_that_agree_on_few_items_may_differ_on_others() -> None:
    """Without a difference on 6 items, 0 to 0 would be no interval."""
    truth, predicted = guesses(3, 6)
    one = items(truth, predicted, np.arange(6))
    found = paired_bootstrap(MacroF1(), [one], [one])
    assert (found.value, found.p) == (0, 1)
    assert found.low < -0.3
    assert found.high > 0.3


def test_several_runs_add_the_variance_of_their_mean() -> None:
    units = np.arange(40)
    truth = np.arange(40) % 4
    runs = [items(truth, guesses(seed, 40)[1], units) for seed in range(5)]
    other = items(truth, guesses(9, 40)[1], units)
    found = paired_bootstrap(Accuracy(), runs, [other])
    scores = [np.mean(run.predicted == truth) for run in runs]
    assert found.value == pytest.approx(np.mean(scores) - np.mean(other.predicted == truth))
    shares = np.mean([run.predicted == truth for run in runs], 0) - (other.predicted == truth)
    error = np.sqrt(shares.var(ddof=1) / 40 + np.var(scores, ddof=1) / 5 + 2 / 42**2)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 39) * error, rel=0.05)


def test_the_bootstrap_refuses_other_items() -> None:
    truth, predicted = guesses(0, 8)
    one = items(truth, predicted, np.arange(8))
    for other in (
        items(truth[::-1].copy(), predicted, np.arange(8)),
        items(truth, predicted, np.arange(8) // 2),
        items(truth[:4], predicted[:4], np.arange(4)),
    ):
        with pytest.raises(ModelError, match=r"^expected predictions of the same items in the same order"):
            paired_bootstrap(MacroF1(), [one], [other])
    alone = items(truth, predicted, np.zeros(8, np.int64))
    with pytest.raises(ModelError, match=r"^expected at least two units to resample; got one"):
        paired_bootstrap(MacroF1(), [alone], [alone])


def simulated(random: np.random.Generator, count: int, rights: tuple[float, float]) -> list[Items]:
    """Two models whose errors are on the same items more often than by chance."""
    truth = np.arange(count) % 4
    shared, *own = random.normal(size=(3, count))
    runs = []
    for right, noise in zip(rights, own, strict=True):
        known = (0.8 * shared + 0.6 * noise) < stats.norm.ppf(right)
        wrong = (truth + random.integers(1, 4, size=count)) % 4
        runs.append(items(truth, np.where(known, truth, wrong), np.arange(count)))
    return runs


@pytest.mark.parametrize("rights", [(0.6, 0.6), (0.93, 0.93), (0.8, 0.6), (0.93, 0.86)])
@pytest.mark.parametrize("count", [20, 80])
def test_the_interval_covers_the_true_difference(count: int, rights: tuple[float, float]) -> None:
    """Percentiles of the resamples cover 62 % of the true differences at .93 and 20 items."""
    random = np.random.default_rng(count)
    many = simulated(random, 200_000, rights)
    true = [MacroF1().of_confusion(run.confusion_parts.sum(0).reshape(1, 4, 4))[0] for run in many]
    covered = []
    for _ in range(150):
        a, b = simulated(random, count, rights)
        found = paired_bootstrap(MacroF1(), [a], [b])
        covered.append(found.low <= true[0] - true[1] <= found.high)
    # At a coverage of 95 %, a mean of 150 is below 0.9 in one of 200 tests.
    assert np.mean(covered) >= 0.9


# --- Holm --------------------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2, 0.9]).tolist() == pytest.approx([0.4, 0.9])
    assert holm([0.7, 0.6]).tolist() == [1, 1]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_keeps_the_order_and_is_at_most_bonferroni(values: list[float]) -> None:
    adjusted = holm(values)
    assert (adjusted >= values).all()
    assert (adjusted <= np.minimum(np.array(values) * len(values), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("key", "contract"), [("map_macro", LabelScoreContract), ("ccc", NumberScoreContract)]
)
def test_other_targets_are_compared_on_the_same_resamples(key: str, contract: type) -> None:
    """A model that is better in every unit is better; its copy differs by nothing."""
    score = all_scores(contract.target)[key]
    items, right = contract().made(tracks=40), contract().made(tracks=40)
    if contract is LabelScoreContract:
        right = dataclasses.replace(right, probabilities=0.2 + 0.6 * right.truth)
    else:
        right = dataclasses.replace(right, predicted=right.truth)
    found = paired_bootstrap(score, [right], [items])
    assert found.value == pytest.approx(1 - score.compute(items.sample())[0])
    assert found.low > 0
    assert found.p < 0.05
    same = paired_bootstrap(score, [items], [items])
    assert (same.value, same.p) == (0, 1)


def test_resamples_without_a_label_are_left_out() -> None:
    """With two units, half of the resamples lack one of them, and its label."""
    truth = np.array([[True, False], [False, True], [True, True], [False, False]])
    right = np.where(truth, 0.9, 0.2) + np.linspace(0, 0.05, 4)[:, None]
    units = np.array([0, 1, 0, 1])
    one, other = (
        LabelItems(truth, values, np.full(truth.shape, 0.5), units, 2) for values in (right, 1 - right)
    )
    found = paired_bootstrap(scores["map-macro"](), [one], [other])
    assert found.value > 0
    assert np.isfinite([found.low, found.high, found.p]).all()
