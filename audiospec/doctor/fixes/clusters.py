"""Write clusters into a store: tracks that hold the same sound, which splits keep on one side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.duplicates.clusters import components, equal_pairs
from audiospec.errors import StoreBusyError, StoreError
from audiospec.stores.base import FeatureStore, open_store, store_class
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.schema import FOUND_CLUSTER
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.volumes.store import VolumeStore


def write_clusters(store: FeatureStore, clusters: Sequence[Sequence[int]]) -> int:
    """Join tracks in the column `cluster` of a store's track table; nothing else changes.

    Clusters that the table has stay. One that shares a track with a new one is joined with it.

    Parameters
    ----------
    store : FeatureStore
        It has to be opened again afterwards.
    clusters : sequence of sequence of int
        Numbers of tracks in the track table that hold the same sound.

    Returns
    -------
    int
        Number of tracks whose cluster changed.

    Raises
    ------
    StoreError
        A track has no such number.
    StoreBusyError
        Another run is writing to the store, or has written since it was opened.
    """
    before = store.tracks["cluster"]
    after = joined_clusters(store.tracks, clusters)
    changed = int((before != after).sum())
    if not changed:
        return 0
    kind = store_class(store.path)
    with locked(store.path) as work:
        now = open_store(store.path)
        if now.version != store.version or now.tracks["id"].tolist() != store.tracks["id"].tolist():
            raise StoreBusyError(
                f"{store.path} was written to while it was examined", "run `audiospec doctor` again"
            )
        if not isinstance(now, VolumeStore):
            since = (now.version,) if kind.has_versions else ()
            kind.publish(now.path, work, now.store_attributes(), _with(now.tracks, after), None, *since)
            return changed
        first = 0
        for volume in now.each():
            part = after[first : first + len(volume.tracks)]
            first += len(volume.tracks)
            if (volume.tracks["cluster"] != part).any():
                since = (volume.version,) if kind.has_versions else ()
                with locked(volume.path) as inner:
                    kind.publish(
                        volume.path,
                        inner,
                        volume.store_attributes(),
                        _with(volume.tracks, part),
                        None,
                        *since,
                    )
    return changed


def joined_clusters(tracks: Tracks, clusters: Sequence[Sequence[int]]) -> NDArray[np.object_]:
    """Return the column `cluster` that tracks have once new clusters are joined with those they have.

    Parameters
    ----------
    tracks : Tracks
    clusters : sequence of sequence of int

    Returns
    -------
    ndarray of str
        A cluster keeps its name, the first in the order of the alphabet where several are joined. A new one
        is named after the content hash, or else the id, of its first track.
    """
    before, total = tracks["cluster"], len(tracks)
    pairs = equal_pairs(before)
    for cluster in clusters:
        if cluster and not 0 <= min(cluster) <= max(cluster) < total:
            raise StoreError(f"the store has {total} tracks; got number {max(cluster)} in a cluster")
        pairs += [(cluster[0], number) for number in cluster]
    after = before.copy()
    for numbers in components(pairs):
        names = sorted({before[number] for number in numbers} - {""})
        first = numbers[0]
        new = FOUND_CLUSTER + (tracks["hash"][first] or tracks["id"][first])
        after[list(numbers)] = names[0] if names else new
    return after


def _with(tracks: Tracks, clusters: NDArray[np.object_]) -> Tracks:
    return replace(tracks, columns={**tracks.columns, "cluster": clusters})
