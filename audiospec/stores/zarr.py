"""zarr: a Zarr v3 folder of sharded arrays, read by zarr, xarray and anything else that knows Zarr.

The package `shards` writes shards and reads rows from them, `zarr_format` the metadata and the small tables,
which have seals (see `seals`). A new view is built in the work folder beside the store, then renamed
into the store.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.files import damage_errors, disk_full_errors, write_new
from audiospec.stores.base import FeatureStore, stores
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE, TRACK_COLUMNS, replaced, row_table
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.layout.volume_names import VOLUMES
from audiospec.stores.seals.damage import Check
from audiospec.stores.seals.folder import PartFiles
from audiospec.stores.shards.format import REPAIR, is_compressed, open_shard
from audiospec.stores.shards.packed import PackedShard
from audiospec.stores.shards.rows import OpenFile, read_rows
from audiospec.stores.zarr_format.arrays import read_array
from audiospec.stores.zarr_format.root import Root, is_format, read_root

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
    is_sealed = True
    has_volumes = True

    #: What the root says of the parts.
    sealed_root: Root

    @classmethod
    def open(cls, path: Path | str) -> FeatureStore:
        """Open a store; one with volumes is a `VolumeStore`."""
        store = cls(path)
        if VOLUMES not in store.sealed_root.attributes:
            return store
        from audiospec.stores.volumes.store import VolumeStore

        return VolumeStore(path)

    def _attributes(self) -> Mapping[str, Any]:
        self.sealed_root = read_root(self.path)
        return self.sealed_root.attributes

    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        def read() -> dict[str, NDArray[Any]]:
            files = PartFiles(self.path, "tracks", self.sealed_root.is_sealed("tracks"))
            # The table itself says which column is missing.
            return {name: read_array(files, name) for name in TRACK_COLUMNS if files.has(f"{name}/zarr.json")}

        return _read_unchanged(self.path / "tracks", read)

    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""
        views = self.path / "views"
        return sorted(folder.parent.name for folder in views.glob("*/zarr.json"))

    def track_count(self) -> int:
        """Return the number of tracks, by the root if it has the metadata of the table."""
        node = (self.sealed_root.metadata or {}).get("tracks/id")
        return super().track_count() if node is None else int(node["shape"][0])

    def row_count(self, view: str) -> int:
        """Return the number of rows of a view, by the root if it has the metadata of the array."""
        node = (self.sealed_root.metadata or {}).get(f"views/{view}/data")
        return super().row_count(view) if node is None else int(node["shape"][0])

    def listed_view_names(self) -> list[str]:
        """Return the names of the views that the store should have, sorted."""
        return sorted({*self.view_names(), *self.sealed_root.listed})

    def _view(self, name: str) -> View:
        return ZarrView(self, name)

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
        from audiospec.stores.zarr_format.writing import new_files, write_shards

        cls.recover(path, work)
        new = work / "publish"
        try:
            with disk_full_errors(path):
                files = new_files(path, read_root(path), attributes, tracks, view)
                if view is not None:
                    write_shards(new / "views" / view.info.name / "data", view)
                _write_files(new, files)
                (work / "replaced" / "views").mkdir(parents=True)
                _ready_file(work).touch()
        except BaseException:
            cls.recover(path, work)
            raise
        with disk_full_errors(path):
            cls.recover(path, work)

    @classmethod
    def check(cls, path: Path) -> Check:
        """Compare everything but the rows with the seals, and the parts with one another."""
        from audiospec.stores.zarr_format.checking import check

        return check(path)

    @classmethod
    def restore(cls, path: Path, work: Path) -> list[str]:
        """Mend what the copies allow, and seal what has no seal; return what was done."""
        from audiospec.stores.zarr_format.restoring import restore

        cls.recover(path, work)
        return restore(path, work)

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
        (work / "restored").unlink(missing_ok=True)
        for folder in (new, old):
            if folder.exists():
                shutil.rmtree(folder)


class ZarrView(View):
    """A view of a `ZarrStore`. Rows are read directly from the files of the shards."""

    store: ZarrStore

    def __init__(self, store: ZarrStore, name: str) -> None:
        self.folder = folder = store.path / "views" / name

        def read() -> tuple[ViewInfo, dict[str, NDArray[Any]], tuple[int, int] | None]:
            part = f"views/{name}"
            files = PartFiles(store.path, part, store.sealed_root.is_sealed(part))
            with damage_errors(folder / "zarr.json"):
                node = json.loads(files.read("zarr.json"))
                if not is_format(node, "group"):
                    raise files.damaged("zarr.json is not that of a Zarr v3 group")
                attributes = dict(node["attributes"])
            columns = {column: read_array(files, column) for column in ROW_DTYPE.names or ()}
            return ViewInfo.from_attributes(attributes, name), columns, _folder_identity(folder)

        info, columns, self._identity = _read_unchanged(folder, read)
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


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder: name → content. Each of their folders is made once."""
    made: set[str] = set()
    for name, content in files.items():
        parts = name.split("/")[:-1]
        for depth in range(len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent not in made:
                (folder / parent).mkdir(exist_ok=True)
                made.add(parent)
        write_new(folder / name, content)


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
