"""The `zarr.json` of a store with volumes, which lists them, and is replaced alone when volumes are added.

It has no consolidated metadata: those of a volume are in the root of that volume, so that nothing else has to
be written when a volume changes. The group of the volumes has the same metadata as the root, as its copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audiospec.errors import StoreError
from audiospec.storage.base import NEW, ConflictError, Folder
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.lock import require_lock
from audiospec.stores.layout.schema import NEWEST_FORMAT
from audiospec.stores.layout.volume_names import VOLUMES
from audiospec.stores.zarr_format.documents import group, node_text
from audiospec.stores.zarr_format.root import ROOT, changed_meanwhile, sign, with_seal

#: Attribute of the root: hours of audio of a volume.
HOURS = "volume_hours"
#: Key of the copy of the root: the metadata of the group of the volumes.
COPY = f"{VOLUMES}/{ROOT}"


def root_content(attributes: Mapping[str, Any], names: Sequence[str], hours: float) -> bytes:
    """Return the `zarr.json` of a store with volumes; it is signed.

    Parameters
    ----------
    attributes : mapping
        The store's own.
    names : sequence of str
        The volumes.
    hours : float
        Hours of audio of a volume.
    """
    listed = {**attributes, "audiospec_format": NEWEST_FORMAT, HOURS: hours, VOLUMES: list(names)}
    return sign(node_text(group(with_seal(listed, {f"{VOLUMES}/{name}": True for name in names}))).encode())


def write_root(
    place: Location, attributes: Mapping[str, Any], names: Sequence[str], hours: float, since: str
) -> None:
    """Write the root of a store with volumes and its copy, unless they are as they should be.

    The caller holds the store's lock.

    Parameters
    ----------
    place : Location
        The store.
    attributes, names, hours
        As for `root_content`.
    since : str
        The version of the root that is replaced; ``""`` if there is none.

    Raises
    ------
    StoreBusyError
        The root is of another version.
    """
    store, content = open_folder(place), root_content(attributes, names, hours)
    require_lock(place)
    if read_content(store, COPY) != content:
        store.write(COPY, content)
    if read_content(store, ROOT) == content:
        return
    try:
        store.write(ROOT, content, only=since or NEW)
    except ConflictError as error:
        raise changed_meanwhile(place) from error


def read_content(store: Folder, key: str) -> bytes | None:
    """Return the content of a file; None if there is none."""
    try:
        return store.read(key)
    except FileNotFoundError:
        return None


def listed_volumes(attributes: Mapping[str, Any], store: object) -> list[str]:
    """Return the names of the volumes that a root lists.

    Raises
    ------
    StoreError
        They are not a list of names.
    """
    names = attributes[VOLUMES]
    if not isinstance(names, list) or not all(isinstance(name, str) and name.isdigit() for name in names):
        raise StoreError(f"{store} is damaged: its list of volumes is {names!r}", "restore a copy of it")
    return names
