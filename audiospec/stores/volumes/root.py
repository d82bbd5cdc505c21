"""The `zarr.json` of a store with volumes: it lists volumes and views, and is the commit of both.

It has no consolidated metadata: those of a volume are in the root of that volume, so that nothing else has to
be written when a volume changes. The group of the volumes has the same metadata as the root, as its copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audiospec.errors import StoreError
from audiospec.storage.base import NEW, ConflictError
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.lock import require_lock
from audiospec.stores.layout.schema import COMMITS_FORMAT, FORMAT, LABELLING, TARGETS_FORMAT
from audiospec.stores.layout.volume_names import VOLUMES
from audiospec.stores.seals.folder import read_file
from audiospec.stores.zarr_format.documents import group, node_text
from audiospec.stores.zarr_format.root import ROOT, changed_meanwhile, sign, with_seal

#: Key of the copy of the root: the metadata of the group of the volumes.
COPY = f"{VOLUMES}/{ROOT}"


@dataclass(frozen=True)
class Listing:
    """What the root of a store with volumes lists.

    Attributes
    ----------
    volumes : tuple of str
        Names of the volumes.
    views : tuple of str
        Names of the views that all volumes had at some time. Volumes that were added since may lack one.
    hours : float
        Hours of audio up to which a volume is filled.
    """

    volumes: tuple[str, ...]
    views: tuple[str, ...]
    hours: float

    def to_attributes(self) -> dict[str, Any]:
        """Return the attributes that the root has besides those of every store."""
        return {VOLUMES: list(self.volumes), "views": list(self.views), "volume_hours": self.hours}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any], store: object) -> Listing:
        """Read what `to_attributes` returned.

        Raises
        ------
        StoreError
            An attribute is missing or invalid.
        """
        try:
            volumes, views = attributes[VOLUMES], attributes["views"]
            if not all(isinstance(name, str) and name.isdigit() for name in volumes):
                raise ValueError(f"volumes are {volumes!r}")
            if not all(isinstance(name, str) and "/" not in name for name in views):
                raise ValueError(f"views are {views!r}")
            return cls(tuple(volumes), tuple(views), float(attributes["volume_hours"]))
        except (KeyError, TypeError, ValueError) as error:
            cause = f"no {error}" if isinstance(error, KeyError) else error
            raise StoreError(
                f"{store} is damaged: its list of volumes is unreadable ({cause})", "restore a copy of it"
            ) from error


def root_content(attributes: Mapping[str, Any], listing: Listing) -> bytes:
    """Return the `zarr.json` of a store with volumes; it is signed.

    `attributes` are those of every store; the version of the format is at least theirs, which is that of the
    volumes.
    """
    version = max(attributes[FORMAT], TARGETS_FORMAT if LABELLING in attributes else COMMITS_FORMAT)
    listed = {**attributes, FORMAT: version, **listing.to_attributes()}
    parts = {f"{VOLUMES}/{name}": True for name in listing.volumes}
    return sign(node_text(group(with_seal(listed, parts))).encode())


def write_root(place: Location, attributes: Mapping[str, Any], listing: Listing, since: str) -> None:
    """Write the root of a store with volumes and its copy, unless they are as they should be.

    The caller holds the store's lock.

    Parameters
    ----------
    place : Location
        The store.
    attributes, listing
        As for `root_content`.
    since : str
        The version of the root that is replaced; ``""`` if there is none.

    Raises
    ------
    StoreBusyError
        The root is of another version.
    """
    store, content = open_folder(place), root_content(attributes, listing)
    require_lock(place)
    if read_file(store, COPY) != content:
        store.write(COPY, content)
    if read_file(store, ROOT) == content:
        return
    try:
        store.write(ROOT, content, only=since or NEW)
    except ConflictError as error:
        raise changed_meanwhile(place) from error
