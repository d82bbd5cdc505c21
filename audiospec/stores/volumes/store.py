"""VolumeStore: a large store, whose volumes are read as one store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.schema import TRACK_COLUMNS
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.layout.volume_names import VOLUME_HOURS, volume_place
from audiospec.stores.volumes.root import HOURS, listed_volumes
from audiospec.stores.volumes.view import VolumeView
from audiospec.stores.zarr_format.root import read_root

#: Volumes that stay open.
_MOST_OPEN = 64


class VolumeStore(FeatureStore):
    """A store with volumes, each of which is an ordinary store.

    Rows and tracks are those of all volumes, one after another. The tables of a volume are read when they
    are needed.

    Attributes
    ----------
    volumes : tuple of str
        Names of the volumes, such as ``"00000"``.
    volume_hours : float
        Hours of audio up to which a volume is filled.
    """

    suffixes = ()
    is_sealed = True
    volumes: tuple[str, ...]
    volume_hours: float

    def __init__(self, path: Location | str) -> None:
        super().__init__(path)
        self._open: dict[str, FeatureStore] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}: {len(self.volumes)} volumes>"

    def _attributes(self) -> Mapping[str, Any]:
        root = read_root(open_folder(self.path))
        attributes, self._version = dict(root.attributes), root.version
        self.volumes = tuple(listed_volumes(attributes, self.path))
        self.volume_hours = float(attributes.get(HOURS, VOLUME_HOURS))
        return attributes

    @property
    def version(self) -> str:
        """That of the root, which is replaced when volumes are added."""
        return self._version

    def volume(self, name: str) -> FeatureStore:
        """Open a volume."""
        store = self._open.pop(name, None)
        if store is None:
            store = open_store(volume_place(self.path, name))
        self._open[name] = store
        for oldest in list(self._open)[:-_MOST_OPEN]:
            self._open.pop(oldest, None)  # another thread may have removed it already
        return store

    def each(self) -> Iterator[FeatureStore]:
        """Yield the volumes, in order. They are not kept: what they load goes when the caller drops them."""
        for name in self.volumes:
            yield self._open.get(name) or open_store(volume_place(self.path, name))

    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        tables = [volume.tracks for volume in self.each()]
        return {name: np.concatenate([table[name] for table in tables]) for name in TRACK_COLUMNS}

    def view_names(self) -> list[str]:
        """Return the names of the views that all volumes have, sorted."""
        return [name for name, missing in self._lacking(False).items() if not missing]

    def listed_view_names(self) -> list[str]:
        """Return the names of the views that all volumes should have, sorted."""
        return [name for name, missing in self._lacking(True).items() if not missing]

    def unfinished_views(self) -> dict[str, int]:
        """Return the views that only some volumes have yet: name → number of volumes that lack it."""
        return {name: count for name, count in self._lacking(False).items() if count}

    def _lacking(self, listed: bool) -> dict[str, int]:
        """Return each view of any volume → number of volumes that lack it, sorted by name."""
        having: dict[str, int] = {}
        for volume in self.each():
            for name in volume.listed_view_names() if listed else volume.view_names():
                having[name] = having.get(name, 0) + 1
        return {name: len(self.volumes) - count for name, count in sorted(having.items())}

    def _view(self, name: str) -> View:
        return VolumeView(self, name)

    def by_volume(self, rows: Mapping[str, Sequence[int]]) -> dict[str, dict[str, list[int]]]:
        """Return rows of views as rows of volumes: name of the volume → name of the view → row numbers."""
        found: dict[str, dict[str, list[int]]] = {}
        for name, numbers in rows.items():
            view = VolumeView(self, name)
            for row in sorted(numbers):
                place, within = view.place_of(row)
                found.setdefault(self.volumes[place], {}).setdefault(name, []).append(within)
        return found

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
        """Raise: a store with volumes is written volume by volume."""
        raise StoreError(
            f"{path} has volumes, and only `audiospec featurize` adds to those",
            "choose another `store`",
        )

    @classmethod
    def recover(cls, path: Location, work: Location) -> None:
        """Do nothing: each volume recovers by itself, and the root is written at once."""
