"""Write a whole HDF5 store, without its seal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5ds
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.files import copy_range, write_all, write_new
from audiospec.storage.disk import DiskFolder
from audiospec.stores.hdf5_format.nodes import write_attributes, write_column, write_columns
from audiospec.stores.hdf5_format.reading import SEAL, chunk_table
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_ATTRIBUTES, ROW_DTYPE
from audiospec.stores.layout.target_tables import Column, target_arrays, track_arrays, track_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.shards.format import count_rows, is_compressed

#: Level of gzip for rows that are compressed (see `is_compressed`). HDF5 itself has no better filter; see
#: docs/background/decisions.md.
GZIP_LEVEL = 1
#: The file format of HDF5 1.10 (2016) has checksums of its metadata, and takes a third of the space for it.
_VERSION = ("v110", "v110")


def write_file(
    file: Path, attributes: Mapping[str, Any], tracks: Tracks, views: Sequence[NewView]
) -> list[NDArray[np.int64]]:
    """Write a whole store into a new file; return the chunk table of each view's rows (see `chunk_table`)."""
    _create(file, max_size(tracks, views))
    with h5py.File(file, "r+", libver=_VERSION) as opened:
        write_attributes(opened.id, {**attributes, SEAL: "behind the end of the HDF5 file"})
        table = opened.create_group("tracks")
        write_attributes(table.id, track_attributes(tracks))
        write_columns(table, track_arrays(tracks))
        group = opened.create_group("views")
        tables = [_write_view(group, view) for view in views]
    # HDF5 has closed the file, and no longer writes to it.
    descriptor = os.open(file, os.O_WRONLY)
    try:
        for view, chunks in zip(views, tables, strict=True):
            if not is_compressed(view.info.row_dtype):
                _write_rows(descriptor, view, chunks)
    finally:
        os.close(descriptor)
    return tables


def _create(file: Path, size: int) -> None:
    """Make an empty HDF5 file with `size` bytes reserved on the disk.

    HDF5 crashes the process if the disk fills up while it writes, so the space is reserved first. HDF5
    cuts off the unused part of the file.
    """
    write_new(file, _empty_image())
    with file.open("r+b") as out:
        reserve(out.fileno(), size)


@cache
def _empty_image() -> bytes:
    """Return an empty HDF5 file."""
    with h5py.File("empty", "w", driver="core", backing_store=False, libver=_VERSION) as empty:
        empty.flush()
        return bytes(empty.id.get_file_image())


def reserve(file: int, size: int) -> None:
    """Make a file at least `size` bytes long, and reserve them on the disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)


def max_size(tracks: Tracks, views: Sequence[NewView]) -> int:
    """Return an upper bound for the size of a store in bytes, with its seal."""
    size = 1 << 20  # groups, attributes
    size += _table_size(track_arrays(tracks))
    for view in views:
        size += _table_size(target_arrays(view.targets))
        size += 1 << 16
        # A row has entries in the row table, in the index of chunks, and in the copies of both.
        size += len(view.rows) * (view.info.row_bytes + 2 * ROW_DTYPE.itemsize + 256)
        for values, _ in view.info.coordinates().values():
            size += 96 * len(values)
            if isinstance(values[0], str):
                size += sum(len(str(value).encode()) for value in values)
    return size


def _table_size(columns: Mapping[str, Column]) -> int:
    """Return an upper bound for the size of columns and of their copies."""
    size = 0
    for name, column in columns.items():
        size += (1 << 12) + 72 * len(column.values)
        if column.values.dtype == object:  # the copy of a text in a group is JSON: up to six bytes for one
            size += (7 if "/" in name else 2) * len("".join(column.values).encode())
    return size


def _write_view(views: h5py.Group, view: NewView) -> NDArray[np.int64]:
    """Write a view into the group `views`, but only room for its rows unless they are compressed.

    Returns
    -------
    ndarray of int64
        The chunk table.
    """
    info = view.info
    group = views.create_group(info.name)
    write_attributes(group.id, info.to_attributes())
    data = _create_data(group, view)
    write_attributes(data.id, info.data_attributes())
    if is_compressed(info.row_dtype):
        for rows, source in view.shards():
            data[rows] = source.load()
    table = chunk_table(data)
    for name in ROW_DTYPE.names or ():
        write_column(group, name, view.rows[name], ROW_ATTRIBUTES[name])
    write_columns(group, target_arrays(view.targets))
    attributes = info.axis_attributes()
    h5ds.set_label(data.id, 0, b"row")
    for axis, (dim, (values, _)) in enumerate(info.coordinates().items(), start=1):
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        scale = write_column(group, dim, array, attributes[dim])
        h5ds.set_scale(scale, dim.encode())
        h5ds.set_label(data.id, axis, dim.encode())
        h5ds.attach_scale(data.id, scale, axis)
    return table


def _create_data(group: h5py.Group, view: NewView) -> h5py.Dataset:
    """Create the dataset of a view's rows.

    HDF5 takes room for all rows at once, unless they are compressed: then they follow one another, there is
    no index of chunks, and the system writes them at once, where HDF5 takes a call and a copy for each chunk.
    """
    info = view.info
    compressed = is_compressed(info.row_dtype)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if not compressed:
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return group.create_dataset(
        "data",
        shape=(len(view.rows), *info.row_shape),
        chunks=(min(info.chunk_rows, len(view.rows)), *info.row_shape) if len(view.rows) else None,
        dtype=info.row_dtype.base,
        fillvalue=0 if compressed else np.nan,
        compression=GZIP_LEVEL if compressed and len(view.rows) else None,
        dcpl=properties,
    )


def _write_rows(file: int, view: NewView, chunks: NDArray[np.int64]) -> None:
    """Write a view's rows to their places; what fills up the last chunk is NaN."""
    info = view.info
    if not len(view.rows):
        return
    start, step = int(chunks[0, 0]), int(chunks[0, 1])
    if (chunks[:, 0] != start + step * np.arange(len(chunks))).any() or (chunks[:, 1:] != (step, 0)).any():
        raise StoreError(f"HDF5 has scattered the rows of view {info.name}: expected them in one piece")
    for rows, source in view.shards():
        offset = start + rows.start * info.row_bytes
        if not _copy_shard(file, offset, source, rows.stop - rows.start, info):
            values = np.ascontiguousarray(source.load(), info.row_dtype.base)
            if values.shape != (rows.stop - rows.start, *info.row_shape):
                raise StoreError(f"view {info.name} got rows of shape {values.shape} for {rows}")
            write_all(file, [values.data], offset)
    count = (len(chunks) * step - len(view.rows) * info.row_bytes) // info.row_dtype.base.itemsize
    filler = np.full(count, np.nan, info.row_dtype.base)
    write_all(file, [filler.data], start + len(view.rows) * info.row_bytes)


def _copy_shard(file: int, offset: int, source: ShardSource, count: int, info: ViewInfo) -> bool:
    """Copy rows from a shard's file, if there is one and the system can copy; return whether it did."""
    if not isinstance(source.file, Path):
        return False
    folder, name = DiskFolder(source.file.parent), source.file.name
    if count_rows(folder, name, info.row_dtype, info.shard_rows) < count:
        return False
    with source.file.open("rb") as shard:
        return copy_range(shard.fileno(), 0, count * info.row_bytes, file, offset)
