"""VolumeStore: a large store, whose volumes are read as one store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiospec.errors import StoreError
from audiospec.storage.location import Location, location
from audiospec.storage.opening import open_folder
from audiospec.stores.base import FeatureStore, open_store, store_class
from audiospec.stores.layout.anonymous_tracks import anonymous_tracks
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.duplicates import Duplicates, duplicates_among
from audiospec.stores.layout.exporting import write_new_store
from audiospec.stores.layout.schema import FORMAT, store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View
from audiospec.stores.layout.volume_names import VOLUMES, volume_place
from audiospec.stores.volumes.root import Listing, write_root
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
    listing : Listing
        What the root lists: volumes, views, hours of a volume.
    """

    suffixes = ()
    is_sealed = True
    holds_targets = True
    listing: Listing

    def __init__(self, path: Location | str) -> None:
        super().__init__(path)
        self._open: dict[str, FeatureStore] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}: {len(self.volumes)} volumes>"

    def _attributes(self) -> Mapping[str, Any]:
        root = read_root(open_folder(self.path))
        if VOLUMES not in root.attributes:
            raise StoreError(
                f"{self.path} has no volumes: expected them", "open it with `audiospec.open_store`"
            )
        self._version = root.version
        self.listing = Listing.from_attributes(root.attributes, self.path)
        return root.attributes

    @property
    def volumes(self) -> tuple[str, ...]:
        """Names of the volumes, such as ``"00000"``."""
        return self.listing.volumes

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

    def _tracks(self) -> Tracks:
        return Tracks.concatenate([volume.tracks for volume in self.each()])

    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""
        return sorted(self.listing.views)

    def lacking(self) -> dict[str, int]:
        """Return the views that some volumes lack: name → number of those volumes.

        One that is not among `view_names` is not finished yet. Another lacks volumes that were added later.
        """
        counts = Counter(dict.fromkeys(self.listing.views, 0))
        for volume in self.each():
            counts.update(volume.listed_view_names())
        return {name: len(self.volumes) - n for name, n in sorted(counts.items()) if n < len(self.volumes)}

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

    def duplicates(self) -> Duplicates:
        """Return which tracks hold the same sound; see `duplicates`. The table of one volume is in memory."""
        return duplicates_among(lambda: (volume.tracks for volume in self.each()))

    def export(
        self,
        target: Location | str,
        step: Callable[[str], None] | None = None,
        *,
        anonymous: bool = False,
    ) -> FeatureStore:
        """Copy the whole store; see `FeatureStore.export`. The copy has volumes if its format has them."""
        place = location(target)
        kind = store_class(place)
        if not kind.has_volumes:
            return super().export(target, step, anonymous=anonymous)
        attributes = store_attributes(self.dataset, None if anonymous else self._root, self.labelling)
        tables = self._anonymous_tables() if anonymous else (volume.tracks for volume in self.each())

        def write(store: Location, work: Location) -> None:
            for volume, tracks in zip(self.each(), tables, strict=True):
                copy = volume_place(store, volume.path.name)
                if isinstance(copy, Path):
                    copy.parent.mkdir(parents=True, exist_ok=True)
                kind.publish(copy, work, attributes, tracks, None)
                for name in volume.listed_view_names():
                    if step is not None:
                        step(f"{name} of volume {volume.path.name}")
                    kind.publish(copy, work, attributes, tracks, volume.view(name).contents())
            write_root(store, {**attributes, FORMAT: self.format}, self.listing, "")

        write_new_store(place, kind.exists(place), write)
        return kind.open(place)

    def _anonymous_tables(self) -> Iterator[Tracks]:
        """Yield the table of each volume, anonymous. Ids may be shortened, and are unique in all of them."""
        table, first = anonymous_tracks(self.tracks, self._root), 0
        for volume in self.each():
            last = first + len(volume.tracks)
            yield table.part(first, last)
            first = last

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
