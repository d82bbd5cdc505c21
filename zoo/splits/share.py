"""A share of the training units of a split, for learning curves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import SplitError
from audiospec.zoo.splits.folds import Folds
from audiospec.zoo.splits.split import Split, make_split
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
    ids, labels = view.ids[made.train].astype(str), view.labels[made.train].astype(str)
    taken = np.isin(units, _first_units(units, ids, labels, share, made.seed))
    return make_split(
        view,
        made.strategy,
        (made.train[taken], made.valid, made.test),
        seed=made.seed,
        shares=made.shares,
        reason=made.reason,
        left_out=made.left_out,
    )


def folds_with_share(folds: Folds, view: View, share: float) -> Folds:
    """Return folds of which each has a share of its training units; see `with_share`."""
    smaller = [fold._replace(split=with_share(fold.split, view, share)) for fold in folds.folds]
    return dataclasses.replace(folds, folds=smaller)


def _first_units(
    units: NDArray[np.str_], ids: NDArray[np.str_], labels: NDArray[np.str_], share: float, seed: int
) -> list[str]:
    """Return the names of the units to take."""
    ids, first = np.unique(ids, return_index=True)
    _, unit, sizes = np.unique(units[first], return_inverse=True, return_counts=True)
    names = np.unique(units[first])
    classes, class_of = np.unique(labels[first], return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (unit, class_of), 1)
    main_class = counts.argmax(1)
    order = np.random.default_rng((seed, 4)).permutation(len(names))
    taken: list[str] = []
    for number in range(len(classes)):
        of_class = order[main_class[order] == number]
        ends = np.cumsum(sizes[of_class])
        # Halfway through the unit that crosses the border decides about it; rounded, so that 0.3 of 10 is 3.
        count = int((ends - sizes[of_class] / 2 < round(share * float(sizes[of_class].sum()), 9)).sum())
        taken += names[of_class[: max(1, count)]].tolist() if len(of_class) else []
    return taken
