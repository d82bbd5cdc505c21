"""Score: the base class of the scores of predictions; the registry of scores.

A score is a class under ``@scores.register``, in a file of `audiospec.zoo.scores` or in another package
(entry point ``audiospec.scores``). All registered scores are computed, stored and shown wherever a model is
scored.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import RegistryError
from audiospec.registry import Registry
from audiospec.zoo.scores.measuring.bootstrap import interval as percentile_interval
from audiospec.zoo.scores.measuring.intervals import of_resampled_share, unit_size
from audiospec.zoo.scores.measuring.ranking import Ranking

scores: Registry[type[Score]] = Registry("score", "audiospec.zoo.scores", "audiospec.scores")

#: Key of the main score, which leaderboards rank by. It is a share, and higher is better.
MAIN: Final = "macro_f1"
#: Column of a network's history → name of the score in the registry. Each epoch has these scores.
EPOCH_SCORES: Final = {"accuracy": "accuracy", "f1": "macro-f1"}

#: Keys of a stored table of scores that are not scores.
_RESERVED = ("count", "per_class", "confusion", "scores")


@dataclass(frozen=True, eq=False)
class Items:
    """Chunks or tracks to score: true classes and a model's predictions.

    Attributes
    ----------
    truth, predicted : ndarray of int, shape (items,)
        Class numbers.
    probabilities : ndarray of float64, shape (items, classes)
        Each row adds up to 1.
    unit_of : ndarray of int, shape (items,)
        Number of each item's unit: its track, or its group where tracks are in groups. Resamples draw units.
    units : int
        Number of units.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    unit_of: NDArray[np.int64]
    units: int

    @cached_property
    def confusion_parts(self) -> NDArray[np.float64]:
        """Each unit's part of the confusion matrix: (units, classes × classes)."""
        classes = self.probabilities.shape[1]
        # In float64 such counts are exact, and matrix products are many times as fast as those of integers.
        parts = np.zeros((self.units, classes * classes))
        np.add.at(parts, (self.unit_of, self.truth * classes + self.predicted), 1)
        return parts

    @cached_property
    def ranking(self) -> Ranking:
        """The items in the order of each class's probability."""
        return Ranking(self.truth, self.probabilities)

    @cached_property
    def unit_size(self) -> float:
        """How many items the unit of an item has, on average over the items."""
        return unit_size(self.unit_of, self.units)


class Sample:
    """Items in `n` resamples: each item counts as often as its unit was drawn.

    Parameters
    ----------
    items : Items
    draws : ndarray of float64, shape (n, units)
        How often each unit is in each resample. None: one resample that has each unit once.
    """

    def __init__(self, items: Items, draws: NDArray[np.float64] | None = None) -> None:
        self._items = items
        self._draws = np.ones((1, items.units)) if draws is None else draws
        self._once = draws is None

    def __len__(self) -> int:
        """Return the number of resamples, n."""
        return len(self._draws)

    @property
    def truth(self) -> NDArray[np.int64]:
        """True class number of each item, shape (items,)."""
        return self._items.truth

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Predicted class number of each item, shape (items,)."""
        return self._items.predicted

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities (items, classes); each row adds up to 1."""
        return self._items.probabilities

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How often each item is in each resample: (n, items). `mean` and `total` need less memory."""
        return self._draws[:, self._items.unit_of]

    @cached_property
    def confusion(self) -> NDArray[np.float64]:
        """Confusion matrices (n, true class, predicted class): whole numbers."""
        classes = self.probabilities.shape[1]
        # The matrix of a resample is a weighted sum of the units' parts.
        return (self._draws @ self._items.confusion_parts).reshape(-1, classes, classes)

    @cached_property
    def roc_areas(self) -> NDArray[np.float64]:
        """Area under the ROC curve of each class that some items have, and some not: (n, such classes).

        It is NaN where a resample has no such items.
        """
        ranking = self._items.ranking
        return ranking.roc[None] if self._once else ranking.roc_areas(self.weights)

    @cached_property
    def pr_areas(self) -> NDArray[np.float64]:
        """Average precision of each class that some items have, and some not; see `roc_areas`."""
        ranking = self._items.ranking
        return ranking.pr[None] if self._once else ranking.pr_areas(self.weights)

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum over each resample (n,) of one value per item (items,)."""
        by_unit = np.bincount(self._items.unit_of, values, self._items.units)
        sums: NDArray[np.float64] = self._draws @ by_unit
        return sums

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean over each resample (n,) of one value per item (items,)."""
        return self.total(values) / self.total(np.ones(len(values)))


class Score(ABC):
    """A measure of predictions, as one number.

    Attributes
    ----------
    title : str
        Displayed name, such as ``"macro F1"``.
    percent : bool
        True: a share of 0 to 1, displayed in percent. False: a plain number.
    higher_is_better : bool
    best : float
        The score if every prediction is correct with probability 1.
    always_defined : bool
        False: some items have no such score, and `compute` returns NaN for them.
    """

    title: str
    percent: bool = True
    higher_is_better: bool = True
    best: float = 1.0
    always_defined: bool = True

    @abstractmethod
    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Return the score of each resample: (n,), finite; see `always_defined`.

        Parameters
        ----------
        sample : Sample
            Shared with other scores; its arrays must not be changed.
        """

    def interval(
        self, items: Items, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the ends of the 95 % interval of the items' score.

        By default it is from resamples of the units: Wilson's interval with the number of items that gives
        their variance for a share, the percentile interval for a plain number. A score whose interval can be
        computed, or covers more often by another method, returns that one.

        Parameters
        ----------
        items : Items
            Shared with other scores; its arrays must not be changed.
        value : float
            The score of the items.
        resampled : callable
            Returns the scores of resamples of the units, finite, shape (resamples,). They are computed when
            it is called.
        """
        if self.percent:
            return of_resampled_share(value, resampled(), items.units, len(items.truth))
        low, high = percentile_interval(resampled())
        return min(low, value), max(high, value)

    def show(self, value: float) -> str:
        """Return a value as text: a share as ``"91.6"``, a plain number as ``"0.312"``.

        Raises
        ------
        ValueError
            The value is not finite, or not a share although the score is one.
        """
        if self.percent:
            return format_percent(value)
        if not math.isfinite(value):
            raise ValueError(f"a score must be finite; got {value}")
        return f"{value:.3f}"

    def show_interval(self, value: float, interval: Sequence[float]) -> str:
        """Return a value and its interval as text, such as ``"91.6 (88.0 to 94.5)"``."""
        low, high = map(self.show, interval)
        return f"{self.show(value)} ({low} to {high})"


class ConfusionScore(Score):
    """A score that depends only on the confusion matrix."""

    @abstractmethod
    def of_confusion(self, matrices: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores (n,) of confusion matrices (n, true class, predicted class)."""

    def compute(self, sample: Sample) -> NDArray[np.float64]:
        """Return the score of each resample: (n,)."""
        return self.of_confusion(sample.confusion)


def format_percent(share: float) -> str:
    """Return a share of 0 to 1 in percent, such as ``"91.6"``.

    Raises
    ------
    ValueError
        The value is not from 0 to 1.
    """
    if not -1e-9 <= share <= 1 + 1e-9:
        raise ValueError(f"a score must be from 0 to 1; got {share}")
    return f"{100 * share:.1f}"


def key_of(name: str) -> str:
    """Return the key that a score is stored under: its name in the registry, with underscores."""
    return name.replace("-", "_")


def all_scores() -> dict[str, Score]:
    """Return an instance of every registered score, by its key.

    Raises
    ------
    RegistryError
        Two scores have one key, or the key of one is reserved.
    """
    every = scores.names()
    names = {key_of(name): name for name in every}
    if len(names) < len(every):
        raise RegistryError(
            f"two scores have one key (there are: {', '.join(every)})", "uninstall one of the two packages"
        )
    for key, name in names.items():
        if key in _RESERVED or key.endswith("_interval"):
            raise RegistryError(
                f"score {name!r} has a name that is reserved in stored tables of scores", "rename it"
            )
    return {key: scores[name]() for key, name in names.items()}
