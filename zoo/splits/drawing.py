"""Draw some units at random, so that they have a share of every class; deal units into stratified folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.splits.iterative import complete_folds, complete_sides, divide
from audiospec.zoo.splits.strata import Numbers, Strata


def draw(
    unit_of: Numbers, classes: NDArray[np.str_] | Strata, share: float, seed: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Draw units until they have a share of the items of every class; the others are the rest.

    The units are in random order, sorted by size, the largest first. Each goes to the side that lacks the
    most items of the unit's classes, in items, not as a fraction of the side: so one large unit goes to the
    large side. Then, if a side has no item of a class that has two units or more, it gets the class's
    smallest unit. Items that may have several labels are divided by `divide` instead.

    Parameters
    ----------
    unit_of : ndarray of int64, shape (items,)
        Number of each item's unit; the items' order does not depend on how they are stored.
    classes : ndarray of str, shape (items,), or Strata
        Of the items.
    share : float
        Share of the items to draw, from 0 to 1.
    seed : tuple of int
        Of the random order.

    Returns
    -------
    ndarray of bool, shape (items,)
        Whether each item was drawn.
    """
    if not share or not len(unit_of):
        return np.zeros(len(unit_of), bool)
    strata = classes if isinstance(classes, Strata) else Strata.of_labels(classes)
    names, unit = np.unique(unit_of, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    if strata.exclusive:
        counts = np.zeros((len(names), len(strata.names)))
        np.add.at(counts, (unit, strata.name), 1)
        order = order[np.argsort(-counts.sum(1)[order], kind="stable")]
        drawn = _by_lack(counts, share, order)
        _have_every_class(counts, drawn, order[::-1])
        return drawn[unit]
    units = strata.of_units(unit, len(names))
    order = order[np.argsort(-units.sizes[order].round(9), kind="stable")]
    side_of = divide(units, (1 - share, share), order) if share < 1 else np.ones(len(names), np.int64)
    complete_sides(units, side_of, order[::-1])
    chosen: NDArray[np.bool_] = side_of[unit] == 1
    return chosen


def stratified_folds(
    unit_of: Numbers, classes: NDArray[np.str_] | Strata, count: int, seed: tuple[int, ...]
) -> Numbers:
    """Divide items into folds of about the same share of every class; a unit is in one fold.

    Parameters
    ----------
    unit_of : ndarray of int64, shape (items,)
        Number of each item's unit; the items' order does not depend on how they are stored.
    classes : ndarray of str, shape (items,), or Strata
        Of the items; at least `count` units have each class.
    count : int
        Number of folds.
    seed : tuple of int
        Of the order in which units of the same size are dealt.

    Returns
    -------
    ndarray of int64, shape (items,)
        Number of each item's fold, from 0.
    """
    strata = classes if isinstance(classes, Strata) else Strata.of_labels(classes)
    names, unit = np.unique(unit_of, return_inverse=True)
    # The units are numbered at random instead of `shuffle=True`, which some versions stratify badly.
    numbers = np.random.default_rng(seed).permutation(len(names))
    if not strata.exclusive:
        units, order = strata.of_units(unit, len(names)), np.argsort(numbers)
        order = order[np.argsort(-units.sizes[order].round(9), kind="stable")]
        fold_of_unit = divide(units, np.full(count, 1 / count).tolist(), order)
        complete_folds(units, fold_of_unit, count, order[::-1])
        return fold_of_unit[unit]
    from sklearn.model_selection import StratifiedGroupKFold

    fold_of = np.empty(len(unit_of), np.int64)
    folds = StratifiedGroupKFold(count).split(np.zeros(len(unit_of)), strata.name, numbers[unit])
    for number, (_, tested) in enumerate(folds):
        fold_of[tested] = number
    return fold_of


def _by_lack(counts: NDArray[np.float64], share: float, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which units are drawn; `counts` has a row for each unit and a column for each class."""
    shares = np.array(
        [min(share, 1 - share), max(share, 1 - share)]
    )  # of equal lacks the smaller side gets it
    lacking = np.outer(shares, counts.sum(0))
    small = np.zeros(len(counts), bool)
    for unit in order:
        present = np.flatnonzero(counts[unit])
        side = int((lacking[:, present] @ counts[unit, present]).round(9).argmax())
        small[unit] = side == 0
        lacking[side, present] -= counts[unit, present]
    return small if share <= 0.5 else ~small


def _have_every_class(
    counts: NDArray[np.float64], drawn: NDArray[np.bool_], order: NDArray[np.int64]
) -> None:
    """Move units, the first of `order` first, so that both sides have each class of two units or more.

    A class of one unit stays with the rest. No move takes the last unit of a class from a side that needs it.
    """
    has = counts > 0
    for side in (False, True):  # the rest first: it trains
        for column in np.flatnonzero(has.sum(0) > side):
            if has[drawn == side, column].any():
                continue
            for unit in order[has[order, column]]:
                left = has[(drawn != side) & (np.arange(len(drawn)) != unit)].any(0)
                # What this unit has and the side that gives it away would lack.
                if side and not left[has[unit]].all():
                    continue
                drawn[unit] = side
                break
