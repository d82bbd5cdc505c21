"""zarr: a Zarr v3 folder of sharded arrays, read by zarr, xarray and anything else that knows Zarr.

The package `shards` writes shards and reads rows from them, `zarr_format` the metadata and the small tables,
which have seals (see `seals`). A store may be on a disk, where new views are renamed into it (`renaming`), or
in a bucket, where they are new groups that its root names (`committing`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.table import RowTargets
from audiospec.errors import StoreError
from audiospec.storage.base import Folder
from audiospec.storage.disk import DiskFolder
from audiospec.storage.location import Location, local
from audiospec.storage.opening import exists, open_folder
from audiospec.stores.base import FeatureStore, stores
from audiospec.stores.layout.cleaned import Cleaned
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE, RowTable, replaced, row_table
from audiospec.stores.layout.target_tables import read_targets, read_tracks
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.unfinished import missing_store
from audiospec.stores.layout.view import View
from audiospec.stores.layout.volume_names import VOLUMES
from audiospec.stores.seals.damage import Check
from audiospec.stores.seals.folder import PartFiles
from audiospec.stores.shards.format import is_compressed
from audiospec.stores.shards.reader import ShardReader
from audiospec.stores.zarr_format.arrays import group_attributes, read_array
from audiospec.stores.zarr_format.root import ROOT, Root, read_root

_T = TypeVar("_T")


@stores.register
class ZarrStore(FeatureStore):
    """A feature store as a folder in Zarr v3."""

    suffixes = (".zarr",)
    is_sealed = True
    holds_targets = True
    has_volumes = True
    has_versions = True

    #: What the root says of the parts.
    sealed_root: Root
    #: The files of the store.
    files: Folder

    @classmethod
    def open(cls, path: Location | str) -> FeatureStore:
        """Open a store; one with volumes is a `VolumeStore`."""
        store = cls(path)
        if VOLUMES not in store.sealed_root.attributes:
            return store
        from audiospec.stores.volumes.store import VolumeStore

        return VolumeStore(path)

    def _attributes(self) -> Mapping[str, Any]:
        self.files = open_folder(self.path)
        self.sealed_root = read_root(self.files)
        if not self.sealed_root.attributes and exists(self.path / VOLUMES):  # of a run that is not finished
            raise missing_store(self.path)
        return self.sealed_root.attributes

    @classmethod
    def exists(cls, path: Location) -> bool:
        """Whether there is a store at `path`: in a bucket, what has no root is no store yet."""
        return path.exists() if isinstance(path, Path) else open_folder(path).exists(ROOT)

    @property
    def version(self) -> str:
        """That of the root, which is replaced whenever the store is written to."""
        return self.sealed_root.version

    def part(self, name: str) -> PartFiles:
        """Return the files of a part, ``"tracks"`` or ``"views/NAME"``."""
        root = self.sealed_root
        return PartFiles(self.files, name, root.is_sealed(name), root.group(name))

    def _tracks(self) -> Tracks:
        def read() -> Tracks:
            files = self.part("tracks")
            return read_tracks(group_attributes(files), *_arrays(files))

        return _read_unchanged(self.path / "tracks", read)

    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""
        # Listing a bucket would list all shards. A copy of a bucket has groups that are no views any more.
        if not isinstance(self.path, Path) or self.sealed_root.groups is not None:
            return self.sealed_root.listed
        views = self.path / "views"
        return sorted(folder.parent.name for folder in views.glob("*/zarr.json"))

    def track_count(self) -> int:
        """Return the number of tracks, by the root if it has the metadata of the table."""
        node = (self.sealed_root.metadata or {}).get(f"{self.sealed_root.group('tracks')}/id")
        return len(self.tracks) if node is None else int(node["shape"][0])

    def row_count(self, view: str) -> int:
        """Return the number of rows of a view, by the root if it has the metadata of the array."""
        node = (self.sealed_root.metadata or {}).get(f"{self.sealed_root.group(f'views/{view}')}/data")
        return len(self._view(view)) if node is None else int(node["shape"][0])

    def listed_view_names(self) -> list[str]:
        """Return the names of the views that the store should have, sorted."""
        return sorted({*self.view_names(), *self.sealed_root.listed})

    def _view(self, name: str) -> View:
        return ZarrView(self, name)

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
        """Build the new parts in `work` and rename them into the store; in a bucket, write new groups."""
        if isinstance(path, Path):
            from audiospec.stores.zarr_format.renaming import publish as rename

            rename(path, local(work, "the work folder of a store on a disk"), attributes, tracks, view, since)
            return
        from audiospec.stores.zarr_format.committing import publish as commit

        commit(open_folder(path), attributes, tracks, view, since)

    @classmethod
    def check(cls, path: Location) -> Check:
        """Compare everything but the rows with the seals, and the parts with one another."""
        from audiospec.stores.volumes.checking import check as check_volumes
        from audiospec.stores.volumes.checking import has_volumes

        if has_volumes(path):
            return check_volumes(path)
        from audiospec.stores.zarr_format.checking import check

        return check(path)

    @classmethod
    def restore(cls, path: Location, work: Location) -> list[str]:
        """Mend what the copies allow, and seal what has no seal; return what was done."""
        from audiospec.stores.volumes.checking import has_volumes
        from audiospec.stores.volumes.checking import restore as restore_volumes

        if has_volumes(path):
            return restore_volumes(path)
        if isinstance(path, Path):
            from audiospec.stores.zarr_format.restoring import restore

            cls.recover(path, work)
            return restore(path, local(work, "the work folder of a store on a disk"))
        from audiospec.stores.zarr_format.restoring import restore_bucket

        return restore_bucket(open_folder(path))

    @classmethod
    def recover(cls, path: Location, work: Location) -> None:
        """Rename the new parts into the store if they are complete; in a bucket, there is nothing to do."""
        if isinstance(path, Path):
            from audiospec.stores.zarr_format.renaming import recover

            recover(path, local(work, "the work folder of a store on a disk"))

    @classmethod
    def clean(cls, path: Location, older: float, now: float, dry_run: bool = False) -> Cleaned:
        """Remove the groups of a store in a bucket that its root does not name any more."""
        if isinstance(path, Path):
            return Cleaned()
        from audiospec.stores.zarr_format.committing import clean

        return clean(open_folder(path), older, now, dry_run)


class ZarrView(View):
    """A view of a `ZarrStore`. Rows are read directly from the files of the shards.

    Attributes
    ----------
    folder : Location
        The view's group.
    """

    store: ZarrStore

    def __init__(self, store: ZarrStore, name: str) -> None:
        part = f"views/{name}"
        self.folder = folder = store.path / store.sealed_root.group(part)

        def read() -> tuple[ViewInfo, RowTable, RowTargets | None, tuple[int, int] | None]:
            files = store.part(part)
            attributes = group_attributes(files)
            rows = row_table({column: read_array(files, column) for column in ROW_DTYPE.names or ()})
            targets = read_targets(len(rows), *_arrays(files))
            return ViewInfo.from_attributes(attributes, name), rows, targets, _folder_identity(folder)

        info, rows, targets, self._identity = _read_unchanged(folder, read)
        super().__init__(store, info, rows, targets)
        self.files = (
            DiskFolder(folder, self._require_same) if isinstance(folder, Path) else open_folder(folder)
        )
        self.checks_rows = not self.files.is_local
        self._reader = ShardReader(
            self.files, self._key, info.row_dtype, info.shard_rows, info.chunk_rows, len(self)
        )

    def _require_same(self) -> None:
        """Raise if the view was replaced after it was opened."""
        if _folder_identity(self.folder) != self._identity:
            raise replaced(self.name)

    def source(self, number: int) -> ShardSource:
        """Return the source of a shard for the next version of this view: a file that can be copied."""
        return ShardSource(super().source(number).load, self.shard_file(number))

    def shard_file(self, number: int) -> Location:
        """Return the file of a shard."""
        return self.folder / self._key(number)

    def _key(self, number: int) -> str:
        return f"data/c/{number}" + "/0" * len(self.info.row_shape)

    def bytes_on_disk(self) -> int:
        """Return the size of the view's numbers in bytes, as they are stored."""
        if not is_compressed(self.info.row_dtype):
            return super().bytes_on_disk()
        return sum(entry.size for entry in self.files.list("data/c/"))

    def _require_shard(self, number: int) -> None:
        self._reader.require(number)

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        try:
            self._reader.read(rows, out)
        except StoreError:
            self._require_named()
            raise

    def _require_named(self) -> None:
        """Raise if the view's group is gone because the store names another."""
        if isinstance(self.folder, Path) or self.files.exists("zarr.json"):
            return
        part = f"views/{self.name}"
        if read_root(self.store.files).group(part) != self.store.sealed_root.group(part):
            raise replaced(self.name)


def _arrays(files: PartFiles) -> tuple[Callable[[str], bool], Callable[[str], NDArray[Any]]]:
    """Return what says whether a part has an array, and what reads one."""
    return lambda name: files.has(f"{name}/zarr.json"), lambda name: read_array(files, name)


def _folder_identity(folder: Location) -> tuple[int, int] | None:
    """Return inode and modification time (ns) of a folder; None if it does not exist, or is in a bucket.

    They differ from those of a folder that replaced it. The inode alone may not: the system reuses inodes.
    """
    if not isinstance(folder, Path):  # groups in a bucket are never written to again
        return None
    try:
        stat = os.stat(folder)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _read_unchanged(folder: Location, read: Callable[[], _T]) -> _T:
    """Call `read` and return its result; call it again if `folder` was replaced meanwhile."""
    if not isinstance(folder, Path):
        return read()
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
