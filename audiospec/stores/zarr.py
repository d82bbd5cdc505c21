"""zarr: a Zarr v3 folder of sharded arrays, read by zarr, xarray and anything else that knows Zarr.

The package `shards` writes shards and reads rows from them. zarr-python writes and reads the metadata and
the small tables. A new view is built in the work folder beside the store, then renamed into the store.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer
from zarr.buffer import cpu
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from audiospec.errors import StoreError
from audiospec.files import damage_errors, disk_full_errors
from audiospec.stores.base import FeatureStore, stores
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import (
    LATER_COLUMNS,
    ROW_ATTRIBUTES,
    ROW_DTYPE,
    TRACK_ATTRIBUTES,
    TRACK_COLUMNS,
    replaced,
    row_table,
)
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.shards.format import REPAIR, is_compressed, open_shard, write_shard
from audiospec.stores.shards.frames import LEVEL
from audiospec.stores.shards.packed import PackedShard
from audiospec.stores.shards.rows import OpenFile, read_rows

#: Shards of a view that stay open. Most systems let a process have 1024 files open. Opening a shard again
#: takes 0.03 ms, as long as reading a row of 331 KB.
MAX_OPEN_SHARDS = 256

#: For `read_rows`, all shards of a view form one address space: shard n begins at n times this many bytes,
#: which is more than a shard has.
_STRIDE = 1 << 40

_T = TypeVar("_T")


@stores.register
class ZarrStore(FeatureStore):
    """A feature store as a folder in Zarr v3."""

    suffixes = (".zarr",)

    def _attributes(self) -> Mapping[str, Any]:
        return _read_attributes(self.path)

    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        folder = self.path / "tracks"

        def columns() -> dict[str, NDArray[Any]]:
            names = [name for name in TRACK_COLUMNS if name not in LATER_COLUMNS or (folder / name).exists()]
            return {name: _read_array(folder / name) for name in names}

        return _read_unchanged(folder, columns)

    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""
        views = self.path / "views"
        return sorted(folder.parent.name for folder in views.glob("*/zarr.json"))

    def _view(self, name: str) -> View:
        return ZarrView(self, self.path / "views" / name)

    @classmethod
    def publish(
        cls,
        path: Path,
        work: Path,
        attributes: Mapping[str, Any],
        tracks: Tracks,
        view: NewView | None,
    ) -> None:
        """Build the new parts in `work`, then rename them into the store."""
        cls.recover(path, work)
        new = work / "publish"
        # zarr-python makes the metadata and the small tables in memory: its own writing to files needs a disk
        # with hard links.
        files: dict[str, Buffer] = {}
        root = zarr.create_group(MemoryStore(files), attributes=dict(attributes))
        table = root.create_group("tracks")
        for name in TRACK_COLUMNS:
            _write_array(table, name, tracks[name], "track", TRACK_ATTRIBUTES.get(name, {}))
        views = root.create_group("views")
        try:
            with disk_full_errors(path):
                if view is not None:
                    _write_view(views, view)
                    _write_shards(new / "views" / view.info.name / "data", view)
                for name, buffer in _consolidate(files, path).items():
                    (new / name).parent.mkdir(parents=True, exist_ok=True)
                    (new / name).write_bytes(buffer.to_bytes())
                (work / "replaced" / "views").mkdir(parents=True)
                _ready_file(work).touch()
        except BaseException:
            cls.recover(path, work)
            raise
        with disk_full_errors(path):
            cls.recover(path, work)

    @classmethod
    def recover(cls, path: Path, work: Path) -> None:
        """Rename the new parts into the store if they are complete; delete them if they are not."""
        new, old = work / "publish", work / "replaced"
        if _ready_file(work).exists() and new.exists():
            if not path.exists():
                os.rename(new, path)
            else:
                # The tracks come first, so that a view never refers to a track that is not in the table.
                names = [f"views/{folder.parent.name}" for folder in new.glob("views/*/zarr.json")]
                for name in ["tracks", *names, "zarr.json"]:
                    if (new / name).exists():  # else it was renamed before the writer was killed
                        if (path / name).is_dir():
                            os.rename(path / name, old / name)
                        os.replace(new / name, path / name)
        _ready_file(work).unlink(missing_ok=True)
        for folder in (new, old):
            if folder.exists():
                shutil.rmtree(folder)


class ZarrView(View):
    """A view of a `ZarrStore`. Rows are read directly from the files of the shards."""

    store: ZarrStore

    def __init__(self, store: ZarrStore, folder: Path) -> None:
        self.folder = folder
        info, columns, self._identity = _read_unchanged(
            folder,
            lambda: (
                ViewInfo.from_attributes(_read_attributes(folder), folder.name),
                {name: _read_array(folder / name) for name in ROW_DTYPE.names or ()},
                _folder_identity(folder),
            ),
        )
        super().__init__(store, info, row_table(columns))
        self._shards: dict[int, OpenFile | PackedShard] = {}

    def source(self, number: int) -> ShardSource:
        """Return the source of a shard for the next version of this view: a file that can be linked."""
        return ShardSource(super().source(number).load, self.shard_file(number))

    def shard_file(self, number: int) -> Path:
        """Return the path of a shard."""
        zeros = "/0" * len(self.info.row_shape)
        return self.folder / "data" / "c" / f"{number}{zeros}"

    def bytes_on_disk(self) -> int:
        """Return the size of the view's numbers in bytes, as they are stored."""
        if not is_compressed(self.info.row_dtype):
            return super().bytes_on_disk()
        shards = (self.folder / "data" / "c").rglob("*")
        return sum(file.stat().st_size for file in shards if file.is_file())

    def _shard(self, number: int) -> OpenFile | PackedShard:
        shard = self._shards.get(number)
        if shard is None:
            try:
                shard = self._open_shard(number)
            except OSError as error:
                if not self._shards or error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                self._shards.clear()
                shard = self._open_shard(number)
            self._shards[number] = shard
            for oldest in list(self._shards)[:-MAX_OPEN_SHARDS]:
                self._shards.pop(oldest, None)  # another thread may have removed it already
        return shard

    def _open_shard(self, number: int) -> OpenFile | PackedShard:
        shard: OpenFile | PackedShard
        path, capacity = self.shard_file(number), self.info.shard_rows
        try:
            if is_compressed(self.info.row_dtype):
                shard = PackedShard(path, self.info.row_dtype, capacity)
                count = len(shard)
            else:
                shard, count = open_shard(path, self.info.row_dtype, capacity)
        finally:
            if _folder_identity(self.folder) != self._identity:
                raise replaced(self.name)
        expected = min(capacity, len(self) - number * capacity)
        expected = -(-expected // self.info.chunk_rows) * self.info.chunk_rows  # the last chunk is filled up
        if count != expected:
            raise StoreError(f"shard {path} is damaged: expected {expected} rows, got {count}", REPAIR)
        return shard

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        numbers, within = np.divmod(rows, self.info.shard_rows)
        if is_compressed(self.info.row_dtype):
            for row, number, row_in_shard in zip(out, numbers.tolist(), within.tolist(), strict=True):
                shard = self._shard(number)
                assert isinstance(shard, PackedShard)
                shard.fill(row, row_in_shard)
            return

        def fill(buffer: memoryview, offset: int) -> None:
            number, offset_in_shard = divmod(offset, _STRIDE)
            shard = self._shard(number)
            assert isinstance(shard, OpenFile)
            try:
                shard.fill(buffer, offset_in_shard)
            except OSError as error:
                raise StoreError(
                    f"shard {self.shard_file(number)} cannot be read ({error.strerror})", REPAIR
                ) from error

        read_rows(numbers * _STRIDE + within * self.info.row_bytes, out, fill)


def _write_view(views: zarr.Group, view: NewView) -> None:
    """Write a view, except its shards, into the group `views`."""
    info = view.info
    group = views.create_group(info.name, attributes=info.to_attributes())
    compressed = is_compressed(info.row_dtype)
    group.create_array(
        "data",
        shape=(len(view.rows), *info.row_shape),
        chunks=(info.chunk_rows, *info.row_shape),
        shards=(info.shard_rows, *info.row_shape),
        dtype=info.spec.dtype,
        compressors=ZstdCodec(level=LEVEL, checksum=True) if compressed else None,
        fill_value=0 if compressed else float("nan"),
        dimension_names=["row", *info.spec.dims],
        attributes=info.data_attributes(),
    )
    for name in ROW_DTYPE.names or ():
        _write_array(group, name, view.rows[name], "row", ROW_ATTRIBUTES[name])
    attributes = info.axis_attributes()
    for dim, (values, _) in info.coordinates().items():
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        _write_array(group, dim, array, dim, attributes[dim])


def _write_shards(data: Path, view: NewView) -> None:
    """Link a view's shards, or write them, into the folder of its array."""
    zeros = "/0" * len(view.info.row_shape)
    for number, (_, source) in enumerate(view.shards()):
        file = data / "c" / f"{number}{zeros}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if source.file is not None:
            try:
                os.link(source.file, file)
                continue
            except OSError:  # a file system without hard links
                pass
        write_shard(file, source.load(), view.info.shard_rows)


def _consolidate(files: dict[str, Buffer], path: Path) -> dict[str, Buffer]:
    """Return new files with consolidated metadata in those of the groups; xarray warns without it.

    A view's group has the metadata of its arrays. The root has the metadata of the whole new store, with the
    views that the store at `path` keeps.
    """
    metadata = dict(files)
    for folder in path.glob("views/*"):
        if f"views/{folder.name}/zarr.json" not in files:
            for file in folder.rglob("zarr.json"):
                buffer = cpu.Buffer.from_bytes(file.read_bytes())
                metadata[file.relative_to(path).as_posix()] = buffer
    store = MemoryStore(metadata)
    with damage_errors(path), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        for name in files:
            if name.startswith("views/") and name.count("/") == 2 and name.endswith("/zarr.json"):
                zarr.consolidate_metadata(store, path=name.removesuffix("/zarr.json"))
        zarr.consolidate_metadata(store)
    return {name: metadata[name] for name in files}


def _write_array(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dim: str,
    attributes: dict[str, str],
) -> None:
    """Write a one-dimensional array as one chunk."""
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, len(values)),),
        dtype="string" if values.dtype == object else values.dtype,
        compressors=ZstdCodec(checksum=True),
        dimension_names=[dim],
        attributes=dict(attributes),
        config={"write_empty_chunks": True},  # so that a missing chunk is damage, not zeros
    )
    array[:] = values


def _read_array(folder: Path) -> NDArray[Any]:
    """Read a one-dimensional array; text becomes an object array."""
    with damage_errors(folder):
        array = zarr.open_array(folder, mode="r")
        if array.size and not (folder / "c" / "0").exists():
            raise FileNotFoundError("its only chunk is missing")  # zarr would read zeros
        values = np.asarray(array[:])
    return values.astype(object) if values.dtype.kind in "TUO" else values


def _read_attributes(folder: Path) -> Mapping[str, Any]:
    """Read the attributes of the Zarr group at `folder`; empty if there is no group."""
    file = folder / "zarr.json"
    with damage_errors(file):
        try:
            text = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return dict(json.loads(text).get("attributes", {}))


def _folder_identity(folder: Path) -> tuple[int, int] | None:
    """Return inode and modification time (ns) of a folder; None if it does not exist.

    They differ from those of a folder that replaced it. The inode alone may not: the system reuses inodes.
    """
    try:
        stat = os.stat(folder)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _read_unchanged(folder: Path, read: Callable[[], _T]) -> _T:
    """Call `read` and return its result; call it again if `folder` was replaced meanwhile."""
    for _ in range(20):
        before = _folder_identity(folder)
        try:
            value = read()
        except StoreError:
            if before is not None and before == _folder_identity(folder):
                raise
        else:
            if before == _folder_identity(folder):
                return value
        time.sleep(0.005)
    raise StoreError(
        f"{folder} is missing",
        "if `audiospec featurize` was killed, run the same command again; otherwise restore a complete copy "
        "of the store",
    )


def _ready_file(work: Path) -> Path:
    """Return the path of an empty file that marks the new parts in `work` as complete."""
    return work / "publish.ready"
