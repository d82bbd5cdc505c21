"""hdf5: one HDF5 file, read by h5py, MATLAB and anything else that knows HDF5.

HDF5 has no atomic object, so a file is never changed: it is written anew beside the old one and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.stores._files import writing
from audiospec.stores.base import (
    ROW_DTYPE,
    TRACK_COLUMNS,
    FeatureStore,
    NewView,
    Tracks,
    View,
    ViewInfo,
    stores,
)


@stores.register
class HDF5Store(FeatureStore):
    """A feature store as one HDF5 file."""

    suffixes = (".h5", ".hdf5")

    def _attributes(self) -> Mapping[str, Any]:
        if not h5py.is_hdf5(self.path):
            return {}
        with _open(self.path) as file:
            return _read_attributes(file)

    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        with _open(self.path) as file:
            return {name: _read(file["tracks"], name) for name in TRACK_COLUMNS}

    def view_names(self) -> list[str]:
        """Names of the finished views, sorted."""
        with _open(self.path) as file:
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
        """Write the whole file beside the old one, then rename it."""
        kept = []
        if path.exists():
            kept = [old for old in cls(path).views() if view is None or old.name != view.info.name]
        with writing(work / "publish.h5") as temporary:
            with h5py.File(temporary, "w") as file:
                _write_attributes(file, attributes)
                table = file.create_group("tracks")
                for name in TRACK_COLUMNS:
                    _write(table, name, tracks[name])
                views = file.create_group("views")
                for content in [old.contents() for old in kept] + ([view] if view else []):
                    _write_view(views, content)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        os.replace(work / "publish.h5", path)


class HDF5View(View):
    """A view of an `HDF5Store`. The file is opened when it is first read, once in each process."""

    store: HDF5Store

    def __init__(self, store: HDF5Store, name: str) -> None:
        with _open(store.path) as file:
            group = file["views"][name]
            info = ViewInfo.from_attributes(_read_attributes(group))
            rows = np.empty(len(group["track"]), ROW_DTYPE)
            for column in ROW_DTYPE.names or ():
                rows[column] = group[column][:]
        super().__init__(store, info, rows)
        self._group = name
        self._opened: tuple[int, h5py.File] | None = None

    def _data(self) -> h5py.Dataset:
        # A handle that was opened before a fork is not usable after it.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), _open(self.store.path))
        return self._opened[1]["views"][self._group]["data"]

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        data = self._data()
        if data.shape != self.shape:
            raise StoreError(f"view {self.name} has shape {data.shape}, expected {self.shape}: it is damaged")
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        in_order = bool((order == np.arange(len(order))).all())
        target = out if in_order else np.empty_like(out)
        # One call reads one run of consecutive rows: h5py's own fancy indexing is many times slower.
        starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 2) != 1)
        try:
            for first, last in zip(starts, [*starts[1:], len(ordered)], strict=True):
                low = int(ordered[first])
                data.read_direct(target, np.s_[low : low + last - first], np.s_[first:last])
        except OSError as error:
            raise StoreError(f"view {self.name} of {self.store.path} cannot be read: {error}") from error
        if not in_order:
            out[order] = target


def _open(path: Path) -> h5py.File:
    """Open for reading. Without a lock: a file that has its name is never written to."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened as HDF5 ({error}): it is damaged") from error


def _write_view(views: h5py.Group, view: NewView) -> None:
    """Write a whole view into the group `views`."""
    info = view.info
    group = views.create_group(info.name)
    _write_attributes(group, info.to_attributes())
    data = group.create_dataset(
        "data",
        shape=(len(view.rows), *info.row_shape),
        chunks=(1, *info.row_shape),
        dtype=info.row_dtype.base,
        fillvalue=np.nan,
    )
    data.attrs["unit"] = info.spec.unit
    for rows, source in view.shards():
        data[rows] = source.load()
    for name in ROW_DTYPE.names or ():
        _write(group, name, view.rows[name])
    data.dims[0].label = "row"
    for axis, (dim, (values, unit)) in enumerate(info.coordinates().items(), start=1):
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        scale = _write(group, dim, array)
        scale.attrs["units"] = unit
        scale.make_scale(dim)
        data.dims[axis].label = dim
        data.dims[axis].attach_scale(scale)


def _write(group: h5py.Group, name: str, values: NDArray[Any]) -> h5py.Dataset:
    dtype = h5py.string_dtype() if values.dtype == object else values.dtype
    return group.create_dataset(name, data=values, dtype=dtype)


def _read(group: h5py.Group, name: str) -> NDArray[Any]:
    """Read a one-dimensional array; text as an object array."""
    try:
        values = group[name]
    except KeyError as error:
        raise StoreError(f"table {group.name} has no column {name!r}: the store is damaged") from error
    text = h5py.check_string_dtype(values.dtype) is not None
    return np.asarray(values.asstr()[:] if text else values[:], dtype=object if text else None)


def _write_attributes(group: h5py.Group, attributes: Mapping[str, Any]) -> None:
    """Attributes as HDF5 has them; what is nested, as JSON text."""
    for name, value in attributes.items():
        plain = isinstance(value, str | int | float | bool)
        group.attrs[name] = value if plain else json.dumps(value, sort_keys=True)


def _read_attributes(group: h5py.Group) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for name, value in group.attrs.items():
        if isinstance(value, str) and value.startswith(("{", "[")):
            attributes[name] = json.loads(value)
        else:
            attributes[name] = value.item() if isinstance(value, np.generic) else value
    return attributes
