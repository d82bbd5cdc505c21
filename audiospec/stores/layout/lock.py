"""The lock of a store, and the folder for unfinished shards."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from audiospec.errors import StoreBusyError, StoreError


@contextmanager
def locked(store: Path) -> Iterator[Path]:
    """Hold the lock of the store at `store`; gives its work folder.

    The system frees the lock when the process ends, however it ends.

    Raises
    ------
    StoreBusyError
        Another process holds it.
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
            # Gone while the lock is held: who waits for it finds the file unlinked and tries again.
            shutil.rmtree(work, ignore_errors=True)
        lock.release()


def _acquire(store: Path, work: Path) -> filelock.BaseFileLock:
    """Make the work folder, and take the lock in it."""
    for attempt in range(50):
        try:
            store.parent.mkdir(parents=True, exist_ok=True)
            work.mkdir(exist_ok=True)
            lock = filelock.FileLock(work / "lock", timeout=0)
            lock.acquire()
            return lock
        except filelock.Timeout:
            break
        except OSError as error:
            # The run before this one may be removing the folder at this very moment.
            if isinstance(error, FileNotFoundError | FileExistsError) and attempt < 49:
                time.sleep(0.01)
                continue
            raise StoreError(
                f"cannot write beside {store}: {error.strerror}; choose a --store in a folder that can be "
                "written to"
            ) from error
    holder = _read(work / "holder")
    raise StoreBusyError(
        f"another run{holder} is writing to {store}: wait until it ends, or choose another --store"
    )


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def work_folder(path: Path) -> Path:
    """Where unfinished shards of the store at `path` lie: a folder beside it, gone when all is finished."""
    return path.with_name(path.name + ".work")
