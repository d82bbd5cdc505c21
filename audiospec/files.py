"""Atomic writes, and errors for full disks and unreadable files."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any

from audiospec.errors import AudiospecError, DatasetError, DiskFullError, StoreError

#: Most parts that one call writes; POSIX systems take 1024 or more, except some that take 16.
_MOST_PARTS = 1024


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
        if is_full(error):
            raise disk_full(path) from error
        raise


def is_full(error: OSError) -> bool:
    """Whether the cause of an error is a full disk, a quota or a limit on the size of files."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def damage_errors(path: object) -> Iterator[None]:
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
    with atomic_write(path) as temporary:
        write_new(temporary, *parts)


def write_new(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file whose name no reader knows yet; if this fails, it is incomplete."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        write_all(file, parts, 0)
    finally:
        os.close(file)


def write_all(file: int, parts: Iterable[bytes | memoryview], offset: int) -> int:
    """Write parts one after another into an open file, without joining them; return where they end.

    The system may write fewer bytes than it is given: 2 GB in one call at most, and less on a disk that is
    almost full, where the next call says so.

    Parameters
    ----------
    file : int
        Descriptor.
    parts : iterable of bytes or memoryview
        Must be contiguous.
    offset : int
        Where to write the first byte.

    Raises
    ------
    OSError
        The system cannot write all.
    """
    left = deque(view for part in parts if (view := memoryview(part)).nbytes)
    while left:
        count = os.pwritev(file, [*islice(left, _MOST_PARTS)], offset)
        if not count:
            raise OSError(errno.EIO, "the system wrote nothing")
        offset += count
        while left and count >= left[0].nbytes:
            count -= left.popleft().nbytes
        if count:
            left[0] = left[0].cast("B")[count:]
    return offset


def copy_range(source: int, start: int, count: int, target: int, offset: int) -> bool:
    """Copy bytes from one open file into another within the system; return whether it can, and did.

    Parameters
    ----------
    source, target : int
        Descriptors.
    start, offset : int
        The first byte in the source, and where to write it.
    count : int
        Number of bytes.

    Raises
    ------
    OSError
        The target cannot be written: its disk is full, for example.
    """
    copy = getattr(os, "copy_file_range", None)
    done = 0
    while copy is not None and done < count:
        try:
            copied = copy(source, target, count - done, start + done, offset + done)
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.ENOTSUP, errno.EPERM):
                return False
            raise
        if not copied:  # the source is too short, or its file system cannot
            return False
        done += copied
    return done == count


def open_plain(path: Path, most: int | None = None) -> BufferedReader:
    """Open a regular file for reading bytes; a pipe or a device would never end.

    Parameters
    ----------
    path : Path
    most : int or None
        Largest size in bytes. None: any.

    Raises
    ------
    ValueError
        It is no regular file, or it is larger.
    OSError
        It cannot be opened.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    file = os.fdopen(
        os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
    )
    try:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path.name} is not a regular file")
        if most is not None and found.st_size > most:
            raise ValueError(f"{path.name} has {found.st_size} bytes; expected at most {most}")
    except BaseException:
        file.close()
        raise
    return file


def read_json(path: Path, most: int) -> Any:
    """Read a JSON file of at most `most` bytes; its numbers are finite.

    Raises
    ------
    ValueError, RecursionError
        It is no regular file, is larger, or is not JSON.
    OSError
        It cannot be read.
    """
    with open_plain(path, most) as file:
        content = file.read(most + 1)  # it may have grown since it was opened
    if len(content) > most:
        raise ValueError(f"{path.name} has more than {most} bytes")
    return json.loads(content.decode("utf-8"), parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    """Return a number of a JSON text, which must be finite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk: they survive a loss of power then."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems do not sync
            raise
    finally:
        os.close(descriptor)
