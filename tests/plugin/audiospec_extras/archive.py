"""archive: one ZIP file of JSON and NumPy arrays, for small stores that are sent around."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.files import damage_errors, disk_full_errors
from audiospec.stores.base import (
    ROW_DTYPE,
    TRACK_COLUMNS,
    FeatureStore,
    NewView,
    Tracks,
    View,
    ViewInfo,
    replaced,
    stores,
)


@stores.register
class ArchiveStore(FeatureStore):
    """A feature store as a ZIP file, which is replaced as a whole."""

    suffixes = (".fzip",)

    def _attributes(self) -> Mapping[str, Any]:
        if not zipfile.is_zipfile(self.path):
            return {}
        names = self._names()
        return dict(json.loads(self.member("attributes.json"))) if "attributes.json" in names else {}

    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        with damage_errors(self.path):
            columns = json.loads(self.member("tracks.json"))
            kinds = {name: object if kind is str else kind for name, kind in TRACK_COLUMNS.items()}
            return {name: np.array(columns[name], dtype=kinds[name]) for name in kinds if name in columns}

    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""
        return sorted(name.split("/")[1] for name in self._names() if name.endswith("/rows.npy"))

    def _view(self, name: str) -> View:
        return ArchiveView(self, name)

    def _names(self) -> list[str]:
        with damage_errors(self.path), zipfile.ZipFile(self.path) as file:
            return file.namelist()

    def member(self, name: str) -> bytes:
        """Read a member; zipfile compares its checksum."""
        with damage_errors(self.path), zipfile.ZipFile(self.path) as file:
            return file.read(name)

    @classmethod
    def publish(
        cls, path: Path, work: Path, attributes: Mapping[str, Any], tracks: Tracks, view: NewView | None
    ) -> None:
        """Write the whole file in the work folder, then rename it."""
        old = [] if not path.exists() else cls(path).views()
        contents = [other.contents() for other in old if view is None or other.name != view.info.name]
        try:
            with disk_full_errors(path):
                with zipfile.ZipFile(_unfinished(work), "w") as file:
                    file.writestr("attributes.json", json.dumps(dict(attributes)))
                    columns = {name: tracks[name].tolist() for name in TRACK_COLUMNS}
                    file.writestr("tracks.json", json.dumps(columns))
                    for content in [*contents, *([view] if view else [])]:
                        _write_view(file, content)
                os.replace(_unfinished(work), path)
        finally:
            cls.recover(path, work)

    @classmethod
    def recover(cls, path: Path, work: Path) -> None:
        """Remove the unfinished file of a killed `publish`; the old file is still in place."""
        _unfinished(work).unlink(missing_ok=True)


def _unfinished(work: Path) -> Path:
    return work / "publish.fzip"


class ArchiveView(View):
    """A view of an `ArchiveStore`."""

    store: ArchiveStore

    def __init__(self, store: ArchiveStore, name: str) -> None:
        with damage_errors(store.path):
            attributes = json.loads(store.member(f"views/{name}/attributes.json"))
            rows = np.load(io.BytesIO(store.member(f"views/{name}/rows.npy")), allow_pickle=False)
        super().__init__(store, ViewInfo.from_attributes(attributes, name), rows.astype(ROW_DTYPE))

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        with damage_errors(self.store.path), zipfile.ZipFile(self.store.path) as file:
            stored = np.load(io.BytesIO(file.read(f"views/{self.name}/rows.npy")), allow_pickle=False)
            data = file.read(f"views/{self.name}/data")
        if stored.tobytes() != self.rows.tobytes():
            raise replaced(self.name)
        with damage_errors(self.store.path):
            out[...] = np.frombuffer(data, self.info.row_dtype.base).reshape(self.shape)[rows]

    def bytes_on_disk(self) -> int:
        """Return the size of the view's numbers in bytes, as they are stored."""
        with damage_errors(self.store.path), zipfile.ZipFile(self.store.path) as file:
            return file.getinfo(f"views/{self.name}/data").compress_size


def _write_view(file: zipfile.ZipFile, view: NewView) -> None:
    folder, dtype = f"views/{view.info.name}", view.info.row_dtype.base
    file.writestr(f"{folder}/attributes.json", json.dumps(view.info.to_attributes()))
    rows = io.BytesIO()
    np.save(rows, view.rows)
    file.writestr(f"{folder}/rows.npy", rows.getvalue())
    data = b"".join(np.ascontiguousarray(source.load()).tobytes() for _, source in view.shards())
    packing = zipfile.ZIP_DEFLATED if dtype == np.uint8 else zipfile.ZIP_STORED
    file.writestr(f"{folder}/data", data, packing)
