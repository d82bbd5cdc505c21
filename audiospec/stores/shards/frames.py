"""Zstandard frames; each holds one compressed row, or another piece of a store."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Level of Zstandard. Higher ones save few bytes for much time (see docs/background/decisions.md).
LEVEL = 3


def pack(row: NDArray[Any]) -> bytes:
    """Compress a row; the frame has a checksum and the size of its content."""
    from numcodecs.zstd import compress  # slow to load

    frame: bytes = compress(np.ascontiguousarray(row), LEVEL, True)
    return frame


def unpack(frame: bytes | memoryview, buffer: memoryview) -> None:
    """Decompress a frame into a buffer of the content's size.

    Raises
    ------
    ValueError
        The frame is damaged, or its content has another size. No memory is allocated for the size that a
        frame claims.
    """
    from numcodecs.zstd import decompress

    if content_size(frame) != len(buffer):
        raise ValueError(f"expected a frame of {len(buffer)} bytes")
    try:
        decompress(frame, buffer)
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def content_size(frame: bytes | memoryview) -> int:
    """Return the content's size as stated in a frame's header (RFC 8878, 3.1.1.1); -1 if it is not stated."""
    if len(frame) < 6 or frame[:4] != b"\x28\xb5\x2f\xfd":
        return -1
    single, kind = frame[4] >> 5 & 1, frame[4] >> 6
    width = (single, 2, 4, 8)[kind]
    # The size follows the window descriptor and the dictionary's id.
    first = 5 + (1 - single) + (0, 1, 2, 4)[frame[4] & 3]
    size = int.from_bytes(frame[first : first + width], "little")
    return size + 256 * (width == 2) if width else -1
