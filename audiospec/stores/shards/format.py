"""The format of a shard: one file of rows.

A shard has the bytes of its rows, one after another, then the index of Zarr's sharding codec (offset and
length of each chunk, little-endian uint64, all ones for a chunk that does not exist) and the CRC-32C of the
index. So it is a Zarr v3 shard of uncompressed chunks, and its rows can be mapped into memory. Each
spectrogram is one chunk. Rows of one axis, as those of a table, are small: they are one chunk together (see
`chunk_rows`), because readers of Zarr take as long for a chunk of a few numbers as for one of many. Long
waves have one axis, too, but each is one chunk, as a spectrogram is.

Rows of bytes are compressed (see `is_compressed`): each chunk is a Zstandard frame, which `packed` reads.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.storage.base import Folder

#: Offset and length, in the index, of a chunk that does not exist.
ABSENT = np.iinfo(np.uint64).max
#: Most numbers of a row that shares its chunk with others: 3 s of a wave at 22050 Hz, and more than any table
#: has columns. With a lower limit, the shards of a wide table in an older store would seem damaged.
MOST_FLAT = 1 << 16
#: Hint for a damaged shard.
REPAIR = "compute it again with `audiospec store verify STORE --repair`"


def is_flat(row_shape: tuple[int, ...]) -> bool:
    """Whether rows have one axis and at most `MOST_FLAT` numbers: a chunk holds many of them."""
    return len(row_shape) == 1 and row_shape[0] <= MOST_FLAT


def chunk_rows(row_shape: tuple[int, ...], capacity: int) -> int:
    """Return the rows in one chunk of a shard of `capacity` rows: one, or all of them if they are flat."""
    return capacity if is_flat(row_shape) else 1


def is_compressed(row: np.dtype[Any]) -> bool:
    """Whether rows of a dtype are compressed, one by one: those of bytes are."""
    return row.base == np.uint8


def shard_parts(rows: NDArray[Any], capacity: int) -> list[bytes | memoryview]:
    """Return the bytes of a shard, in parts: rows, shape (n, ...), with room for `capacity` ≥ n rows."""
    if is_compressed(rows.dtype):
        return _compressed_parts(rows, capacity)
    chunk = chunk_rows(rows.shape[1:], capacity)
    length = rows[0].nbytes * chunk
    count = -(-len(rows) // chunk)
    index = np.full((capacity // chunk, 2), ABSENT, "<u8")
    index[:count, 0] = np.arange(count) * length
    index[:count, 1] = length
    filler = np.full((count * chunk - len(rows), *rows.shape[1:]), np.nan, rows.dtype)
    return [np.ascontiguousarray(rows).data, filler.tobytes(), *_tail(index)]


def _compressed_parts(rows: NDArray[Any], capacity: int) -> list[bytes | memoryview]:
    from audiospec.stores.shards.frames import pack

    frames = [pack(row) for row in rows]
    index = np.full((capacity, 2), ABSENT, "<u8")
    index[: len(rows), 1] = [len(frame) for frame in frames]
    index[: len(rows), 0] = np.cumsum(index[: len(rows), 1]) - index[: len(rows), 1]
    return [*frames, *_tail(index)]


def _tail(index: NDArray[np.uint64]) -> tuple[bytes, bytes]:
    content = index.tobytes()
    return content, int(google_crc32c.value(content)).to_bytes(4, "little")


def read_shard(folder: Folder, key: str, row: np.dtype[Any], capacity: int) -> NDArray[Any]:
    """Return the rows of an uncompressed shard: mapped into memory on a disk, read as a whole from a bucket.

    Parameters
    ----------
    folder : Folder
    key : str
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
    count = count_rows(folder, key, row, capacity)
    if isinstance(folder.location, Path):
        return np.memmap(folder.location / key, dtype=row.base, mode="r", shape=(count, *row.shape))
    content = folder.read(key, 0, count * row.itemsize)
    return np.frombuffer(content, row.base).reshape(count, *row.shape)


def count_rows(folder: Folder, key: str, row: np.dtype[Any], capacity: int) -> int:
    """Return the number of rows of an uncompressed shard; they follow one another from the first byte on.

    Parameters and errors are those of `read_shard`.
    """
    chunk = chunk_rows(row.shape, capacity)
    length = row.itemsize * chunk
    size, entries = read_index(folder, key, capacity // chunk)
    count = int((entries[:, 0] != ABSENT).sum())
    expected = np.arange(count) * length
    if (
        size != count * length
        or (entries[:count, 0] != expected).any()
        or (entries[:count, 1] != length).any()
    ):
        raise not_contiguous(folder, key)
    return count * chunk


def read_index(folder: Folder, key: str, chunks: int) -> tuple[int, NDArray[np.uint64]]:
    """Read the index of a shard with room for `chunks` chunks; return the bytes before it, and the index.

    The index, shape (chunks, 2), has offset and length of each chunk, `ABSENT` if the chunk does not exist.

    Raises
    ------
    StoreError
        The file is missing, or its index is damaged.
    """
    length = chunks * 16 + 4
    try:
        index, size = folder.tail(key, length)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):  # too many open files: not the fault of the shard
            raise
        raise unreadable(folder, key, error) from error
    if len(index) != length or google_crc32c.value(index[:-4]) != int.from_bytes(index[-4:], "little"):
        raise StoreError(
            f"shard {folder.location / key} is damaged: its index does not match its checksum", REPAIR
        )
    return size - length, np.frombuffer(index[:-4], "<u8").reshape(-1, 2)


def unreadable(folder: Folder, key: str, error: OSError | EOFError) -> StoreError:
    """Return the error for a shard that is missing, cannot be read, or ends too early."""
    reason = (error.strerror if isinstance(error, OSError) else "") or error
    return StoreError(f"shard {folder.location / key} cannot be read ({reason})", REPAIR)


def not_contiguous(folder: Folder, key: str) -> StoreError:
    """Return the error for a shard whose rows do not follow one another."""
    return StoreError(
        f"shard {folder.location / key} was not written by audiospec: its rows are not contiguous", REPAIR
    )
