"""hdf5: one HDF5 file, read by h5py, MATLAB and anything else that knows HDF5.

HDF5 cannot change a file atomically, so a file is never changed: a new one is written in the work folder
and renamed over the old one.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.files import damage_errors, disk_full_errors
from audiospec.storage.location import Location, local, location
from audiospec.stores.base import FeatureStore, stores
from audiospec.stores.hdf5_format.copying import write_sealed
from audiospec.stores.hdf5_format.mending import check, restore
from audiospec.stores.hdf5_format.reading import (
    ChunkOffsets,
    arrays_of,
    is_deflated,
    lost_seal,
    open_file,
    read_attributes,
    read_rows_of,
    read_track_table,
)
from audiospec.stores.hdf5_format.trailer import require_undamaged
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import replaced
from audiospec.stores.layout.target_tables import TARGETS, numbered, read_targets
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.seals.damage import Check
from audiospec.stores.shards.format import REPAIR, is_compressed
from audiospec.stores.shards.rows import read_rows


@stores.register
class HDF5Store(FeatureStore):
    """A feature store as one HDF5 file."""

    suffixes = (".h5", ".hdf5")
    is_sealed = True
    holds_targets = True

    path: Path

    @classmethod
    def exists(cls, path: Location) -> bool:
        """Whether there is a file."""
        return on_disk(path).exists()

    def __init__(self, path: Location | str) -> None:
        super().__init__(on_disk(location(path)))

    def _attributes(self) -> Mapping[str, Any]:
        if not self.path.is_file():
            return {}
        with damage_errors(self.path), self.path.open("rb"):
            if not h5py.is_hdf5(self.path):
                return {}
        with open_file(self.path) as file, damage_errors(self.path):
            self.has_lost_seal = lost_seal(file) and not require_undamaged(self.path)
            return read_attributes(file)

    def _tracks(self) -> Tracks:
        with open_file(self.path) as file, damage_errors(self.path):
            return read_track_table(file)

    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""
        with open_file(self.path) as file, damage_errors(self.path):
            return sorted(file["views"])

    def _view(self, name: str) -> View:
        return HDF5View(self, name)

    @classmethod
    def publish(
        cls,
        path: Location,
        work: Location,
        attributes: Mapping[str, Any],
        tracks: Tracks,
        view: NewView | None,
        since: str | None = None,
    ) -> None:
        """Write the whole file in `work`, then rename it."""
        path, kept = on_disk(path), []
        if path.exists():
            kept = [old for old in cls(path).views() if view is None or old.name != view.info.name]
        try:
            with disk_full_errors(path):
                contents = [old.contents() for old in kept] + ([view] if view else [])
                nodes = [f"{new.info.name}/{TARGETS}" for new in contents if new.targets is not None]
                attributes = numbered(attributes, tracks, nodes)
                # Other copies of what is in the file go then: the old file, the staged shards.
                flush = path.exists() or (view is not None and view.is_staged)
                write_sealed(_new_file(work), attributes, tracks, contents, flush=flush)
                os.replace(_new_file(work), path)
        finally:
            cls.recover(path, work)

    @classmethod
    def recover(cls, path: Location, work: Location) -> None:
        """Remove the unfinished file of a killed `publish`; the old file is still in place."""
        _new_file(work).unlink(missing_ok=True)

    @classmethod
    def check(cls, path: Location) -> Check:
        """Compare everything but the rows with the seal."""
        return check(on_disk(path))

    @classmethod
    def restore(cls, path: Location, work: Location) -> list[str]:
        """Mend what the copy allows, and seal what has no seal; return what was done."""
        path = on_disk(path)
        try:
            with disk_full_errors(path):
                return restore(path, _new_file(work))
        finally:
            cls.recover(path, work)


class HDF5View(View):
    """A view of an `HDF5Store`. Each process opens the file once, when it first reads a row."""

    store: HDF5Store

    def __init__(self, store: HDF5Store, name: str) -> None:
        with open_file(store.path) as file, damage_errors(store.path):
            group = file["views"][name]
            info = ViewInfo.from_attributes(read_attributes(group), name)
            rows = read_rows_of(group)
            targets = read_targets(len(rows), *arrays_of(group))
        super().__init__(store, info, rows, targets)
        self._group = name
        self._opened: tuple[int, h5py.Dataset, ChunkOffsets | None] | None = None

    def _data(self) -> h5py.Dataset:
        return self._open()[0]

    def _open(self) -> tuple[h5py.Dataset, ChunkOffsets | None]:
        # A handle that was opened before a fork cannot be used after it.
        if self._opened is None or self._opened[0] != os.getpid():
            file = open_file(self.store.path)
            with damage_errors(self.store.path):
                # The file may have been replaced since the row table was read.
                group = file["views"].get(self._group)
                if group is None or read_rows_of(group).tobytes() != self.rows.tobytes():
                    raise replaced(self.name)
                data = group["data"]
                if (data.shape, data.dtype) != (self.shape, self.info.row_dtype.base):
                    raise StoreError(
                        f"view {self.name} is damaged: expected {self.info.row_dtype.base} of shape "
                        f"{self.shape}, got {data.dtype} of shape {data.shape}",
                        "featurize again",
                    )
                offsets = ChunkOffsets.of(data, self.info.chunk_rows)
            self._opened = (os.getpid(), data, offsets)
        return self._opened[1:]

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        data, offsets = self._open()
        if offsets is not None:
            with damage_errors(self.store.path):
                read_rows(offsets.of_rows(rows), out, offsets.file.fill_all)
            return
        if is_compressed(self.info.row_dtype) and is_deflated(data):
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


def on_disk(path: Location) -> Path:
    """Return the path of a file of HDF5, which has to be on a disk.

    Raises
    ------
    StorageError
        It is in a bucket.
    """
    return local(
        path, "HDF5", "use a name that ends in .zarr, and `audiospec store export` for a file of HDF5"
    )


def _new_file(work: Location) -> Path:
    """Return the path of the file that is being written."""
    return on_disk(work) / "publish.h5"
