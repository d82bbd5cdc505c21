"""Intervals of scores: known values, edges, and that they contain the true score often enough."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from audiospec.benchmarks.studies.coverage import OF_PREDICTIONS, OF_PROBABILITIES, Cell, measure
from audiospec.testing.scores import made_items
from audiospec.zoo.scores.base import Sample, all_scores
from audiospec.zoo.scores.measuring.bootstrap import draw_tracks
from audiospec.zoo.scores.measuring.chunks import score_chunks
from audiospec.zoo.scores.measuring.intervals import inverted, of_resampled_share, wilson
from audiospec.zoo.scores.measuring.ranking import Ranking

CLASSES = ["blues", "jazz", "rock"]


@pytest.mark.parametrize(("right", "count"), [(1, 20), (12, 20), (19, 20), (74, 80), (299, 300)])
def test_the_interval_of_accuracy_is_wilsons_where_each_item_is_a_unit(right: int, count: int) -> None:
    truth = np.zeros(count, int)
    predicted = np.eye(3)[np.where(np.arange(count) < right, 0, 1)]
    table = score_chunks(predicted, truth, np.arange(count), CLASSES).track
    expected = binomtest(right, count).proportion_ci(method="wilson")
    assert table.accuracy_interval == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong_have_the_exact_end(right: bool) -> None:
    """Six of six are compatible with every accuracy from 54 % on: not with 100 % alone."""
    truth = np.arange(6) % 3
    predicted = np.eye(3)[truth if right else (truth + 1) % 3]
    table = score_chunks(predicted, truth, range(6), CLASSES).track
    exact = binomtest(6 if right else 0, 6).proportion_ci(method="exact")
    assert table.accuracy_interval == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert table.macro_f1_interval == pytest.approx((exact.low, exact.high), abs=1e-12)
    for score in table.scores.values():
        assert score.interval[0] < score.interval[1]


@pytest.mark.parametrize("units", [1, 2, 3, 6])
def test_items_of_a_unit_that_are_all_right_count_as_one(units: int) -> None:
    truth = np.arange(30) % 3
    table = score_chunks(np.eye(3)[truth], truth, range(30), CLASSES, units=np.arange(30) % units).track
    exact = binomtest(units, units).proportion_ci(method="exact")
    assert table.accuracy_interval == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert table.macro_f1_interval == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert table.roc_auc_interval[0] < 0.99


def test_the_search_for_ends_gives_wilsons_interval_of_a_share() -> None:
    for value in (0.05, 0.5, 0.93):
        ends = inverted(value, lambda share: share * (1 - share) / 40)
        assert ends == pytest.approx(wilson(value, 40), abs=1e-9)


@pytest.mark.parametrize("key", ["roc_auc", "pr_auc"])
def test_influence_gives_the_deviation_of_a_bootstrap(key: str) -> None:
    """The influence of items, which intervals are from, adds up to what resampling the units finds."""
    items = made_items(classes=4, tracks=150, chunks=3)
    draws = draw_tracks(items.units, 0)[:, items.unit_of]
    influence, areas = of_areas(items.ranking, key)
    by_unit = np.bincount(items.unit_of, influence)
    assert math.sqrt(by_unit @ by_unit) == pytest.approx(areas(draws).mean(1).std(), rel=0.08)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_the_interval_of_macro_f1_is_as_wide_as_that_of_a_bootstrap() -> None:
    items = made_items(classes=4, tracks=150, chunks=3)
    score = all_scores()["macro_f1"]
    low, high = score.interval(items, float(score.compute(Sample(items))[0]), list)
    deviation = score.compute(Sample(items, draw_tracks(items.units, 0))).std()
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.12)


@pytest.mark.parametrize("key", ["roc_auc", "pr_auc"])
@pytest.mark.parametrize("digits", [1, 9])
def test_influence_is_the_slope_of_a_score_in_the_weight_of_an_item(key: str, digits: int) -> None:
    items = made_items(classes=3, tracks=30)
    influence, areas = of_areas(Ranking(items.truth, np.round(items.probabilities, digits)), key)
    count = len(items.truth)
    slopes = (
        areas(np.ones((count, count)) + 1e-6 * np.eye(count)).mean(1) - areas(np.ones((1, count))).mean()
    ) / 1e-6
    assert influence == pytest.approx(slopes, abs=1e-7)


def test_a_share_of_another_package_is_no_point_where_resamples_agree() -> None:
    assert of_resampled_share(1.0, np.ones(2000), 6, 6) == pytest.approx(wilson(1.0, 6))
    assert of_resampled_share(1.0, np.ones(2000), 6, 60) == pytest.approx(wilson(1.0, 6))
    # Independent items in units of their own: nearly Wilson's.
    values = np.random.default_rng(0).binomial(80, 0.8, 2000) / 80
    assert of_resampled_share(0.8, values, 80, 80) == pytest.approx(wilson(0.8, 80), abs=0.005)


@pytest.mark.parametrize(
    ("units", "items", "classes"),
    [
        ("track", 20, 3),
        ("track", 20, 10),
        ("track", 80, 2),
        ("chunks", 80, 3),
        ("groups", 20, 3),
        ("groups", 80, 10),
    ],
)
@pytest.mark.parametrize("accuracy", [0.6, 0.93])
def test_intervals_of_predictions_contain_the_true_score(
    units: str, items: int, classes: int, accuracy: float
) -> None:
    """In 92 % of the test sets at least; the full table is benchmarks/results/coverage.md."""
    check(Cell(units, items, classes, accuracy, OF_PREDICTIONS), 500)


@pytest.mark.parametrize(
    ("units", "items", "classes", "confidence"),
    [("track", 20, 3, 1.0), ("track", 80, 10, 2.5), ("groups", 80, 3, 1.0)],
)
@pytest.mark.parametrize("accuracy", [0.6, 0.93])
def test_intervals_of_probabilities_contain_the_true_score(
    units: str, items: int, classes: int, confidence: float, accuracy: float
) -> None:
    check(Cell(units, items, classes, accuracy, OF_PROBABILITIES, confidence), 200)


def of_areas(ranking: Ranking, key: str) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return the influence of items on a mean area, and the function that computes the areas."""
    if key == "roc_auc":
        return ranking.roc_influence(), ranking.roc_areas
    return ranking.pr_influence()[0], ranking.pr_areas


def check(cell: Cell, simulations: int) -> None:
    """Assert that intervals contain the true score often enough, and are not wide for that."""
    error = math.sqrt(0.92 * 0.08 / simulations)
    for result in measure(cell, simulations, seed=1):
        assert result.coverage >= 0.92 - 2 * error, result
        if result.score != "nll":
            assert result.width < {20: 0.8, 80: 0.4}[cell.items], result
