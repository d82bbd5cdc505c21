"""Scores of several labels are compared with scikit-learn's; so are thresholds with every other one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support, roc_auc_score

from audiospec.errors import ModelError
from audiospec.zoo.scores.measuring.labels import choose_thresholds, score_labels

CLASSES = ["bell", "dog", "rain"]


def make_predictions(chunks: int, seed: int, digits: int = 9) -> tuple[np.ndarray, ...]:
    """Return labels, probabilities and tracks of chunks; three chunks have one track, and some no label."""
    random = np.random.default_rng(seed)
    truth = random.random((chunks, 3)) < [0.5, 0.3, 0.1]
    probabilities = np.round(0.4 * truth + 0.6 * random.random((chunks, 3)), digits)
    return truth, probabilities, np.arange(chunks) // 3


@given(st.integers(1, 60), st.integers(0, 99), st.integers(1, 9))
@settings(max_examples=30)
def test_scores_equal_scikit_learns(chunks: int, seed: int, digits: int) -> None:
    truth, probabilities, tracks = make_predictions(chunks, seed, digits)
    thresholds = np.array([0.5, 0.4, 0.6])
    evaluation = score_labels(probabilities, truth, tracks, CLASSES, thresholds=thresholds)
    table, predicted = evaluation.chunk, probabilities >= thresholds
    assert table.count == chunks
    known = np.flatnonzero(truth.any(0) & ~truth.all(0))
    assert ("map_macro" in table.scores) == ("roc_auc" in table.scores) == bool(len(known))
    if len(known):
        some = truth[:, known], probabilities[:, known]
        assert table.map_macro == pytest.approx(average_precision_score(*some, average="macro"), abs=1e-12)
        assert table.roc_auc == pytest.approx(roc_auc_score(*some, average="macro"), abs=1e-12)
    if truth.any() and not truth.all():
        micro = average_precision_score(truth, probabilities, average="micro")
        assert table.map_micro == pytest.approx(micro, abs=1e-12)
    if (truth | predicted).any():
        macro = f1_score(truth, predicted, average="macro", zero_division=np.nan)
        assert table.label_f1 == pytest.approx(macro, abs=1e-12)
        assert table.label_f1_micro == pytest.approx(f1_score(truth, predicted, average="micro"), abs=1e-12)
    expected = precision_recall_fscore_support(truth, predicted, zero_division=0)
    for number, values in enumerate(table.per_class.values()):
        of_label = [values[key] for key in ("precision", "recall", "f1", "support")]
        assert of_label == pytest.approx([column[number] for column in expected])
        assert values["threshold"] == thresholds[number]
        assert ("ap" in values) == ("roc_auc" in values) == (number in known)
        if number in known:
            one = truth[:, number], probabilities[:, number]
            assert values["ap"] == pytest.approx(average_precision_score(*one), abs=1e-12)
            assert values["roc_auc"] == pytest.approx(roc_auc_score(*one), abs=1e-12)
    for each in (table, evaluation.track):
        assert each.confusion == []
        for score in each.scores.values():
            assert 0 <= score.interval[0] <= score.value <= score.interval[1] <= 1
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_a_track_has_the_labels_of_any_chunk_and_the_mean_probability() -> None:
    truth = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0]], bool)
    probabilities = [[0.9, 0.1, 0.0], [0.3, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.6, 0.4]]
    thresholds = [[0.5, 0.5, 0.5], [0.7, 0.5, 0.5], [0.5, 0.5, 0.2], [0.5, 0.5, 0.3]]
    track = score_labels(probabilities, truth, ["a", "a", "b", "b"], CLASSES, thresholds=thresholds).track
    assert track.count == 2
    # The mean of bell is 0.6 and that of its thresholds, too: so it is predicted. Rain is, by 0.3 and 0.25.
    assert [values["recall"] for values in track.per_class.values()] == [1, 1, 0]
    assert [values["support"] for values in track.per_class.values()] == [1, 1, 0]
    assert [values["precision"] for values in track.per_class.values()] == [1, 1, 0]
    assert track.per_class["rain"]["threshold"] == pytest.approx(0.375)
    assert track.label_f1_micro == pytest.approx(4 / 5)


def test_without_labels_or_predictions_there_are_no_scores() -> None:
    table = score_labels(np.zeros((4, 3)), np.zeros((4, 3)), range(4), CLASSES).chunk
    assert table.scores == {}
    assert table.to_dict()["per_class"]["dog"]["support"] == 0


def test_intervals_are_over_units() -> None:
    """Copies of a chunk in one group add nothing."""
    truth, probabilities, _ = make_predictions(40, 0)
    copied = np.repeat(np.arange(40), 5)
    one_each = score_labels(probabilities, truth, np.arange(40), CLASSES).chunk
    grouped = score_labels(probabilities[copied], truth[copied], np.arange(200), CLASSES, units=copied).chunk
    alone = score_labels(probabilities[copied], truth[copied], np.arange(200), CLASSES).chunk
    for key in ("map_macro", "map_micro", "roc_auc", "label_f1", "label_f1_micro"):
        widths = [
            table.scores[key].interval[1] - table.scores[key].interval[0]
            for table in (one_each, grouped, alone)
        ]
        assert 0.6 * widths[0] < widths[1] < 1.1 * widths[0]
        assert widths[2] < 0.8 * widths[1]


def f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Harmonic mean of precision and recall; scikit-learn's takes a millisecond."""
    right = (truth & predicted).sum()
    return 0.0 if not right else 2 / (predicted.sum() / right + truth.sum() / right)


@given(st.integers(1, 40), st.integers(0, 99), st.integers(1, 9))
@settings(max_examples=20)
def test_no_other_threshold_has_a_higher_f1(items: int, seed: int, digits: int) -> None:
    truth, probabilities, _ = make_predictions(items, seed, digits)
    thresholds = choose_thresholds(truth, probabilities)
    for has, values, threshold in zip(truth.T, probabilities.T, thresholds, strict=True):
        if not has.any() or has.all():
            assert threshold == 0.5
            continue
        best = max(f1(has, values >= other) for other in np.unique(values))
        assert f1(has, values >= threshold) == pytest.approx(best, abs=1e-12)
        # It is between two probabilities, so that none is at its edge by chance.
        assert threshold not in values or threshold == 0


def test_a_threshold_between_neighbours_takes_the_upper_one_alone() -> None:
    upper = np.nextafter(0.5, 1)
    thresholds = choose_thresholds(np.array([[True], [False]]), np.array([[upper], [0.5]]))
    assert thresholds[0] == upper


@pytest.mark.parametrize(
    ("probabilities", "truth", "tracks"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), []),
        (np.zeros((2, 2)), np.zeros((2, 2)), [0, 1]),
        (np.zeros((2, 3)), np.zeros((1, 3)), [0, 1]),
        (np.zeros((2, 3)), np.zeros((2, 3)), [0]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(probabilities, truth, tracks) -> None:
    with pytest.raises(ModelError, match=r"expected probabilities and labels of shape \(chunks, 3\)"):
        score_labels(probabilities, truth, tracks, CLASSES)


def test_thresholds_and_units_that_do_not_fit_are_refused() -> None:
    arguments = np.zeros((2, 3)), np.zeros((2, 3)), ["a", "a"], CLASSES
    with pytest.raises(ModelError, match=r"one for each of 3 classes; got some of shape \(2,\)"):
        score_labels(*arguments, thresholds=[0.5, 0.5])
    with pytest.raises(ModelError, match="got several `units` for track a"):
        score_labels(*arguments, units=["x", "y"])
    with pytest.raises(ModelError, match=r"of one shape \(items, classes\); got \(2, 3\) and \(2, 2\)"):
        choose_thresholds(np.zeros((2, 3)), np.zeros((2, 2)))
