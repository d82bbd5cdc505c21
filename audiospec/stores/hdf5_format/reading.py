"""Read the metadata and tables of an HDF5 store, and find its rows in the file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5i, h5s
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.files import damage_errors
from audiospec.storage.disk import OpenFile
from audiospec.stores.hdf5_format.trailer import hdf5_end, require_undamaged
from audiospec.stores.layout.schema import RESTORE, ROW_DTYPE, RowTable, row_table
from audiospec.stores.layout.target_tables import read_tracks
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.seals.damage import LostSealError, repair_hint

#: How JSON text begins. Other text that begins so is stored as JSON too, so that reading is unambiguous.
JSON_STARTS = ("{", "[", '"', "null")
#: Attribute of a file that must have a seal.
SEAL = "seal"


def open_file(path: Path) -> h5py.File:
    """Open a file for reading, after it was compared with its seal, if it has one.

    A file that another program rewrote has lost its seal, and is opened; `lost_seal` says so.

    Raises
    ------
    StoreError
        The file differs from its seal, or is no HDF5 file, or has something else in the seal's place.
    """
    is_sealed = require_undamaged(path)
    file = open_unchecked(path)
    if not is_sealed:
        with damage_errors(path):
            broken = lost_seal(file) and path.stat().st_size != hdf5_end(file.id.get_vfd_handle())
        if broken:
            raise LostSealError(
                f"{path} has a damaged seal, and it is not known what else is damaged",
                "restore a complete copy, or seal it as it is: " + repair_hint(path),
            )
    return file


def lost_seal(file: h5py.File) -> bool:
    """Whether a file had a seal; call it of a file that has none."""
    return SEAL in file.attrs


def open_unchecked(path: Path) -> h5py.File:
    """Open a file for reading.

    h5py's default locking comes first, because a process can open a file with one kind of locking only. If
    that fails, the file is opened without a lock, which is safe: a published file is never written to.
    """
    with damage_errors(path):
        try:
            return h5py.File(path, "r")
        except OSError:
            return h5py.File(path, "r", locking=False)


def read_attributes(group: h5py.Group) -> dict[str, Any]:
    """Return the attributes of a group; JSON is parsed."""
    attributes: dict[str, Any] = {}
    for name, value in group.attrs.items():
        if isinstance(value, str) and value.startswith(JSON_STARTS):
            attributes[name] = json.loads(value)
        else:
            attributes[name] = value.item() if isinstance(value, np.generic) else value
    return attributes


def read_rows_of(group: h5py.Group) -> RowTable:
    """Read the row table of a view."""
    return row_table({name: read_column(group, name) for name in ROW_DTYPE.names or ()})


def read_track_table(file: h5py.File) -> Tracks:
    """Read the track table, with the annotations."""
    table = file["tracks"]
    return read_tracks(read_attributes(table), *arrays_of(table))


def arrays_of(group: h5py.Group) -> tuple[Callable[[str], bool], Callable[[str], NDArray[Any]]]:
    """Return what says whether a group has an array, and what reads one."""
    return lambda name: name in group, lambda name: read_column(group, name)


def array_names(group: h5py.Group) -> list[str]:
    """Return the names of the arrays of a group, and of the groups in it, with a slash."""
    names: list[str] = []
    for name, node in group.items():
        names += [f"{name}/{each}" for each in node] if isinstance(node, h5py.Group) else [name]
    return names


def read_column(group: h5py.Group, name: str) -> NDArray[Any]:
    """Read a one-dimensional array; text becomes an object array.

    Raises
    ------
    StoreError
        It is missing, or claims more values than the file has bytes.
    """
    try:
        column = h5d.open(group.id, name.encode())
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"table {group.name} has no column {name!r}: the store is damaged", RESTORE
        ) from error
    # Not through h5py's groups and datasets, which take three times as long.
    shape, dtype = column.shape, column.dtype
    if math.prod(shape) > h5i.get_file_id(column).get_filesize():  # before anything is allocated
        raise StoreError(f"column {name!r} of table {group.name} is damaged: shape {shape}", RESTORE)
    values = np.empty(shape, dtype)
    if values.size:
        column.read(h5s.ALL, h5s.ALL, values)
    if h5py.check_string_dtype(dtype) is None:
        return values
    return np.array([text.decode() for text in values.tolist()], dtype=object)


@dataclass(frozen=True)
class ChunkOffsets:
    """Where the chunks of a view are in its file, if the file has the same bytes as memory.

    HDF5 takes 0.3 ms to find and read a row of 331 KB, 8 times as long as the system does. So HDF5 reads the
    rows only if chunks are missing, filtered, or in another program's layout.
    """

    file: OpenFile
    offsets: NDArray[np.int64]
    chunk_rows: int
    row_bytes: int

    @classmethod
    def of(cls, data: h5py.Dataset, chunk_rows: int) -> ChunkOffsets | None:
        """Return the offsets of the chunks of an HDF5 dataset; None if HDF5 must read it."""
        properties, file = data.id.get_create_plist(), data.file
        chunk = (min(chunk_rows, max(1, len(data))), *data.shape[1:])
        plain = data.chunks == chunk and not properties.get_nfilters() and file.driver == "sec2"
        native = data.id.get_type().equal(h5py.h5t.py_create(data.dtype))
        count = -(-len(data) // chunk[0])
        if not plain or not native or file.userblock_size or data.id.get_num_chunks() != count:
            return None
        row_bytes = data.dtype.itemsize * math.prod(chunk[1:])
        table = chunk_table(data)
        if len(table) != count or table[:, 2].any() or (table[:, 1] != chunk[0] * row_bytes).any():
            return None
        # Use the file that HDF5 has open: the path may lead to another one by now.
        return cls(OpenFile(os.dup(file.id.get_vfd_handle())), table[:, 0].copy(), chunk[0], row_bytes)

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the offset of the first byte of each of the given rows."""
        chunks, within = np.divmod(rows, self.chunk_rows)
        offsets: NDArray[np.int64] = self.offsets[chunks] + within * self.row_bytes
        return offsets


def chunk_table(data: h5py.Dataset) -> NDArray[np.int64]:
    """Return offset in the file, size in bytes and filter mask of each chunk of rows, shape (n, 3).

    A chunk that the file does not have has the offset -1.
    """
    if not data.chunks:
        return np.empty((0, 3), np.int64)
    table = np.full((-(-len(data) // data.chunks[0]), 3), -1, np.int64)
    numbers: list[int] = []
    found: list[tuple[int, int, int]] = []
    rows = data.chunks[0]

    def add(chunk: Any) -> None:
        coordinates, mask, offset, size = chunk
        numbers.append(coordinates[0] // rows)
        found.append((offset, size, mask))

    data.id.chunk_iter(add)
    if found:
        table[numbers] = found
    return table


def is_deflated(data: h5py.Dataset) -> bool:
    """Whether each row is a chunk with the deflate filter alone; not if another program repacked the file."""
    filters = data.id.get_create_plist()
    only = filters.get_nfilters() == 1 and filters.get_filter(0)[0] == h5py.h5z.FILTER_DEFLATE
    return bool(only and data.chunks == (1, *data.shape[1:]))
