"""Strategies: split the rows of a view by name and seed.

    strongest  the dataset's own folds, unless they divide its groups; else group; else track (the default)
    fold-K     tests on the dataset's own fold K; part of the rest validates, by groups if the folds are.
               Of the folds train, valid and test, test tests and valid validates
    group      all tracks of a group (artist, speaker, original recording) on one side
    track      all chunks of a track on one side
    filtered   GTZAN's fault-filtered list of tracks, which also separates most artists
    random     chunks at random: a model can recognise the recording

In every strategy but random, files of equal content and the tracks of a cluster are on one side. The test
rows are drawn first, from their share alone: the shares of training and validation do not move them, and all
views of a store have the same test tracks. Sides are stratified: each has about the same share of every
class. The same strategy, seed and tracks give the same split on any machine, in whatever order a store has
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audiospec.errors import SplitError, nearest
from audiospec.zoo.splits.drawing import draw
from audiospec.zoo.splits.filtered import filtered_list
from audiospec.zoo.splits.leaks import group_noun
from audiospec.zoo.splits.of_view import ViewStrata, strata_of
from audiospec.zoo.splits.split import SIDES, Numbers, Split, make_split
from audiospec.zoo.splits.units import SplitTracks, split_tracks

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

STRATEGIES = ("strongest", "fold-K", "group", "track", "filtered", "random")

#: Default shares of training, validation and test rows.
SHARES = (0.7, 0.1, 0.2)


def split(
    view: View,
    strategy: str | None = None,
    *,
    seed: int = 0,
    shares: Sequence[float] = SHARES,
    classes: Sequence[str] | None = None,
    label_column: str | None = None,
) -> Split:
    """Split the rows of a view.

    Parameters
    ----------
    view : View
    strategy : str or None
        One of `STRATEGIES`; ``"fold-3"`` tests on the dataset's fold ``"3"``. None: ``"strongest"``, which
        falls back to a weaker strategy where a stronger one is not possible, and says why in `Split.reason`.
    seed : int
        Another seed gives another split; but ``filtered`` and the test rows of ``fold-K`` are fixed.
        ``strongest`` takes the dataset's numbered folds in turn.
    shares : sequence of 3 floats
        Shares of training, validation and test rows, which add up to 1. Validation may be 0. ``filtered`` has
        its own shares, and the test rows of ``fold-K`` are the fold.
    classes : sequence of str or None
        Split only the rows of these labels; of several labels a row, those of these, and rows without one of
        them are background. None: all rows that have a target.
    label_column : str or None
        A free column of the tracks whose text is the label. None: the labels or targets of the store.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        The strategy is unknown or not possible for the view; a class is tested but has no training rows; a
        side has no rows; or the tracks have no such column.
    """
    if not isinstance(seed, int) or seed < 0:
        raise SplitError(f"expected a seed of at least 0; got {seed!r}")
    given = checked_shares(shares)
    strata = strata_of(view, classes, label_column)
    return split_by(view, strategy, seed=seed, shares=given, strata=strata)


def split_by(
    view: View, strategy: str | None, *, seed: int, shares: tuple[float, float, float], strata: ViewStrata
) -> Split:
    """Split the rows of a view by its strata; for the parameters see `split`, which checks them."""
    request = _Request(view, seed, shares, strata)
    if strategy in (None, "strongest"):
        return _strongest(request)
    assert strategy is not None
    return _by(request, strategy, "it was requested")


@dataclass(frozen=True)
class _Request:
    """The checked arguments of `split`."""

    view: View
    seed: int
    shares: tuple[float, float, float]
    strata: ViewStrata

    @cached_property
    def tracks(self) -> SplitTracks:
        """The tracks of the chosen classes."""
        return split_tracks(self.view, self.strata)

    @cached_property
    def noun(self) -> str:
        """What the groups of the dataset are, in the plural."""
        return group_noun(self.view.store.dataset)


def _strongest(request: _Request) -> Split:
    """Split by the strongest strategy that is possible."""
    why_not: list[str] = []
    for strategy, reason in _candidates(request, why_not):
        try:
            return _by(request, strategy, "; ".join([reason, *why_not]))
        except SplitError as error:
            if strategy == "track":
                raise
            why_not.append(f"not {strategy}: {error.reason}")
    raise AssertionError


def _candidates(request: _Request, why_not: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the strategies from the strongest, with reasons; add to `why_not` what is left out."""
    tracks = request.tracks
    folds = natural({*tracks.folds.tolist()} - {""})
    held_out = [fold for fold in ("test", "valid") if fold in folds]
    fold = ""
    if "train" in folds and held_out:
        fold, reason = held_out[0], "the dataset has its own test part"
    elif len(folds) > 1 and not (tracks.folds == "").any() and not {*folds} & {*SIDES}:
        fold = folds[request.seed % len(folds)]
        reason = f"the dataset has {len(folds)} folds of its own, taken in turn by seed"
    if fold:
        divided = _divided(tracks, fold)
        if divided:
            why_not.append(
                f"not fold-{fold}: {divided} of the dataset's {request.noun} are both in it and outside it"
            )
        else:
            yield f"fold-{fold}", reason
    if (tracks.groups != "").any():
        yield "group", f"the dataset names {request.noun}"
    yield (
        "track",
        "" if (tracks.groups != "").any() else "the dataset names no artists, speakers or recordings",
    )


def _divided(tracks: SplitTracks, fold: str) -> int:
    """Return how many groups have tracks both in a fold and outside it."""
    inside = tracks.folds == fold
    return len(({*tracks.groups[inside].tolist()} & {*tracks.groups[~inside].tolist()}) - {""})


def natural(folds: set[str]) -> list[str]:
    """Sort folds by number where they are numbers."""
    return sorted(folds, key=lambda fold: (int(fold) if fold.isdecimal() else -1, fold))


def _by(request: _Request, strategy: str, reason: str) -> Split:
    """Split by a strategy other than ``strongest``."""
    view, tracks = request.view, request.tracks
    if strategy == "random":
        return _random(request, reason)
    if strategy in ("group", "track"):
        sides, of_groups = _drawn(request, by_group=strategy == "group"), strategy == "group"
        if of_groups and (alone := int((tracks.groups == "").sum())):
            reason += f"; {alone} of {len(tracks)} tracks have no group, and each is a unit of its own"
    elif strategy == "filtered":
        sides = _listed(tracks)
    elif strategy.startswith("fold-"):
        sides = _fold(request, strategy.removeprefix("fold-"))
    else:
        raise SplitError(
            f"no split strategy is called {strategy!r}{nearest(strategy, STRATEGIES)} "
            f"(there are: {', '.join(STRATEGIES)})"
        )
    side_of_track = np.full(len(view.store.tracks), -1)
    side_of_track[tracks.numbers] = sides
    side_of_row, used = side_of_track[view.rows["track"]], request.strata.used_rows
    rows = [np.flatnonzero((side_of_row == side) & used) for side in range(len(SIDES))]
    return make_split(
        view,
        strategy,
        rows,
        left_out=np.flatnonzero((side_of_row == _NO_SIDE) & used),
        seed=request.seed,
        shares=request.shares,
        reason=reason,
        strata=request.strata,
    )


#: The side of a track that is on none.
_NO_SIDE = 3


def _drawn(request: _Request, *, by_group: bool) -> Numbers:
    """Return the side of each track, drawn at random: the test side first."""
    tracks = request.tracks
    if by_group and not (tracks.groups != "").any():
        raise SplitError(
            f"no track of dataset {request.view.store.dataset!r} has a group",
            'name artists, speakers or recordings, or use `strategy="track"`',
        )
    units = tracks.units(groups=by_group)
    noun = request.noun if by_group else "tracks"
    weaker = ', or use `strategy="track"`, which is leaky' if by_group else ""
    if few := request.strata.too_few(tracks.strata, units, 2):
        copies = " (copies count once)" if few.repeated and not by_group else ""
        raise SplitError(
            f"{few.what} has {few.number} {noun.removesuffix('s')}{copies}, so it cannot be both trained and "
            "tested",
            f"add {noun}{few.or_leave_out}{weaker}",
        )
    _, valid, test = request.shares
    sides = np.zeros(len(tracks), np.int64)
    tested = draw(units, tracks.strata, test, (request.seed, 2))
    sides[tested] = 2
    rest = np.flatnonzero(~tested)
    sides[rest[draw(units[rest], tracks.strata.select(rest), valid / (1 - test), (request.seed, 1))]] = 1
    return sides


def _listed(tracks: SplitTracks) -> Numbers:
    """Return the side of each track in the fault-filtered list of Kereliuk, Sturm and Larsen (2015)."""
    sides = np.full(len(tracks), -1)
    for number, listed in enumerate(filtered_list().values()):
        sides[np.isin(tracks.ids, listed)] = number
    if (sides < 0).all():
        raise SplitError(
            "split 'filtered' is for GTZAN; no track of this view is on its list", 'use `strategy="track"`'
        )
    return _apart(tracks, sides)


def _fold(request: _Request, fold: str) -> Numbers:
    """Return the side of each track, of a split that tests on a fold of the dataset.

    The other tracks are split by groups if no group is both in the fold and outside it.
    """
    tracks = request.tracks
    available = natural({*tracks.folds.tolist()} - {""})
    if fold not in available:
        names = f"it has: {', '.join(f'fold-{name}' for name in available)}" if available else "it has none"
        raise SplitError(f"dataset {request.view.store.dataset!r} has no fold {fold!r} ({names})")
    sides = np.where(tracks.folds == fold, 2, 0)
    if fold == "test" and "valid" in available and "train" in available:
        sides[tracks.folds == "valid"] = 1
        return _apart(tracks, sides)
    sides = _apart(tracks, sides)
    train, valid, _ = request.shares
    rest = np.flatnonzero(sides == 0)
    units = tracks.units(groups=not _divided(tracks, fold))
    drawn = draw(units[rest], tracks.strata.select(rest), valid / (train + valid), (request.seed, 1))
    sides[rest[drawn]] = 1
    return sides


def _apart(tracks: SplitTracks, sides: Numbers) -> Numbers:
    """Take tracks off the training and validation sides that are the same sound as a test track.

    Likewise training tracks that are the same sound as a validation track. The sides are fixed by the
    dataset, so such tracks cannot change sides.
    """
    units = tracks.units(groups=False)
    sides = sides.copy()
    for side in (2, 1):
        sides[np.isin(units, units[sides == side]) & (sides >= 0) & (sides < side)] = _NO_SIDE
    return sides


def _random(request: _Request, reason: str) -> Split:
    """Split the rows at random, whatever their tracks; the order of the view's rows does not matter."""
    view, strata = request.view, request.strata
    rows = np.lexsort((view.rows["start"], view.ids.astype(str)))
    rows = rows[strata.used_rows[rows]]
    _, valid, test = request.shares
    tested = draw(np.arange(len(rows)), strata.rows.select(rows), test, (request.seed, 2))
    rest = rows[~tested]
    of_rest = strata.rows.select(rest)
    validated = draw(np.arange(len(rest)), of_rest, valid / (1 - test), (request.seed, 1))
    sides = [np.sort(rest[~validated]), np.sort(rest[validated]), np.sort(rows[tested])]
    return make_split(
        view, "random", sides, seed=request.seed, shares=request.shares, reason=reason, strata=strata
    )


def checked_shares(shares: Sequence[float]) -> tuple[float, float, float]:
    """Return the shares of training, validation and test rows, or raise `SplitError`."""
    if (
        len(shares) != 3
        or min(shares) < 0
        or not abs(sum(shares) - 1) <= 1e-9
        or not (shares[0] and shares[2])
    ):
        raise SplitError(
            "expected three shares, of training, validation and test, that add up to 1, such as "
            f"0.7, 0.1, 0.2; got {', '.join(f'{share:g}' for share in shares)}"
        )
    train, valid, test = shares
    return float(train), float(valid), float(test)
