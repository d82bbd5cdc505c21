"""Units: tracks that a split keeps on one side, because a model that knows one of them knows the others.

Tracks with the same content hash are one unit, and so are tracks of one cluster (near-duplicates). Where a
split is by groups, tracks of one group are, too. Units are the connected components of these relations: if A
and B are the same file, and B and C have the same artist, then A, B and C are one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.splits.of_view import ViewStrata
from audiospec.zoo.splits.strata import Strata

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View

#: Columns of the track table that join tracks, besides groups.
SAME_SOUND = ("hash", "cluster")


@dataclass(frozen=True, eq=False)
class SplitTracks:
    """The tracks of a store that a split divides: one array of text for each column of the track table.

    All tracks of the chosen classes that can be used are in it, whether or not the view has rows of them. So
    every view of a store has the same test tracks.

    Attributes
    ----------
    numbers : ndarray of int64
        Row numbers in the store's track table, in the order of the ids.
    ids : ndarray of str
    strata : Strata
        What the tracks are stratified by.
    hashes, clusters, groups, folds : ndarray of str
    """

    numbers: NDArray[np.int64]
    ids: NDArray[np.str_]
    strata: Strata
    hashes: NDArray[np.str_]
    clusters: NDArray[np.str_]
    groups: NDArray[np.str_]
    folds: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.ids)

    def units(self, *, groups: bool) -> NDArray[np.int64]:
        """Return the unit of each track: the place of the unit's first track."""
        return joined([self.hashes, self.clusters, *([self.groups] if groups else [])])


def split_tracks(view: View, strata: ViewStrata) -> SplitTracks:
    """Return the tracks of a view's store that a split divides.

    Parameters
    ----------
    view : View
    strata : ViewStrata
        Of the view.
    """
    table = view.store.tracks
    numbers = np.flatnonzero(strata.used_tracks)
    numbers = numbers[np.argsort(table["id"][numbers].astype(str), kind="stable")]
    texts = (table[name][numbers].astype(str) for name in ("hash", "cluster", "group", "fold"))
    return SplitTracks(numbers, table["id"][numbers].astype(str), strata.tracks.select(numbers), *texts)


def units_of(view: View, *, groups: bool = True) -> NDArray[np.str_]:
    """Return the name of each row's unit: the smallest id of the unit's tracks.

    Parameters
    ----------
    view : View
    groups : bool
        Whether tracks of one group are one unit, as well as tracks of the same sound. A track without a group
        is not joined to others by it.

    Returns
    -------
    ndarray of str, shape (rows,)
    """
    table = view.store.tracks
    order = np.argsort(table["id"].astype(str), kind="stable")
    columns = [*SAME_SOUND, *(["group"] if groups else [])]
    first = joined([table[name][order].astype(str) for name in columns])
    ids = table["id"][order].astype(str)
    name_of = np.empty(len(table), ids.dtype)
    name_of[order] = ids[first]
    names: NDArray[np.str_] = name_of[view.rows["track"]]
    return names


def joined(columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Join places that have a value in common, directly or through others.

    Parameters
    ----------
    columns : sequence of ndarray of str, each of shape (n,)
        Two places are joined if a column has the same text in both; ``""`` joins nothing.

    Returns
    -------
    ndarray of int64, shape (n,)
        For each place the first place that it is joined with, which may be itself.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(columns[0])
    places, values, offset = [], [], count
    for column in columns:
        known = np.flatnonzero(column != "")
        names, numbers = np.unique(column[known], return_inverse=True)
        places.append(known)
        values.append(numbers + offset)
        offset += len(names)
    ends = np.concatenate(places), np.concatenate(values)
    graph = coo_array((np.ones(len(ends[0]), np.int8), ends), (offset, offset))
    component = connected_components(graph, directed=False)[1][:count]
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
    return first[number].astype(np.int64)
