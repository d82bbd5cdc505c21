"""Scores are compared with scikit-learn's; intervals are tested for their coverage."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from audiospec.errors import ModelError
from audiospec.zoo.scores.measuring.chunks import score_chunks

CLASSES = ["blues", "jazz", "rock", "pop"]


def make_predictions(chunks: int, seed: int, right: float = 0.6) -> tuple[np.ndarray, ...]:
    """Return probabilities, targets and tracks of chunks; three chunks have one track."""
    random = np.random.default_rng(seed)
    tracks = np.arange(chunks) // 3
    targets = random.integers(0, 3, tracks[-1] + 1)[tracks]
    predicted = np.where(random.random(chunks) < right, targets, random.integers(0, 3, chunks))
    probabilities = random.random((chunks, 4)) + 3 * np.eye(4)[predicted]
    return probabilities / probabilities.sum(1, keepdims=True), targets, tracks


@given(st.integers(1, 60), st.integers(0, 99), st.floats(0, 1))
def test_scores_equal_scikit_learns(chunks: int, seed: int, right: float) -> None:
    probabilities, targets, tracks = make_predictions(chunks, seed, right)
    evaluation = score_chunks(probabilities, targets, tracks, CLASSES)
    table, predicted = evaluation.chunk, probabilities.argmax(1)
    assert table.count == chunks
    assert table.accuracy == pytest.approx(accuracy_score(targets, predicted))
    assert table.macro_f1 == pytest.approx(f1_score(targets, predicted, average="macro", zero_division=0))
    assert table.confusion == confusion_matrix(targets, predicted, labels=range(4)).tolist()
    expected = precision_recall_fscore_support(targets, predicted, labels=range(4), zero_division=0)
    for number, values in enumerate(table.per_class.values()):
        of_predictions = [values[key] for key in ("precision", "recall", "f1", "support")]
        assert of_predictions == pytest.approx([column[number] for column in expected])
        has = targets == number
        assert ("roc_auc" in values) == ("pr_auc" in values) == (0 < has.sum() < chunks)
        if "roc_auc" in values:
            assert values["roc_auc"] == pytest.approx(roc_auc_score(has, probabilities[:, number]), abs=1e-12)
            precision = average_precision_score(has, probabilities[:, number])
            assert values["pr_auc"] == pytest.approx(precision, abs=1e-12)
    for key in ("roc_auc", "pr_auc"):
        areas = [values[key] for values in table.per_class.values() if key in values]
        assert (key in table.scores) == bool(areas)
        if areas:
            assert getattr(table, key) == pytest.approx(np.mean(areas), abs=1e-12)
    for values in (table, evaluation.track):
        for score in values.scores.values():
            assert score.interval[0] <= score.value <= score.interval[1]
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_tied_probabilities_are_ranked_as_in_scikit_learn() -> None:
    probabilities, targets, tracks = make_predictions(60, 0)
    rounded = np.round(probabilities, 1)
    table = score_chunks(rounded, targets, tracks, CLASSES).chunk
    for number, values in enumerate(table.per_class.values()):
        if "roc_auc" in values:
            has = targets == number
            assert values["roc_auc"] == pytest.approx(roc_auc_score(has, rounded[:, number]), abs=1e-12)
            precision = average_precision_score(has, rounded[:, number])
            assert values["pr_auc"] == pytest.approx(precision, abs=1e-12)


def test_a_score_that_is_not_defined_is_left_out() -> None:
    """The areas under curves need items of two classes; what is stored has neither NaN nor null."""
    table = score_chunks([[0.9, 0.1, 0, 0]] * 3, [0, 0, 0], range(3), CLASSES).track
    assert {"accuracy", "ece", "macro_f1", "nll"} <= set(table.scores)
    assert not {"roc_auc", "pr_auc"} & set(table.scores)
    assert all("roc_auc" not in values for values in table.per_class.values())
    stored = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert "roc_auc_interval" not in stored
    with pytest.raises(AttributeError, match="there is no score 'roc_auc'"):
        _ = table.roc_auc


def test_a_track_is_predicted_by_the_mean_log_probability_of_its_chunks() -> None:
    # Two chunks are blues with a low margin. One is jazz with a high margin, and decides.
    probabilities = [[0.55, 0.45, 0, 0], [0.55, 0.45, 0, 0], [0.01, 0.99, 0, 0], [0, 0, 1, 0]]
    evaluation = score_chunks(probabilities, [1, 1, 1, 2], ["a", "a", "a", "b"], CLASSES)
    assert evaluation.chunk.accuracy == 0.5
    assert evaluation.track.accuracy == 1
    assert evaluation.track.count == 2


def test_one_wrong_chunk_of_probability_1_does_not_decide_for_its_track() -> None:
    probabilities = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert score_chunks(probabilities, [0, 0, 0], ["a"] * 3, CLASSES).track.accuracy == 1


def test_the_interval_is_over_tracks_and_has_its_coverage() -> None:
    covered = 0
    for seed in range(60):
        probabilities, targets, tracks = make_predictions(300, seed, right=0.55)
        table = score_chunks(probabilities, targets, tracks, CLASSES).chunk
        low, high = table.accuracy_interval
        assert low <= table.accuracy <= high
        covered += low <= 0.55 + 0.45 / 3 <= high
    assert covered >= 52  # 57 are expected
    # Many chunks of few tracks have little more information than one chunk per track.
    rows = np.repeat(np.arange(20), 50)
    probabilities = np.eye(4)[np.where(rows % 2, 0, 1)]
    few = score_chunks(probabilities, np.zeros(1000, int), rows, CLASSES).chunk.accuracy_interval
    many = score_chunks(probabilities, np.zeros(1000, int), np.arange(1000), CLASSES).chunk.accuracy_interval
    assert few[1] - few[0] > 4 * (many[1] - many[0])


def test_intervals_do_not_depend_on_the_order_or_the_seed() -> None:
    probabilities, targets, tracks = make_predictions(90, 0)
    order = np.random.default_rng(0).permutation(90)
    one = score_chunks(probabilities, targets, tracks, CLASSES, seed=1)
    other = score_chunks(probabilities[order], targets[order], tracks[order], CLASSES, seed=2)
    for key, (value, interval) in one.chunk.scores.items():
        assert other.chunk.scores[key].value == pytest.approx(value, abs=1e-12)
        assert other.chunk.scores[key].interval == pytest.approx(interval, abs=1e-9)


def test_intervals_are_over_units() -> None:
    """Tracks of one group are right or wrong together: then they count as one, in both tables."""
    groups = np.repeat(np.arange(20), 5)
    truth = groups % 3
    probabilities = np.eye(4)[np.where(groups % 4, truth, (truth + 1) % 3)] * 0.6 + 0.1
    arguments = probabilities, truth, np.arange(100), CLASSES
    alone, grouped = (score_chunks(*arguments, units=units) for units in (None, groups))
    one_each = score_chunks(probabilities[::5], truth[::5], np.arange(20), CLASSES)
    for key in ("accuracy", "macro_f1", "ece", "nll", "roc_auc", "pr_auc"):
        for table in ("chunk", "track"):
            low, high = getattr(getattr(grouped, table), f"{key}_interval")
            narrow, as_one = (getattr(each.track, f"{key}_interval") for each in (alone, one_each))
            assert high - low > 1.3 * (narrow[1] - narrow[0])
            assert high - low == pytest.approx(as_one[1] - as_one[0], rel=0.25)


def test_a_track_of_two_units_is_refused() -> None:
    with pytest.raises(ModelError, match=r"got several `units` for track b: give each track the name of its"):
        score_chunks([[1, 0, 0, 0]] * 3, [0, 0, 0], ["a", "b", "b"], CLASSES, units=["x", "x", "y"])


def test_units_of_another_length_are_refused() -> None:
    with pytest.raises(
        ModelError, match=r"a track and a unit for each chunk; got \(1, 4\), \(1,\), \(1,\) and \(2,\)"
    ):
        score_chunks([[1, 0, 0, 0]], [0], ["a"], CLASSES, units=["x", "y"])


@pytest.mark.parametrize("arrays", [([], [], []), ([[1, 0, 0]], [0], [0]), ([[1, 0, 0, 0]], [0, 1], [0, 0])])
def test_shapes_that_do_not_fit_are_refused(arrays: tuple[list, list, list]) -> None:
    with pytest.raises(ModelError, match="expected probabilities of shape"):
        score_chunks(*arrays, CLASSES)
