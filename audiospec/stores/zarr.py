"""zarr: a Zarr v3 folder of sharded arrays, read by zarr, xarray and anything else that knows Zarr.

Shards are written and mapped by `_files`; zarr-python writes and reads the metadata and the small tables.
A view is put together beside the store and renamed into it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.stores._files import map_shard, write_shard
from audiospec.stores.base import (
    ROW_DTYPE,
    TRACK_COLUMNS,
    FeatureStore,
    NewView,
    Rows,
    Tracks,
    View,
    ViewInfo,
    stores,
)


@stores.register
class ZarrStore(FeatureStore):
    """A feature store as a folder in Zarr v3."""

    suffixes = (".zarr",)

    def _attributes(self) -> Mapping[str, Any]:
        return _read_attributes(self.path)

    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        return {name: _read(self.path / "tracks" / name) for name in TRACK_COLUMNS}

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
        new = work / "publish"
        _ready(work).unlink(missing_ok=True)
        if new.exists():
            shutil.rmtree(new)
        root = zarr.create_group(new, attributes=dict(attributes))
        table = root.create_group("tracks")
        for name in TRACK_COLUMNS:
            _write(table, name, tracks[name], "track")
        views = root.create_group("views")
        if view is not None:
            _write_view(views, new / "views", view)
        _ready(work).touch()
        cls.recover(path, work)

    @classmethod
    def recover(cls, path: Path, work: Path) -> None:
        """Rename the new parts into the store if they are whole; forget them if they are not."""
        new, old = work / "publish", work / "replaced"
        if _ready(work).exists() and new.exists():
            if not path.exists():
                os.rename(new, path)
            else:
                # Tracks first: a view never refers to a track that is not in the table.
                names = [f"views/{folder.parent.name}" for folder in new.glob("views/*/zarr.json")]
                for name in ["tracks", *names]:
                    if (new / name).exists():
                        if (path / name).exists():
                            (old / name).parent.mkdir(parents=True, exist_ok=True)
                            if (old / name).exists():
                                shutil.rmtree(old / name)
                            os.rename(path / name, old / name)
                        os.rename(new / name, path / name)
                os.replace(new / "zarr.json", path / "zarr.json")
            _consolidate(path)
        for folder in (new, old):
            if folder.exists():
                shutil.rmtree(folder)
        _ready(work).unlink(missing_ok=True)


class ZarrView(View):
    """A view of a `ZarrStore`; its rows are mapped from the shards' files."""

    store: ZarrStore

    def __init__(self, store: ZarrStore, folder: Path) -> None:
        info = ViewInfo.from_attributes(_read_attributes(folder))
        self.folder = folder
        columns = {name: _read(folder / name) for name in ROW_DTYPE.names or ()}
        rows = np.empty(len(columns["track"]), ROW_DTYPE)
        for name, column in columns.items():
            rows[name] = column
        super().__init__(store, info, rows)
        self._made = os.stat(folder).st_ino
        self._shards: dict[int, NDArray[Any]] = {}

    def shard_file(self, number: int) -> Path:
        """The file of a shard."""
        zeros = "/0" * len(self.info.row_shape)
        return self.folder / "data" / "c" / f"{number}{zeros}"

    def _shard(self, number: int) -> NDArray[Any]:
        if number not in self._shards:
            shard = map_shard(self.shard_file(number), self.info.row_dtype, self.info.shard_rows)
            if os.stat(self.folder).st_ino != self._made:
                raise StoreError(f"view {self.name} was written again since it was opened: open it again")
            first = number * self.info.shard_rows
            expected = min(self.info.shard_rows, len(self) - first)
            if len(shard) != expected:
                raise StoreError(
                    f"shard {self.shard_file(number)} holds {len(shard)} rows, expected {expected}: "
                    f"run `audiospec store verify {self.store.path} --repair`"
                )
            self._shards[number] = shard
        return self._shards[number]

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        numbers, within = np.divmod(rows, self.info.shard_rows)
        for number in np.unique(numbers):
            here = numbers == number
            out[here] = self._shard(int(number))[within[here]]


def _write_view(views: zarr.Group, folder: Path, view: NewView) -> None:
    """Write a whole view into the group `views`, which lies at `folder`."""
    info = view.info
    group = views.create_group(info.name, attributes=info.to_attributes())
    group.create_array(
        "data",
        shape=(len(view.rows), *info.row_shape),
        chunks=(1, *info.row_shape),
        shards=(info.shard_rows, *info.row_shape),
        dtype=info.spec.dtype,
        compressors=None,
        fill_value=float("nan"),
        dimension_names=["row", *info.spec.dims],
        attributes={"unit": info.spec.unit},
    )
    zeros = "/0" * len(info.row_shape)
    for number, (_, source) in enumerate(view.shards()):
        file = folder / info.name / "data" / "c" / f"{number}{zeros}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if source.file is not None:
            try:
                os.link(source.file, file)
                continue
            except OSError:  # a file system without hard links
                pass
        write_shard(file, source.load(), info.shard_rows)
    for name in ROW_DTYPE.names or ():
        _write(group, name, view.rows[name], "row")
    for dim, (values, unit) in info.coordinates().items():
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        _write(group, dim, array, dim, {"units": unit})
    _consolidate(folder / info.name)


def _consolidate(folder: Path) -> None:
    """Put the metadata of all that is in a group into the group's: xarray warns where it is missing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(folder)


def _write(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dim: str,
    attributes: dict[str, Any] | None = None,
) -> None:
    """Write a one-dimensional array as one chunk."""
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, len(values)),),
        dtype="string" if values.dtype == object else values.dtype,
        dimension_names=[dim],
        attributes=attributes or {},
    )
    array[:] = values


def _read(folder: Path) -> NDArray[Any]:
    """Read a one-dimensional array; text as an object array."""
    try:
        values = np.asarray(zarr.open_array(folder, mode="r")[:])
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise StoreError(f"{folder} cannot be read ({error}): the store is damaged") from error
    return values.astype(object) if values.dtype.kind in "TUO" else values


def _read_attributes(folder: Path) -> Mapping[str, Any]:
    """Attributes of the Zarr group at `folder`; empty if there is none."""
    try:
        metadata = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        return dict(metadata["attributes"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _ready(work: Path) -> Path:
    """The mark that the new parts in `work` are whole."""
    return work / "publish.ready"
