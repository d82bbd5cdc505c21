"""Scores are compared with scikit-learn's; intervals are tested for their coverage."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

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
        assert list(values.values()) == pytest.approx([column[number] for column in expected])
    json.dumps(evaluation.to_dict(), allow_nan=False)


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


def test_the_same_seed_gives_the_same_interval() -> None:
    one, same, other = (score_chunks(*make_predictions(90, 0), CLASSES, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("arrays", [([], [], []), ([[1, 0, 0]], [0], [0]), ([[1, 0, 0, 0]], [0, 1], [0, 0])])
def test_shapes_that_do_not_fit_are_refused(arrays: tuple[list, list, list]) -> None:
    with pytest.raises(ModelError, match="expected probabilities of shape"):
        score_chunks(*arrays, CLASSES)
