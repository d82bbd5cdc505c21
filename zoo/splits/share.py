"""A share of the training units of a split, for learning curves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import SplitError
from audiospec.zoo.splits.folds import Folds
from audiospec.zoo.splits.split import Split, make_split
from audiospec.zoo.splits.strata import Strata
from audiospec.zoo.splits.units import units_of

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View


def with_share(made: Split, view: View, share: float) -> Split:
    """Return a split with a share of its training units, and the same validation and test rows.

    The units are in an order that follows from the split's seed, stratified by class, and the first of them
    are taken. So a larger share contains a smaller one. Each class keeps at least one unit.

    Parameters
    ----------
    made : Split
    view : View
        The view that it was made for.
    share : float
        Share of the training tracks of each class, above 0 and up to 1.

    Raises
    ------
    SplitError
        The share is not in this range, or a class would have no training rows.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise SplitError(
            f"expected a share of the training rows above 0 and up to 1; got {share!r}",
            "give `train_share=0.3`, for example",
        )
    if share == 1:
        return made
    units = units_of(view)[made.train]
    _, first = np.unique(view.ids[made.train].astype(str), return_index=True)
    tracks = made.strata.tracks.select(view.rows["track"][made.train[first]].astype(np.int64))
    taken = np.isin(units, _first_units(units[first], tracks, share, made.seed))
    return make_split(
        view,
        made.strategy,
        (made.train[taken], made.valid, made.test),
        seed=made.seed,
        shares=made.shares,
        reason=made.reason,
        left_out=made.left_out,
        strata=made.strata,
    )


def folds_with_share(folds: Folds, view: View, share: float) -> Folds:
    """Return folds of which each has a share of its training units; see `with_share`."""
    smaller = [fold._replace(split=with_share(fold.split, view, share)) for fold in folds.folds]
    return dataclasses.replace(folds, folds=smaller)


def _first_units(units: NDArray[np.str_], tracks: Strata, share: float, seed: int) -> list[str]:
    """Return the names of the units to take; `units` has the name of each track's unit."""
    names, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    of_units = tracks.of_units(unit, len(names))
    main = _main_names(of_units, exclusive=tracks.exclusive)
    order = np.random.default_rng((seed, 4)).permutation(len(names))
    taken: list[str] = []
    for number in np.unique(main).tolist():
        of_name = order[main[order] == number]
        ends = np.cumsum(sizes[of_name])
        # Halfway through the unit that crosses the border decides about it; rounded, so that 0.3 of 10 is 3.
        count = int((ends - sizes[of_name] / 2 < round(share * float(sizes[of_name].sum()), 9)).sum())
        taken += names[of_name[: max(1, count)]].tolist()
    if tracks.exclusive:
        return taken
    # Whatever the share, the same units of each name, so that a larger share contains a smaller one.
    return [*taken, *names[_one_of_each(of_units, order)].tolist()]


def _main_names(units: Strata, *, exclusive: bool) -> NDArray[np.int64]:
    """Return the name that each unit is taken for: its most frequent, or, of labels, its rarest; -1: none."""
    weight = units.amount if exclusive else -np.bincount(units.name, minlength=len(units.names))[units.name]
    order = np.lexsort((-units.name, weight, units.item))
    main = np.full(len(units), -1)
    main[units.item[order]] = units.name[order]  # the last of each unit stays
    return main


def _one_of_each(units: Strata, order: NDArray[np.int64]) -> list[int]:
    """Return units that together have every name: for each, the rarest first, the first unit of `order`."""
    counts = np.bincount(units.name, minlength=len(units.names))
    place = np.empty(len(units), np.int64)
    place[order] = np.arange(len(units))
    chosen: set[int] = set()
    for name in np.argsort(counts, kind="stable")[(counts == 0).sum() :].tolist():
        having = units.item[units.name == name]
        if not chosen & {*having.tolist()}:
            chosen.add(int(having[place[having].argmin()]))
    return sorted(chosen)
