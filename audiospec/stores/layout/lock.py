"""The lock of a store, and its work folder for unfinished shards."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.errors import StoreBusyError, StoreError
from audiospec.stores.layout.volume_names import VOLUMES, store_of_volume

if TYPE_CHECKING:  # workers take no lock
    import filelock


@contextmanager
def locked(store: Path) -> Iterator[Path]:
    """Hold the lock of the store at `store` during a block; provide its work folder.

    The system frees the lock when the process ends, even if it is killed.

    Raises
    ------
    StoreBusyError
        Another process, or another thread of this one, holds the lock.
    StoreError
        The folder cannot be written to.
    """
    work = work_folder(store)
    lock = _acquire(store, work)
    try:
        (work / "holder").write_text(f" (process {os.getpid()})")
        yield work
    finally:
        (work / "holder").unlink(missing_ok=True)
        if not any(child.name != "lock" for child in work.iterdir()):
            # Remove it before the lock is released: a process that has the lock file open by then notices
            # that the file was unlinked, and tries again.
            shutil.rmtree(work, ignore_errors=True)
        lock.release()


def _acquire(store: Path, work: Path) -> filelock.BaseFileLock:
    """Make the work folder and acquire the lock in it."""
    import filelock

    for attempt in range(50):
        try:
            store.parent.mkdir(parents=True, exist_ok=True)
            work.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(work / "lock", timeout=0)
            lock.acquire()
            return lock
        except filelock.Timeout:
            break
        except OSError as error:
            # The previous run may be removing the folder at this moment.
            if isinstance(error, FileNotFoundError | FileExistsError) and attempt < 49:
                time.sleep(0.01)
                continue
            raise StoreError(
                f"cannot write beside {store} ({error.strerror})",
                "choose a `store` in a folder that can be written to",
            ) from error
    holder = _read(work / "holder")
    raise StoreBusyError(
        f"another run{holder} is writing to {store}", "wait until it ends, or choose another `store`"
    )


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def work_folder(path: Path) -> Path:
    """Return the folder for a store's unfinished shards: beside the store, removed when all are finished.

    That of a volume is in that of the whole store.
    """
    store = store_of_volume(path)
    if store is not None:
        return work_folder(store) / VOLUMES / path.name
    return path.with_name(path.name + ".work")
