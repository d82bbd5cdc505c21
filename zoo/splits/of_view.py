"""What the rows and tracks of a view are stratified by: the targets of its store, or a column of its tracks.

one label a track       the label; a track is of one class
segments with a label   a track counts for all its labels, for each as long as it is annotated
several labels, frames  a track counts once for each label that it has; one without any is background
a number                the tracks' means, in ranges of about as many tracks

Tracks are stratified by the annotations of the store, not by rows, so every view of a store has the same test
tracks, however it is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Labelling
from audiospec.annotations.table import RowTargets
from audiospec.errors import SplitError, nearest
from audiospec.zoo.splits.annotated import track_amounts, track_means
from audiospec.zoo.splits.labels import free_column, row_labels
from audiospec.zoo.splits.strata import Numbers, Strata, range_names, ranges

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

Mask = NDArray[np.bool_]


class TooFew(NamedTuple):
    """What has too few units.

    Attributes
    ----------
    what : str
        Such as ``"class 'jazz'"``.
    number : int
        Units that it has.
    repeated : bool
        Whether a unit has several items of it.
    or_leave_out : str
        Part of a hint; ``""`` if it cannot be left out.
    """

    what: str
    number: int
    repeated: bool
    or_leave_out: str


@dataclass(frozen=True, eq=False)
class ViewStrata:
    """The strata of a view's rows and of its store's tracks.

    Attributes
    ----------
    target : str
        What is predicted, one of `TARGETS`.
    column : str
        The free column that labels are from; ``""``: the store's own labels or targets.
    names : list of str
        The classes, sorted; of a number, its column.
    rows, tracks : Strata
        Of all rows of the view, and of all tracks of the store's table; classes that were not chosen are not
        in them.
    used_rows, used_tracks : ndarray of bool
        Rows and tracks that a split divides.
    unlabelled : ndarray of int64
        Rows that have no target, so that they can neither be learnt from nor scored.
    """

    target: str
    column: str
    names: list[str]
    rows: Strata
    tracks: Strata
    used_rows: Mask
    used_tracks: Mask
    unlabelled: Numbers

    @property
    def noun(self) -> str:
        """What the names are, in messages."""
        return "class" if self.target == "single" else "label"

    @property
    def checked(self) -> bool:
        """Whether each name that is tested has to be trained: a range of numbers need not be."""
        return self.tracks.required

    def too_few(self, strata: Strata, units: NDArray[Any], least: int) -> TooFew | None:
        """Return the first class that fewer units have than `least`; of a number, if there are fewer units.

        Parameters
        ----------
        strata : Strata
            Of some tracks.
        units : ndarray, shape (tracks,)
            Number or name of each track's unit.
        least : int
        """
        if self.checked:
            tracks = strata.items_of_names()
            for name, number in strata.units_of_names(units).items():
                if number < least:
                    out = f", or leave the {self.noun} out with `classes`"
                    return TooFew(f"{self.noun} {name!r}", number, tracks[name] > number, out)
        number = len(np.unique(units))
        return TooFew("the dataset", number, number < len(strata), "") if number < least else None

    def completed(self, reason: str) -> str:
        """Return the reason of a split, and the number of rows that are left out as they have no target."""
        number = len(self.unlabelled)
        what = "number" if self.target == "number" else f"text in column {self.column!r}" * bool(self.column)
        without = f"{number} row{'s' * (number != 1)} without a {what or 'label'} left out"
        return "; ".join(filter(None, (reason, without))) if number and without not in reason else reason


def strata_of(
    view: View, classes: Sequence[str] | None = None, label_column: str | None = None
) -> ViewStrata:
    """Return the strata of a view.

    Parameters
    ----------
    view : View
    classes : sequence of str or None
        Labels to use. None: all. Of one label a row, rows of other labels are not used; of several, a row
        with none of them is background.
    label_column : str or None
        A free column of the tracks whose text is the label; see `row_labels`.

    Raises
    ------
    SplitError
        The view lacks a class, or has too few; classes are chosen of a number; or there is no such column.
    """
    if isinstance(classes, str):
        raise SplitError(f"expected a list of labels; got the text {classes!r}")
    column = free_column(view, label_column)
    labelling, targets = view.store.labelling, view.targets
    if column or (targets is None and labelling.target == "single"):
        return _of_tracks(view, classes, column)
    if targets is None:
        none = np.zeros(0)
        targets = RowTargets(none.astype(np.int64), none.astype(np.int32), none, none, ())
    if labelling.target == "number":
        return _of_numbers(view, classes, labelling, targets)
    return _of_annotations(view, classes, labelling, targets)


def _usable(view: View) -> Mask:
    """Return which tracks have rows in the view, or could have some in another: their audio is sound."""
    usable: Mask = view.store.tracks["problem"].astype(str) == ""
    usable[view.rows["track"]] = True
    return usable


def _chosen(view: View, classes: Sequence[str] | None, available: Sequence[str], least: int) -> list[str]:
    """Return the sorted classes to split: those that are available, or those that were chosen of them."""
    for name in classes or ():
        if name not in available:
            raise SplitError(
                f"view {view.name} has no class {name!r}{nearest(name, available)} "
                f"(it has: {', '.join(available)})"
            )
    chosen = sorted({*(available if classes is None else classes)})
    if len(chosen) < least:
        how_many = f"one class ({chosen[0]})" if chosen else "no class"
        expected = "at least two" if least == 2 else "at least one"
        raise SplitError(f"view {view.name} has {how_many}", f"expected {expected}")
    return chosen


def _of_tracks(view: View, classes: Sequence[str] | None, column: str) -> ViewStrata:
    """Return the strata of tracks that have one label each."""
    labels = row_labels(view, column or None)
    available = [str(name) for name in view.classes]
    if column:
        available = sorted({*labels.tolist()} - {""})
    names = _chosen(view, classes, available, 2)
    of_tracks = view.store.tracks[column or "label"].astype(str)
    used_rows, used_tracks = np.isin(labels, names), np.isin(of_tracks, names) & _usable(view)
    return ViewStrata(
        "single",
        column,
        names,
        _exclusive(names, labels, used_rows),
        _exclusive(names, of_tracks, np.isin(of_tracks, names)),
        used_rows,
        used_tracks,
        np.flatnonzero(labels == "") if column else np.zeros(0, np.int64),
    )


def _exclusive(names: Sequence[str], labels: NDArray[np.str_], used: Mask) -> Strata:
    item = np.flatnonzero(used)
    name = np.searchsorted(list(names), labels[item])
    return Strata(tuple(names), item, name, np.ones(len(item)), np.ones(len(labels)), True)


def _of_annotations(
    view: View, classes: Sequence[str] | None, labelling: Labelling, targets: RowTargets
) -> ViewStrata:
    """Return the strata of tracks that may have several labels."""
    single = labelling.target == "single"
    occurring = [targets.names[number] for number in np.unique(targets.label).tolist()]
    of_rows = view.labels.astype(str) if single else np.zeros(len(view), str)
    available = sorted({*of_rows.tolist()} - {""}) if single else occurring
    names = _chosen(view, classes, available, 2 if single else 1)
    if single:
        rows = Strata.of_pairs(names, *_places(names, np.arange(len(view)), of_rows), np.ones(len(view)))
        used_rows = np.isin(of_rows, names)
    else:
        label = np.array((*targets.names, ""), object)[targets.label]
        rows = Strata.of_pairs(names, *_places(names, targets.row, label), np.ones(len(view)))
        used_rows = np.ones(len(view), bool)
    track, label, amount = track_amounts(view, labelling)
    known = np.zeros(len(view.store.tracks), bool)
    known[track] = True
    # A row whose track has no annotation, as in a table that was imported, counts for itself.
    of_track = view.rows["track"][rows.item]
    lacking = ~known[of_track]
    track = np.concatenate([track, of_track[lacking]])
    label = np.concatenate([label, np.array(names, object)[rows.name[lacking]]])
    amount = np.concatenate([amount, np.ones(int(lacking.sum()))])
    item, name, amount = _places(names, track, label, amount)
    if not single:  # a track has a label or not
        first = np.unique(item * (len(names) + 1) + name, return_index=True)[1]
        item, name, amount = item[first], name[first], np.ones(len(first))
    ones = np.ones(len(known))
    sizes = np.bincount(item, amount, len(known)).astype(np.float64) if single else ones
    tracks = Strata.of_pairs(names, item, name, amount, sizes)
    used = np.zeros(len(known), bool)
    used[view.rows["track"][used_rows]] = True
    used[tracks.item] = True
    if not single:  # a track with other labels, or where background is kept, with none, is background
        used |= known | (labelling.background != "drop" or labelling.target == "frames")
    return ViewStrata(
        labelling.target,
        "",
        names,
        rows,
        tracks,
        used_rows,
        used & _usable(view),
        np.flatnonzero(of_rows == "") if single else np.zeros(0, np.int64),
    )


def _places(
    names: Sequence[str], item: NDArray[Any], label: NDArray[Any], amount: NDArray[np.float64] | None = None
) -> tuple[NDArray[Any], Numbers, NDArray[np.float64]]:
    """Return items, indices into the names, and amounts, of the items whose label is one of the names."""
    texts = label.astype(str)
    place = np.minimum(np.searchsorted(list(names), texts), len(names) - 1)
    kept = np.array(names)[place] == texts if len(texts) else np.zeros(0, bool)
    amounts = np.ones(len(texts)) if amount is None else amount
    return item[kept].astype(np.int64), place[kept], amounts[kept]


def _of_numbers(
    view: View, classes: Sequence[str] | None, labelling: Labelling, targets: RowTargets
) -> ViewStrata:
    """Return the strata of tracks that have numbers."""
    if classes is not None and list(classes) != [labelling.column]:
        raise SplitError(
            f"classes are chosen of labels; the target of {view.store.path} is the number "
            f"{labelling.column!r}",
            "leave out `classes`",
        )
    values = targets.numbers(np.arange(len(view)), len(view))
    used_rows = np.isfinite(values)
    means = track_means(view, labelling, values)
    used_tracks = np.isfinite(means) & _usable(view)
    borders = ranges(means[used_tracks])
    names = range_names(borders)

    def strata(numbers: NDArray[np.float64]) -> Strata:
        item = np.flatnonzero(np.isfinite(numbers))
        name = np.searchsorted(borders, numbers[item], side="right")
        return Strata(names, item, name, np.ones(len(item)), np.ones(len(numbers)), required=False)

    without = np.flatnonzero(~used_rows)
    if not used_rows.any():
        raise SplitError(
            f"view {view.name} has no row with a number of {labelling.column!r}", "choose another view"
        )
    return ViewStrata(
        "number", "", [labelling.column], strata(values), strata(means), used_rows, used_tracks, without
    )
