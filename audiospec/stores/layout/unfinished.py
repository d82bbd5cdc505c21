"""Stores that do not exist, or not yet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiospec.errors import StoreError
from audiospec.stores.layout.lock import work_folder


@contextmanager
def new_store(target: Path) -> Iterator[tuple[Path, Path]]:
    """Provide a temporary place for a store, and a folder for unfinished files; then rename the store.

    So a killed copy leaves no incomplete store.

    Parameters
    ----------
    target : Path

    Raises
    ------
    StoreError
        `target` exists, or cannot be written.
    """
    if target.exists():
        raise StoreError(f"{target} exists already", "remove it, or choose another `target`")
    work = target.with_name(target.name + ".export")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if work.exists():
            shutil.rmtree(work)
        work.mkdir()
    except OSError as error:
        raise StoreError(
            f"cannot write to {target.parent} ({error.strerror})",
            "choose a `target` in a folder that can be written to",
        ) from error
    built = work / target.name
    try:
        yield built, work
        os.rename(built, target)
    finally:
        shutil.rmtree(work)


def missing_store(path: Path) -> StoreError:
    """Return the error for a store that does not exist."""
    if work_folder(path).exists():
        return StoreError(
            f"{path} is not finished", "run the same `audiospec featurize` command again, which resumes it"
        )
    return StoreError(f"no store at {path}", "make one with `audiospec featurize`, or check the path")
