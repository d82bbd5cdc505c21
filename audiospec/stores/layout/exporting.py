"""Write a new store as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from audiospec.errors import StoreError
from audiospec.storage.location import Location
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.schema import LABELLING
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View


class Kind(Protocol):
    """The part of a kind of store that copying into it uses."""

    @property
    def holds_targets(self) -> bool:
        """Whether it holds annotations, free columns, a labelling and targets."""

    def publish(
        self,
        path: Location,
        work: Location,
        attributes: Mapping[str, Any],
        tracks: Tracks,
        view: NewView | None,
    ) -> None:
        """Write the track table and a view."""


def require_holds(
    kind: Kind,
    target: Location,
    attributes: Mapping[str, Any],
    tracks: Tracks,
    views: Callable[[], Iterable[View]] = tuple,
) -> None:
    """Raise a StoreError if a kind of store cannot hold all that is to be written into it."""
    if kind.holds_targets:
        return
    content = {
        "annotations": len(tracks.annotations) > 0,
        f"the columns {', '.join(tracks.free)}": bool(tracks.free),
        "a labelling": LABELLING in attributes,
        "targets of rows": any(view.targets is not None for view in views()),
    }
    lost = [name for name, is_there in content.items() if is_there]
    if lost:
        raise StoreError(
            f"{target} cannot hold {' and '.join(lost)}: its kind of store has no tables for them",
            "choose a name that ends in .zarr or .h5",
        )


def copying(
    kind: Kind,
    attributes: Mapping[str, Any],
    tracks: Tracks,
    views: Callable[[], Iterable[View]],
    step: Callable[[str], None] | None,
) -> Callable[[Location, Location], None]:
    """Return what publishes tracks and views into a store, by its location and that of its work folder.

    `step` is called with a view's name before it is copied.
    """

    def write(place: Location, work: Location) -> None:
        kind.publish(place, work, attributes, tracks, None)
        for view in views():
            if step is not None:
                step(view.name)
            kind.publish(place, work, attributes, tracks, view.contents())

    return write


def write_new_store(target: Location, exists: bool, write: Callable[[Location, Location], None]) -> None:
    """Write a store that does not exist yet.

    On a disk it gets its name when it is complete, so that a killed export leaves no incomplete store. In a
    bucket, where nothing can be renamed, a killed export leaves a store that lacks its last views.

    Parameters
    ----------
    target : Location
    exists : bool
        Whether there is one already.
    write : callable
        Gets a store's location and its work folder, and publishes into it.

    Raises
    ------
    StoreError
        `target` exists, or cannot be written.
    """
    if exists:
        raise StoreError(f"{target} exists already", "remove it, or choose another `target`")
    if not isinstance(target, Path):
        with locked(target) as work:
            write(target, work)
        return
    folder = target.with_name(target.name + ".export")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
    except OSError as error:
        raise StoreError(
            f"cannot write to {target.parent} ({error.strerror})",
            "choose a `target` in a folder that can be written to",
        ) from error
    built = folder / target.name
    try:
        write(built, folder)
        os.rename(built, target)
    finally:
        shutil.rmtree(folder)
