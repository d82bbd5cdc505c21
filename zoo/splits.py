"""Splits: which rows of a view train, validate and test a model, by named strategies.

    track     all chunks of a track on one side (the default)
    group     all tracks of a group (artist, speaker, original recording) on one side
    fold-K    tests on the dataset's own fold K; part of the rest validates, split by groups if the folds are
              (the default, with K test, if the dataset has the folds train and test: test files are never
              trained on; its fold valid, if it has one, validates)
    filtered  GTZAN's fault-filtered list of tracks, which also separates most artists
    random    chunks at random: *leaky*, because a model can recognise the recording

Sides are stratified: each has about the same share of every class. The same strategy, seed and rows give the
same split on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import digest
from audiospec.errors import SplitError, nearest

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

STRATEGIES = ("track", "group", "fold-K", "filtered", "random")

#: Shares of train, validation and test rows.
SHARES = (0.8, 0.1, 0.1)

SIDES = ("train", "valid", "test")
_SIDE_NAMES = {"train": "training", "valid": "validation", "test": "test"}

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of a view on three sides.

    Attributes
    ----------
    strategy : str
    seed : int
    train, valid, test : ndarray of int64
        Row numbers, ascending; no row is on two sides. `valid` may be empty.
    rows : (list of str, list of float)
        Track id and start in seconds of every row of the view.
    digest : str
        SHA-256 of the sides' tracks and starts; it is the same for every store of the same rows.
    """

    strategy: str
    seed: int
    train: Numbers
    valid: Numbers
    test: Numbers
    rows: tuple[list[str], list[float]] = field(repr=False)

    @property
    def leaky(self) -> bool:
        """Whether one track may be on two sides."""
        return is_leaky(self.strategy)

    @property
    def name(self) -> str:
        """The strategy as it is displayed."""
        return displayed_strategy(self.strategy)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tracks and starts of each side."""
        ids, starts = self.rows
        sides = {side: sorted((ids[i], starts[i]) for i in getattr(self, side)) for side in SIDES}
        return digest(sides)


def is_leaky(strategy: str) -> bool:
    """Return whether a strategy may put one track on two sides."""
    return strategy == "random"


def displayed_strategy(strategy: str) -> str:
    """Return a strategy as it is displayed: a leaky one has the word "leaky"."""
    return f"{strategy} (leaky)" if is_leaky(strategy) else strategy


def default_strategy(view: View) -> str:
    """Return the strategy that is used if none is chosen.

    It is ``"fold-test"`` if the dataset has the folds train and test, ``"fold-valid"`` if it has train and
    valid only, else ``"track"``.
    """
    folds = {*view.folds.astype(str).tolist()}
    held_out = [fold for fold in ("test", "valid") if fold in folds]
    return f"fold-{held_out[0]}" if "train" in folds and held_out else "track"


def split(
    view: View,
    strategy: str | None = None,
    *,
    seed: int = 0,
    shares: Sequence[float] = SHARES,
    classes: Sequence[str] | None = None,
) -> Split:
    """Split the rows of a view.

    Parameters
    ----------
    view : View
    strategy : str
        One of `STRATEGIES`; ``"fold-3"`` tests on the dataset's fold ``"3"``.
    seed : int
        Another seed gives another split; but ``filtered`` and the test rows of ``fold-K`` are fixed.
    shares : sequence of 3 floats
        Shares of training, validation and test rows, which add up to 1. Validation may be 0. ``filtered`` has
        its own shares.
    classes : sequence of str or None
        Split only the rows of these labels. None: all rows.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        The strategy is unknown or not possible for the view; a class is tested but has no training rows; or a
        side has no rows.
    """
    if not isinstance(seed, int) or seed < 0:
        raise SplitError(f"expected a seed of at least 0; got {seed!r}")
    if isinstance(classes, str):
        raise SplitError(f"expected a list of labels; got the text {classes!r}")
    strategy = default_strategy(view) if strategy is None else strategy
    train_share, valid_share, test_share = _checked(shares)  # of the rows of `classes`
    labels, ids = view.labels.astype(str), view.ids.astype(str)
    rows = _rows_of_classes(view, labels, classes)
    units = ids
    if strategy == "random":
        units = np.arange(len(view)).astype(str)
    elif strategy == "group":
        units = _groups(view, rows)
    # Each unit of the split weighs 1: a chunk of a random split, else a track, regardless of its chunks.
    weights = np.ones(len(view)) if strategy == "random" else _track_weights(view)
    if strategy in ("track", "group", "random"):
        sides = _stratified(rows, units, labels, weights, (train_share, valid_share, test_share), seed)
    elif strategy == "filtered":
        sides = _filtered_sides(ids, rows)
    elif strategy.startswith("fold-"):
        fold = strategy.removeprefix("fold-")
        sides = _fold_sides(view, rows, fold, weights, (train_share, valid_share), seed)
    else:
        raise SplitError(
            f"no split strategy is called {strategy!r}{nearest(strategy, STRATEGIES)} "
            f"(there are: {', '.join(STRATEGIES)})"
        )
    train, valid, test = sides
    view_split = Split(strategy, seed, train, valid, test, (ids.tolist(), view.rows["start"].tolist()))
    _check_classes(view_split, labels)
    for side, numbers in zip(SIDES, sides, strict=True):
        if not len(numbers) and (side != "valid" or valid_share):
            raise SplitError(
                f"split {strategy!r} of view {view.name} has no {_SIDE_NAMES[side]} rows",
                "choose another `strategy`, or other `shares`",
            )
    return view_split


def _checked(shares: Sequence[float]) -> tuple[float, float, float]:
    if (
        len(shares) != 3
        or min(shares) < 0
        or not abs(sum(shares) - 1) <= 1e-9
        or not (shares[0] and shares[2])
    ):
        raise SplitError(
            "expected three shares, of training, validation and test, that add up to 1, such as "
            f"0.8, 0.1, 0.1; got {', '.join(f'{share:g}' for share in shares)}"
        )
    train, valid, test = shares
    return float(train), float(valid), float(test)


def _rows_of_classes(view: View, labels: NDArray[np.str_], classes: Sequence[str] | None) -> Numbers:
    available = view.classes
    for name in classes or ():
        if name not in available:
            raise SplitError(
                f"view {view.name} has no class {name!r}{nearest(name, available)} "
                f"(it has: {', '.join(available)})"
            )
    chosen = set(available if classes is None else classes)
    if len(chosen) < 2:
        count = f"one class ({next(iter(chosen))})" if chosen else "no class"
        raise SplitError(f"view {view.name} has {count}", "expected at least two")
    return np.flatnonzero(np.isin(labels, list(chosen)))


def _groups(view: View, rows: Numbers) -> NDArray[np.str_]:
    groups = view.groups.astype(str)
    missing = rows[groups[rows] == ""]
    if len(missing):
        raise SplitError(
            f"track {view.ids[missing[0]]} of view {view.name} has no group; dataset "
            f"{view.store.dataset!r} names no artists or speakers",
            'use `strategy="track"`',
        )
    return groups


def _stratified(
    rows: Numbers,
    units: NDArray[np.str_],
    labels: NDArray[np.str_],
    weights: NDArray[np.float64],
    shares: Sequence[float],
    seed: int,
) -> list[Numbers]:
    """Return the rows of each side; a unit is on one side, and each side has its share of every class.

    The units are in random order, sorted by weight, the heaviest first. Each unit goes to the side that still
    lacks the largest fraction of its share of the unit's classes; of equal sides, to the smallest. So every
    side gets some of each class before any gets more. If every unit has one class, the shares are exact.
    """
    classes, class_of = np.unique(labels[rows], return_inverse=True)
    names, unit_of = np.unique(units[rows], return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (unit_of, class_of), weights[rows])
    random = np.random.default_rng(seed)
    order = random.permutation(len(names))
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
        best = int(fraction.round(9).argmax())  # argmax takes the first of equals, which is the smallest
        side_of[unit] = sides[best]
        lacking[best, present] -= counts[unit, present]
    return [rows[side_of[unit_of] == side] for side in range(len(shares))]


def _filtered_sides(ids: NDArray[np.str_], rows: Numbers) -> list[Numbers]:
    """Return the sides of the fault-filtered list of Kereliuk, Sturm and Larsen (2015)."""
    lists = files("audiospec.zoo") / "data" / "gtzan-filtered"
    listed = [(lists / f"{side}.txt").read_text(encoding="utf-8").split() for side in SIDES]
    sides = [rows[np.isin(ids[rows], side)] for side in listed]
    if not any(map(len, sides)):
        raise SplitError(
            "split 'filtered' is for GTZAN; no track of this view is on its list", 'use `strategy="track"`'
        )
    return sides


def _fold_sides(
    view: View,
    rows: Numbers,
    fold: str,
    weights: NDArray[np.float64],
    shares: tuple[float, float],
    seed: int,
) -> list[Numbers]:
    """Return sides that test on a fold of the dataset; part of the other rows validates.

    The other rows are split by groups if no group is both in the fold and outside it, else by tracks.
    """
    folds, labels, ids = (values.astype(str) for values in (view.folds, view.labels, view.ids))
    available = sorted(set(folds[rows].tolist()) - {""})
    if fold not in available:
        names = f"it has: {', '.join(f'fold-{name}' for name in available)}" if available else "it has none"
        raise SplitError(f"dataset {view.store.dataset!r} has no fold {fold!r} ({names})")
    test, rest = rows[folds[rows] == fold], rows[folds[rows] != fold]
    if fold == "test" and "valid" in available and "train" in available:
        return [rest[folds[rest] != "valid"], rest[folds[rest] == "valid"], test]
    train, valid = (share / sum(shares) for share in shares)
    if not valid or not len(rest):
        return [rest, rest[:0], test]
    groups = view.groups.astype(str)
    separate_groups = (groups[rest] != "").all() and not np.isin(groups[test], groups[rest]).any()
    units = groups if separate_groups else ids
    return [*_stratified(rest, units, labels, weights, (train, valid), seed), test]


def _track_weights(view: View) -> NDArray[np.float64]:
    """Return one weight per row: 1 over the number of rows of its track."""
    _, track_of, counts = np.unique(view.rows["track"], return_inverse=True, return_counts=True)
    return 1 / counts[track_of]


def _check_classes(view_split: Split, labels: NDArray[np.str_]) -> None:
    """Raise `SplitError` if a class has validation or test rows, but no training rows."""
    trained = set(labels[view_split.train].tolist())
    for side in ("valid", "test"):
        untrained = sorted(set(labels[getattr(view_split, side)].tolist()) - trained)
        if untrained:
            tracks = len({view_split.rows[0][row] for row in np.flatnonzero(labels == untrained[0])})
            raise SplitError(
                f"class {untrained[0]!r} has {tracks} track{'s' * (tracks != 1)}, none of them in the "
                f"training rows of split {view_split.name}",
                "leave the class out with `classes`, or choose other `shares`",
            )
