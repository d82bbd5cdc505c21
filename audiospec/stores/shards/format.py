"""The shard: a file of rows.

A shard is one file: the bytes of its rows, one after another, then the index of Zarr's sharding codec
(offset and length of each chunk, little-endian uint64, all ones for one that is not there) and the index's
CRC-32C. So it is a Zarr v3 shard of uncompressed chunks as it stands, and its rows can be mapped into memory
without reading the index's every entry. A spectrogram is a chunk of its own. Rows of one axis, as those of a
table, are small: they are one chunk together (`chunk_rows`), for readers of Zarr take as long over a few
numbers as over many.

Rows of bytes are compressed (`is_compressed`): a chunk is a Zstandard frame then, and `packed` reads them.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.files import write_bytes
from audiospec.stores.shards.rows import OpenFile

#: Place and length of a chunk that is not there.
ABSENT = np.iinfo(np.uint64).max
#: What is to be done about a damaged shard; ends a message.
REPAIR = "; `audiospec store verify --repair` computes it again"


def is_flat(row_shape: tuple[int, ...]) -> bool:
    """Whether rows have one axis: they are small then, whatever they mean, and kept many to a chunk."""
    return len(row_shape) == 1


def chunk_rows(row_shape: tuple[int, ...], capacity: int) -> int:
    """Rows in one chunk of a shard with room for `capacity`: one, or all of them if they are flat."""
    return capacity if is_flat(row_shape) else 1


def is_compressed(row: np.dtype[Any]) -> bool:
    """Whether rows (a sub-array dtype) are compressed: those of bytes, each a chunk of its own."""
    return row.base == np.uint8


def write_shard(path: Path, rows: NDArray[Any], capacity: int) -> None:
    """Write rows (n, ...) as one shard with room for `capacity` ≥ n of them."""
    if is_compressed(rows.dtype):
        _write_packed(path, rows, capacity)
        return
    chunk = chunk_rows(rows.shape[1:], capacity)
    length = rows[0].nbytes * chunk
    count = -(-len(rows) // chunk)
    index = np.full((capacity // chunk, 2), ABSENT, "<u8")
    index[:count, 0] = np.arange(count) * length
    index[:count, 1] = length
    tail = index.tobytes()
    crc = int(google_crc32c.value(tail)).to_bytes(4, "little")
    filler = np.full((count * chunk - len(rows), *rows.shape[1:]), np.nan, rows.dtype)
    write_bytes(path, np.ascontiguousarray(rows).data.cast("B"), filler.tobytes(), tail, crc)


def _write_packed(path: Path, rows: NDArray[Any], capacity: int) -> None:
    from audiospec.stores.shards.frames import pack

    frames = [pack(row) for row in rows]
    index = np.full((capacity, 2), ABSENT, "<u8")
    index[: len(rows), 1] = [len(frame) for frame in frames]
    index[: len(rows), 0] = np.cumsum(index[: len(rows), 1]) - index[: len(rows), 1]
    tail = index.tobytes()
    write_bytes(path, *frames, tail, int(google_crc32c.value(tail)).to_bytes(4, "little"))


def map_shard(path: Path, row: np.dtype[Any], capacity: int) -> NDArray[Any]:
    """Map a shard's rows into memory: one element of the sub-array dtype `row` for each.

    A chunk of several rows is always whole: the last may have rows of NaN at its end.

    Raises
    ------
    StoreError
        The file is missing, or is not a shard of such rows.
    """
    count = open_shard(path, row, capacity)[1]
    return np.memmap(path, dtype=row.base, mode="r", shape=(count, *row.shape))


def open_shard(path: Path, row: np.dtype[Any], capacity: int) -> tuple[OpenFile, int]:
    """Open a shard, whose rows lie in a line from its first byte on; the file, and how many there are.

    The same as `map_shard`, for those who read few rows of many shards.
    """
    chunk = chunk_rows(row.shape, capacity)
    length = row.itemsize * chunk
    file, size, entries = open_index(path, capacity // chunk)
    count = int((entries[:, 0] != ABSENT).sum())
    expected = np.arange(count) * length
    if (
        size != count * length
        or (entries[:count, 0] != expected).any()
        or (entries[:count, 1] != length).any()
    ):
        raise not_in_line(path)
    return file, count * chunk


def open_index(path: Path, chunks: int) -> tuple[OpenFile, int, NDArray[np.uint64]]:
    """Open a shard with room for so many chunks: the file, the bytes before its index, and the index.

    The index has a row for each chunk, its place and length, `ABSENT` where there is none.

    Raises
    ------
    StoreError
        The file is missing, or its index is damaged.
    """
    tail = chunks * 16 + 4
    try:
        file = OpenFile(os.open(path, os.O_RDONLY))
        size = os.fstat(file.descriptor).st_size
        index = os.pread(file.descriptor, min(size, tail), max(0, size - tail))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):  # the shard is not to blame
            raise
        raise StoreError(f"shard {path} cannot be read: {error.strerror}{REPAIR}") from error
    if len(index) != tail or google_crc32c.value(index[:-4]) != int.from_bytes(index[-4:], "little"):
        raise StoreError(f"shard {path} is damaged: its index does not match its checksum{REPAIR}")
    return file, size - tail, np.frombuffer(index[:-4], "<u8").reshape(-1, 2)


def not_in_line(path: Path) -> StoreError:
    """The error for a shard whose rows do not lie one after another."""
    return StoreError(f"shard {path} was not written by audiospec: its rows are not in a line{REPAIR}")
