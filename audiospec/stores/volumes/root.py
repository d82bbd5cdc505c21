"""The `zarr.json` of a store with volumes, which lists them, and is replaced alone when volumes are added.

It has no consolidated metadata, so that it need not be written again whenever a volume changes: those of a
volume are in the root of that volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audiospec.errors import StoreError
from audiospec.files import write_bytes
from audiospec.stores.layout.schema import VOLUMES_FORMAT
from audiospec.stores.layout.volume_names import VOLUMES
from audiospec.stores.zarr_format.documents import group, node_text
from audiospec.stores.zarr_format.root import sign, with_seal

#: Attribute of the root: hours of audio of a volume.
HOURS = "volume_hours"


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
    listed = {**attributes, "audiospec_format": VOLUMES_FORMAT, HOURS: hours, VOLUMES: list(names)}
    return sign(node_text(group(with_seal(listed, {f"{VOLUMES}/{name}": True for name in names}))).encode())


def write_root(store: Path, attributes: Mapping[str, Any], names: Sequence[str], hours: float) -> bool:
    """Write the root of a store with volumes, unless it is as it should be; return whether it was written.

    The caller holds the store's lock.
    """
    content = root_content(attributes, names, hours)
    file, group_file = store / "zarr.json", store / VOLUMES / "zarr.json"
    group_content = node_text(group({})).encode()
    if not group_file.exists() or group_file.read_bytes() != group_content:
        write_bytes(group_file, group_content)
    if file.exists() and file.read_bytes() == content:
        return False
    write_bytes(file, content)
    return True


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
