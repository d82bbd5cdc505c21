"""Splits: which rows of a view train, validate and test a model, by named strategies.

    track     all chunks of a track on one side (the default)
    group     all tracks of a group (artist, speaker, original recording) on one side
    fold-K    the dataset's own fold K tests; of the rest a part validates, by group or track as the fold is
    filtered  GTZAN's fault-filtered list of tracks, which also separates most artists
    random    chunks at random: *leaky*, for a model can recognise the recording

Sides are stratified: each has about the same share of every class. The same strategy, seed and rows give the
same split, on any machine.
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
    digest : str
        SHA-256 of the sides' tracks and starts, whatever store they are read from.
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
        """The strategy, as it is to be shown."""
        return displayed_strategy(self.strategy)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of which track and start is on which side."""
        ids, starts = self.rows
        sides = {side: sorted((ids[i], starts[i]) for i in getattr(self, side)) for side in SIDES}
        return digest(sides)


def is_leaky(strategy: str) -> bool:
    """Whether a strategy may put one track on two sides."""
    return strategy == "random"


def displayed_strategy(strategy: str) -> str:
    """A strategy as it is to be shown: nothing leaky goes without the word."""
    return f"{strategy} (leaky)" if is_leaky(strategy) else strategy


def split(
    view: View,
    strategy: str = "track",
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
        Another seed gives another split, except of ``filtered``, and of what ``fold-K`` tests on.
    shares : sequence of 3 floats
        Of train, validation and test; together 1. Validation may be 0. ``filtered`` has its own.
    classes : sequence of str or None
        Take rows of these labels only. None: of all.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        An unknown strategy, a class that cannot be on every side, a side without rows.
    """
    if not isinstance(seed, int) or seed < 0:
        raise SplitError(f"expected a seed of at least 0; got {seed!r}")
    if isinstance(classes, str):
        raise SplitError(f"expected a list of labels to tell apart; got the text {classes!r}")
    train_share, valid_share, test_share = _checked(shares)  # of the rows of `classes`
    labels, ids = view.labels.astype(str), view.ids.astype(str)
    rows = _rows_of(view, labels, classes)
    units = ids
    if strategy == "random":
        units = np.arange(len(view)).astype(str)
    elif strategy == "group":
        units = _groups(view, rows)
    # A track weighs 1, however many chunks it has; where chunks are units each of them does.
    weights = np.ones(len(view)) if strategy == "random" else _shares_of_tracks(view)
    if strategy in ("track", "group", "random"):
        sides = _stratified(rows, units, labels, weights, (train_share, valid_share, test_share), seed)
    elif strategy == "filtered":
        sides = _filtered(ids, rows)
    elif strategy.startswith("fold-"):
        fold = strategy.removeprefix("fold-")
        sides = _fold(view, rows, fold, weights, (train_share, valid_share), seed)
    else:
        raise SplitError(
            f"no split strategy is called {strategy!r}{nearest(strategy, STRATEGIES)} "
            f"(there are: {', '.join(STRATEGIES)})"
        )
    train, valid, test = sides
    made = Split(strategy, seed, train, valid, test, (ids.tolist(), view.rows["start"].tolist()))
    _check_classes(made, labels)
    for side, numbers in zip(SIDES, sides, strict=True):
        if not len(numbers) and (side != "valid" or valid_share):
            raise SplitError(
                f"split {strategy!r} of view {view.name} leaves no rows to {side}: "
                "choose another strategy, or other shares"
            )
    return made


def _checked(shares: Sequence[float]) -> tuple[float, float, float]:
    if (
        len(shares) != 3
        or min(shares) < 0
        or not abs(sum(shares) - 1) <= 1e-9
        or not (shares[0] and shares[2])
    ):
        raise SplitError(
            "expected three shares, of train, validation and test, that add up to 1, such as 0.8, 0.1, 0.1; "
            f"got {', '.join(f'{share:g}' for share in shares)}"
        )
    train, valid, test = shares
    return float(train), float(valid), float(test)


def _rows_of(view: View, labels: NDArray[np.str_], classes: Sequence[str] | None) -> Numbers:
    """The rows of some classes."""
    known = view.classes
    for name in classes or ():
        if name not in known:
            raise SplitError(
                f"view {view.name} has no class {name!r}{nearest(name, known)} (it has: {', '.join(known)})"
            )
    chosen = set(known if classes is None else classes)
    if len(chosen) < 2:
        raise SplitError(
            f"view {view.name} has {'one class' if chosen else 'no class'}"
            f"{f' ({next(iter(chosen))})' if chosen else ''}: expected at least two to tell apart"
        )
    return np.flatnonzero(np.isin(labels, list(chosen)))


def _groups(view: View, rows: Numbers) -> NDArray[np.str_]:
    groups = view.groups.astype(str)
    missing = rows[groups[rows] == ""]
    if len(missing):
        raise SplitError(
            f"track {view.ids[missing[0]]} of view {view.name} has no group: dataset "
            f"{view.store.dataset!r} does not say artists or speakers; use --split track"
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
    """Rows on sides of given shares; a unit's are together, classes are shared out alike.

    Units come in random order, the heaviest first. Each goes to the side that lacks the largest part of what
    it is to have of the unit's classes, the smaller side first: so every side has some of each class before
    any has more, and where every unit has one class all sides have exactly their shares.
    """
    kinds, kind = np.unique(labels[rows], return_inverse=True)
    names, unit = np.unique(units[rows], return_inverse=True)
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (unit, kind), weights[rows])
    random = np.random.default_rng(seed)
    order = random.permutation(len(names))
    order = order[np.argsort(-counts.sum(1)[order].round(9), kind="stable")]
    sides = sorted((side for side in range(len(shares)) if shares[side]), key=lambda side: shares[side])
    wanted = np.outer([shares[side] for side in sides], counts.sum(0))
    lacking = wanted.copy()
    side_of = np.empty(len(names), np.int64)
    for number in order:
        mine = np.flatnonzero(counts[number])
        part = (lacking[:, mine] @ counts[number, mine]) / (wanted[:, mine] @ counts[number, mine])
        best = int(part.round(9).argmax())  # the first, and so the smallest, of equals
        side_of[number] = sides[best]
        lacking[best, mine] -= counts[number, mine]
    return [rows[side_of[unit] == side] for side in range(len(shares))]


def _filtered(ids: NDArray[np.str_], rows: Numbers) -> list[Numbers]:
    """Sides of the fault-filtered list (Kereliuk, Sturm and Larsen 2015; see `data/gtzan-filtered`)."""
    lists = files("audiospec.zoo") / "data" / "gtzan-filtered"
    listed = [(lists / f"{side}.txt").read_text(encoding="utf-8").split() for side in SIDES]
    sides = [rows[np.isin(ids[rows], side)] for side in listed]
    if not any(map(len, sides)):
        raise SplitError("split 'filtered' is for GTZAN: no track of this view is on its list")
    return sides


def _fold(
    view: View,
    rows: Numbers,
    fold: str,
    weights: NDArray[np.float64],
    shares: tuple[float, float],
    seed: int,
) -> list[Numbers]:
    """A fold of the dataset's own tests; of the rest a part validates.

    Validation is chosen as the test was: by groups if no group of the fold is in the rest, else by tracks.
    """
    folds, labels, ids = (values.astype(str) for values in (view.folds, view.labels, view.ids))
    known = sorted(set(folds[rows].tolist()) - {""})
    if fold not in known:
        there = f"it has: {', '.join(f'fold-{name}' for name in known)}" if known else "it has none"
        raise SplitError(f"dataset {view.store.dataset!r} has no fold {fold!r} ({there})")
    test, rest = rows[folds[rows] == fold], rows[folds[rows] != fold]
    train, valid = (share / sum(shares) for share in shares)
    if not valid or not len(rest):
        return [rest, rest[:0], test]
    groups = view.groups.astype(str)
    apart = (groups[rest] != "").all() and not np.isin(groups[test], groups[rest]).any()
    units = groups if apart else ids
    return [*_stratified(rest, units, labels, weights, (train, valid), seed), test]


def _shares_of_tracks(view: View) -> NDArray[np.float64]:
    """Of each row: one over the number of rows that its track has."""
    _, place, counts = np.unique(view.rows["track"], return_inverse=True, return_counts=True)
    return 1 / counts[place]


def _check_classes(made: Split, labels: NDArray[np.str_]) -> None:
    """Every class that is tested has to be learnt."""
    learnt = set(labels[made.train].tolist())
    for side in ("valid", "test"):
        unknown = sorted(set(labels[getattr(made, side)].tolist()) - learnt)
        if unknown:
            few = len({made.rows[0][row] for row in np.flatnonzero(labels == unknown[0])})
            raise SplitError(
                f"class {unknown[0]!r} has {few} track{'s' * (few != 1)}, and none of them is left to train "
                f"({made.name}): leave it out with --classes, or choose other shares"
            )
