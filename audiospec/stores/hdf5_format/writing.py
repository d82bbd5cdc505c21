"""Write a whole HDF5 store, without its seal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from audiospec.stores.hdf5_format.reading import JSON_STARTS, SEAL
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.schema import ROW_ATTRIBUTES, ROW_DTYPE, TRACK_ATTRIBUTES, TRACK_COLUMNS
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.shards.format import is_compressed

#: Level of gzip for rows that are compressed (see `is_compressed`). HDF5 itself has no better filter; see
#: docs/background/decisions.md.
GZIP_LEVEL = 1
#: The file format of HDF5 1.10 (2016) has checksums of its metadata, and takes a third of the space for it.
_VERSION = ("v110", "v110")


def write_file(file: Path, attributes: Mapping[str, Any], tracks: Tracks, views: Sequence[NewView]) -> None:
    """Write a whole store into a new file."""
    _create(file, max_size(tracks, views))
    with h5py.File(file, "r+", libver=_VERSION) as opened:
        _write_attributes(opened, {**attributes, SEAL: "behind the end of the HDF5 file"})
        table = opened.create_group("tracks")
        for name in TRACK_COLUMNS:
            _write(table, name, tracks[name], TRACK_ATTRIBUTES.get(name, {}))
        group = opened.create_group("views")
        for view in views:
            _write_view(group, view)


def _create(file: Path, size: int) -> None:
    """Make an empty HDF5 file with `size` bytes reserved on the disk.

    HDF5 crashes the process if the disk fills up while it writes, so the space is reserved first. HDF5
    cuts off the unused part of the file.
    """
    with h5py.File("empty", "w", driver="core", backing_store=False, libver=_VERSION) as empty:
        empty.flush()
        image = empty.id.get_file_image()
    with file.open("wb") as out:
        out.write(image)
        out.flush()
        reserve(out.fileno(), size)


def reserve(file: int, size: int) -> None:
    """Make a file at least `size` bytes long, and reserve them on the disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)


def max_size(tracks: Tracks, views: Sequence[NewView]) -> int:
    """Return an upper bound for the size of a store in bytes, with its seal."""
    size = 1 << 20  # groups, attributes
    for name in TRACK_COLUMNS:
        size += 72 * len(tracks)
        if tracks[name].dtype == object:
            size += 2 * sum(len(text.encode()) for text in tracks[name])
    for view in views:
        size += 1 << 16
        # A row has entries in the row table, in the index of chunks, and in the copies of both.
        size += len(view.rows) * (view.info.row_bytes + 2 * ROW_DTYPE.itemsize + 256)
        for values, _ in view.info.coordinates().values():
            size += sum(64 + len(str(value).encode()) for value in values)
    return size


def _write_view(views: h5py.Group, view: NewView) -> None:
    """Write a whole view into the group `views`."""
    info = view.info
    group = views.create_group(info.name)
    _write_attributes(group, info.to_attributes())
    data = group.create_dataset(
        "data",
        shape=(len(view.rows), *info.row_shape),
        chunks=(min(info.chunk_rows, len(view.rows)), *info.row_shape) if len(view.rows) else None,
        dtype=info.row_dtype.base,
        fillvalue=0 if is_compressed(info.row_dtype) else np.nan,
        compression=GZIP_LEVEL if is_compressed(info.row_dtype) and len(view.rows) else None,
    )
    data.attrs.update(info.data_attributes())
    for rows, source in view.shards():
        data[rows] = source.load()
    for name in ROW_DTYPE.names or ():
        _write(group, name, view.rows[name], ROW_ATTRIBUTES[name])
    attributes = info.axis_attributes()
    data.dims[0].label = "row"
    for axis, (dim, (values, _)) in enumerate(info.coordinates().items(), start=1):
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        scale = _write(group, dim, array, attributes[dim])
        scale.make_scale(dim)
        data.dims[axis].label = dim
        data.dims[axis].attach_scale(scale)


def _write(group: h5py.Group, name: str, values: NDArray[Any], attributes: Mapping[str, str]) -> h5py.Dataset:
    """Write a one-dimensional array; numbers with a checksum of HDF5's own, which texts cannot have."""
    if values.dtype == object or not len(values):
        dtype = h5py.string_dtype() if values.dtype == object else values.dtype
        array = group.create_dataset(name, data=values, dtype=dtype)
    else:
        array = group.create_dataset(name, data=values, chunks=values.shape, fletcher32=True)
    array.attrs.update(attributes)
    return array


def _write_attributes(group: h5py.Group, attributes: Mapping[str, Any]) -> None:
    """Write attributes; nested values, and text that HDF5 cannot hold, are written as JSON."""
    for name, value in attributes.items():
        plain = isinstance(value, str | int | float | bool)
        if isinstance(value, str):
            plain = not value.startswith(JSON_STARTS) and value.isprintable()
        group.attrs[name] = value if plain else json.dumps(value, sort_keys=True)
