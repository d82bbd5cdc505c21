"""FeatureStore and View: what a store holds, how it is read and checked; the registry of stores.

A store holds one table of tracks and any number of views. A view is one spec × one chunking: a table of
rows and one array, row by row. Views are written whole (see `NewView`), so what can be opened is finished.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.registry import Registry
from audiospec.stores.layout.anonymous import anonymous_tracks
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import (
    FORMAT_VERSION,
    ROW_DTYPE,
    TRACK_COLUMNS,
    TrackRecord,
    store_attributes,
)
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View

__all__ = [
    "ROW_DTYPE",
    "TRACK_COLUMNS",
    "FeatureStore",
    "NewView",
    "ShardSource",
    "TrackRecord",
    "Tracks",
    "View",
    "ViewInfo",
    "missing_store",
    "open_store",
    "store_attributes",
    "store_class",
    "stores",
]


class FeatureStore(ABC):
    """A store, opened for reading.

    A subclass is one file of this package under ``@stores.register``. It says how a store is written
    (`publish`) and read; the rest is here.

    Parameters
    ----------
    path : path
        An existing store.

    Attributes
    ----------
    suffixes : tuple of str
        File suffixes that choose this kind of store.
    dataset : str
        Name of the dataset.
    root : Path
        Folder that the tracks' paths are relative to, when it was written. StoreError if the store does not
        say: it was exported without.

    Raises
    ------
    StoreError
        Not there, not a store, or of a newer format.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise StoreError(missing_store(self.path))
        attributes = self._attributes()
        version = attributes.get("audiospec_format")
        if not isinstance(version, int):
            raise StoreError(
                f"{self.path} is not a feature store of audiospec: expected one made by `audiospec featurize`"
            )
        if version > FORMAT_VERSION:
            raise StoreError(
                f"{self.path} has format {version}, this audiospec reads up to {FORMAT_VERSION}: "
                "upgrade audiospec (pip install -U audiospec)"
            )
        self.dataset = str(attributes.get("dataset", ""))
        self._root = Path(str(attributes["root"])) if "root" in attributes else None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.path}: {len(self.tracks)} tracks, {len(self.view_names())} views>"
        )

    @property
    def root(self) -> Path:
        """Folder that the tracks' paths are relative to; StoreError if the store does not say."""
        if self._root is None:
            raise StoreError(
                f"{self.path} does not say where its audio is: it was exported without; give the folder to "
                "`audiospec featurize` with --data, which puts it into the store, then try again"
            )
        return self._root

    @abstractmethod
    def _attributes(self) -> Mapping[str, Any]:
        """The store's own attributes; empty if the path is something else."""

    @abstractmethod
    def _tracks(self) -> Mapping[str, NDArray[Any]]:
        """The columns of the track table."""

    @abstractmethod
    def view_names(self) -> list[str]:
        """Names of the finished views, sorted."""

    @abstractmethod
    def _view(self, name: str) -> View:
        """Open a view that is there."""

    @classmethod
    @abstractmethod
    def publish(
        cls,
        path: Path,
        work: Path,
        attributes: Mapping[str, Any],
        tracks: Tracks,
        view: NewView | None,
    ) -> None:
        """Write the track table and one view into the store at `path`, or make the store.

        A reader sees the old content or the new; a killed writer leaves the old, or what `recover` can
        finish. The caller holds the store's lock.

        Parameters
        ----------
        path : Path
            The store.
        work : Path
            Folder on the same disk for unfinished files.
        attributes : mapping
            The store's own attributes (see `store_attributes`).
        tracks : Tracks
        view : NewView or None
            Replaces the view of the same name.
        """

    @classmethod
    @abstractmethod
    def recover(cls, path: Path, work: Path) -> None:
        """Finish, or undo, a `publish` that was killed. The caller holds the store's lock."""

    @cached_property
    def tracks(self) -> Tracks:
        """The track table."""
        return Tracks(self._tracks())

    def find_track(self, track: str) -> int:
        """Place in the track table of a track id, or of the stem of a file if only one track has it.

        Raises
        ------
        StoreError
            No such track (with the nearest id), or several.
        """
        return self.tracks.find(track, self.path)

    def view(self, name: str | None = None) -> View:
        """Open a view.

        Parameters
        ----------
        name : str or None
            Its name, or the beginning of it if only one view begins so. None: the only view.

        Raises
        ------
        StoreError
            No such view (with the names), or several.
        """
        names = self.view_names()
        if not names:
            raise StoreError(f"{self.path} has no view yet: run `audiospec featurize` first")
        matches = [name] if name in names else [n for n in names if n.startswith(name or "")]
        if len(matches) != 1:
            asked = f"has no view {name!r}"
            if matches:
                asked = f"has {len(matches)} views" + (f" that begin with {name!r}" if name else "")
            raise StoreError(f"{self.path} {asked}: name one of {', '.join(names)}")
        return self._view(str(matches[0]))

    def views(self) -> list[View]:
        """All views, by name."""
        return [self._view(name) for name in self.view_names()]

    def bytes_on_disk(self) -> int:
        """Size of the store's files in bytes."""
        if self.path.is_file():
            return self.path.stat().st_size
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def store_attributes(self) -> dict[str, Any]:
        """The store's own attributes, as `publish` takes them."""
        return store_attributes(self.dataset, self._root)

    def export(
        self,
        target: Path | str,
        step: Callable[[str], None] | None = None,
        *,
        anonymous: bool = False,
    ) -> FeatureStore:
        """Copy the whole store to another format; the suffix of `target` chooses it.

        Parameters
        ----------
        target : path
            Must not be there yet.
        step : callable or None
            Called with each view's name before it is copied.
        anonymous : bool
            Whether to leave out what names this machine or its user: the folder of the audio (`root`), and of
            paths that are absolute, and ids made of them, all but the file's name. Ids, labels, groups and
            paths below that folder stay. Rows cannot be repaired from audio until `featurize` has put the
            folder back.

        Raises
        ------
        StoreError
            `target` exists, or its suffix is unknown.
        """
        target = Path(target)
        kind = store_class(target)
        if target.exists():
            raise StoreError(f"{target} exists already: remove it, or choose another name")
        work = target.with_name(target.name + ".export")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if work.exists():
                shutil.rmtree(work)
            work.mkdir()
        except OSError as error:
            raise StoreError(
                f"cannot write to {target.parent}: {error.strerror}; choose a folder that can be written to"
            ) from error
        attributes, tracks = self.store_attributes(), self.tracks
        if anonymous:
            attributes, tracks = store_attributes(self.dataset, None), anonymous_tracks(tracks, self._root)
        # Built under a temporary name: an export that is killed leaves no half of a store.
        built = work / target.name
        try:
            kind.publish(built, work, attributes, tracks, None)
            for view in self.views():
                if step is not None:
                    step(view.name)
                kind.publish(built, work, attributes, tracks, view.contents())
            os.rename(built, target)
        finally:
            shutil.rmtree(work)
        return kind(target)


stores: Registry[type[FeatureStore]] = Registry("store", "audiospec.stores", "audiospec.stores")


def store_class(path: Path | str) -> type[FeatureStore]:
    """The kind of store that a path's suffix names.

    Raises
    ------
    StoreError
        No kind has that suffix (with those that there are).
    """
    suffix = Path(path).suffix.lower()
    if suffix[1:] in stores.names():  # so that .zarr does not load h5py
        return stores[suffix[1:]]
    kinds = [stores[name] for name in stores]
    for kind in kinds:
        if suffix in kind.suffixes:
            return kind
    known = ", ".join(suffix for kind in kinds for suffix in kind.suffixes)
    raise StoreError(
        f"cannot tell the kind of store from {str(path)!r}: expected a name that ends in {known}"
    )


def open_store(path: Path | str) -> FeatureStore:
    """Open a store of any kind, for reading.

    Parameters
    ----------
    path : path
        Its suffix names its kind.

    Returns
    -------
    FeatureStore

    Raises
    ------
    StoreError
        Not there, not a store, or of a newer format.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(missing_store(path))
    return store_class(path)(path)


def missing_store(path: Path) -> str:
    """The message for a store that is not there."""
    if work_folder(path).exists():
        return (
            f"{path} is not finished: run the same `audiospec featurize` again, it goes on where it stopped"
        )
    return f"no store at {path}: make one with `audiospec featurize`, or check the path"
