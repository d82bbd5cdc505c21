"""LabelledTracks: what the tracks of a store are labelled as, and the units that they are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import NotCheckedError, SplitError
from audiospec.zoo.splits.annotated import track_means
from audiospec.zoo.splits.of_view import strata_of
from audiospec.zoo.splits.units import split_tracks

if TYPE_CHECKING:
    from audiospec.doctor.examined import Examined
    from audiospec.stores.layout.view import View


def labelled_tracks(examined: Examined) -> LabelledTracks:
    """Return the labelled tracks of a store, by the labels of its view with the most rows.

    Raises
    ------
    NotCheckedError
        The store has no rows, or fewer than two labels.
    """
    views = [view for view in examined.views if len(view)]
    if not views:
        raise NotCheckedError(
            f"{examined.store.path} has no view with rows", "make one with `audiospec featurize`"
        )
    try:
        return LabelledTracks.of(max(views, key=lambda view: (len(view), view.name)))
    except SplitError as error:
        raise NotCheckedError(error.reason, error.hint) from error


@dataclass(frozen=True, eq=False)
class LabelledTracks:
    """The tracks of a store that can be learnt from, with their labels and units.

    Attributes
    ----------
    target : str
        ``"single"``: one label a track. ``"multi-label"``: any number, as the tracks of labels in time have,
        too. ``"number"``.
    numbers : ndarray of int64, shape (tracks,)
        Row numbers in the track table.
    names : tuple of str
        The labels, sorted; of numbers, the name of their column.
    has : ndarray of bool, shape (tracks, labels)
        Whether each track has each label; of numbers, no label.
    values : ndarray of float64, shape (tracks,)
        The number of each track; NaN unless the target is a number.
    units : ndarray of int64, shape (tracks,)
        Number of each track's unit, from 0: tracks that share a recording or a group, see `joined`.
    """

    target: str
    numbers: NDArray[np.int64]
    names: tuple[str, ...]
    has: NDArray[np.bool_]
    values: NDArray[np.float64]
    units: NDArray[np.int64]

    @classmethod
    def of(cls, view: View) -> LabelledTracks:
        """Return the tracks of a view's store; a track without any label is left out if it needs one.

        Raises
        ------
        SplitError
            There are too few labels to tell apart.
        """
        strata = strata_of(view)
        tracks = split_tracks(view, strata)
        units = np.unique(tracks.units(groups=True), return_inverse=True)[1].astype(np.int64)
        values = np.full(len(tracks), np.nan)
        if strata.target == "number":
            assert view.targets is not None
            of_rows = view.targets.numbers(np.arange(len(view)), len(view))
            values = track_means(view, view.store.labelling, of_rows)[tracks.numbers]
            no_labels = np.zeros((len(tracks), 0), bool)
            return cls("number", tracks.numbers, (view.store.labelling.column,), no_labels, values, units)
        names = tracks.strata.names
        has = np.zeros((len(tracks), len(names)), bool)
        has[tracks.strata.item, tracks.strata.name] = True
        single = strata.target == "single" and bool((has.sum(1) <= 1).all())
        made = cls("single" if single else "multi-label", tracks.numbers, names, has, values, units)
        if not single:
            return made
        made = made.labels([number for number, name in enumerate(names) if name])
        return made.select(np.flatnonzero(made.has.any(1)))

    def __len__(self) -> int:
        return len(self.numbers)

    def different(self, keys: NDArray[np.int64], has: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return how many different keys the tracks of each label have: (labels,).

        Parameters
        ----------
        keys : ndarray of int64, shape (tracks,)
            At least 0, such as `units`.
        has : ndarray of bool, shape (tracks, labels)
            Which tracks count for each label; None: those that have it.
        """
        track, label = np.nonzero(self.has if has is None else has)
        several = int(keys.max(initial=0)) + 1
        pairs = np.unique(label.astype(np.int64) * several + keys[track])
        return np.bincount(pairs // several, minlength=self.has.shape[1]).astype(np.int64)

    def select(self, places: NDArray[np.int64]) -> LabelledTracks:
        """Return some of the tracks, by their places here; units are numbered anew."""
        units = np.unique(self.units[places], return_inverse=True)[1].astype(np.int64)
        return LabelledTracks(
            self.target, self.numbers[places], self.names, self.has[places], self.values[places], units
        )

    def labels(self, kept: list[int]) -> LabelledTracks:
        """Return all tracks with some of the labels, by their places in `names`."""
        names = tuple(self.names[place] for place in kept)
        return LabelledTracks(self.target, self.numbers, names, self.has[:, kept], self.values, self.units)

    def sample(self, most: int, seed: int) -> LabelledTracks:
        """Return at most about `most` tracks, drawn so that labels and units stay as many as possible.

        Rare labels are drawn before common ones, and each unit gives a track before any gives its second.
        """
        if len(self) <= most:
            return self
        random = np.random.default_rng([seed, len(self)])
        shuffled = random.permutation(len(self))
        in_unit = _rank_within(self.units[shuffled])
        shuffled = shuffled[np.argsort(in_unit, kind="stable")]
        in_label = _rank_within(self.rarest()[shuffled])
        return self.select(np.sort(shuffled[np.argsort(in_label, kind="stable")][:most]))

    def rarest(self) -> NDArray[np.int64]:
        """Return the rarest label that each track has, by place in `names`; -1 if it has none."""
        if not self.has.shape[1]:
            return np.full(len(self), -1)
        counts = np.where(self.has, self.has.sum(0), len(self) + 1)
        return np.where(self.has.any(1), counts.argmin(1), -1)


def _rank_within(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each place how many earlier places have the same key."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(starts, append=len(keys)))
    return rank
