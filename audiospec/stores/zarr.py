"""zarr: a Zarr v3 folder of sharded arrays, read by zarr, xarray and anything else that knows Zarr.

Shards are written and opened by `_files`, their rows read by `_rows`; zarr-python writes and reads the
metadata and the small tables. A view is put together beside the store and renamed into it.
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
    ROW_ATTRIBUTES,
    ROW_DTYPE,
    TRACK_ATTRIBUTES,
    TRACK_COLUMNS,
    replaced,
    row_table,
)
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.shards.format import is_compressed, open_shard, write_shard
from audiospec.stores.shards.frames import LEVEL
from audiospec.stores.shards.packed import PackedShard
from audiospec.stores.shards.rows import OpenFile, read_rows

#: Shards of a view that are kept open, of the 1024 files that most systems let a process have open. To open
#: one again takes 0.03 ms, as long as to read a row of 331 KB.
OPEN = 256

#: Bytes between the places of one shard's first row and the next's, for `read_rows`: more than a shard has.
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
        return _steady(folder, lambda: {name: _read(folder / name) for name in TRACK_COLUMNS})

    def view_names(self) -> list[str]:
        """Names of the finished views, sorted."""
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
        # Metadata and tables are small. zarr makes them in memory; it cannot write to disks without links.
        files: dict[str, Buffer] = {}
        root = zarr.create_group(MemoryStore(files), attributes=dict(attributes))
        table = root.create_group("tracks")
        for name in TRACK_COLUMNS:
            _write(table, name, tracks[name], "track", TRACK_ATTRIBUTES.get(name, {}))
        views = root.create_group("views")
        try:
            with disk_full_errors(path):
                if view is not None:
                    _write_view(views, view)
                    _write_shards(new / "views" / view.info.name / "data", view)
                for name, buffer in _consolidated(files, path).items():
                    (new / name).parent.mkdir(parents=True, exist_ok=True)
                    (new / name).write_bytes(buffer.to_bytes())
                (work / "replaced" / "views").mkdir(parents=True)
                _ready(work).touch()
        except BaseException:
            cls.recover(path, work)
            raise
        with disk_full_errors(path):
            cls.recover(path, work)

    @classmethod
    def recover(cls, path: Path, work: Path) -> None:
        """Rename the new parts into the store if they are whole; forget them if they are not."""
        new, old = work / "publish", work / "replaced"
        if _ready(work).exists() and new.exists():
            if not path.exists():
                os.rename(new, path)
            else:
                # Tracks first: a view never refers to a track that is not in the table. zarr.json last.
                names = [f"views/{folder.parent.name}" for folder in new.glob("views/*/zarr.json")]
                for name in ["tracks", *names, "zarr.json"]:
                    if (new / name).exists():  # else it was renamed before
                        if (path / name).is_dir():
                            os.rename(path / name, old / name)
                        os.replace(new / name, path / name)
        _ready(work).unlink(missing_ok=True)
        for folder in (new, old):
            if folder.exists():
                shutil.rmtree(folder)


class ZarrView(View):
    """A view of a `ZarrStore`; its rows are read from the shards' files."""

    store: ZarrStore

    def __init__(self, store: ZarrStore, folder: Path) -> None:
        self.folder = folder
        info, columns, self._made = _steady(
            folder,
            lambda: (
                ViewInfo.from_attributes(_read_attributes(folder), folder.name),
                {name: _read(folder / name) for name in ROW_DTYPE.names or ()},
                _identity(folder),
            ),
        )
        super().__init__(store, info, row_table(columns))
        self._shards: dict[int, OpenFile | PackedShard] = {}

    def source(self, number: int) -> ShardSource:
        """Where a shard of this view is, for the next version of it: a file that can be linked."""
        return ShardSource(super().source(number).load, self.shard_file(number))

    def shard_file(self, number: int) -> Path:
        """The file of a shard."""
        zeros = "/0" * len(self.info.row_shape)
        return self.folder / "data" / "c" / f"{number}{zeros}"

    def bytes_on_disk(self) -> int:
        """Size of the view's numbers in bytes, as they are stored."""
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
            for old in list(self._shards)[:-OPEN]:  # another thread may do so, too
                self._shards.pop(old, None)
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
            if _identity(self.folder) != self._made:
                raise replaced(self.name)
        expected = min(capacity, len(self) - number * capacity)
        whole = -(-expected // self.info.chunk_rows) * self.info.chunk_rows  # what fills it up is no row
        if count != whole:
            raise StoreError(
                f"shard {path} holds {count} rows, expected {whole}: "
                f"run `audiospec store verify {self.store.path} --repair`"
            )
        return shard

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        numbers, within = np.divmod(rows, self.info.shard_rows)
        if is_compressed(self.info.row_dtype):
            for row, number, place in zip(out, numbers.tolist(), within.tolist(), strict=True):
                shard = self._shard(number)
                assert isinstance(shard, PackedShard)
                shard.fill(row, place)
            return

        def fill(buffer: memoryview, place: int) -> None:
            number, start = divmod(place, _STRIDE)
            shard = self._shard(number)
            assert isinstance(shard, OpenFile)
            try:
                shard.fill(buffer, start)
            except OSError as error:
                raise StoreError(
                    f"shard {self.shard_file(number)} cannot be read: {error.strerror}; "
                    f"run `audiospec store verify {self.store.path} --repair`"
                ) from error

        read_rows(numbers * _STRIDE + within * self.info.row_bytes, out, fill)


def _write_view(views: zarr.Group, view: NewView) -> None:
    """Write all of a view but its shards into the group `views`."""
    info = view.info
    group = views.create_group(info.name, attributes=info.to_attributes())
    packed = is_compressed(info.row_dtype)
    group.create_array(
        "data",
        shape=(len(view.rows), *info.row_shape),
        chunks=(info.chunk_rows, *info.row_shape),
        shards=(info.shard_rows, *info.row_shape),
        dtype=info.spec.dtype,
        compressors=ZstdCodec(level=LEVEL, checksum=True) if packed else None,
        fill_value=0 if packed else float("nan"),
        dimension_names=["row", *info.spec.dims],
        attributes=info.data_attributes(),
    )
    for name in ROW_DTYPE.names or ():
        _write(group, name, view.rows[name], "row", ROW_ATTRIBUTES[name])
    attributes = info.axis_attributes()
    for dim, (values, _) in info.coordinates().items():
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        _write(group, dim, array, dim, attributes[dim])


def _write_shards(data: Path, view: NewView) -> None:
    """Write, or link, a view's shards into the folder of its array."""
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


def _consolidated(files: dict[str, Buffer], path: Path) -> dict[str, Buffer]:
    """New files, with the metadata of all that is in a group in the group's: xarray warns where it is not.

    A view gets that of its arrays; the root that of the whole store as it is to be, with the views that the
    store at `path` keeps.
    """
    whole = dict(files)
    for folder in path.glob("views/*"):
        if f"views/{folder.name}/zarr.json" not in files:
            for file in folder.rglob("zarr.json"):
                buffer = cpu.Buffer.from_bytes(file.read_bytes())
                whole[file.relative_to(path).as_posix()] = buffer
    store = MemoryStore(whole)
    with damage_errors(path), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        for name in files:
            if name.startswith("views/") and name.count("/") == 2 and name.endswith("/zarr.json"):
                zarr.consolidate_metadata(store, path=name.removesuffix("/zarr.json"))
        zarr.consolidate_metadata(store)
    return {name: whole[name] for name in files}


def _write(
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
        config={"write_empty_chunks": True},  # what is missing is then damage, and not an empty table
    )
    array[:] = values


def _read(folder: Path) -> NDArray[Any]:
    """Read a one-dimensional array; text as an object array."""
    with damage_errors(folder):
        array = zarr.open_array(folder, mode="r")
        if array.size and not (folder / "c" / "0").exists():
            raise FileNotFoundError("its only chunk is missing")  # zarr reads it as if it were empty
        values = np.asarray(array[:])
    return values.astype(object) if values.dtype.kind in "TUO" else values


def _read_attributes(folder: Path) -> Mapping[str, Any]:
    """Attributes of the Zarr group at `folder`; empty if there is none."""
    file = folder / "zarr.json"
    with damage_errors(file):
        try:
            text = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return dict(json.loads(text).get("attributes", {}))


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another that takes its name; None if there is none.

    A number alone is given again once its folder is gone.
    """
    try:
        stat = os.stat(folder)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _steady(folder: Path, read: Callable[[], _T]) -> _T:
    """What `read` gives, all of one folder: it is called again if `folder` is replaced meanwhile."""
    for _ in range(20):
        before = _identity(folder)
        try:
            value = read()
        except StoreError:
            if before is not None and before == _identity(folder):
                raise
        else:
            if before == _identity(folder):
                return value
        time.sleep(0.005)
    raise StoreError(
        f"{folder} is missing: run the same `audiospec featurize` again if one was killed, else bring back a "
        "whole copy of the store"
    )


def _ready(work: Path) -> Path:
    """The mark that the new parts in `work` are whole."""
    return work / "publish.ready"
