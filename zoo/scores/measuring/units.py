"""Items whose units are drawn, and resamples of them: what the items and samples of all targets have."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.intervals import unit_size
from audiospec.zoo.scores.measuring.ranking import Ranking


class UnitItems:
    """Items to score, each of one unit.

    Attributes
    ----------
    unit_of : ndarray of int, shape (items,)
        Number of each item's unit: its track, or its group where tracks are in groups. Resamples draw units.
    units : int
        Number of units.
    """

    unit_of: NDArray[np.int64]
    units: int

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.unit_of)

    @cached_property
    def unit_size(self) -> float:
        """How many items the unit of an item has, on average over the items."""
        return unit_size(self.unit_of, self.units)

    def sample(self, draws: NDArray[np.float64] | None = None) -> UnitSample:
        """Return the items in resamples of their units.

        Parameters
        ----------
        draws : ndarray of float64, shape (n, units)
            How often each unit is in each resample. None: one resample that has each unit once.
        """
        raise NotImplementedError


class UnitSample:
    """Items in `n` resamples: each item counts as often as its unit was drawn.

    Parameters
    ----------
    items : UnitItems
    draws : ndarray of float64, shape (n, units)
        How often each unit is in each resample. None: one resample that has each unit once.
    """

    def __init__(self, items: UnitItems, draws: NDArray[np.float64] | None = None) -> None:
        self._unit_items = items
        self._draws = np.ones((1, items.units)) if draws is None else draws
        self._once = draws is None

    def __len__(self) -> int:
        """Return the number of resamples, n."""
        return len(self._draws)

    @property
    def draws(self) -> NDArray[np.float64]:
        """How often each unit is in each resample: (n, units)."""
        return self._draws

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How often each item is in each resample: (n, items). `mean` and `total` need less memory."""
        return self._draws[:, self._unit_items.unit_of]

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum over each resample (n,) of one value per item (items,)."""
        by_unit = np.bincount(self._unit_items.unit_of, values, self._unit_items.units)
        sums: NDArray[np.float64] = self._draws @ by_unit
        return sums

    def totals(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sums over each resample (n, columns) of some values per item (items, columns)."""
        by_unit = np.zeros((self._unit_items.units, values.shape[1]))
        np.add.at(by_unit, self._unit_items.unit_of, values)
        sums: NDArray[np.float64] = self._draws @ by_unit
        return sums

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean over each resample (n,) of one value per item (items,)."""
        return self.total(values) / self.total(np.ones(len(values)))


class ScoredItems(UnitItems):
    """Items with something that each truly is.

    Attributes
    ----------
    truth : ndarray, shape (items, ...)
        A class number, whether the item has each label, or a number.
    """

    truth: NDArray[Any]


class RankedItems(ScoredItems):
    """Items with a probability of each class.

    Attributes
    ----------
    truth : ndarray of int, shape (items,), or of bool, shape (items, classes)
        The class of each item, or whether it has each class.
    probabilities : ndarray of float64, shape (items, classes)
    """

    probabilities: NDArray[np.float64]

    @cached_property
    def ranking(self) -> Ranking:
        """The items in the order of each class's probability."""
        return Ranking(self.truth, self.probabilities)

    @property
    def class_and_unit(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Class and unit of each item's classes: of one class an item, or of several."""
        if self.truth.ndim == 1:
            return self.truth, self.unit_of
        items, classes = np.nonzero(self.truth)
        return classes, self.unit_of[items]


class RankedSample(UnitSample):
    """Resamples of items with a probability of each class; for the parameters see `UnitSample`."""

    def __init__(self, items: RankedItems, draws: NDArray[np.float64] | None = None) -> None:
        super().__init__(items, draws)
        self._ranked = items

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities (items, classes)."""
        return self._ranked.probabilities

    @cached_property
    def roc_areas(self) -> NDArray[np.float64]:
        """Area under the ROC curve of each class that some items have, and some not: (n, such classes).

        It is NaN where a resample has no such items.
        """
        ranking = self._ranked.ranking
        return ranking.roc[None] if self._once else ranking.roc_areas(self.weights)

    @cached_property
    def pr_areas(self) -> NDArray[np.float64]:
        """Average precision of each class that some items have, and some not; see `roc_areas`."""
        ranking = self._ranked.ranking
        return ranking.pr[None] if self._once else ranking.pr_areas(self.weights)
