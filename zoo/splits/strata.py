"""Strata: how much of each label, or of each range of numbers, some tracks, rows or units have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Strata:
    """What items (tracks, rows or units) are stratified by: a sparse table, sorted by item and name.

    Attributes
    ----------
    names : tuple of str
        Labels, sorted; for numbers, the ranges that they are in.
    item, name : ndarray of int64, shape (n,)
        Number of an item, and index into `names`; no pair is in it twice.
    amount : ndarray of float64, shape (n,)
        How much of the name the item has; above 0.
    sizes : ndarray of float64, shape (items,)
        What each item counts for, whatever it has.
    exclusive : bool
        Whether each item has one name, and counts for 1.
    required : bool
        Whether a name that is tested has to be trained.
    """

    names: tuple[str, ...]
    item: Numbers
    name: Numbers
    amount: NDArray[np.float64]
    sizes: NDArray[np.float64]
    exclusive: bool = False
    required: bool = True

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def of_labels(cls, labels: NDArray[Any]) -> Strata:
        """Return the strata of items that have one label each."""
        names, name = np.unique(labels, return_inverse=True)
        ones = np.ones(len(labels))
        return cls(
            tuple(map(str, names.tolist())), np.arange(len(labels)), name.astype(np.int64), ones, ones, True
        )

    @classmethod
    def of_pairs(
        cls,
        names: Sequence[str],
        item: NDArray[Any],
        name: NDArray[Any],
        amount: NDArray[np.float64],
        sizes: NDArray[np.float64],
    ) -> Strata:
        """Return the strata of items that may have several names; a pair that is there twice has the sum."""
        several = max(1, len(names))
        pairs, place = np.unique(item.astype(np.int64) * several + name, return_inverse=True)
        sums = np.bincount(place, amount, len(pairs)).astype(np.float64)
        kept = sums > 0
        return cls(tuple(names), pairs[kept] // several, pairs[kept] % several, sums[kept], sizes)

    @classmethod
    def of_indicators(cls, names: Sequence[str], table: NDArray[Any]) -> Strata:
        """Return the strata of items of which each has some names: a table (items, names) of 0 and 1."""
        item, name = np.nonzero(table)
        return cls.of_pairs(names, item, name, np.ones(len(item)), np.ones(len(table)))

    def select(self, items: NDArray[Any]) -> Strata:
        """Return the strata of some of the items, numbered in the order given.

        Parameters
        ----------
        items : ndarray of int64 or of bool
            Numbers of items, each once; or for each item whether it is one of them.
        """
        items = np.flatnonzero(items) if items.dtype == bool else items
        number = np.full(len(self), -1)
        number[items] = np.arange(len(items))
        kept = np.flatnonzero(number[self.item] >= 0)
        kept = kept[np.argsort(number[self.item[kept]], kind="stable")]
        return Strata(
            self.names,
            number[self.item[kept]],
            self.name[kept],
            self.amount[kept],
            self.sizes[items],
            self.exclusive,
            self.required,
        )

    def of_units(self, unit: Numbers, count: int) -> Strata:
        """Return the strata of units: the sums over their items.

        Parameters
        ----------
        unit : ndarray of int64, shape (items,)
            Number of each item's unit.
        count : int
            Number of units.
        """
        sizes = np.bincount(unit, self.sizes, count).astype(np.float64)
        units = Strata.of_pairs(self.names, unit[self.item], self.name, self.amount, sizes)
        return replace(units, required=self.required)

    def present(self) -> list[str]:
        """Return the names that an item has, sorted."""
        return [self.names[number] for number in np.unique(self.name).tolist()]

    def items_of_names(self) -> dict[str, int]:
        """Return, for each name that is present, how many items have it."""
        return self.units_of_names(np.arange(len(self)))

    def units_of_names(self, unit: NDArray[Any]) -> dict[str, int]:
        """Return, for each name that is present, how many units have it.

        Parameters
        ----------
        unit : ndarray, shape (items,)
            Number or name of each item's unit.
        """
        _, number = np.unique(unit, return_inverse=True)
        pairs = np.unique(number[self.item].astype(np.int64) * max(1, len(self.names)) + self.name)
        counts = np.bincount(pairs % max(1, len(self.names)), minlength=len(self.names))
        return {name: count for name, count in zip(self.names, counts.tolist(), strict=True) if count}


def ranges(values: NDArray[np.float64], most: int = 10, least: int = 5) -> NDArray[np.float64]:
    """Return the borders between ranges of numbers that have about as many values each.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Finite.
    most : int
        Largest number of ranges.
    least : int
        Values in a range, at least, unless there is one range.

    Returns
    -------
    ndarray of float64, shape (ranges - 1,)
        Ascending; a value that is equal to a border is above it.
    """
    count = max(1, min(most, len(values) // least))
    if count == 1:
        return np.zeros(0)
    # A border is a value, not a mean of two, so that rounding cannot move a value over it.
    borders = np.quantile(values, np.arange(1, count) / count, method="higher")
    inner: NDArray[np.float64] = np.unique(borders[borders > values.min()])
    return inner


def range_names(borders: NDArray[np.float64]) -> tuple[str, ...]:
    """Return what the ranges between borders are called, in their order."""
    texts = [f"{border:g}" for border in borders.tolist()]
    if not texts:
        return ("all numbers",)
    middle = [f"{low} to {high}" for low, high in pairwise(texts)]
    return (f"below {texts[0]}", *middle, f"{texts[-1]} and above")
