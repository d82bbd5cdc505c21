"""ScoreContract: what every score must do, as tests to inherit.

A score proves itself with one class::

    class TestMine(ScoreContract):
        name = "mine"
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.errors import RegistryError
from audiospec.zoo.scores.base import Items, Sample, Score, all_scores, key_of, scores


def made_items(
    classes: int = 4, tracks: int = 12, chunks: int = 3, *, right: float = 0.6, seed: int = 0
) -> Items:
    """Predictions of some chunks of some tracks; a share of them is right, none is sure."""
    random = np.random.default_rng(seed)
    track_of = np.repeat(np.arange(tracks), chunks)
    truth = random.integers(0, classes, tracks)[track_of]
    said = np.where(random.random(len(truth)) < right, truth, random.integers(0, classes, len(truth)))
    values = random.uniform(0.1, 1, (len(truth), classes)) + 2 * np.eye(classes)[said]
    return items_of(truth, values / values.sum(1, keepdims=True), track_of)


def items_of(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], track_of: NDArray[np.int64] | None = None
) -> Items:
    """Items of these arrays; each is a track of its own if nothing else is said."""
    track_of = np.arange(len(truth)) if track_of is None else track_of
    return Items(truth, probabilities.argmax(1), probabilities, track_of, int(track_of.max()) + 1)


class ScoreContract:
    """Tests that every score passes.

    Attributes
    ----------
    name : str
        The score's name in the registry.
    """

    name: ClassVar[str]

    def reference(self, truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float | None:
        """Return the score as somebody else computes it; None if nobody does."""
        return None

    def make(self) -> Score:
        """Return the score."""
        return scores[self.name]()

    def values(self, items: Items, draws: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the score of each resample, which is a finite number."""
        sample = Sample(items, draws)
        found = self.make().compute(sample)
        assert found.shape == (len(sample),)
        assert np.isfinite(found).all()
        for value in found:
            assert self.make().show(float(value))
        return found

    def value(self, items: Items) -> float:
        """Return the score of the items, each counted once."""
        return float(self.values(items)[0])

    # --- the registry --------------------------------------------------------------------------------

    def test_is_registered(self) -> None:
        """The registry knows it, it has a line about itself, and a key that nothing else has."""
        assert issubclass(scores[self.name], Score)
        assert self.name in scores.names()
        assert type(all_scores()[key_of(self.name)]) is scores[self.name]
        assert 0 < len(scores.summary(self.name)) <= 120
        with pytest.raises(RegistryError, match="no score is called"):
            scores[f"{self.name}x"]

    def test_has_a_title_and_a_best_value(self) -> None:
        """Which it can show."""
        score = self.make()
        assert score.title == score.title.strip() != ""
        assert "\n" not in score.title
        assert score.show(score.best)
        for wrong in (float("nan"), float("inf"), *([1.1, -0.1] if score.percent else [])):
            with pytest.raises(ValueError, match="a score is"):
                score.show(wrong)

    # --- values --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("classes", [2, 3, 10])
    def test_perfect_predictions_are_the_best(self, classes: int) -> None:
        """And wrong ones are worse, the more there are."""
        truth = np.arange(60) % classes
        probabilities = np.eye(classes)[truth]
        best = self.make().best
        assert self.value(items_of(truth, probabilities)) == pytest.approx(best, abs=1e-12)
        sign = 1 if self.make().higher_is_better else -1
        found = []
        for wrong in (0, 20, 40, 60):
            # The true class is the likeliest, or the least likely.
            first = truth + (np.arange(60) < wrong)
            ranks = (np.arange(classes) - first[:, None]) % classes
            values = 0.3**ranks
            found.append(sign * self.value(items_of(truth, values / values.sum(1, keepdims=True))))
        assert sign * best >= found[0] > found[-1]
        assert found == sorted(found, reverse=True)

    @pytest.mark.parametrize("seed", range(3))
    def test_is_the_reference(self, seed: int) -> None:
        """Where somebody else computes it, too."""
        items = made_items(tracks=40, seed=seed)
        expected = self.reference(items.truth, items.probabilities)
        if expected is not None:
            assert self.value(items) == pytest.approx(expected, abs=1e-9)

    def test_the_order_of_items_does_not_matter(self) -> None:
        """Nor that of tracks."""
        items = made_items()
        order = np.random.default_rng(1).permutation(len(items.truth))
        places = np.random.default_rng(2).permutation(items.tracks)
        other = items_of(items.truth[order], items.probabilities[order], places[items.track_of[order]])
        assert self.value(other) == pytest.approx(self.value(items), abs=1e-12)

    def test_a_resample_of_all_ones_is_the_items_themselves(self) -> None:
        """But for the last bits of a sum."""
        items = made_items()
        found = self.values(items, np.ones((3, items.tracks)))
        assert found == pytest.approx(self.value(items), rel=1e-12)

    def test_a_track_that_is_drawn_twice_counts_twice(self) -> None:
        """As if its items were there twice; one that is not drawn is not there."""
        items = made_items()
        random = np.random.default_rng(3)
        draws = random.multinomial(items.tracks, np.full(items.tracks, 1 / items.tracks), 8).astype(float)
        for found, draw in zip(self.values(items, draws), draws, strict=True):
            again = np.repeat(np.arange(len(items.truth)), draw[items.track_of].astype(int))
            repeated = items_of(items.truth[again], items.probabilities[again])
            assert found == pytest.approx(self.value(repeated), abs=1e-12)

    def test_a_resample_does_not_depend_on_the_others(self) -> None:
        """Alone, among others: one value."""
        items = made_items()
        draws = np.random.default_rng(4).integers(1, 4, (6, items.tracks)).astype(float)
        alone = [self.values(items, draws[i : i + 1])[0] for i in range(6)]
        assert self.values(items, draws) == pytest.approx(alone, abs=1e-12)

    @pytest.mark.parametrize("right", [0.0, 1.0])
    def test_is_finite_where_classes_are_missing(self, right: float) -> None:
        """One item; one class of many; probabilities of 0."""
        self.values(made_items(tracks=1, chunks=1, right=right))
        self.values(made_items(classes=30, tracks=3, right=right))
        zero = np.zeros(5, np.int64)
        self.values(items_of(zero, np.eye(3)[zero if right else zero + 2]))

    def test_leaves_the_arrays_alone(self) -> None:
        """It shares them with the other scores."""
        items = made_items()
        draws: Any = np.ones((4, items.tracks))
        sample = Sample(items, draws)
        arrays = (items.truth, items.predicted, items.probabilities, items.track_of, draws, sample.confusion)
        before = [array.copy() for array in arrays]
        self.make().compute(sample)
        for array, kept in zip(arrays, before, strict=True):
            assert np.array_equal(array, kept)
