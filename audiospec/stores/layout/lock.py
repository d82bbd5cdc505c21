"""The lock of a store, and its work folder for unfinished shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from audiospec.storage.base import Lock
from audiospec.storage.location import Location, Url
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.volume_names import VOLUMES, store_of_volume

_Place = TypeVar("_Place", Path, Url, Location)


#: Store → its lock, while this process holds it.
_held: dict[Location, Lock] = {}


@contextmanager
def locked(store: _Place) -> Iterator[_Place]:
    """Hold the lock of the store at `store` during a block; provide its work folder, which has the lock.

    Raises
    ------
    StoreBusyError
        Another process, or another thread of this one, holds the lock.
    StoreError, StorageError
        The folder or the bucket cannot be written to.
    """
    work = work_folder(store)
    with open_folder(work).lock(str(store)) as lock:
        _held[store] = lock
        try:
            yield work
        finally:
            del _held[store]
    if isinstance(work, Path) and store_of_volume(store) is not None:
        with suppress(OSError):  # they are not empty
            work.parent.rmdir()
            work.parent.parent.rmdir()


def require_lock(store: Location) -> None:
    """Raise a StoreBusyError if this process has lost the lock of a store: it was stopped for minutes."""
    if store in _held:
        _held[store].require()


def work_folder(path: _Place) -> _Place:
    """Return the folder for a store's unfinished shards: beside the store, removed when all are finished.

    That of a volume is in that of the whole store.
    """
    store = store_of_volume(path)
    if store is not None:
        inside: _Place = work_folder(store) / VOLUMES / path.name
        return inside
    work: _Place = path.with_name(path.name + ".work")
    return work
