"""The format of a shard: one file of rows.

A shard has the bytes of its rows, one after another, then the index of Zarr's sharding codec (offset and
length of each chunk, little-endian uint64, all ones for a chunk that does not exist) and the CRC-32C of the
index. So it is a Zarr v3 shard of uncompressed chunks, and its rows can be mapped into memory. Each
spectrogram is one chunk. Rows of one axis, as those of a table, are small: they are one chunk together (see
`chunk_rows`), because readers of Zarr take as long for a chunk of a few numbers as for one of many.

Rows of bytes are compressed (see `is_compressed`): each chunk is a Zstandard frame, which `packed` reads.
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

#: Offset and length, in the index, of a chunk that does not exist.
ABSENT = np.iinfo(np.uint64).max
#: Hint for a damaged shard.
REPAIR = "compute it again with `audiospec store verify STORE --repair`"


def is_flat(row_shape: tuple[int, ...]) -> bool:
    """Whether rows have one axis. Such rows are small, so that a chunk holds many of them."""
    return len(row_shape) == 1


def chunk_rows(row_shape: tuple[int, ...], capacity: int) -> int:
    """Return the rows in one chunk of a shard of `capacity` rows: one, or all of them if they are flat."""
    return capacity if is_flat(row_shape) else 1


def is_compressed(row: np.dtype[Any]) -> bool:
    """Whether rows of a dtype are compressed, one by one: those of bytes are."""
    return row.base == np.uint8


def write_shard(path: Path, rows: NDArray[Any], capacity: int) -> None:
    """Write rows, shape (n, ...), as one shard with room for `capacity` ≥ n rows."""
    if is_compressed(rows.dtype):
        _write_compressed(path, rows, capacity)
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
    write_bytes(path, np.ascontiguousarray(rows).data, filler.tobytes(), tail, crc)


def _write_compressed(path: Path, rows: NDArray[Any], capacity: int) -> None:
    from audiospec.stores.shards.frames import pack

    frames = [pack(row) for row in rows]
    index = np.full((capacity, 2), ABSENT, "<u8")
    index[: len(rows), 1] = [len(frame) for frame in frames]
    index[: len(rows), 0] = np.cumsum(index[: len(rows), 1]) - index[: len(rows), 1]
    tail = index.tobytes()
    write_bytes(path, *frames, tail, int(google_crc32c.value(tail)).to_bytes(4, "little"))


def map_shard(path: Path, row: np.dtype[Any], capacity: int) -> NDArray[Any]:
    """Map the rows of an uncompressed shard into memory.

    Parameters
    ----------
    path : Path
    row : dtype
        One row, as a sub-array.
    capacity : int
        Rows that the shard has room for.

    Returns
    -------
    ndarray, shape (n, *row_shape)
        Chunks of several rows are always full, so the last may end with rows of NaN.

    Raises
    ------
    StoreError
        The file is missing, or is not a shard of such rows.
    """
    count = open_shard(path, row, capacity)[1]
    return np.memmap(path, dtype=row.base, mode="r", shape=(count, *row.shape))


def open_shard(path: Path, row: np.dtype[Any], capacity: int) -> tuple[OpenFile, int]:
    """Open an uncompressed shard; return the file and its number of rows.

    The rows follow one another from the first byte on. Parameters and errors are those of `map_shard`; this
    is faster for a few rows of many shards.
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
        raise not_contiguous(path)
    return file, count * chunk


def open_index(path: Path, chunks: int) -> tuple[OpenFile, int, NDArray[np.uint64]]:
    """Open a shard with room for `chunks` chunks; return the file, the bytes before the index, the index.

    The index, shape (chunks, 2), has offset and length of each chunk, `ABSENT` if the chunk does not exist.

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
        if error.errno in (errno.EMFILE, errno.ENFILE):  # too many open files: not the fault of the shard
            raise
        raise StoreError(f"shard {path} cannot be read ({error.strerror})", REPAIR) from error
    if len(index) != tail or google_crc32c.value(index[:-4]) != int.from_bytes(index[-4:], "little"):
        raise StoreError(f"shard {path} is damaged: its index does not match its checksum", REPAIR)
    return file, size - tail, np.frombuffer(index[:-4], "<u8").reshape(-1, 2)


def not_contiguous(path: Path) -> StoreError:
    """Return the error for a shard whose rows do not follow one another."""
    return StoreError(f"shard {path} was not written by audiospec: its rows are not contiguous", REPAIR)
