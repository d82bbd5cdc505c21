"""SourceFile: an audio file that may be opened several times, and must be the same file each time."""

from __future__ import annotations

import os
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from audiospec.errors import AudioError


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
    version : FileVersion

    Raises
    ------
    AudioError
        The file cannot be read, or is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.version = _version(os.stat(path))
        except OSError as error:
            raise AudioError(f"not readable: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.version.size

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
        if _version(os.fstat(file.fileno())) != self.version:
            file.close()
            raise AudioError("changed while it was read", "featurize again once nothing is writing to it")
        return file


def _version(status: os.stat_result) -> FileVersion:
    return FileVersion(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
