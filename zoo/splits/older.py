"""The splits of runs from before version 3, which kept no tracks: made again to find their test rows.

They were drawn by the largest lack as a fraction of a side, from the rows of the view, with the test side
depending on all shares. Nothing is split like this any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.splits.filtered import filtered_list
from audiospec.zoo.splits.split import Numbers

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

#: Rows that train, validate and test.
Sides = tuple[Numbers, Numbers, Numbers]


def older_sides(
    view: View, strategy: str, seed: int, shares: Sequence[float], classes: Sequence[str]
) -> Sides:
    """Return the sides of an older run's split.

    Parameters
    ----------
    view : View
    strategy : str
        ``track``, ``group``, ``random``, ``filtered`` or ``fold-K``.
    seed : int
    shares : sequence of 3 floats
    classes : sequence of str
        The run's.
    """
    labels, ids, groups = (values.astype(str) for values in (view.labels, view.ids, view.groups))
    rows = np.flatnonzero(np.isin(labels, list(classes)))
    if strategy == "filtered":
        train, valid, test = (rows[np.isin(ids[rows], side)] for side in filtered_list().values())
        return train, valid, test
    if strategy == "random":
        train, valid, test = _divided(
            rows, np.arange(len(view)).astype(str), labels, np.ones(len(view)), shares, seed
        )
        return train, valid, test
    _, track_of, counts = np.unique(view.rows["track"], return_inverse=True, return_counts=True)
    weights = 1 / counts[track_of]
    if not strategy.startswith("fold-"):
        units = groups if strategy == "group" else ids
        train, valid, test = _divided(rows, units, labels, weights, shares, seed)
        return train, valid, test
    folds, fold = view.folds.astype(str), strategy.removeprefix("fold-")
    test, rest = rows[folds[rows] == fold], rows[folds[rows] != fold]
    available = {*folds[rows].tolist()}
    if fold == "test" and "valid" in available and "train" in available:
        return rest[folds[rest] != "valid"], rest[folds[rest] == "valid"], test
    if not shares[1] or not len(rest):
        return rest, rest[:0], test
    separate = (groups[rest] != "").all() and not np.isin(groups[test], groups[rest]).any()
    of_rest = [share / (shares[0] + shares[1]) for share in shares[:2]]
    train, valid = _divided(rest, groups if separate else ids, labels, weights, of_rest, seed)
    return train, valid, test


def _divided(
    rows: Numbers,
    units: NDArray[np.str_],
    labels: NDArray[np.str_],
    weights: NDArray[np.float64],
    shares: Sequence[float],
    seed: int,
) -> list[Numbers]:
    """Return the rows of each side; each unit went to the side that lacked the largest fraction."""
    classes, class_of = np.unique(labels[rows], return_inverse=True)
    names, unit_of = np.unique(units[rows], return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (unit_of, class_of), weights[rows])
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts.sum(1)[order].round(9), kind="stable")]
    sides = sorted((side for side in range(len(shares)) if shares[side]), key=lambda side: shares[side])
    wanted = np.outer([shares[side] for side in sides], counts.sum(0))
    lacking = wanted.copy()
    side_of = np.empty(len(names), np.int64)
    for unit in order:
        present = np.flatnonzero(counts[unit])
        fraction = (lacking[:, present] @ counts[unit, present]) / (
            wanted[:, present] @ counts[unit, present]
        )
        best = int(fraction.round(9).argmax())
        side_of[unit] = sides[best]
        lacking[best, present] -= counts[unit, present]
    return [rows[side_of[unit_of] == side] for side in range(len(shares))]
