"""Folds: splits of one view that together test each row once, or once in each repeat.

    folds                the dataset's own folds, each tested once
    K folds              drawn, stratified by class (label, number), in units that stay together: groups
                         where there are some
    leave-one-group-out  each group is tested once

The folds are of tracks, not of rows, so every view of a store has the same ones. A part of the other rows
validates, if validation has a share; it is drawn in the same units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import digest
from audiospec.errors import SplitError
from audiospec.zoo.splits.drawing import draw, stratified_folds
from audiospec.zoo.splits.leaks import Leaks, group_noun, merge_leaks
from audiospec.zoo.splits.of_view import ViewStrata, strata_of
from audiospec.zoo.splits.split import SIDES, Numbers, Split, check_length, displayed, make_split
from audiospec.zoo.splits.strategies import SHARES, checked_shares, natural, split_by
from audiospec.zoo.splits.units import SplitTracks, split_tracks

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

#: Strategies that make folds by themselves.
FOLDS, ONE_GROUP_OUT = "folds", "leave-one-group-out"
FOLD_STRATEGIES = (FOLDS, ONE_GROUP_OUT)


class Fold(NamedTuple):
    """One of some folds: its split, and the numbers of its repeat and of itself in that, both from 1."""

    split: Split
    repeat: int
    number: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Folds:
    """Splits that together test each row once, or once in each repeat.

    Attributes
    ----------
    strategy : str
        ``"folds"``, ``"leave-one-group-out"``, or such as ``"5 folds"``, ``"5 folds x 3"``.
    seed : int
    shares : tuple of 3 floats
        As given; the share of validation is of the rows that are not tested, relative to that of training.
    repeats : int
        How often each row is tested.
    folds : list of Fold
        In the order of the repeats, then of the folds.
    reason : str
        What the folds are made of.
    """

    strategy: str
    seed: int
    shares: tuple[float, float, float]
    repeats: int
    folds: list[Fold]
    reason: str

    def __len__(self) -> int:
        """Return the number of folds, over all repeats."""
        return len(self.folds)

    @property
    def strata(self) -> ViewStrata:
        """What the folds are stratified by."""
        return self.folds[0].split.strata

    @property
    def rows(self) -> tuple[list[str], list[float]]:
        """Track id and start in seconds of every row of the view."""
        return self.folds[0].split.rows

    @cached_property
    def tested(self) -> Numbers:
        """Row numbers that are tested, ascending, shape (n,)."""
        return np.sort(np.concatenate([fold.split.test for fold in self.folds if fold.repeat == 1]))

    @cached_property
    def leaks(self) -> Leaks:
        """Test rows that leak, over all folds and repeats."""
        return merge_leaks([fold.split.leaks for fold in self.folds])

    @property
    def leaky(self) -> bool:
        """Whether a test row of a fold shares a recording or a group with what the fold learns from."""
        return bool(self.leaks)

    @property
    def name(self) -> str:
        """The strategy as it is displayed: ``"5 folds"``, or ``"folds (leaky: speakers)"``."""
        return displayed(self.strategy, self.leaks.words)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the splits; equal for every store of the same rows."""
        return digest([[fold.repeat, fold.number, fold.split.digest] for fold in self.folds])

    def split(
        self, x: object = None, y: object = None, groups: object = None
    ) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield the training and the test rows of each fold, as scikit-learn's splitters do: ``cv=folds``.

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
        for fold in self.folds:
            yield fold.split.train, fold.split.test

    def get_n_splits(self, x: object = None, y: object = None, groups: object = None) -> int:
        """Return the number of folds, over all repeats."""
        return len(self)


def make_folds(
    view: View,
    strategy: str | None = None,
    *,
    folds: int | None = None,
    repeats: int = 1,
    seed: int = 0,
    shares: Sequence[float] = SHARES,
    classes: Sequence[str] | None = None,
    label_column: str | None = None,
) -> Folds:
    """Make the folds of a cross-validation.

    Parameters
    ----------
    view : View
    strategy : str or None
        ``"folds"``: the dataset's own. ``"leave-one-group-out"``: each group is a fold. Else folds are drawn:
        with ``"track"``, tracks of a group may be on two sides, which is leaky; None and ``"strongest"``: by
        groups where the dataset has some, as with ``"group"``.
    folds : int or None
        Number of folds to draw; at least 2.
    repeats : int
        How often to draw them; at least 1.
    seed : int
        Of the folds that are drawn, and of the validation rows.
    shares : sequence of 3 floats
        Shares of training, validation and test rows, as for `split`. The folds have their own test share.
    classes : sequence of str or None
    label_column : str or None
        As for `split`.

    Returns
    -------
    Folds

    Raises
    ------
    SplitError
        A class has fewer groups, or other units, than there are folds; the dataset has no folds or groups;
        tracks lack one; or the options contradict each other.
    """
    if not isinstance(seed, int) or seed < 0:
        raise SplitError(f"expected a seed of at least 0; got {seed!r}")
    given = checked_shares(shares)
    _check_options(strategy, folds, repeats)
    strata = strata_of(view, classes, label_column)
    maker = _Maker(view, split_tracks(view, strata), strata, given, seed)
    if strategy == FOLDS:
        return maker.of_dataset()
    if strategy == ONE_GROUP_OUT:
        return maker.one_group_out()
    assert folds is not None
    return maker.drawn(folds, repeats, strategy)


def _check_options(strategy: str | None, folds: int | None, repeats: int) -> None:
    """Raise `SplitError` if the options of `make_folds` contradict each other."""
    fixed = strategy in FOLD_STRATEGIES
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise SplitError(f"expected at least 1 repeat; got {repeats!r}", "give `repeats=1` or more")
    if fixed and (folds is not None or repeats > 1):
        raise SplitError(
            f"split {strategy!r} has folds of its own, each tested once; got "
            f"{f'{folds} folds' if folds is not None else f'{repeats} repeats'}",
            "leave out `folds` and `repeats`, or `strategy`",
        )
    if fixed:
        return
    if folds is None:
        raise SplitError(
            f"expected a number of folds for {repeats} repeats; got none",
            "give `folds=5`, or leave out `repeats`",
        )
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise SplitError(f"expected at least 2 folds; got {folds!r}", "give `folds=2` or more")
    if strategy not in (None, "strongest", "group", "track"):
        raise SplitError(
            f"folds are drawn by groups or by tracks; got the split {strategy!r}",
            "leave out `folds`, or choose `strategy` group or track",
        )


@dataclass(frozen=True)
class _Maker:
    """Makes folds of the tracks of a view's store; the arguments of `make_folds`, checked."""

    view: View
    tracks: SplitTracks
    strata: ViewStrata
    shares: tuple[float, float, float]
    seed: int

    @property
    def noun(self) -> str:
        """What the groups of the dataset are, in the plural."""
        return group_noun(self.view.store.dataset)

    @property
    def grouped(self) -> bool:
        """Whether a track has a group."""
        return bool((self.tracks.groups != "").any())

    def of_dataset(self) -> Folds:
        """Return the dataset's own folds."""
        available = natural({*self.tracks.folds.tolist()} - {""})
        dataset = repr(self.view.store.dataset)
        instead = "draw some with `folds=5`"
        if len(available) < 2 or {*available} & {*SIDES}:
            names = f"the parts {', '.join(available)}" if available else "none"
            part = f', or choose `strategy="fold-{available[-1]}"`' if available else ""
            raise SplitError(
                f"expected a dataset with two folds or more; {dataset} has {names}", instead + part
            )
        without = int((self.tracks.folds == "").sum())
        if without:
            raise SplitError(
                f"expected a fold for each track of dataset {dataset}; {without} of "
                f"{len(self.tracks)} have none",
                f"name their folds, or {instead}",
            )
        splits = [
            split_by(self.view, f"fold-{name}", seed=self.seed, shares=self.shares, strata=self.strata)
            for name in available
        ]
        reason = f"the dataset has {len(splits)} folds of its own"
        return self._folds(FOLDS, [Fold(made, 1, n) for n, made in enumerate(splits, 1)], reason)

    def one_group_out(self) -> Folds:
        """Return one fold for each group; groups that share a sound are one."""
        dataset = repr(self.view.store.dataset)
        without = int((self.tracks.groups == "").sum())
        if without:
            have = "no track has one" if not self.grouped else f"{without} of {len(self.tracks)} have none"
            raise SplitError(
                f"expected a group for each track of dataset {dataset}; {have}",
                "name artists, speakers or recordings, or draw folds with `folds=5`",
            )
        units = self.tracks.units(groups=True)
        self._check_units(units, 2, self.noun, "")
        made = []
        for number, unit in enumerate(np.unique(units), 1):
            names = " and ".join(np.unique(self.tracks.groups[units == unit]).tolist())
            made.append(Fold(self._split(f"without {names}", units == unit, units, 1, self.noun), 1, number))
        return self._folds(ONE_GROUP_OUT, made, f"each of the {len(made)} {self.noun} is tested once")

    def drawn(self, count: int, repeats: int, strategy: str | None) -> Folds:
        """Return folds that are drawn, as many as asked for in each repeat."""
        if strategy == "group" and not self.grouped:
            raise SplitError(
                f"no track of dataset {self.view.store.dataset!r} has a group",
                'name artists, speakers or recordings, or use `strategy="track"`',
            )
        grouped = self.grouped and strategy != "track"
        units = self.tracks.units(groups=grouped)
        noun = self.noun if grouped else "tracks"
        weaker = ', or use `strategy="track"`, which is leaky' if grouped else ""
        self._check_units(units, count, noun, weaker)
        made = []
        for repeat in range(1, repeats + 1):
            fold_of = stratified_folds(units, self.tracks.strata, count, (self.seed, 3, repeat))
            for number in range(1, count + 1):
                name = f"fold {number} of {count}" + (f", repeat {repeat}" if repeats > 1 else "")
                tested = fold_of == number - 1
                made.append(Fold(self._split(name, tested, units, repeat, noun), repeat, number))
        name = f"{count} folds" + (" by track" if self.grouped and not grouped else "")
        name += f" x {repeats}" if repeats > 1 else ""
        by = {"single": "class", "number": "the number"}.get(self.strata.target, "label")
        return self._folds(name, made, f"folds were requested; they are drawn by {noun}, stratified by {by}")

    def _check_units(self, units: Numbers, least: int, noun: str, weaker: str) -> None:
        """Raise `SplitError` if a class has fewer units than there are folds."""
        few = self.strata.too_few(self.tracks.strata, units, least)
        if few is None:
            return
        copies = " (copies count once)" if few.repeated and noun == "tracks" else ""
        has = f"{few.what} has {few.number} of the dataset's {noun}{copies}"
        if few.number < 2:
            raise SplitError(
                f"{has}, so it cannot be both trained and tested", f"add {noun}{few.or_leave_out}{weaker}"
            )
        raise SplitError(
            f"{has}, fewer than {least} folds", f"use `folds={few.number}`{few.or_leave_out}{weaker}"
        )

    def _split(self, name: str, tested: NDArray[np.bool_], units: Numbers, repeat: int, noun: str) -> Split:
        """Return the split that tests some tracks; of the others some validate, drawn in units."""
        train, valid, _ = self.shares
        sides = np.where(tested, 2, 0)
        rest = np.flatnonzero(~tested)
        share = valid / (train + valid)
        sides[rest[draw(units[rest], self.tracks.strata.select(rest), share, (self.seed, 1, repeat))]] = 1
        side_of_track = np.full(len(self.view.store.tracks), -1)
        side_of_track[self.tracks.numbers] = sides
        side_of_row = side_of_track[self.view.rows["track"]]
        used = self.strata.used_rows
        rows = [np.flatnonzero((side_of_row == side) & used) for side in range(len(SIDES))]
        return make_split(
            self.view,
            name,
            rows,
            seed=self.seed,
            shares=self.shares,
            reason=f"a fold of {noun}",
            strata=self.strata,
        )

    def _folds(self, strategy: str, folds: list[Fold], reason: str) -> Folds:
        reason = self.strata.completed(reason)
        repeats = max(fold.repeat for fold in folds)
        return Folds(
            strategy=strategy, seed=self.seed, shares=self.shares, repeats=repeats, folds=folds, reason=reason
        )
