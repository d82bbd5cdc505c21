"""hdf5: one HDF5 file, read by h5py, MATLAB and anything else that knows HDF5.

HDF5 cannot change a file atomically, so a file is never changed: a new one is written in the work folder
and renamed over the old one.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.files import damage_errors, disk_full_errors
from audiospec.stores.base import FeatureStore, stores
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import (
    LATER_COLUMNS,
    RESTORE,
    ROW_ATTRIBUTES,
    ROW_DTYPE,
    TRACK_ATTRIBUTES,
    TRACK_COLUMNS,
    RowTable,
    replaced,
    row_table,
)
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.shards.format import REPAIR, is_compressed
from audiospec.stores.shards.rows import OpenFile, read_rows

#: Level of gzip for rows that are compressed (see `is_compressed`). HDF5 itself has no better filter; see
#: docs/background/decisions.md.
GZIP_LEVEL = 1

#: How JSON text begins. Other text that begins so is stored as JSON too, so that reading is unambiguous.
_JSON = ("{", "[", '"', "null")


@stores.register
class HDF5Store(FeatureStore):
    """A feature store as one HDF5 file."""

    suffixes = (".h5", ".hdf5")

    def _attributes(self) -> Mapping[str, Any]:
        if not self.path.is_file():
            return {}
        with damage_errors(self.path), self.path.open("rb"):
            if not h5py.is_hdf5(self.path):
                return {}
        with _open(self.path) as file, damage_errors(self.path):
            return _read_attributes(file)

    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        with _open(self.path) as file, damage_errors(self.path):
            table = file["tracks"]
            names = [name for name in TRACK_COLUMNS if name not in LATER_COLUMNS or name in table]
            return {name: _read(table, name) for name in names}

    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""
        with _open(self.path) as file, damage_errors(self.path):
            return sorted(file["views"])

    def _view(self, name: str) -> View:
        return HDF5View(self, name)

    @classmethod
    def publish(
        cls,
        path: Path,
        work: Path,
        attributes: Mapping[str, Any],
        tracks: Tracks,
        view: NewView | None,
    ) -> None:
        """Write the whole file in `work`, then rename it."""
        kept = []
        if path.exists():
            kept = [old for old in cls(path).views() if view is None or old.name != view.info.name]
        try:
            with disk_full_errors(path):
                contents = [old.contents() for old in kept] + ([view] if view else [])
                _create(_new_file(work), _max_size(tracks, contents))
                with h5py.File(_new_file(work), "r+") as file:
                    _write_attributes(file, attributes)
                    table = file.create_group("tracks")
                    for name in TRACK_COLUMNS:
                        _write(table, name, tracks[name], TRACK_ATTRIBUTES.get(name, {}))
                    views = file.create_group("views")
                    for content in contents:
                        _write_view(views, content)
                with _new_file(work).open("rb") as written:
                    os.fsync(written.fileno())
                os.replace(_new_file(work), path)
        finally:
            cls.recover(path, work)

    @classmethod
    def recover(cls, path: Path, work: Path) -> None:
        """Remove the unfinished file of a killed `publish`; the old file is still in place."""
        _new_file(work).unlink(missing_ok=True)


class HDF5View(View):
    """A view of an `HDF5Store`. Each process opens the file once, when it first reads a row."""

    store: HDF5Store

    def __init__(self, store: HDF5Store, name: str) -> None:
        with _open(store.path) as file, damage_errors(store.path):
            group = file["views"][name]
            info = ViewInfo.from_attributes(_read_attributes(group), name)
            rows = _read_rows(group)
        super().__init__(store, info, rows)
        self._group = name
        self._opened: tuple[int, h5py.Dataset, _ChunkOffsets | None] | None = None

    def _data(self) -> h5py.Dataset:
        return self._open()[0]

    def _open(self) -> tuple[h5py.Dataset, _ChunkOffsets | None]:
        # A handle that was opened before a fork cannot be used after it.
        if self._opened is None or self._opened[0] != os.getpid():
            file = _open(self.store.path)
            with damage_errors(self.store.path):
                # The file may have been replaced since the row table was read.
                group = file["views"].get(self._group)
                if group is None or _read_rows(group).tobytes() != self.rows.tobytes():
                    raise replaced(self.name)
                data = group["data"]
                if (data.shape, data.dtype) != (self.shape, self.info.row_dtype.base):
                    raise StoreError(
                        f"view {self.name} is damaged: expected {self.info.row_dtype.base} of shape "
                        f"{self.shape}, got {data.dtype} of shape {data.shape}",
                        "featurize again",
                    )
                offsets = _ChunkOffsets.of(data, self.info.chunk_rows)
            self._opened = (os.getpid(), data, offsets)
        return self._opened[1:]

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        data, offsets = self._open()
        if offsets is not None:
            with damage_errors(self.store.path):
                read_rows(offsets.of_rows(rows), out, offsets.file.fill)
            return
        if is_compressed(self.info.row_dtype) and _is_deflated(data):
            self._inflate(data, rows, out)
            return
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        in_order = bool((order == np.arange(len(order))).all())
        target = out if in_order else np.empty_like(out)
        # Each call reads one run of consecutive rows. Indexing by h5py itself is many times slower.
        starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 2) != 1)
        with damage_errors(self.store.path):
            for first, last in zip(starts, [*starts[1:], len(ordered)], strict=True):
                low = int(ordered[first])
                data.read_direct(target, np.s_[low : low + last - first], np.s_[first:last])
        if not in_order:
            out[order] = target

    def _inflate(self, data: h5py.Dataset, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Read compressed rows with zlib.

        This is as fast as HDF5's own filter, but threads do not wait for one another, and a damaged row is
        not inflated beyond the size of a row.
        """
        size, zeros = self.info.row_bytes, (0,) * len(self.info.row_shape)
        for row, number in zip(out, rows.tolist(), strict=True):
            with damage_errors(self.store.path):
                unfiltered, chunk = data.id.read_direct_chunk((number, *zeros))
            reason = "it has the wrong size"
            if not unfiltered:  # HDF5 stores a chunk uncompressed if that is shorter
                stream = zlib.decompressobj()
                try:
                    chunk = stream.decompress(chunk, size + 1)
                except zlib.error as error:
                    chunk, reason = b"", str(error)
                if not stream.eof:
                    chunk = b""
            if len(chunk) != size:
                raise StoreError(f"row {number} of view {self.name} is damaged: {reason}", REPAIR)
            row[...] = np.frombuffer(chunk, row.dtype).reshape(row.shape)

    def bytes_on_disk(self) -> int:
        """Return the size of the view's numbers in bytes, as they are stored."""
        with damage_errors(self.store.path):
            return int(self._data().id.get_storage_size())


def _is_deflated(data: h5py.Dataset) -> bool:
    """Whether each row is a chunk with the deflate filter alone; not if another program repacked the file."""
    filters = data.id.get_create_plist()
    only = filters.get_nfilters() == 1 and filters.get_filter(0)[0] == h5py.h5z.FILTER_DEFLATE
    return bool(only and data.chunks == (1, *data.shape[1:]))


@dataclass(frozen=True)
class _ChunkOffsets:
    """Where the chunks of a view are in its file, if the file has the same bytes as memory.

    HDF5 takes 0.3 ms to find and read a row of 331 KB, 8 times as long as the system does. So HDF5 reads the
    rows only if chunks are missing, filtered, or in another program's layout.
    """

    file: OpenFile
    offsets: NDArray[np.int64]
    chunk_rows: int
    row_bytes: int

    @classmethod
    def of(cls, data: h5py.Dataset, chunk_rows: int) -> _ChunkOffsets | None:
        """Return the offsets of the chunks of an HDF5 dataset; None if HDF5 must read it."""
        properties, file = data.id.get_create_plist(), data.file
        chunk = (min(chunk_rows, max(1, len(data))), *data.shape[1:])
        plain = data.chunks == chunk and not properties.get_nfilters() and file.driver == "sec2"
        native = data.id.get_type().equal(h5py.h5t.py_create(data.dtype))
        count = -(-len(data) // chunk[0])
        if not plain or not native or file.userblock_size or data.id.get_num_chunks() != count:
            return None
        row_bytes = data.dtype.itemsize * math.prod(chunk[1:])
        offsets = np.full(count, -1, np.int64)

        def add(stored: Any) -> None:
            if not stored.filter_mask and stored.size == chunk[0] * row_bytes:
                offsets[stored.chunk_offset[0] // chunk[0]] = stored.byte_offset

        data.id.chunk_iter(add)
        if (offsets < 0).any():
            return None
        # Use the file that HDF5 has open: the path may lead to another one by now.
        return cls(OpenFile(os.dup(file.id.get_vfd_handle())), offsets, chunk[0], row_bytes)

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the offset of the first byte of each of the given rows."""
        chunks, within = np.divmod(rows, self.chunk_rows)
        offsets: NDArray[np.int64] = self.offsets[chunks] + within * self.row_bytes
        return offsets


def _create(file: Path, size: int) -> None:
    """Make an empty HDF5 file with `size` bytes reserved on the disk.

    HDF5 crashes the process if the disk fills up while it writes, so the space is reserved first. HDF5
    cuts off the unused part of the file.
    """
    with h5py.File("empty", "w", driver="core", backing_store=False) as empty:
        empty.flush()
        image = empty.id.get_file_image()
    with file.open("wb") as out:
        out.write(image)
        out.flush()
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(out.fileno(), 0, size)


def _max_size(tracks: Tracks, views: Sequence[NewView]) -> int:
    """Return an upper bound for the size of a store in bytes."""
    size = 1 << 20  # groups, attributes
    for name in TRACK_COLUMNS:
        size += 64 * len(tracks)
        if tracks[name].dtype == object:
            size += sum(len(text.encode()) for text in tracks[name])
    for view in views:
        size += 1 << 16
        # A row has entries in the row table and in the index of chunks, whose nodes may be half empty.
        size += len(view.rows) * (view.info.row_bytes + ROW_DTYPE.itemsize + 256)
        for values, _ in view.info.coordinates().values():
            size += sum(64 + len(str(value).encode()) for value in values)
    return size


def _new_file(work: Path) -> Path:
    """Return the path of the file that is being written."""
    return work / "publish.h5"


def _open(path: Path) -> h5py.File:
    """Open a file for reading.

    h5py's default locking comes first, because a process can open a file with one kind of locking only. If
    that fails, the file is opened without a lock, which is safe: a published file is never written to.
    """
    with damage_errors(path):
        try:
            return h5py.File(path, "r")
        except OSError:
            return h5py.File(path, "r", locking=False)


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
    """Write a one-dimensional array; numbers with a checksum."""
    if values.dtype == object or not len(values):
        dtype = h5py.string_dtype() if values.dtype == object else values.dtype
        array = group.create_dataset(name, data=values, dtype=dtype)
    else:
        array = group.create_dataset(name, data=values, chunks=values.shape, fletcher32=True)
    array.attrs.update(attributes)
    return array


def _read_rows(group: h5py.Group) -> RowTable:
    """Read the row table of a view."""
    return row_table({name: _read(group, name) for name in ROW_DTYPE.names or ()})


def _read(group: h5py.Group, name: str) -> NDArray[Any]:
    """Read a one-dimensional array; text becomes an object array."""
    try:
        values = group[name]
    except KeyError as error:
        raise StoreError(
            f"table {group.name} has no column {name!r}: the store is damaged", RESTORE
        ) from error
    text = h5py.check_string_dtype(values.dtype) is not None
    return np.asarray(values.asstr()[:] if text else values[:], dtype=object if text else None)


def _write_attributes(group: h5py.Group, attributes: Mapping[str, Any]) -> None:
    """Write attributes; nested values, and text that HDF5 cannot hold, are written as JSON."""
    for name, value in attributes.items():
        plain = isinstance(value, str | int | float | bool)
        if isinstance(value, str):
            plain = not value.startswith(_JSON) and value.isprintable()
        group.attrs[name] = value if plain else json.dumps(value, sort_keys=True)


def _read_attributes(group: h5py.Group) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for name, value in group.attrs.items():
        if isinstance(value, str) and value.startswith(_JSON):
            attributes[name] = json.loads(value)
        else:
            attributes[name] = value.item() if isinstance(value, np.generic) else value
    return attributes
