"""Split: the rows of a view on three sides, and what leaks from one to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import digest
from audiospec.errors import SplitError
from audiospec.zoo.splits.leaks import Known, Leaks, Learnt, find_leaks
from audiospec.zoo.splits.of_view import ViewStrata, strata_of

if TYPE_CHECKING:
    from audiospec.stores.layout.tracks import Tracks
    from audiospec.stores.layout.view import View

SIDES = ("train", "valid", "test")
SIDE_NAMES = {"train": "training", "valid": "validation", "test": "test"}

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """The rows of a view on three sides.

    Attributes
    ----------
    strategy : str
        The strategy that made it; never ``"strongest"``, but what that chose.
    seed : int
    shares : tuple of 3 floats
        The shares that it was made with.
    train, valid, test : ndarray of int64
        Row numbers, ascending; no row is on two sides. `valid` may be empty.
    left_out : ndarray of int64
        Rows of the chosen classes that are on no side: their sound is on another side than they would be.
    strata : ViewStrata
        What it is stratified by. Its rows without a target are on no side, and not in `left_out`.
    leaks : Leaks
        Test rows that share a track, content, cluster or group with training or validation rows.
    reason : str
        Why this strategy was chosen.
    rows : (list of str, list of float)
        Track id and start in seconds of every row of the view.
    """

    strategy: str
    seed: int
    shares: tuple[float, float, float]
    train: Numbers
    valid: Numbers
    test: Numbers
    left_out: Numbers
    leaks: Leaks
    reason: str
    rows: tuple[list[str], list[float]] = field(repr=False)
    strata: ViewStrata = field(repr=False)

    @property
    def leaky(self) -> bool:
        """Whether a test row shares a recording or a group with a training or validation row."""
        return bool(self.leaks)

    @property
    def name(self) -> str:
        """The strategy as it is displayed: ``"group"``, or ``"track (leaky: artists)"``."""
        return displayed(self.strategy, self.leaks.words)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tracks and starts of each side; equal for every store of the same rows."""
        ids, starts = self.rows
        sides = {side: sorted((ids[i], starts[i]) for i in getattr(self, side)) for side in SIDES}
        return digest(sides)

    def split(
        self, x: object = None, y: object = None, groups: object = None
    ) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield the training and the test rows, as scikit-learn's splitters do: ``cv=split``.

        Parameters
        ----------
        x, y, groups : object
            Of all rows of the view, in its order. Only the number of rows in `x` is checked.

        Raises
        ------
        SplitError
            `x` has another number of rows than the view.
        """
        check_length(x, len(self.rows[0]))
        yield self.train, self.test

    def get_n_splits(self, x: object = None, y: object = None, groups: object = None) -> int:
        """Return 1: scikit-learn asks how many pairs `split` yields."""
        return 1


def check_length(values: Any, expected: int) -> None:
    """Raise `SplitError` if an array has another number of rows than a view; None is not checked."""
    if values is not None and len(values) != expected:
        raise SplitError(
            f"expected an array with one item for each of the view's {expected} rows; got {len(values)}",
            "give `view.read()` and `view.labels`, all rows in the view's order",
        )


def displayed(strategy: str, leaks: str) -> str:
    """Return a strategy as it is displayed, with what leaks; `leaks` is ``""`` if nothing does."""
    return f"{strategy} (leaky: {leaks})" if leaks else strategy


def make_split(
    view: View,
    strategy: str,
    sides: Sequence[Numbers],
    *,
    seed: int,
    shares: Sequence[float],
    reason: str,
    left_out: Numbers | None = None,
    strata: ViewStrata | None = None,
) -> Split:
    """Make a split of rows that are on known sides: find what leaks, and check that it can be used.

    Parameters
    ----------
    view : View
    strategy : str
    sides : sequence of 3 ndarrays of int64
        Rows that train, validate and test.
    seed, shares, reason, left_out
        See `Split`; `reason` gets the number of rows that have no target.
    strata : ViewStrata or None
        Of the view. None: those of all its classes.

    Raises
    ------
    SplitError
        A class is tested but has no training rows, or a side has no rows although its share is not 0.
    """
    train, valid, test = sides
    strata = strata_of(view) if strata is None else strata
    _check_sides(view, strategy, sides, shares, strata)
    known = known_rows(view)
    dataset = view.store.dataset
    learnt = Learnt.of(dataset, {known[row] for row in (*train, *valid)})
    return Split(
        strategy=strategy,
        seed=seed,
        shares=(float(shares[0]), float(shares[1]), float(shares[2])),
        train=train,
        valid=valid,
        test=test,
        left_out=train[:0] if left_out is None else left_out,
        leaks=find_leaks(learnt, [known[row] for row in test], dataset),
        reason=strata.completed(reason),
        strata=strata,
        rows=(view.ids.astype(str).tolist(), view.rows["start"].tolist()),
    )


def known_tracks(table: Tracks) -> list[Known]:
    """Return what is known of each track of a store, in the order of its table."""
    columns = (table[name].tolist() for name in ("id", "hash", "cluster", "group"))
    return [Known(*map(str, values)) for values in zip(*columns, strict=True)]


def known_rows(view: View) -> list[Known]:
    """Return what is known of the track of each row of a view."""
    tracks = known_tracks(view.store.tracks)
    return [tracks[number] for number in view.rows["track"].tolist()]


def _check_sides(
    view: View, strategy: str, sides: Sequence[Numbers], shares: Sequence[float], strata: ViewStrata
) -> None:
    """Raise `SplitError` if a class is tested but not trained, or a side has no rows."""
    trained = {*strata.rows.select(sides[0]).present()}
    for number, side in enumerate(SIDES):
        present = strata.rows.select(sides[number]).present()
        untrained = sorted({*present} - trained) if strata.checked else []
        if untrained:
            tracks = strata.rows.units_of_names(view.rows["track"])[untrained[0]]
            raise SplitError(
                f"{strata.noun} {untrained[0]!r} has {tracks} track{'s' * (tracks != 1)}, none of them in "
                f"the training rows of split {strategy!r}",
                f"leave the {strata.noun} out with `classes`, or choose other `shares`",
            )
        if not len(sides[number]) and (side != "valid" or shares[1]):
            raise SplitError(
                f"split {strategy!r} of view {view.name} has no {SIDE_NAMES[side]} rows",
                "choose another `strategy`, or other `shares`",
            )
