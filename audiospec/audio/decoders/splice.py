"""Splice: parts of a file, and bytes that it lacks, as one stream for a library to read."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from audiospec.audio.decoders.sndfile import SoundFile, open_sound_file

#: A part: bytes, or the first byte of a file and the one after its last.
Part = bytes | tuple[int, int]


class Splice(io.RawIOBase):
    """A stream of parts of one file, in order, without the bytes between them.

    Parameters
    ----------
    file : BinaryIO
        Read by this stream alone; closed with it.
    parts : sequence of bytes or (int, int)
        Bytes, or ranges of the file.
    promised : int
        Bytes that the stream claims to have behind its end, zeros to whoever jumps there. A library that
        estimates a length from them, and reads no more than that, then reads to the real end.
    """

    def __init__(self, file: BinaryIO, parts: Sequence[Part], promised: int = 0) -> None:
        super().__init__()
        self._file, self._parts, self._at = file, list(parts), 0
        self._starts, self._end = [], 0
        for part in self._parts:
            self._starts.append(self._end)
            self._end += len(part) if isinstance(part, bytes) else part[1] - part[0]
        self._claimed = self._end + promised

    @property
    def buffered(self) -> io.BufferedReader:
        """The stream with a buffer: libraries read a few bytes at a time."""
        return io.BufferedReader(self, 1 << 16)

    def readable(self) -> bool:
        """Whether the stream can be read: it can."""
        return True

    def seekable(self) -> bool:
        """Whether the position can be moved: it can."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to `offset` and return the position; an offset before the start changes nothing."""
        target = offset + (0, self._at, self._claimed)[whence]
        self._at = target if target >= 0 else self._at
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer; return the number of bytes read, 0 at the end."""
        if self._at >= self._end:
            length = min(len(buffer), self._claimed - self._at) if self._at > self._end else 0
            length = max(0, length)
            buffer[:length] = bytes(length)
            self._at += length
            return length
        index = bisect_right(self._starts, self._at) - 1
        part, skipped = self._parts[index], self._at - self._starts[index]
        if isinstance(part, bytes):
            data = part[skipped : skipped + len(buffer)]
        else:
            first = part[0] + skipped
            self._file.seek(first)
            data = self._file.read(min(len(buffer), part[1] - first))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the stream and its file."""
        self._file.close()
        super().close()


@contextmanager
def open_parts(file: BinaryIO, parts: Sequence[Part] | None, promised: int = 0) -> Iterator[SoundFile]:
    """Open parts of a file with libsndfile; None: the whole file, by its descriptor if it has one.

    Raises
    ------
    soundfile.LibsndfileError
        libsndfile refuses it.
    """
    stream = None if parts is None else Splice(file, parts, promised).buffered
    with open_sound_file(stream or file) as opened:
        yield opened
