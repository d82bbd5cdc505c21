"""Atomic writes, and errors for full disks and unreadable files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiospec.errors import AudiospecError, DatasetError, DiskFullError, StoreError


def filled(folder: Path) -> bool:
    """Whether a folder exists and is not empty.

    Raises
    ------
    DatasetError
        The folder exists and cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DatasetError(f"cannot read folder {folder}: {error.strerror}") from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Provide a temporary name beside `path`; rename it to `path` after the block, remove it on error.

    Raises
    ------
    DiskFullError
        No space is left; `path` is as it was before.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with disk_full_errors(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def disk_full_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors for a full disk into a DiskFullError while a block writes `path`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(path) from error
        raise


def is_disk_full(error: OSError) -> bool:
    """Whether the system could not write because there was no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def damage_errors(path: Path) -> Iterator[None]:
    """Turn any error of a library into a StoreError while a block reads `path`, which may be damaged.

    Raises
    ------
    StoreError
        Any other error than an AudiospecError, in one line.
    """
    try:
        yield
    except AudiospecError:
        raise
    except PermissionError as error:
        raise StoreError(f"{path} cannot be read: {os.strerror(errno.EACCES)}") from error
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(
            f"{path} cannot be read ({cause}): it is damaged",
            "restore a complete copy, or remove the store and featurize again",
        ) from error


def disk_full(path: Path) -> DiskFullError:
    """Return the error for a disk that became full while `path` was written."""
    return DiskFullError(
        f"the disk is full: writing {path} failed",
        "free some space and run again; everything that was finished is kept",
    )


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file atomically: even if this process dies, the file is complete or as it was before.

    The file is not synced to disk. That would halve the speed of a run, and it only protects against a loss
    of power, after which checksums show what is missing.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(part)
