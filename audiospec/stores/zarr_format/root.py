"""The `zarr.json` of a store's root group, which is replaced alone and therefore seals itself.

Its attribute ``seal`` has the names of all views, so that one that vanished is missed, and the SHA-256 of the
file itself, taken with zeros in place of the digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audiospec.errors import StoreBusyError
from audiospec.files import damage_errors
from audiospec.storage.base import Folder
from audiospec.storage.location import Location
from audiospec.stores.layout.volume_names import VOLUMES
from audiospec.stores.seals.damage import damaged_part
from audiospec.stores.seals.folder import seal_key

#: Key of the root.
ROOT = "zarr.json"
#: The root's attribute with the groups of the parts; see `Root`.
GROUPS = "groups"
#: The root's attributes that change with each commit in a bucket, while the store's own stay.
OF_COMMITS = frozenset(("audiospec_format", "generation", GROUPS))
_UNKNOWN = b"0" * 64
#: How zarr-python writes the attribute of the digest. No text can contain its quotation marks unescaped.
_KEY = b'"seal_sha256": "'


@dataclass(frozen=True)
class Root:
    """The attributes of a store, and what its root says of the parts.

    Attributes
    ----------
    attributes : mapping
        Without the seal.
    sealed : mapping or None
        Part (``"tracks"``, ``"views/NAME"``) → whether it has a seal; None if the root itself has none.
    metadata : mapping
        The consolidated metadata: node → its metadata.
    groups : mapping or None
        Part → key of its group, in a store whose groups are never written to again (format 2). None: each
        part is its own.
    version : str
        That of the root's file; ``""`` if there is none.
    """

    attributes: Mapping[str, Any]
    sealed: Mapping[str, bool] | None = None
    metadata: Mapping[str, Any] | None = None
    groups: Mapping[str, str] | None = None
    version: str = ""

    def group(self, part: str) -> str:
        """Return the key of a part's group."""
        return part if self.groups is None else self.groups.get(part, part)

    @property
    def listed(self) -> list[str]:
        """The names of the views that the store must have, sorted; empty if they are not known."""
        parts = [part for part in self.sealed or () if part.startswith("views/")]
        return sorted(part.removeprefix("views/") for part in parts)

    def is_sealed(self, part: str) -> bool:
        """Whether a part must have a seal."""
        return bool((self.sealed or {}).get(part))


def with_seal(attributes: Mapping[str, Any], parts: Mapping[str, bool]) -> dict[str, Any]:
    """Return the attributes of a root with a seal, whose digest `sign` completes."""
    return {**attributes, "seal": {"parts": dict(sorted(parts.items())), "seal_sha256": _UNKNOWN.decode()}}


def sign(content: bytes) -> bytes:
    """Return the content of a root's `zarr.json` with its digest in place of zeros."""
    start, stop = _digest(content)
    return content[:start] + hashlib.sha256(content).hexdigest().encode() + content[stop:]


def is_signed(content: bytes) -> bool:
    """Whether the content of a root's `zarr.json` has the digest that it states."""
    if content.count(_KEY) != 1:
        return False
    start, stop = _digest(content)
    return sign(content[:start] + _UNKNOWN + content[stop:]) == content


def _digest(content: bytes) -> tuple[int, int]:
    """Return where the digest begins and ends."""
    start = content.index(_KEY) + len(_KEY)
    return start, start + len(_UNKNOWN)


def read_root(store: Folder, key: str = ROOT) -> Root:
    """Read and check the root of a store; its attributes are empty if there is none.

    Raises
    ------
    StoreError
        It is damaged, or missing while the parts are there.
    """
    place = store.location
    with damage_errors(place / ROOT):
        try:
            content, version = store.load(key)
        except FileNotFoundError:
            if store.is_local and store.exists(seal_key("tracks")):
                raise damaged_part(place, "store", "its zarr.json is missing") from None
            return Root({})
        try:
            node = json.loads(content)
            attributes = dict(node.get("attributes", {}))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise damaged_part(place, "store", f"its zarr.json is unreadable ({error})") from error
        if not is_format(node, "group"):
            raise damaged_part(place, "store", "its zarr.json is not that of a Zarr v3 group")
        seal, groups = attributes.pop("seal", None), attributes.get(GROUPS)
        if seal is None:
            must_be = groups is not None or VOLUMES in attributes
            if must_be or (b"sha256" in content and store.exists(seal_key("tracks"))):
                raise damaged_part(place, "store", "its zarr.json has lost its seal")
            return Root(attributes, version=version)
        if not is_signed(content):
            raise damaged_part(place, "store", "its zarr.json does not match its own digest")
        # The root of a store with volumes has none.
        metadata = node.get("consolidated_metadata", {}).get("metadata")
        return Root(attributes, seal["parts"], metadata, groups, version)


def require_version(place: Location, root: Root, since: str | None) -> None:
    """Raise a StoreBusyError if the root is not of the version `since`; None: any may be."""
    if since is not None and root.version != since:
        raise changed_meanwhile(place)


def changed_meanwhile(place: Location) -> StoreBusyError:
    """Return the error for a store that another run has written to."""
    return StoreBusyError(
        f"another run has written to {place} meanwhile",
        "run the same command again; finished shards are kept",
    )


def is_format(node: Any, kind: str) -> bool:
    """Whether the metadata of a node is of Zarr v3 and of a kind.

    Other versions, such as 2, have codecs that may run code from the file.
    """
    return isinstance(node, dict) and (node.get("zarr_format"), node.get("node_type")) == (3, kind)
