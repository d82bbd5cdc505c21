"""Clean a store in a bucket: remove the groups that it no longer uses."""

from __future__ import annotations

import time

from audiospec.errors import StoreError
from audiospec.storage.lease import LEASE
from audiospec.storage.location import Location, location
from audiospec.storage.opening import open_folder
from audiospec.stores.base import missing_store, store_class
from audiospec.stores.layout.cleaned import Cleaned
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.volume_names import VOLUMES, volume_place
from audiospec.stores.volumes.store import VolumeStore

#: Days for which what a store no longer uses is kept, because readers may have it open.
KEPT_DAYS = 7.0


def clean(path: Location | str, days: float = KEPT_DAYS, *, dry_run: bool = False) -> Cleaned:
    """Remove what a store in a bucket no longer uses: tables and views that were replaced, unfinished ones.

    A store on a disk has none: its files are replaced. Staged shards of an unfinished run stay.

    Parameters
    ----------
    path : Location or str
        The store.
    days : float
        Least age of what is removed. A reader that has had the store open for longer fails afterwards.
    dry_run : bool
        Whether to remove nothing.

    Returns
    -------
    Cleaned

    Raises
    ------
    StoreError
        There is no store, or `days` is negative.
    StoreBusyError
        Another run is writing to the store.

    Examples
    --------
    >>> audiospec.clean("s3://bucket/music.zarr").bytes  # doctest: +SKIP
    24117248
    """
    path = location(path)
    if not days >= 0:
        raise StoreError(f"`days` must be at least 0; got {days:g}")
    kind = store_class(path)
    if not kind.exists(path):
        raise missing_store(path)
    with locked(path) as work:
        lease = open_folder(work).entry(LEASE)  # it was written a moment ago, by the clock of the storage
        now = time.time() if lease is None else lease.modified
        older = days * 24 * 3600
        groups, files = {}, 0
        store = kind.open(path)
        for name in store.volumes if isinstance(store, VolumeStore) else ():
            volume = volume_place(path, name)
            with locked(volume):
                cleaned = kind.clean(volume, older, now, dry_run)
            groups.update({f"{VOLUMES}/{name}/{group}": size for group, size in cleaned.groups.items()})
            files += cleaned.files
        cleaned = kind.clean(path, older, now, dry_run)
        return Cleaned({**cleaned.groups, **groups}, cleaned.files + files)
