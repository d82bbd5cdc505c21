"""FeatureStore, the base class of every store; the registry of stores; `open_store`.

A store holds one table of tracks and any number of views. A view is one spec × one chunking: a table of
rows, and one array with an entry for each row. Views are written as a whole (see `NewView`), so a view that
can be opened is complete.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from audiospec.annotations.table import Annotations
from audiospec.errors import StoreError
from audiospec.registry import Registry
from audiospec.storage.location import Location, location
from audiospec.storage.opening import exists, size_of
from audiospec.stores.layout.anonymous_tracks import anonymous_tracks
from audiospec.stores.layout.cleaned import Cleaned
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.exporting import copying, require_holds, write_new_store
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.names import matching_view
from audiospec.stores.layout.schema import (
    ROW_DTYPE,
    TRACK_COLUMNS,
    TrackRecord,
    format_of,
    labelling_of,
    replaced,
    row_table,
    store_attributes,
)
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.unfinished import missing_store
from audiospec.stores.layout.view import View
from audiospec.stores.layout.volume_names import store_of_volume
from audiospec.stores.seals.damage import Check, Damage

__all__ = [
    "ROW_DTYPE",
    "TRACK_COLUMNS",
    "Check",
    "Damage",
    "FeatureStore",
    "NewView",
    "ShardSource",
    "TrackRecord",
    "Tracks",
    "View",
    "ViewInfo",
    "missing_store",
    "open_store",
    "replaced",
    "row_table",
    "store_attributes",
    "store_class",
    "stores",
]


class FeatureStore(ABC):
    """A store, opened for reading.

    A subclass is one module with the decorator ``@stores.register``. It defines how a store is written
    (`publish`) and read; the base class does the rest.

    Parameters
    ----------
    path : path
        An existing store.

    Attributes
    ----------
    suffixes : tuple of str
        File suffixes that select this kind of store.
    is_sealed : bool
        Whether stores of this kind carry checksums of everything in them (see `check`).
    holds_targets : bool
        Whether they hold annotations, free columns, a labelling and the targets of views.
    dataset : str
        Name of the dataset.
    format : int
        Version of its format.
    labelling : Labelling
        How rows get their targets.
    version : str
        Changes whenever the store is written to; ``""`` if this kind of store cannot tell.
    root : Location
        Folder that the tracks' paths are relative to, as recorded when the store was written. StoreError if
        the store does not record it, as after an anonymous export.

    Raises
    ------
    StoreError
        The path does not exist, is not a store, or is a store of a newer format.
    """

    suffixes: ClassVar[tuple[str, ...]]
    is_sealed: ClassVar[bool] = False
    holds_targets: ClassVar[bool] = False
    #: Whether a large store has volumes (see `VolumeStore`); whether `publish` takes `since`.
    has_volumes: ClassVar[bool] = False
    has_versions: ClassVar[bool] = False
    #: Whether another program wrote the store again, without the seal that it had.
    has_lost_seal: bool = False

    def __init__(self, path: Location | str) -> None:
        self.path = location(path)
        if isinstance(self.path, Path) and not self.path.exists():
            raise missing_store(self.path)
        attributes = self._attributes()
        if not attributes and not self.exists(self.path):
            raise missing_store(self.path)
        self.format = format_of(attributes, self.path)
        self.labelling = labelling_of(attributes, self.path)
        self.dataset = str(attributes.get("dataset", ""))
        self._root = location(str(attributes["root"])) if "root" in attributes else None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.path}: {len(self.tracks)} tracks, {len(self.view_names())} views>"
        )

    @classmethod
    def exists(cls, path: Location) -> bool:
        """Whether there is a store, or anything else in its place."""
        return exists(path)

    @property
    def version(self) -> str:
        """What changes whenever the store is written to; ``""`` if this kind of store cannot tell."""
        return ""

    @property
    def root(self) -> Location:
        """Folder that the tracks' paths are relative to; StoreError if the store does not record it."""
        if self._root is None:
            raise StoreError(
                f"{self.path} does not say where its audio is, because the folder was left out on export",
                "run `audiospec featurize DATASET --data FOLDER --store STORE`, which records the folder, "
                "then try again",
            )
        return self._root

    @classmethod
    def open(cls, path: Location | str) -> FeatureStore:
        """Open a store of this kind; one with volumes is a `VolumeStore`."""
        return cls(path)

    @abstractmethod
    def _attributes(self) -> Mapping[str, Any]:
        """Read the store's own attributes; empty if the path is not a store of this kind."""

    @abstractmethod
    def _tracks(self) -> Tracks | Mapping[str, NDArray[Any]]:
        """Read the track table; its columns are enough if it has neither free columns nor annotations."""

    @abstractmethod
    def view_names(self) -> list[str]:
        """Return the names of the finished views, sorted."""

    @abstractmethod
    def _view(self, name: str) -> View:
        """Open a finished view by its full name."""

    @classmethod
    @abstractmethod
    def publish(
        cls,
        path: Location,
        work: Location,
        attributes: Mapping[str, Any],
        tracks: Tracks,
        view: NewView | None,
        since: str | None = None,
    ) -> None:
        """Write the track table and one view into the store at `path`; create the store if necessary.

        A reader sees the old content or the new. A killed writer leaves the old content, or files from which
        `recover` completes the new. The caller holds the store's lock.

        Parameters
        ----------
        path : Location
            The store.
        work : Location
            Its work folder, on the same disk or in the same bucket, for unfinished files.
        attributes : mapping
            The store's own attributes (see `store_attributes`).
        tracks : Tracks
        view : NewView or None
            Replaces the view of the same name. None writes the track table alone.
        since : str or None
            The `version` that this was made from; ``""`` if there was no store. None: any.

        Raises
        ------
        StoreBusyError
            The store has another version.
        """

    @classmethod
    @abstractmethod
    def recover(cls, path: Location, work: Location) -> None:
        """Complete or undo a `publish` that was killed. The caller holds the store's lock."""

    @classmethod
    def check(cls, path: Location) -> Check:
        """Compare everything in a store that is not a row with what was written.

        Rows have checksums of their own, see `View.damaged`. A store that cannot be opened can be checked.

        Returns
        -------
        Check
        """
        return Check(unsealed=("store",))

    @classmethod
    def restore(cls, path: Location, work: Location) -> list[str]:
        """Mend what `check` found, as far as the store's copies allow, and seal what has no seal.

        The caller holds the store's lock, and has checked the store.

        Parameters
        ----------
        path : Location
            The store.
        work : Location
            Its work folder.

        Returns
        -------
        list of str
            What was done, one sentence each.
        """
        return []

    @classmethod
    def clean(cls, path: Location, older: float, now: float, dry_run: bool = False) -> Cleaned:
        """Remove what is not used and `older` s before `now`; see `audiospec.clean`, which locks."""
        return Cleaned()

    @cached_property
    def tracks(self) -> Tracks:
        """The track table."""
        table = self._tracks()
        return table if isinstance(table, Tracks) else Tracks(table)

    @property
    def annotations(self) -> Annotations:
        """The annotations of all tracks."""
        return self.tracks.annotations

    def listed_view_names(self) -> list[str]:
        """Return the names of the views that the store should have, sorted, also of one that vanished."""
        return self.view_names()

    def find_track(self, track: str) -> int:
        """Return the row number in the track table of a track id, or of a file's name.

        Parameters
        ----------
        track : str
            Track id, or a file's name with or without its suffix, if only one track has it.

        Raises
        ------
        StoreError
            No track matches (names the nearest id), or several do.
        """
        return self.tracks.find(track, self.path)

    def view(self, name: str | None = None) -> View:
        """Open a view.

        Parameters
        ----------
        name : str or None
            The view's name, or a beginning that no other view's name has. None opens the only view.

        Raises
        ------
        StoreError
            No view matches, or several do; lists the names. Or the view has vanished.
        """
        return self._view(matching_view(self.listed_view_names(), name, self.path))

    def views(self) -> list[View]:
        """Open all views, sorted by name; StoreError if one has vanished."""
        return list(map(self._view, self.listed_view_names()))

    def bytes_on_disk(self) -> int:
        """Return the size of the store's files in bytes."""
        return size_of(self.path)

    def store_attributes(self) -> dict[str, Any]:
        """Return the store's own attributes, as `publish` takes them."""
        return store_attributes(self.dataset, self._root, self.labelling)

    def export(
        self,
        target: Location | str,
        step: Callable[[str], None] | None = None,
        *,
        anonymous: bool = False,
    ) -> FeatureStore:
        """Copy the whole store, also into another format.

        Parameters
        ----------
        target : Location or str
            The new store, which must not exist yet. Its suffix selects the format.
        step : callable or None
            Called with each view's name before it is copied.
        anonymous : bool
            Whether to leave out everything that identifies this machine or its user. The folder of the audio
            (`root`) is dropped. Paths that are absolute or lead out of that folder, and ids made from them,
            are reduced to the file's name. Other paths and ids, labels and groups stay. Rows cannot be
            recomputed from audio until `featurize` has recorded the folder again.

        Returns
        -------
        FeatureStore

        Raises
        ------
        StoreError
            `target` exists, cannot be written, or has an unknown suffix.
        """
        target = location(target)
        kind = store_class(target)
        attributes, tracks = self.store_attributes(), self.tracks
        if anonymous:
            attributes.pop("root", None)
            tracks = anonymous_tracks(tracks, self._root)

        require_holds(kind, target, attributes, tracks, self.views)
        write = copying(kind, attributes, tracks, self.views, step)
        write_new_store(target, kind.exists(target), write)
        return kind(target)


stores: Registry[type[FeatureStore]] = Registry("store", "audiospec.stores", "audiospec.stores")
#: Suffix → class, once it was looked up: the search for entry points takes 5 ms.
_kinds: dict[str, type[FeatureStore]] = {}


def store_class(path: Location | str) -> type[FeatureStore]:
    """Return the class of store that a path's suffix selects.

    Raises
    ------
    StoreError
        No class has that suffix; lists the known ones.
    """
    place = location(path)
    suffix = (store_of_volume(place) or place).suffix.lower()
    if suffix in _kinds:
        return _kinds[suffix]
    if suffix[1:] in stores.names():  # do not load h5py for .zarr
        return _kinds.setdefault(suffix, stores[suffix[1:]])
    kinds = [stores[name] for name in stores]
    for kind in kinds:
        if suffix in kind.suffixes:
            return _kinds.setdefault(suffix, kind)
    suffixes = ", ".join(suffix for kind in kinds for suffix in kind.suffixes)
    raise StoreError(
        f"cannot tell the kind of store from {str(path)!r}: expected a name that ends in {suffixes}"
    )


def open_store(path: Location | str) -> FeatureStore:
    """Open a store of any kind for reading.

    Parameters
    ----------
    path : Location or str
        The store, on a disk or in a bucket (``"s3://bucket/music.zarr"``); its suffix selects the class.

    Returns
    -------
    FeatureStore

    Raises
    ------
    StoreError
        The path does not exist, is not a store, or is a store of a newer format.
    """
    path = location(path)
    if isinstance(path, Path) and not path.exists():
        raise missing_store(path)
    return store_class(path).open(path)
