"""The paired design: two training sets of equal size that differ in the siblings of some test rows alone.

A rung of the ladder has items (what its strategy keeps together) and units of several items, which the next
stronger strategy keeps together. Items of one unit are siblings. Units are put into pairs of one class and of
about the same size. Of each unit in a pair some items are tested and the others are its siblings. The first
training set has the siblings of one unit of each pair, the second has in their place as many rows of each
class of the other unit; all else is the same in both. Each model predicts all test rows, so that every test
row is predicted once with its siblings and once without, and neither training set is the better one
throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

#: Share of the rows of each class whose units are exchanged, about.
EXCHANGED = 0.4
#: Share of a unit's items that are tested, as in an ordinary split.
TESTED = 0.2


@dataclass(frozen=True, eq=False)
class Candidates:
    """Rows that can be tested or trained on, in an order that does not depend on how they are stored.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Row numbers in the view.
    items, units : ndarray of int64, shape (n,)
        Number of each row's item and unit.
    classes : ndarray of int64, shape (n,)
        Number of each row's class.
    """

    rows: Numbers
    items: Numbers
    units: Numbers
    classes: Numbers

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Exchange:
    """Test rows and two training sets; the places of rows in their `Candidates`, ascending.

    Attributes
    ----------
    common : ndarray of int64
        Rows of both training sets.
    first, second : ndarray of int64
        The siblings that only one of them has: as many rows of each class.
    test : ndarray of int64
        Test rows.
    in_first : ndarray of bool, shape (tests,)
        Whether the first training set has the siblings of each test row; else the second has them.
    """

    common: Numbers
    first: Numbers
    second: Numbers
    test: Numbers
    in_first: NDArray[np.bool_]


def exchange(learn: Candidates, seed: tuple[int, ...], probe: Candidates | None = None) -> Exchange | None:
    """Draw the test rows and the two training sets.

    Parameters
    ----------
    learn : Candidates
    seed : tuple of int
    probe : Candidates or None
        Other rows that are tested, of units of the same numbers: `Exchange.test` has places in these.
        None: a share of the items of each unit is tested.

    Returns
    -------
    Exchange or None
        None if no two units of one class have siblings.
    """
    random = np.random.default_rng(seed)
    tested = learn if probe is None else probe
    count = int(max(learn.units.max(initial=-1), tested.units.max(initial=-1))) + 1
    if probe is None:
        is_test = _draw_items(learn, random)
        is_sibling = np.isin(learn.units, learn.units[is_test]) & ~is_test
    else:
        is_test = np.isin(probe.units, learn.units)
        is_sibling = np.isin(learn.units, probe.units)
    classes = int(max(learn.classes.max(initial=0), tested.classes.max(initial=0))) + 1
    siblings = np.zeros((count, classes), np.int64)
    np.add.at(siblings, (learn.units[is_sibling], learn.classes[is_sibling]), 1)
    sizes = np.zeros((count, classes), np.int64)
    np.add.at(sizes, (learn.units, learn.classes), 1)
    pairs = _pairs(siblings, sizes, random)
    if not len(pairs):
        return None
    half = np.zeros(count, np.int8)  # 1 and 2: the unit's siblings are in the first and in the second set
    half[pairs[:, 0]], half[pairs[:, 1]] = 1, 2
    sets = _equal_parts(learn, is_sibling, siblings, pairs, random)
    test = np.flatnonzero(is_test & (half[tested.units] > 0))
    return Exchange(
        np.flatnonzero(half[learn.units] == 0), *sets, test, np.asarray(half[tested.units[test]] == 1)
    )


def _draw_items(learn: Candidates, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows are tested: about a fifth of the items of each unit of several, at least one."""
    names, first = np.unique(learn.items, return_index=True)
    unit_of = learn.units[first]
    order = random.permutation(len(names))
    order = order[np.argsort(unit_of[order], kind="stable")]
    sizes = np.bincount(unit_of)
    ends = np.cumsum(sizes)
    place = np.arange(len(order)) - (ends - sizes)[unit_of[order]]
    size = sizes[unit_of[order]]
    drawn = (size > 1) & (place < np.maximum(1, np.rint(TESTED * size)))
    return np.isin(learn.items, names[order[drawn]])


def _pairs(siblings: Numbers, sizes: Numbers, random: np.random.Generator) -> Numbers:
    """Draw pairs of units that have siblings of one class; return them, (pairs, 2), in random order within.

    Parameters
    ----------
    siblings : ndarray of int64, shape (units, classes)
        Number of siblings of each class.
    sizes : ndarray of int64, shape (units, classes)
        Number of rows of each class.
    random : Generator
    """
    total = siblings.sum(1)
    # Units of mixed classes, such as speakers who say all digits, are paired with one another.
    class_of = np.where(2 * sizes.max(1) >= sizes.sum(1), sizes.argmax(1), -1)
    pairs = [np.zeros((0, 2), np.int64)]
    for name in np.unique(class_of[total > 0]):
        units = random.permutation(np.flatnonzero((class_of == name) & (total > 0)))
        units = units[len(units) % 2 :]
        # Neighbours have about the same number of siblings, so that few of them are left out.
        couples = units[np.argsort(total[units], kind="stable")].reshape(-1, 2)
        couples = random.permuted(random.permutation(couples), axis=1)
        couples = couples[np.minimum(*siblings[couples.T]).sum(1) > 0]
        used = np.cumsum(sizes[couples].sum((1, 2)))
        fits = used <= EXCHANGED * sizes[class_of == name].sum()
        fits[:1] = True
        pairs.append(couples[fits])
    return np.concatenate(pairs)


def _equal_parts(
    learn: Candidates,
    is_sibling: NDArray[np.bool_],
    siblings: Numbers,
    pairs: Numbers,
    random: np.random.Generator,
) -> tuple[Numbers, Numbers]:
    """Return the siblings in the first and in the second set: as many of each class from each pair."""
    most = np.zeros_like(siblings)
    for side in (0, 1):
        most[pairs[:, side]] = np.minimum(*siblings[pairs.T])
    order = random.permutation(np.flatnonzero(is_sibling))
    block = learn.units[order] * siblings.shape[1] + learn.classes[order]
    order = order[np.argsort(block, kind="stable")]
    _, start, sizes = np.unique(np.sort(block), return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, sizes)
    chosen = np.sort(order[place < most[learn.units[order], learn.classes[order]]])
    first, second = (chosen[np.isin(learn.units[chosen], pairs[:, side])] for side in (0, 1))
    return first, second
