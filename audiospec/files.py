"""Atomic writes, full disks and unreadable files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiospec.errors import AudiospecError, DatasetError, DiskFullError, StoreError


def filled(folder: Path) -> bool:
    """Whether a folder is there with anything in it.

    Raises
    ------
    DatasetError
        It is there and cannot be read.
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
    """A temporary name beside `path`; renamed to it when the block ends, removed when it fails.

    Raises
    ------
    DiskFullError
        No space left; what was there before is as it was.
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
    """A block that writes `path`: an error of the system that says "no space left" is a DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise disk_full(path) from error
        raise


@contextmanager
def damage_errors(path: Path) -> Iterator[None]:
    """A block that reads what may be damaged: whatever a library raises over it is a StoreError.

    Raises
    ------
    StoreError
        In one line; an AudiospecError passes as it is.
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
            f"{path} cannot be read ({cause}): it is damaged; bring back a whole copy, or remove the store "
            "and featurize again"
        ) from error


def disk_full(path: Path) -> DiskFullError:
    """The error for a disk that filled up while `path` was written."""
    return DiskFullError(
        f"the disk is full: writing {path} failed. Free some space and run the same command again; "
        "everything that was finished is kept"
    )


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file atomically: whatever becomes of this process, it is whole or as it was.

    It is not forced onto the disk: that would halve the speed of a run, and guards only against the loss of
    power, after which checksums tell what is missing.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(part)
