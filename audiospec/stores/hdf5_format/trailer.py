"""The seal of an HDF5 file: bytes behind HDF5's own end of the file, which HDF5 ignores.

It is read in plain Python, and the file is compared with it before HDF5 sees a byte of it: HDF5 itself
crashes or hangs on some damage. It has

- the *head*: see `_HEAD`,
- the *spans*: start and stop of each stretch of rows in the file, little-endian int64. Rows have checksums
  of their own, in the row table. The head has the CRC-32C of all other bytes,
- a *copy* of everything but the rows, from which the file can be written again (see `copying`),
- the spans and the head once more, so that one damaged byte never takes away both.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.files import damage_errors
from audiospec.stores.seals.damage import damaged_part

#: Magic number; length of the HDF5 file, of the spans, of the copy; CRC-32C of the bytes that are not rows,
#: of the spans, of the copy, of this head up to here.
_HEAD = struct.Struct("<16sQQQIIII")
_MAGIC = b"audiospec seal 1"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PIECE = 1 << 20
#: Files that were compared with their seal, by device, inode, size and modification time (ns).
_checked: set[tuple[int, int, int, int]] = set()


@dataclass(frozen=True)
class Trailer:
    """The seal of a file, as far as it is undamaged.

    Attributes
    ----------
    end : int
        Length of the HDF5 file.
    crc : int
        CRC-32C of its bytes that are not rows.
    spans : ndarray of int64, shape (n, 2), or None
        Start and stop of each stretch of rows; None if both times they are damaged.
    copy : bytes or None
    flaws : tuple of str
        What of the seal itself is damaged.
    """

    end: int
    crc: int
    spans: NDArray[np.int64] | None
    copy: bytes | None = None
    flaws: tuple[str, ...] = ()

    def matches(self, file: int) -> bool:
        """Whether the bytes of a file that are not rows are those that were sealed."""
        return self.spans is not None and rest_checksum(file, self.end, self.spans) == self.crc

    def to_bytes(self) -> bytes:
        """Return the trailer as it is written behind the file."""
        assert self.spans is not None
        assert self.copy is not None
        spans = np.ascontiguousarray(self.spans, "<i8").tobytes()
        lengths = (self.end, len(spans), len(self.copy))
        head = _HEAD.pack(_MAGIC, *lengths, self.crc, _crc(spans), _crc(self.copy), 0)[:-4]
        head += _crc(head).to_bytes(4, "little")
        return b"".join([head, spans, self.copy, spans, head])


def read_trailer(file: int, *, whole: bool) -> Trailer | None:
    """Return the trailer of an open file; None if it has none, or none that can be recognised.

    Parameters
    ----------
    file : int
        Descriptor.
    whole : bool
        Whether to check the second head and spans, and the copy, too; without, `copy` is None.
    """
    size = os.fstat(file).st_size
    found = _head_at(file, size - _HEAD.size, size)
    flaws = []
    first = hdf5_end(file) if found is None else int(found[1])
    if found is None:
        flaws.append("its last bytes do not match their checksum")
        found = _head_at(file, first, size)
        if found is None:
            return None
    elif whole and _head_at(file, first, size) != found:
        flaws.append("its first bytes do not match their checksum")
    _, end, length, copied, crc, spans_crc, copy_crc, _ = found
    spans = None
    starts = (end + _HEAD.size, size - _HEAD.size - length)
    for start in starts if whole or flaws else starts[:1]:
        content = os.pread(file, length, start)
        if _crc(content) != spans_crc:
            flaws.append("a list of the places of rows does not match its checksum")
        else:
            spans = np.frombuffer(content, "<i8").reshape(-1, 2)
    trailer = Trailer(end, crc, spans, None, tuple(flaws))
    if not whole:
        return trailer
    copy = os.pread(file, copied, end + _HEAD.size + length)
    if _crc(copy) == copy_crc:
        return replace(trailer, copy=copy)
    return replace(trailer, flaws=(*flaws, "the copy of its metadata and tables does not match its checksum"))


def require_undamaged(path: Path) -> bool:
    """Return whether a file has a seal.

    Raises
    ------
    StoreError
        It has a seal, and differs from it.
    """
    with damage_errors(path):
        file = os.open(path, os.O_RDONLY)
        try:
            stat = os.fstat(file)
            identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if identity in _checked:
                return True
            trailer = read_trailer(file, whole=False)
            if trailer is None:
                return False
            if trailer.flaws:
                raise damaged_part(path, "store", f"its seal is damaged ({trailer.flaws[0]})")
            if not trailer.matches(file):
                raise damaged_part(path, "store", "its metadata or tables do not match the seal")
        finally:
            os.close(file)
    if len(_checked) > 1000:
        _checked.clear()
    _checked.add(identity)
    return True


def rest_checksum(file: int, end: int, spans: NDArray[np.int64]) -> int:
    """Return the CRC-32C of the first `end` bytes of a file without the given spans, which are sorted."""
    crc = 0
    for start, stop in _between(spans, end):
        for offset in range(start, stop, _PIECE):
            crc = google_crc32c.extend(crc, os.pread(file, min(_PIECE, stop - offset), offset))
    return int(crc)


def joined(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return spans, shape (n, 2), sorted; those that touch are joined."""
    order = np.argsort(starts)
    starts, stops = starts[order], stops[order]
    first = np.flatnonzero(np.concatenate([[True], starts[1:] != stops[:-1]])) if len(starts) else order
    last = np.concatenate([first[1:], [len(starts)]]) - 1 if len(starts) else order
    return np.stack([starts[first], stops[last]], axis=1).astype(np.int64)


def _between(spans: NDArray[np.int64], end: int) -> Iterator[tuple[int, int]]:
    done = 0
    for start, stop in spans.tolist():
        if start > done:
            yield done, start
        done = max(done, stop)
    if done < end:
        yield done, end


def _head_at(file: int, offset: int, size: int) -> tuple[int, ...] | None:
    """Return the fields of the head at an offset; None if there is none that fits a file of this size."""
    if not 0 <= offset <= size - _HEAD.size:
        return None
    content = os.pread(file, _HEAD.size, offset)
    if len(content) != _HEAD.size or _crc(content[:-4]) != int.from_bytes(content[-4:], "little"):
        return None
    fields = _HEAD.unpack(content)
    magic, end, spans, copied = fields[:4]
    fits = end + 2 * (_HEAD.size + spans) + copied == size
    return fields if magic == _MAGIC and fits else None


def hdf5_end(file: int) -> int:
    """Return the length of an HDF5 file by its superblock; -1 if it has none of a known version."""
    block = os.pread(file, 64, 0)
    if len(block) < 48 or block[:8] != _SIGNATURE:
        return -1
    start = 40 if block[8] < 2 else 28
    return int.from_bytes(block[start : start + 8], "little")


def _crc(content: bytes) -> int:
    return int(google_crc32c.value(content))
