"""Open the folder at a location, whatever it is kept on; read a file, ask whether there is one."""

from __future__ import annotations

from pathlib import Path

from audiospec.storage.base import Folder
from audiospec.storage.location import Location


def open_folder(location: Location) -> Folder:
    """Return the folder at a location.

    Raises
    ------
    StorageError
        It is in a bucket, and obstore is not installed, or the URL cannot be used.
    """
    if isinstance(location, Path):
        from audiospec.storage.disk import DiskFolder

        return DiskFolder(location)
    from audiospec.storage.objects import BucketFolder

    return BucketFolder(location)


def exists(location: Location) -> bool:
    """Whether there is a file, a folder, or anything below a prefix of a bucket."""
    if isinstance(location, Path):
        return location.exists()
    if open_folder(location.parent).exists(location.name):
        return True
    return any(True for _ in open_folder(location).list())


def size_of(location: Location) -> int:
    """Return the size in bytes of a file, or of all files of a folder."""
    if isinstance(location, Path) and location.is_file():
        return location.stat().st_size
    return sum(entry.size for entry in open_folder(location).list())


def read_file(location: Location) -> bytes:
    """Return the content of a file of a disk or a bucket.

    Raises
    ------
    FileNotFoundError, OSError, StorageError
    """
    return open_folder(location.parent).read(location.name)
