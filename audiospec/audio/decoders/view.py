"""FileView: bytes put before a part of a file, to be read as if they were one file."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO


class FileView(io.RawIOBase):
    """A part of a file behind a head of other bytes, as a stream for reading.

    libsndfile believes sizes in headers. If one is false, it gets the same sound behind a header that is not.

    Parameters
    ----------
    head : bytes
        The first bytes of the stream.
    file : BinaryIO
        The file; nothing else may move its position.
    start, stop : int
        The part of the file that follows `head`.
    """

    def __init__(self, head: bytes, file: BinaryIO, start: int, stop: int) -> None:
        super().__init__()
        self._head, self._file, self._start = head, file, start
        self._size, self._at = len(head) + max(0, stop - start), 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to `offset` and return the position; an offset before the start changes nothing."""
        target = offset + (0, self._at, self._size)[whence]
        self._at = target if target >= 0 else self._at
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""
        left = max(0, self._size - self._at)
        size = left if size < 0 else min(size, left)
        part = self._head[self._at : self._at + size]
        if len(part) < size:
            self._file.seek(self._start + max(0, self._at - len(self._head)))
            part += self._file.read(size - len(part))
        self._at += len(part)
        return part

    def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer; return the number of bytes read."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)
