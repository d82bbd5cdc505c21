"""FileView: bytes put before parts of a file, to be read as if they were one file."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, BinaryIO


class FileView(io.RawIOBase):
    """Parts of a file behind a head of other bytes, as a stream for reading.

    libsndfile believes sizes in headers. If one is false, it gets the same sound behind a header that is not.

    Parameters
    ----------
    head : bytes
        The first bytes of the stream.
    file : BinaryIO
        The file; nothing else may move its position.
    parts : sequence of (int, int)
        Offsets of the parts of the file that follow `head`, and of the bytes behind each.
    """

    def __init__(self, head: bytes, file: BinaryIO, parts: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._head, self._file, self._parts = head, file, parts
        #: Where each part begins in the stream, and where the last ends.
        self._places = list(accumulate((max(0, stop - start) for start, stop in parts), initial=len(head)))
        self._at = 0

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
        target = offset + (0, self._at, self._places[-1])[whence]
        self._at = target if target >= 0 else self._at
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""
        left = max(0, self._places[-1] - self._at)
        size = left if size < 0 else min(size, left)
        read = self._head[self._at : self._at + size]
        while len(read) < size:
            at = self._at + len(read)
            number = bisect_right(self._places, at) - 1
            within = at - self._places[number]
            self._file.seek(self._parts[number][0] + within)
            part = self._file.read(min(size - len(read), self._places[number + 1] - at))
            if not part:
                break
            read += part
        self._at += len(read)
        return read

    def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer; return the number of bytes read."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)
