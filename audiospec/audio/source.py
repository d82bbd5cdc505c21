"""SourceFile: an audio file that may be opened several times, and must be the same file each time."""

from __future__ import annotations

import os
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import xxhash

from audiospec.digests import hash_of
from audiospec.errors import AudioError

#: XXH3-128 of no bytes.
_HASH_OF_NOTHING: str = xxhash.xxh3_128_hexdigest(b"")


class FileVersion(NamedTuple):
    """Properties of a file that change if it is replaced or written to."""

    device: int
    inode: int
    size: int
    modified: int


class SourceFile:
    """An audio file as it was when this object was made.

    Every reader opens it for itself: two that shared a descriptor would move each other's position.

    Parameters
    ----------
    path : Path
        An audio file.

    Attributes
    ----------
    size : int
        Bytes.
    modified : int
        Modification time in ns.

    Raises
    ------
    AudioError
        The file cannot be read, or is empty.
    """

    size: int
    modified: int

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._version = _version(os.stat(path))
        except OSError as error:
            raise AudioError(f"not readable: {error.strerror}") from error
        self.size, self.modified = self._version.size, self._version.modified

    def open(self) -> BufferedReader:
        """Open the file for reading, with a position of its own.

        Raises
        ------
        AudioError
            The file is empty or cannot be read, or is another one by now.
        """
        if self.size == 0:  # not opened: it may be a pipe, which would wait for a writer
            raise AudioError("empty: the file has 0 bytes")
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise AudioError(f"not readable: {error.strerror}") from error
        if _version(os.fstat(file.fileno())) != self._version:
            file.close()
            raise changed()
        return file

    def content_hash(self) -> str:
        """Return the XXH3-128 of the file's bytes, 32 hexadecimal digits.

        Raises
        ------
        AudioError
            The file cannot be read, or is another one by now.
        """
        if self.size == 0:
            return _HASH_OF_NOTHING
        try:
            with self.open() as file:
                return hash_of(file)
        except OSError as error:
            raise AudioError(f"not readable: {error.strerror}") from error

    def close(self) -> None:
        """Give back what the object holds: nothing, for a file of a disk."""

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def changed() -> AudioError:
    """Return the error for a file that was replaced, or written to, while it was read."""
    return AudioError("changed while it was read", "featurize again once nothing is writing to it")


def _version(status: os.stat_result) -> FileVersion:
    return FileVersion(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
