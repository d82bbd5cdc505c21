"""Find the first frame of an MP3, and supply the frame count that its header lacks."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO


class CountedMp3(io.RawIOBase):
    """An MP3 stream without a frame count, preceded by a frame that states a count larger than any possible.

    libsndfile stops reading at the length that it expects. Without a frame count, it estimates that length
    from the bitrate of the first frame. If the bitrate varies, it may read less than half of the audio.
    """

    def __init__(self, head: bytes, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._head, self._file, self._start, self._at = head, file, start, 0
        self._size = len(head) + file.seek(0, os.SEEK_END) - start

    @classmethod
    def of(cls, file: BinaryIO) -> CountedMp3 | None:
        """Put the frame with the count before a file; return None if no MPEG layer III frame is found."""
        start = _mp3_start(file)
        file.seek(start)
        first = file.read(4)
        if len(first) < 4 or first[0] != 0xFF or first[1] & 0xE6 != 0xE2 or first[2] & 0x0C == 0x0C:
            return None
        version, mono = first[1] >> 3 & 3, first[3] >> 6 == 3
        mpeg1 = version == 3  # else MPEG-2 or 2.5, with a half or a quarter of its sample rates
        rate = (44100, 48000, 32000)[first[2] >> 2 & 3] >> {3: 0, 2: 1}.get(version, 2)
        # No CRC. Bitrate index 9 (128 or 80 kbit/s) makes the frame large enough for the tag.
        header = bytes((0xFF, first[1] | 1, 0x90 | first[2] & 0x0C, first[3]))
        length = 144 * 128000 // rate if mpeg1 else 72 * 80000 // rate
        side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
        count = min(file.seek(0, os.SEEK_END) // 24 + 1, 1 << 30)  # a frame has at least 24 bytes
        head = header + bytes(side) + b"Info" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
        return cls(head.ljust(length, b"\0"), file, start)

    def tell(self) -> int:
        """Return the position in bytes, counted from the added frame."""
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to `offset` and return the position; an offset before the start changes nothing."""
        target = offset + (0, self._at, self._size)[whence]
        self._at = target if target >= 0 else self._at
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
        """Read into a writable buffer; return the number of bytes read."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


def has_frame_count(path: Path) -> bool:
    """Whether an MP3 file's first frame states the number of frames (in a Xing, Info or VBRI tag)."""
    with path.open("rb") as file:
        file.seek(_mp3_start(file))
        first = file.read(1024)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


def _mp3_start(file: BinaryIO) -> int:
    """Return the offset of an MP3 file's first frame, after the ID3 tag if there is one."""
    file.seek(0)
    head = file.read(10)
    # The tag's length is four groups of seven bits.
    return 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:])) if head[:3] == b"ID3" else 0
