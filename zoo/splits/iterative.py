"""Divide units that have several labels, so that each side has its share of every label.

Iterative stratification: the label that the fewest units are left of is divided first, each of its units
going to the side that lacks most of it (K. Sechidis, G. Tsoumakas, I. Vlahavas: On the stratification of
multi-label data, ECML PKDD 2011). There, examples are divided. Here, units are, which count for what their
tracks have, so that no group is ever divided.

Two steps are not in the paper. Units that have many labels may fill a side by the first of them, so units
move as long as that brings the shares of labels and the sizes of sides nearer to what they should be. Then
units move so that each side has every label where that is possible: a label that is tested has to be trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.splits.strata import Numbers, Strata

#: Most times that all units are looked at, whether another side is better. It ends much earlier.
_PASSES = 10


def divide(units: Strata, shares: Sequence[float], order: Numbers) -> Numbers:
    """Divide units among sides.

    Parameters
    ----------
    units : Strata
        What each unit has.
    shares : sequence of float
        Share of each side, above 0.
    order : ndarray of int64, shape (units,)
        The units in the order in which they are dealt, where nothing else decides.

    Returns
    -------
    ndarray of int64, shape (units,)
        Number of each unit's side.
    """
    count, names = len(units), len(units.names)
    starts = np.searchsorted(units.item, np.arange(count + 1))
    lacking = np.outer(shares, np.bincount(units.name, units.amount, names))
    lacking_size = np.asarray(shares, np.float64) * units.sizes.sum()
    waiting = np.bincount(units.name, minlength=names)
    side_of = np.full(count, -1)

    def put(unit: int, side: int) -> None:
        part = slice(starts[unit], starts[unit + 1])
        side_of[unit] = side
        lacking[side, units.name[part]] -= units.amount[part]
        lacking_size[side] -= units.sizes[unit]
        waiting[units.name[part]] -= 1

    dealt = _units_of_each_name(units, order)
    while (waiting > 0).any():
        name = int(np.where(waiting > 0, waiting, count + 1).argmin())
        for unit in dealt[name]:
            if side_of[unit] < 0:
                put(unit, _most(lacking[:, name], lacking_size))
    for unit in order[side_of[order] < 0].tolist():
        put(unit, _most(lacking_size, lacking_size))
    _improve(units, shares, side_of, order[::-1])
    return side_of


def _improve(units: Strata, shares: Sequence[float], side_of: Numbers, order: Numbers) -> None:
    """Move units, one by one, as long as the squared errors fall.

    The sum is of the mean squared error of the labels' shares on each side, and of that of the sizes.
    """
    size = len(units.names)  # the size is one more label, which every unit has
    totals = np.append(np.bincount(units.name, units.amount, size), units.sizes.sum())
    excess = -np.outer(shares, totals)
    np.add.at(excess, (side_of[units.item], units.name), units.amount)
    np.add.at(excess[:, size], side_of, units.sizes)
    weights = 1 / np.maximum(totals, 1e-12) ** 2
    weights[:size] /= max(1, np.count_nonzero(totals[:size]))
    starts = np.searchsorted(units.item, np.arange(len(units) + 1))
    for _ in range(_PASSES):
        moved = False
        for unit in order.tolist():
            part, old = slice(starts[unit], starts[unit + 1]), int(side_of[unit])
            names = np.append(units.name[part], size)
            amounts = np.append(units.amount[part], units.sizes[unit])
            slopes = 2 * excess[:, names] @ (weights[names] * amounts)
            change = slopes - slopes[old] + 2 * (weights[names] * amounts**2).sum()
            change[old] = 0
            new = int(change.argmin())
            if change[new] < -1e-9:  # so that the last bits of a sum do not choose
                excess[old, names] -= amounts
                excess[new, names] += amounts
                side_of[unit] = new
                moved = True
        if not moved:
            return


def _most(lack: NDArray[np.float64], lacking_size: NDArray[np.float64]) -> int:
    """Return the side that lacks most of a name; of several, the one that lacks most of all."""
    lack = lack.round(9)  # so that the last bits of a sum do not choose
    return int(np.where(lack == lack.max(), lacking_size.round(9), -np.inf).argmax())


def _units_of_each_name(units: Strata, order: Numbers) -> list[list[int]]:
    """Return the units that have each name: those with most of it first, then in the order given."""
    place = np.empty(len(units), np.int64)
    place[order] = np.arange(len(units))
    pairs = np.lexsort((place[units.item], -units.amount.round(9), units.name))
    ends = np.cumsum(np.bincount(units.name, minlength=len(units.names)))
    return [part.tolist() for part in np.split(units.item[pairs], ends[:-1])] if len(ends) else []


def complete_sides(units: Strata, side_of: Numbers, order: Numbers) -> None:
    """Move units between two sides, the first of `order` first, so that both have each name of two units.

    Side 0 has every name, if of one unit only. No move to side 1 takes the last unit of a name from side 0.
    If names are not required, both sides have some unit.
    """
    if not units.required:
        every = np.arange(len(units))
        units = Strata(("",), every, 0 * every, np.ones(len(units)), units.sizes)
    present, of_unit, with_name = _tables(units, side_of, 2, order)
    total = present.sum(0)
    for side in (0, 1):
        for name in np.flatnonzero(total > side).tolist():
            if present[side, name]:
                continue
            for unit in with_name[name]:
                names = of_unit[unit]
                if side and (present[0, names] < 2).any():
                    continue
                present[1 - side, names] -= 1
                present[side, names] += 1
                side_of[unit] = side
                break


def complete_folds(units: Strata, fold_of: Numbers, count: int, order: Numbers) -> None:
    """Move units between folds, so that each name of two units or more is in two folds: one trains it.

    If names are not required, nothing moves.
    """
    if not units.required:
        return
    present, of_unit, with_name = _tables(units, fold_of, count, order)
    needed = np.minimum(2, present.sum(0))
    for name in np.flatnonzero((present > 0).sum(0) < needed).tolist():
        moves = ((unit, fold) for unit in with_name[name] for fold in range(count) if fold != fold_of[unit])
        for unit, fold in moves:
            names = of_unit[unit]
            after = present[:, names]
            after[fold_of[unit]] -= 1
            after[fold] += 1
            if ((after > 0).sum(0) >= needed[names]).all():
                present[:, names] = after
                fold_of[unit] = fold
                break


def _tables(
    units: Strata, side_of: Numbers, sides: int, order: Numbers
) -> tuple[Numbers, list[Numbers], list[list[int]]]:
    """Return how many units of each side have each name, each unit's names, and the units of each name."""
    present = np.zeros((sides, len(units.names)), np.int64)
    np.add.at(present, (side_of[units.item], units.name), 1)
    starts = np.searchsorted(units.item, np.arange(1, len(units)))
    place = np.empty(len(units), np.int64)
    place[order] = np.arange(len(units))
    pairs = np.lexsort((place[units.item], units.name))
    ends = np.cumsum(np.bincount(units.name, minlength=len(units.names)))
    with_name = [part.tolist() for part in np.split(units.item[pairs], ends[:-1])] if len(ends) else []
    return present, np.split(units.name, starts), with_name
