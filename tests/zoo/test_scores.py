"""Scores against scikit-learn's, and intervals against what they mean."""

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


def made(chunks: int, seed: int, right: float = 0.6, per_track: int = 3) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    tracks = np.arange(chunks) // per_track
    targets = random.integers(0, 3, tracks[-1] + 1)[tracks]
    said = np.where(random.random(chunks) < right, targets, random.integers(0, 3, chunks))
    probabilities = random.random((chunks, 4)) + 3 * np.eye(4)[said]
    return probabilities / probabilities.sum(1, keepdims=True), targets, tracks


@given(st.integers(1, 60), st.integers(0, 99), st.floats(0, 1))
def test_figures_are_scikit_learns(chunks: int, seed: int, right: float) -> None:
    probabilities, targets, tracks = made(chunks, seed, right)
    found = score_chunks(probabilities, targets, tracks, CLASSES)
    said = probabilities.argmax(1)
    assert found.chunk.count == chunks
    assert found.chunk.accuracy == pytest.approx(accuracy_score(targets, said))
    assert found.chunk.macro_f1 == pytest.approx(f1_score(targets, said, average="macro", zero_division=0))
    assert found.chunk.confusion == confusion_matrix(targets, said, labels=range(4)).tolist()
    table = precision_recall_fscore_support(targets, said, labels=range(4), zero_division=0)
    for number, values in enumerate(found.chunk.per_class.values()):
        assert list(values.values()) == pytest.approx([column[number] for column in table])
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_track_is_the_mean_of_its_chunks_log_probabilities() -> None:
    # Two hesitant chunks say blues; one that is sure says jazz, and decides.
    probabilities = [[0.55, 0.45, 0, 0], [0.55, 0.45, 0, 0], [0.01, 0.99, 0, 0], [0, 0, 1, 0]]
    found = score_chunks(probabilities, [1, 1, 1, 2], ["a", "a", "a", "b"], CLASSES)
    assert found.chunk.accuracy == 0.5
    assert found.track.accuracy == 1
    assert found.track.count == 2


def test_one_sure_and_wrong_chunk_does_not_decide_alone() -> None:
    probabilities = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert score_chunks(probabilities, [0, 0, 0], ["a"] * 3, CLASSES).track.accuracy == 1


def test_the_interval_is_over_tracks_and_covers() -> None:
    covered = 0
    for seed in range(60):
        probabilities, targets, tracks = made(300, seed, right=0.55)
        found = score_chunks(probabilities, targets, tracks, CLASSES).chunk
        low, high = found.accuracy_interval
        assert low <= found.accuracy <= high
        covered += low <= 0.55 + 0.45 / 3 <= high
    assert covered >= 52  # 57 are expected
    # Many chunks of few tracks tell little more than one each.
    rows = np.repeat(np.arange(20), 50)
    probabilities = np.eye(4)[np.where(rows % 2, 0, 1)]
    few = score_chunks(probabilities, np.zeros(1000, int), rows, CLASSES).chunk.accuracy_interval
    many = score_chunks(probabilities, np.zeros(1000, int), np.arange(1000), CLASSES).chunk.accuracy_interval
    assert few[1] - few[0] > 4 * (many[1] - many[0])


def test_the_same_seed_gives_the_same_interval() -> None:
    one, same, other = (score_chunks(*made(90, 0), CLASSES, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("wrong", [([], [], []), ([[1, 0, 0]], [0], [0]), ([[1, 0, 0, 0]], [0, 1], [0, 0])])
def test_what_does_not_fit(wrong: tuple[list, list, list]) -> None:
    with pytest.raises(ModelError, match="expected probabilities of shape"):
        score_chunks(*wrong, CLASSES)
