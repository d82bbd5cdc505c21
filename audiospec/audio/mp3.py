"""Where the frames of an MP3 begin, and whether its header states how many there are."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO


class CountedMp3(io.RawIOBase):
    """An MP3 stream that does not count its frames, behind a frame that counts more than there can be.

    Libsndfile stops at the length that it announces. Without a count that is a guess from the bitrate of the
    first frame; where the bitrate varies, less than half of the sound may be read.
    """

    def __init__(self, head: bytes, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._head, self._file, self._start, self._at = head, file, start, 0
        self._size = len(head) + file.seek(0, os.SEEK_END) - start

    @classmethod
    def of(cls, file: BinaryIO) -> CountedMp3 | None:
        """Put the frame before a file's first; None if that is not where it should be."""
        start = _mp3_start(file)
        file.seek(start)
        first = file.read(4)
        if len(first) < 4 or first[0] != 0xFF or first[1] & 0xE6 != 0xE2 or first[2] & 0x0C == 0x0C:
            return None
        version, mono = first[1] >> 3 & 3, first[3] >> 6 == 3
        whole = version == 3  # MPEG-1; else 2 or 2.5, of half or a quarter of its sample rates
        rate = (44100, 48000, 32000)[first[2] >> 2 & 3] >> {3: 0, 2: 1}.get(version, 2)
        # Without CRC; at bitrate number 9, 128 or 80 kbit/s, it has room enough.
        header = bytes((0xFF, first[1] | 1, 0x90 | first[2] & 0x0C, first[3]))
        length = 144 * 128000 // rate if whole else 72 * 80000 // rate
        side = (17 if mono else 32) if whole else (9 if mono else 17)
        count = min(file.seek(0, os.SEEK_END) // 24 + 1, 1 << 30)  # the shortest frame has 24 bytes
        head = header + bytes(side) + b"Info" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
        return cls(head.ljust(length, b"\0"), file, start)

    def tell(self) -> int:
        """Return the place in head and stream."""
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to `offset`, or stay if it lies before the start."""
        place = offset + (0, self._at, self._size)[whence]
        self._at = place if place >= 0 else self._at
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""
        part = self._head[self._at :][:size]
        if len(part) < size:
            self._file.seek(self._start + max(0, self._at - len(self._head)))
            part += self._file.read(size - len(part))
        self._at += len(part)
        return part

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer of bytes."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


def is_counted_mp3(path: Path) -> bool:
    """Whether an MP3 file's first frame carries a count of its frames (a Xing, Info or VBRI tag)."""
    with path.open("rb") as file:
        file.seek(_mp3_start(file))
        first = file.read(1024)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


def _mp3_start(file: BinaryIO) -> int:
    """Where an MP3 file's first frame is: an ID3 tag may come first."""
    file.seek(0)
    head = file.read(10)
    # The tag's length is four groups of seven bits.
    return 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:])) if head[:3] == b"ID3" else 0
