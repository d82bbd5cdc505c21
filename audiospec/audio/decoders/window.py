"""FileWindow: a file that is walked through from its beginning, without the tags at its end."""

from __future__ import annotations

from typing import BinaryIO

from audiospec.audio.decoders.tags import tags_begin

#: Bytes that are read at a time.
BLOCK = 1 << 20


class FileWindow:
    """A part of a file in memory, which moves on as bytes behind it are asked for.

    Parameters
    ----------
    file : BinaryIO
        Nothing else may move its position.
    size : int
        Bytes of the file.

    Attributes
    ----------
    size : int
        Where the tags at the end of the file begin; its bytes if there are none.
    data : bytes
        The part in memory, which begins at byte `base` of the file.
    base : int
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.base, self.data = 0, b""
        self.size = tags_begin(self.get, size)

    def load(self, at: int, length: int) -> None:
        """Have at least `length` bytes from `at` on in `data`, or all that there are."""
        end = self.base + len(self.data)
        if at < self.base or at > end or (at + length > end and end < self.size):
            self.file.seek(at)
            self.base, self.data = at, self.file.read(min(max(BLOCK, length), max(0, self.size - at)))

    def get(self, at: int, length: int) -> bytes:
        """Return up to `length` bytes from `at` on."""
        self.load(at, length)
        return self.data[at - self.base : at - self.base + length]
