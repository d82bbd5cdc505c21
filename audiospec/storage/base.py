"""Folder: what a disk and a bucket can both do, the one seam between audiospec and where bytes are kept.

A file has a key, its path in the folder with forward slashes. A file that can be seen is complete: it is
written as a whole or not at all. Nothing is renamed, because buckets cannot.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypeVar

from audiospec.errors import StoreBusyError
from audiospec.storage.location import Location

_T = TypeVar("_T")
_R = TypeVar("_R")

#: For `Folder.write`: only if there is no such file yet.
NEW = ""


class Entry(NamedTuple):
    """A file of a folder.

    Attributes
    ----------
    key : str
    size : int
        Bytes.
    version : str
        Changes whenever the file is replaced or written to.
    modified : float
        When it was written, s since 1970, by the clock of the storage.
    """

    key: str
    size: int
    version: str
    modified: float


class ConflictError(StoreBusyError):
    """A file was written by somebody else meanwhile: `Folder.write` with `only` has changed nothing."""


class Lock(Protocol):
    """A lock that is held."""

    def require(self) -> None:
        """Raise a StoreBusyError if the lock has been lost, as after this process was stopped for minutes."""


class Folder(ABC):
    """A folder of a disk, or a prefix of a bucket. `opening.open_folder` makes one.

    Every method raises StorageError if a bucket does not answer or refuses, and OSError if a disk cannot
    be read.

    Parameters
    ----------
    location : Location
        It need not exist: it does once a file is in it.
    """

    location: Location
    #: Whether the files are on a disk of this machine: reading a few bytes more costs nothing there.
    is_local: bool = False

    def __init__(self, location: Location) -> None:
        self.location = location

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location}>"

    @abstractmethod
    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Return a file's bytes, from `start` on; fewer than `length` if it ends before.

        Raises
        ------
        FileNotFoundError
        """

    def read_version(self, key: str, version: str, start: int, length: int) -> bytes | memoryview:
        """Do the same as `read`, if the file has a version (`Entry.version`); by one request in a bucket.

        Raises
        ------
        FileNotFoundError
        ConflictError
            The file has another version.
        """
        entry = self.entry(key)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.location / key))
        if entry.version != version:
            raise ConflictError(f"{self.location / key} was written by another process meanwhile")
        return self.read(key, start, length)

    @abstractmethod
    def load(self, key: str) -> tuple[bytes, str]:
        """Return a file's bytes, and the version that they are of.

        Raises
        ------
        FileNotFoundError
        """

    @abstractmethod
    def tail(self, key: str, length: int) -> tuple[bytes, int]:
        """Return the last bytes of a file, all if it has fewer than `length`, and its size.

        Raises
        ------
        FileNotFoundError
        """

    @abstractmethod
    def fill(self, wanted: Sequence[tuple[str, int, memoryview]]) -> None:
        """Fill buffers with bytes of files: key, first byte, buffer. A bucket is asked for many at a time.

        Raises
        ------
        FileNotFoundError
        EOFError
            A file ends before the buffer is full.
        """

    @abstractmethod
    def write(self, key: str, *parts: bytes | memoryview, only: str | None = None) -> str:
        """Write a file as a whole; return its version.

        Parameters
        ----------
        key : str
        *parts : bytes or memoryview
            Contiguous; they are written one after another.
        only : str or None
            The version that is replaced, or `NEW`: the file is written only if it has this version, or does
            not exist. None: in any case.

        Raises
        ------
        ConflictError
            The file has another version.
        DiskFullError
            No space is left.
        """

    @abstractmethod
    def copy(self, source: Location, key: str) -> None:
        """Copy a file into this folder, within the storage where that is possible: by a link, or by a bucket.

        Neither the file nor its copy may be written to afterwards.

        Raises
        ------
        FileNotFoundError
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose key begins with `prefix`, at any depth, sorted by key."""

    @abstractmethod
    def entry(self, key: str) -> Entry | None:
        """Return what is known of a file; None if it does not exist."""

    @abstractmethod
    def remove(self, keys: Iterable[str]) -> None:
        """Remove files; those that do not exist are passed over."""

    def clear(self) -> None:
        """Remove all files, and the folder itself if it is on a disk."""
        self.remove([entry.key for entry in self.list()])

    @abstractmethod
    def lock(self, what: str) -> AbstractContextManager[Lock]:
        """Hold the folder's lock during a block.

        Parameters
        ----------
        what : str
            What is locked, for messages, such as the path of a store.

        Raises
        ------
        StoreBusyError
            Another process, or another thread of this one, holds it.
        """

    def map(self, function: Callable[[_T], _R], items: Iterable[_T]) -> Sequence[_R]:
        """Call a function for each item, and return the results in order; many at a time in a bucket."""
        return [function(item) for item in items]

    def exists(self, key: str) -> bool:
        """Whether a file exists."""
        return self.entry(key) is not None
