"""Draw some units at random, so that they have a share of every class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw(
    unit_of: NDArray[np.int64], classes: NDArray[np.str_], share: float, seed: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Draw units until they have a share of the items of every class; the others are the rest.

    The units are in random order, sorted by size, the largest first. Each goes to the side that lacks the
    most items of the unit's classes, in items, not as a fraction of the side: so one large unit goes to the
    large side. Then, if a side has no item of a class that has two units or more, it gets the class's
    smallest unit.

    Parameters
    ----------
    unit_of : ndarray of int64, shape (items,)
        Number of each item's unit; the items' order does not depend on how they are stored.
    classes : ndarray of str, shape (items,)
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
    _, class_of = np.unique(classes, return_inverse=True)
    _, unit = np.unique(unit_of, return_inverse=True)
    counts = np.zeros((unit.max() + 1, class_of.max() + 1))
    np.add.at(counts, (unit, class_of), 1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts.sum(1)[order], kind="stable")]
    drawn = _by_lack(counts, share, order)
    _have_every_class(counts, drawn, order[::-1])
    return drawn[unit]


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
