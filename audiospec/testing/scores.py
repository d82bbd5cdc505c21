"""ScoreContract: the tests that every score must pass, as a class to inherit from.

A score is tested by one subclass for each of its targets: `ScoreContract` is that of one class an item, and
those of other targets are in `audiospec.testing.target_scores`::

    class TestMine(ScoreContract):
        name = "mine"
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.errors import RegistryError
from audiospec.zoo.scores.base import Items, Score, all_scores, key_of, scores
from audiospec.zoo.scores.measuring.bootstrap import draw_tracks

#: Items of any target: `Items`, `LabelItems`, `NumberItems` or `EventItems`.
AnyItems = TypeVar("AnyItems", bound=Any)


def made_items(
    classes: int = 4, tracks: int = 12, chunks: int = 3, *, right: float = 0.6, seed: int = 0
) -> Items:
    """Return random predictions of the chunks of some tracks.

    Parameters
    ----------
    classes, tracks : int
    chunks : int
        Chunks per track.
    right : float
        Share of correct predictions; the others are random classes. No probability is 0 or 1.
    seed : int
    """
    random = np.random.default_rng(seed)
    track_of = np.repeat(np.arange(tracks), chunks)
    truth = random.integers(0, classes, tracks)[track_of]
    predicted = np.where(random.random(len(truth)) < right, truth, random.integers(0, classes, len(truth)))
    values = random.uniform(0.1, 1, (len(truth), classes)) + 2 * np.eye(classes)[predicted]
    return items_of(truth, values / values.sum(1, keepdims=True), track_of)


def items_of(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], track_of: NDArray[np.int64] | None = None
) -> Items:
    """Return items with these arrays; without `track_of`, each item is a separate track."""
    track_of = np.arange(len(truth)) if track_of is None else track_of
    return Items(truth, probabilities.argmax(1), probabilities, track_of, int(track_of.max()) + 1)


def taken(items: AnyItems, numbers: NDArray[np.int64], unit_of: NDArray[np.int64]) -> AnyItems:
    """Return some of the items, which may repeat, in other units.

    Parameters
    ----------
    items : Items, LabelItems, NumberItems or EventItems
    numbers : ndarray of int, shape (n,)
        Which items to take.
    unit_of : ndarray of int, shape (n,)
        The unit of each.
    """
    changes: dict[str, Any] = {"unit_of": unit_of, "units": int(unit_of.max()) + 1}
    for name in ("truth", "predicted", "probabilities", "thresholds", "files"):
        value = getattr(items, name, None) if name in {field.name for field in fields(items)} else None
        if value is not None:
            changes[name] = value[numbers] if isinstance(value, np.ndarray) else [value[i] for i in numbers]
    return replace(items, **changes)


class AnyScoreContract:
    """Tests that every score passes; inherit from that of a target.

    Attributes
    ----------
    name : str
        The score's name in the registry.
    target : str
        The target whose items it is tested on.
    """

    name: ClassVar[str]
    target: ClassVar[str]

    def made(self, tracks: int = 12, chunks: int = 3, seed: int = 0) -> Any:
        """Return random predictions of the chunks of some tracks, right more often than by chance."""
        raise NotImplementedError

    def expected(self, items: Any) -> float | None:
        """Return the score of items as another library computes it; None if there is no reference."""
        return None

    def make(self) -> Score:
        """Return the score."""
        return scores[self.name]()

    def values(self, items: AnyItems, draws: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the score of each resample, after a check that it is finite and can be displayed.

        A score that is not `always_defined` may be NaN.
        """
        sample, score = items.sample(draws), self.make()
        values = score.compute(sample)
        assert values.shape == (len(sample),)
        defined = values if score.always_defined else values[~np.isnan(values)]
        assert np.isfinite(defined).all()
        for value in defined:
            assert score.show(float(value))
        return values

    def interval(self, items: AnyItems) -> tuple[float, float, float]:
        """Return the interval's low end, the score and the high end, after a check that they can be shown."""
        score, draws = self.make(), draw_tracks(items.units, 0)[:200]
        value = self.value(items)
        low, high = score.interval(items, value, lambda: self.values(items, draws))
        assert low <= value <= high
        assert score.show_interval(value, (low, high))
        return low, value, high

    def value(self, items: AnyItems) -> float:
        """Return the score of the items, each counted once."""
        return float(self.values(items)[0])

    # --- the registry --------------------------------------------------------------------------------

    def test_is_registered(self) -> None:
        """The registry has the score, with a summary in one line and a key of its own."""
        assert issubclass(scores[self.name], Score)
        assert self.name in scores.names()
        assert self.target in scores[self.name].targets
        assert type(all_scores(self.target)[key_of(self.name)]) is scores[self.name]
        assert 0 < len(scores.summary(self.name)) <= 120
        with pytest.raises(RegistryError, match="no score is called"):
            scores[f"{self.name}x"]

    def test_has_a_title_and_a_best_value(self) -> None:
        """`show` displays the best value, and refuses impossible values."""
        score = self.make()
        assert score.title == score.title.strip() != ""
        assert "\n" not in score.title
        assert score.show(score.best)
        for impossible in (float("nan"), float("inf"), *([1.1, -0.1] if score.percent else [])):
            with pytest.raises(ValueError, match="a score must be"):
                score.show(impossible)

    # --- intervals -----------------------------------------------------------------------------------

    def test_the_interval_contains_the_score(self) -> None:
        """It contains the score of the items, and is a point only if resamples are."""
        for seed in range(3):
            low, _, high = self.interval(self.made(tracks=40, seed=seed))
            assert low < high

    def test_the_interval_is_over_tracks(self) -> None:
        """Copies of a track's chunks add no information, and tracks do."""
        few, many = self.made(tracks=20, chunks=1), self.made(tracks=200, chunks=1)
        copied = np.repeat(np.arange(20), 10)
        copies = taken(few, copied, copied)
        widths = [high - low for low, _, high in map(self.interval, (few, copies, many))]
        assert widths[1] > 0.7 * widths[0]
        assert widths[2] < 0.7 * widths[0]

    # --- values --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(3))
    def test_is_the_reference(self, seed: int) -> None:
        """The score equals that of another library, if there is one."""
        items = self.made(tracks=40, seed=seed)
        expected = self.expected(items)
        if expected is not None:
            assert self.value(items) == pytest.approx(expected, abs=1e-9)

    def test_the_order_of_items_does_not_matter(self) -> None:
        """Neither the order of items nor that of tracks changes the score."""
        items = self.made()
        order = np.random.default_rng(1).permutation(len(items))
        new_numbers = np.random.default_rng(2).permutation(items.units)
        shuffled = taken(items, order, new_numbers[items.unit_of[order]])
        assert self.value(shuffled) == pytest.approx(self.value(items), abs=1e-12)

    def test_a_resample_of_all_ones_is_the_items_themselves(self) -> None:
        """Drawing each track once gives the score of the items, except for rounding."""
        items = self.made()
        values = self.values(items, np.ones((3, items.units)))
        assert values == pytest.approx(self.value(items), rel=1e-12)

    def test_a_track_that_is_drawn_twice_counts_twice(self) -> None:
        """A resample has the score of its items, repeated as often as their tracks were drawn."""
        items = self.made()
        random = np.random.default_rng(3)
        draws = random.multinomial(items.units, np.full(items.units, 1 / items.units), 8).astype(float)
        for value, draw in zip(self.values(items, draws), draws, strict=True):
            drawn = np.repeat(np.arange(len(items)), draw[items.unit_of].astype(int))
            repeated = taken(items, drawn, np.arange(len(drawn)))
            assert value == pytest.approx(self.value(repeated), abs=1e-12)

    def test_a_resample_does_not_depend_on_the_others(self) -> None:
        """The score of a resample is the same alone and together with others."""
        items = self.made()
        draws = np.random.default_rng(4).integers(1, 4, (6, items.units)).astype(float)
        alone = [self.values(items, draws[i : i + 1])[0] for i in range(6)]
        assert self.values(items, draws) == pytest.approx(alone, abs=1e-12)

    def test_of_one_item(self) -> None:
        """One item has a finite score, or none."""
        self.values(self.made(tracks=1, chunks=1))

    def test_leaves_the_arrays_alone(self) -> None:
        """`compute` does not change its arrays, because other scores use them too."""
        items = self.made()
        draws: Any = np.ones((4, items.units))
        arrays = [getattr(items, field.name) for field in fields(items)]
        arrays = [draws, *(array for array in arrays if isinstance(array, np.ndarray))]
        copies = [array.copy() for array in arrays]
        self.make().compute(items.sample(draws))
        for array, copy in zip(arrays, copies, strict=True):
            assert np.array_equal(array, copy)


class ScoreContract(AnyScoreContract):
    """Tests that every score of one class an item passes.

    Attributes
    ----------
    name : str
        The score's name in the registry.
    """

    target = "single"

    def reference(self, truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float | None:
        """Return the score of items as another library computes it; None if there is no reference."""
        return None

    def expected(self, items: Items) -> float | None:
        """Return `reference`."""
        return self.reference(items.truth, items.probabilities)

    def made(self, tracks: int = 12, chunks: int = 3, seed: int = 0) -> Items:
        """Return random predictions; see `made_items`."""
        return made_items(tracks=tracks, chunks=chunks, seed=seed)

    @pytest.mark.parametrize("classes", [2, 3, 10])
    def test_perfect_predictions_are_the_best(self, classes: int) -> None:
        """Perfect predictions have the best score, and more wrong ones have a worse one."""
        truth = np.arange(60) % classes
        probabilities = np.eye(classes)[truth]
        best = self.make().best
        assert self.value(items_of(truth, probabilities)) == pytest.approx(best, abs=1e-12)
        sign = 1 if self.make().higher_is_better else -1
        values = []
        for wrong in (0, 20, 40, 60):
            # A right prediction has the true class as the most likely one, a wrong one as the least likely.
            first = truth + (np.arange(60) < wrong)
            ranks = (np.arange(classes) - first[:, None]) % classes
            shares = 0.3**ranks
            values.append(sign * self.value(items_of(truth, shares / shares.sum(1, keepdims=True))))
        assert sign * best >= values[0] > values[-1]
        assert values == sorted(values, reverse=True)

    @pytest.mark.parametrize("right", [0.0, 1.0])
    def test_is_finite_where_classes_are_missing(self, right: float) -> None:
        """The score is finite for one item, for few of many classes, and for probabilities of 0."""
        self.values(made_items(tracks=1, chunks=1, right=right))
        self.values(made_items(classes=30, tracks=3, right=right))
        zero = np.zeros(5, np.int64)
        self.values(items_of(zero, np.eye(3)[zero if right else zero + 2]))
