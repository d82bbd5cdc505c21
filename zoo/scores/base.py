"""Score: the base class of the scores of predictions; the registry of scores.

A score is a class under ``@scores.register``, in a file of `audiospec.zoo.scores` or in another package
(entry point ``audiospec.scores``). All registered scores of a target are computed, stored and shown wherever
a model of the target is scored.

Each target has its class of items: `Items` of one class each, and `LabelItems`, `NumberItems` and
`EventItems` of `audiospec.zoo.scores.measuring`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import RegistryError, nearest
from audiospec.registry import Registry
from audiospec.zoo.scores.measuring.bootstrap import interval as percentile_interval
from audiospec.zoo.scores.measuring.intervals import of_resampled_share
from audiospec.zoo.scores.measuring.units import RankedItems, RankedSample

scores: Registry[type[Score]] = Registry("score", "audiospec.zoo.scores", "audiospec.scores")

#: Key of the main score of one class an item, which leaderboards rank by. It is a share, and higher is
#: better.
MAIN: Final = "macro_f1"
#: Target → key of its main score, of which higher is better. For numbers it is the concordance correlation:
#: it falls with noise, bias and a wrong scale alike, as R² does, but is never below -1. R² has no lower end,
#: so one bad fold would decide a mean over folds.
MAIN_SCORES: Final = {"single": MAIN, "multi-label": "map_macro", "number": "ccc", "frames": "event_f1"}
#: Column of a network's history → name of the score in the registry. Each epoch has these scores.
EPOCH_SCORES: Final = {"accuracy": "accuracy", "f1": "macro-f1"}

#: Keys of a stored table of scores that are not scores.
_RESERVED = ("count", "per_class", "confusion", "scores")


@dataclass(frozen=True, eq=False)
class Items(RankedItems):
    """Chunks or tracks of one class each to score: true classes and a model's predictions.

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

    def sample(self, draws: NDArray[np.float64] | None = None) -> Sample:
        """Return the items in resamples of their units; None: one that has each unit once."""
        return Sample(self, draws)


class Sample(RankedSample):
    """Items of one class each in `n` resamples: each item counts as often as its unit was drawn.

    Parameters
    ----------
    items : Items
    draws : ndarray of float64, shape (n, units)
        How often each unit is in each resample. None: one resample that has each unit once.
    """

    def __init__(self, items: Items, draws: NDArray[np.float64] | None = None) -> None:
        super().__init__(items, draws)
        self._items = items

    @property
    def truth(self) -> NDArray[np.int64]:
        """True class number of each item, shape (items,)."""
        return self._items.truth

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Predicted class number of each item, shape (items,)."""
        return self._items.predicted

    @cached_property
    def confusion(self) -> NDArray[np.float64]:
        """Confusion matrices (n, true class, predicted class): whole numbers."""
        classes = self.probabilities.shape[1]
        # The matrix of a resample is a weighted sum of the units' parts.
        return (self._draws @ self._items.confusion_parts).reshape(-1, classes, classes)


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
    targets : tuple of str
        Targets that the score is of; see `audiospec.annotations.annotation.TARGETS`.
    """

    targets: ClassVar[tuple[str, ...]] = ("single",)
    title: str
    percent: bool = True
    higher_is_better: bool = True
    best: float = 1.0
    always_defined: bool = True

    @abstractmethod
    def compute(self, sample: Any) -> NDArray[np.float64]:
        """Return the score of each resample: (n,), finite; see `always_defined`.

        Parameters
        ----------
        sample : Sample, LabelSample, NumberSample or EventSample
            That of the score's targets. Shared with other scores; its arrays must not be changed.
        """

    def interval(
        self, items: Any, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the ends of the 95 % interval of the items' score.

        By default it is from resamples of the units: Wilson's interval with the number of items that gives
        their variance for a share, the percentile interval for a plain number. A score whose interval can be
        computed, or covers more often by another method, returns that one.

        Parameters
        ----------
        items : Items, LabelItems, NumberItems or EventItems
            Those of the score's targets. Shared with other scores; their arrays must not be changed.
        value : float
            The score of the items.
        resampled : callable
            Returns the scores of resamples of the units, finite, shape (resamples,). They are computed when
            it is called.
        """
        if self.percent:
            return of_resampled_share(value, resampled(), items.units, len(items))
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


def main_key(target: str) -> str:
    """Return the key of a target's main score, which leaderboards rank by; higher is better.

    Raises
    ------
    RegistryError
        There is no such target.
    """
    if target not in MAIN_SCORES:
        raise RegistryError(
            f"no target is called {target!r}{nearest(target, MAIN_SCORES)} "
            f"(there are: {', '.join(MAIN_SCORES)})"
        )
    return MAIN_SCORES[target]


def all_scores(target: str = "single") -> dict[str, Score]:
    """Return an instance of every registered score of a target, by its key.

    Raises
    ------
    RegistryError
        There is no such target, two scores have one key, or the key of one is reserved.
    """
    main_key(target)
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
    return {key: scores[name]() for key, name in names.items() if target in scores[name].targets}
