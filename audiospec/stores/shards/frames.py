"""Zstandard frames: one compressed row each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Of Zstandard: higher ones take more time than they save bytes (see docs/background/decisions.md).
LEVEL = 3


def pack(row: NDArray[Any]) -> bytes:
    """A row as a frame, with a checksum and the size of what is in it."""
    from numcodecs.zstd import compress  # slow to load

    frame: bytes = compress(np.ascontiguousarray(row), LEVEL, True)
    return frame


def unpack(frame: bytes, buffer: memoryview) -> None:
    """Fill a buffer with what is in a frame.

    Raises
    ------
    ValueError
        No such frame, or one of more or fewer bytes; no memory is taken for what it says that it holds.
    """
    from numcodecs.zstd import decompress

    if _size(frame) != len(buffer):
        raise ValueError(f"expected a frame of {len(buffer)} bytes")
    try:
        decompress(frame, buffer)
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def _size(frame: bytes) -> int:
    """What the head of a frame (RFC 8878, 3.1.1.1) says of the size of its content; -1: nothing."""
    if len(frame) < 6 or frame[:4] != b"\x28\xb5\x2f\xfd":
        return -1
    single, kind = frame[4] >> 5 & 1, frame[4] >> 6
    width = (single, 2, 4, 8)[kind]
    # After the size of the window, and the dictionary's number.
    first = 5 + (1 - single) + (0, 1, 2, 4)[frame[4] & 3]
    said = int.from_bytes(frame[first : first + width], "little")
    return said + 256 * (width == 2) if width else -1
