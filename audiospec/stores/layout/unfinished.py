"""The error for a store that does not exist, or not yet."""

from __future__ import annotations

from audiospec.errors import StoreError
from audiospec.storage.location import Location
from audiospec.storage.opening import exists
from audiospec.stores.layout.lock import work_folder


def missing_store(path: Location) -> StoreError:
    """Return the error for a store that does not exist."""
    if exists(work_folder(path)):
        return StoreError(
            f"{path} is not finished", "run the same `audiospec featurize` command again, which resumes it"
        )
    return StoreError(f"no store at {path}", "make one with `audiospec featurize`, or check the path")
