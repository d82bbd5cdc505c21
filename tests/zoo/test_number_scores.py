"""Scores of numbers are compared with scikit-learn's and with their formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from audiospec.errors import ModelError
from audiospec.zoo.scores.measuring.numbers import score_numbers

KEYS = ["ccc", "mae", "pearson", "r2", "rmse"]


def make_numbers(chunks: int, seed: int, scale: float = 1.0, offset: float = 0.0) -> tuple[np.ndarray, ...]:
    """Return predicted and true numbers and tracks of chunks; three chunks have one track."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=chunks)
    predicted = 0.7 * truth + 0.2 + 0.5 * random.normal(size=chunks)
    return scale * predicted + offset, scale * truth + offset, np.arange(chunks) // 3


def concordance(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Lin's formula, with moments divided by n."""
    covariance = np.cov(truth, predicted, ddof=0)
    return 2 * covariance[0, 1] / (np.trace(covariance) + (truth.mean() - predicted.mean()) ** 2)


@given(
    st.integers(3, 60),
    st.integers(0, 99),
    st.floats(1e-3, 1e4),
    st.floats(-1e4, 1e4).map(lambda x: round(x, 2)),
)
def test_scores_equal_scikit_learns(chunks: int, seed: int, scale: float, offset: float) -> None:
    predicted, truth, tracks = make_numbers(chunks, seed, scale, offset)
    evaluation = score_numbers(predicted, truth, tracks, "valence")
    table = evaluation.chunk
    assert list(table.scores) == KEYS
    assert table.count == chunks
    assert table.mae == pytest.approx(mean_absolute_error(truth, predicted))
    assert table.rmse == pytest.approx(root_mean_squared_error(truth, predicted))
    assert table.r2 == pytest.approx(r2_score(truth, predicted), abs=1e-6)
    assert table.ccc == pytest.approx(concordance(truth, predicted), abs=1e-6)
    assert table.pearson == pytest.approx(pearsonr(truth, predicted)[0], abs=1e-6)
    for each in (table, evaluation.track):
        assert (each.per_class, each.confusion) == ({}, [])
        for score in each.scores.values():
            assert score.interval[0] <= score.value <= score.interval[1]
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_the_number_of_a_track_is_the_mean_of_its_chunks() -> None:
    predicted, truth, tracks = make_numbers(60, 0)
    by_track = score_numbers(predicted, truth, tracks, "valence").track
    means = [values.reshape(20, 3).mean(1) for values in (truth, predicted)]
    assert by_track.count == 20
    assert by_track.ccc == pytest.approx(concordance(*means))
    assert by_track.mae == pytest.approx(mean_absolute_error(*means))


def test_chunks_without_a_number_are_not_scored() -> None:
    predicted, truth, tracks = make_numbers(60, 0)
    lacking = truth.copy()
    lacking[[0, 5, 57, 58, 59]] = np.nan  # the last three are a track
    scored = ~np.isnan(lacking)
    evaluation = score_numbers(predicted[:, None], lacking, tracks, "valence")
    assert (evaluation.chunk.count, evaluation.track.count) == (55, 19)
    expected = score_numbers(predicted[scored], truth[scored], tracks[scored], "valence")
    assert evaluation == expected


def test_one_number_everywhere() -> None:
    """A constant prediction has a concordance of 0, and no correlation; equal true numbers have no R²."""
    varied, constant = np.arange(8.0), np.full(8, 3.3)
    table = score_numbers(constant, varied, range(8), "valence").chunk
    assert table.ccc == 0
    assert "pearson" not in table.scores
    table = score_numbers(varied, constant, range(8), "valence").chunk
    assert table.ccc == 0
    assert not {"pearson", "r2"} & set(table.scores)
    right = score_numbers(constant, constant, range(8), "valence").chunk
    assert right.scores["ccc"] == (1.0, (1.0, 1.0))
    assert right.scores["mae"] == (0.0, (0.0, 0.0))


def test_perfect_predictions() -> None:
    table = score_numbers(np.arange(8.0), np.arange(8.0), range(8), "valence").chunk
    assert {key: value.value for key, value in table.scores.items()} == pytest.approx(
        {"ccc": 1, "mae": 0, "pearson": 1, "r2": 1, "rmse": 0}, abs=1e-12
    )


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_of_few_chunks_or_one_unit_hardly_anything_is_known(chunks: int) -> None:
    predicted, truth, _ = make_numbers(chunks, 0)
    for units in (range(chunks), [0] * chunks):
        table = score_numbers(predicted, truth, range(chunks), "valence", units=units).chunk
        assert np.isfinite([score.interval for score in table.scores.values()]).all()
    assert table.ccc_interval == (-1, 1)


def test_intervals_are_over_units() -> None:
    """Copies of a chunk in one group add nothing."""
    predicted, truth, _ = make_numbers(40, 0)
    copied = np.repeat(np.arange(40), 5)
    one_each = score_numbers(predicted, truth, np.arange(40), "x").chunk
    grouped = score_numbers(predicted[copied], truth[copied], np.arange(200), "x", units=copied).chunk
    for key in KEYS:
        assert grouped.scores[key].interval == pytest.approx(one_each.scores[key].interval, rel=1e-6)


def test_intervals_have_their_coverage() -> None:
    """Of 40 units of three chunks that go together, 95 % are expected."""
    covered = dict.fromkeys(KEYS, 0)
    random = np.random.default_rng(0)
    for _ in range(200):
        shared, alone = random.normal(size=(2, 40)).repeat(3, 1), random.normal(size=(2, 120))
        truth, noise = np.sqrt(0.4) * shared + np.sqrt(0.6) * alone
        predicted = 0.8 * truth + 0.6 * noise
        table = score_numbers(predicted, truth, np.arange(120) // 3, "x").chunk
        for key, value in expected_scores().items():
            low, high = table.scores[key].interval
            covered[key] += low <= value <= high
    assert min(covered.values()) >= 180, covered


def expected_scores() -> dict[str, float]:
    """Scores of predictions 0.8 y + 0.6 e of y, both normal: their variance is 1, the error's 0.04 + 0.36."""
    error = np.sqrt(0.4)
    return {"ccc": 0.8, "pearson": 0.8, "r2": 0.6, "mae": error * np.sqrt(2 / np.pi), "rmse": error}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"a predicted and a true number \(valence\), a track and a unit"):
        score_numbers([1.0, 2.0], [1.0], ["a"], "valence")
    with pytest.raises(ModelError, match=r"expected chunks with a true number \(valence\); got 2 without"):
        score_numbers([1.0, 2.0], [np.nan] * 2, ["a", "b"], "valence")
    for predicted, truth in (([np.nan, 1], [1, 2]), ([1, 2], [np.inf, 2])):
        with pytest.raises(ModelError, match=r"expected finite numbers \(valence\)"):
            score_numbers(predicted, truth, ["a", "b"], "valence")
    with pytest.raises(ModelError, match="got several `units` for track a"):
        score_numbers([1, 2], [1, 2], ["a", "a"], "valence", units=["x", "y"])
