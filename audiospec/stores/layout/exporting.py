"""Write a new store as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from audiospec.errors import StoreError
from audiospec.storage.location import Location
from audiospec.stores.layout.lock import locked


def write_new_store(target: Location, exists: bool, write: Callable[[Location, Location], None]) -> None:
    """Write a store that does not exist yet.

    On a disk it gets its name when it is complete, so that a killed export leaves no incomplete store. In a
    bucket, where nothing can be renamed, a killed export leaves a store that lacks its last views.

    Parameters
    ----------
    target : Location
    exists : bool
        Whether there is one already.
    write : callable
        Gets a store's location and its work folder, and publishes into it.

    Raises
    ------
    StoreError
        `target` exists, or cannot be written.
    """
    if exists:
        raise StoreError(f"{target} exists already", "remove it, or choose another `target`")
    if not isinstance(target, Path):
        with locked(target) as work:
            write(target, work)
        return
    folder = target.with_name(target.name + ".export")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
    except OSError as error:
        raise StoreError(
            f"cannot write to {target.parent} ({error.strerror})",
            "choose a `target` in a folder that can be written to",
        ) from error
    built = folder / target.name
    try:
        write(built, folder)
        os.rename(built, target)
    finally:
        shutil.rmtree(folder)
