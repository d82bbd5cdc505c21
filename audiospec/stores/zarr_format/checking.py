"""Check a Zarr store, except its rows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiospec.errors import AudiospecError, StorageError
from audiospec.storage.base import Folder
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.target_tables import GROUPS_WITHIN
from audiospec.stores.seals.damage import Check, Damage
from audiospec.stores.seals.folder import PartFiles, copy_key, open_copy, read_file
from audiospec.stores.zarr_format.arrays import read_array
from audiospec.stores.zarr_format.root import OF_COMMITS, Root, read_root
from audiospec.stores.zarr_format.writing import node_names

#: The group of all views has nothing of its own, so that every store has the same.
VIEWS_GROUP: dict[str, Any] = {"attributes": {}, "zarr_format": 3, "node_type": "group"}
INTERRUPTED = (
    "a publish was interrupted (or goes on): run the same `audiospec featurize` again, or repair, "
    "which finishes it"
)
#: How often, and for how many seconds each, to wait for a writer that renames parts at this moment.
_TRIES, _PAUSE = 30, 0.01


def check(path: Location) -> Check:
    """Compare everything but the rows with the seals, and the parts with one another.

    What looks like damage while a writer renames parts is looked at again.
    """
    store = open_folder(path)
    if not isinstance(path, Path):  # nothing is renamed in a bucket
        return _check(store)
    for _ in range(_TRIES):
        before = _state(path)
        found = _check(store)
        interrupted = (work_folder(path) / "publish.ready").exists()
        if not interrupted and (not found.damage or before == _state(path)):
            return found
        time.sleep(_PAUSE)
    if not interrupted:
        return found
    return Check((*found.damage, Damage("store", INTERRUPTED, True)), found.unsealed)


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Return what changes when a part is replaced."""
    state = []
    for part in ("zarr.json", "tracks", "views", *(f"views/{view.name}" for view in path.glob("views/*"))):
        try:
            stat = os.stat(path / part)
        except OSError:
            continue
        state.append((part, stat.st_ino, stat.st_mtime_ns))
    return state


def _check(store: Folder) -> Check:
    damage: list[Damage] = []
    unsealed: list[str] = []
    try:
        root = read_root(store)
        if not root.attributes:
            return Check(unsealed=("store",))  # this is no store
    except AudiospecError as error:
        if isinstance(error, StorageError):
            raise
        can_be_restored = store.is_local and store.exists(copy_key("tracks"))
        damage.append(Damage("store", _without_hint(error), can_be_restored))
        root = Root({})
        if not store.is_local:  # only the root names the groups
            return Check(tuple(damage))
    else:
        if root.sealed is None:
            unsealed.append("store")
    found = view_parts(store) if root.groups is None else set()
    for part in ("tracks", *sorted({*found, *(f"views/{name}" for name in root.listed)})):
        if isinstance(store.location, Path) and not (store.location / root.group(part)).is_dir():
            damage.append(Damage(part, "its folder is missing"))
            continue
        damage += _check_part(store, part, root, unsealed)
    if not damage:
        damage += _check_root(store, root, found)
    return Check(tuple(damage), tuple(unsealed))


def view_parts(store: Folder) -> set[str]:
    """Return the views of which a disk has a folder; none in a bucket, where the root names them."""
    if not isinstance(store.location, Path):
        return set()
    return {f"views/{folder.name}" for folder in store.location.glob("views/*") if folder.is_dir()}


def part_nodes(files: PartFiles) -> list[str]:
    """Return the names of the arrays and groups of a part; within a group, with a slash."""
    place = files.place
    if isinstance(place, Path):
        return node_names(place)
    names = files.seal.files if files.seal else ()
    return sorted(name.removesuffix("/zarr.json") for name in names if name.endswith("/zarr.json"))


def _check_part(store: Folder, part: str, root: Root, unsealed: list[str]) -> list[Damage]:
    """Return the damage of one part; add it to `unsealed` if it has no seal."""
    group = root.group(part)
    copied = copied_files(store, group)
    try:
        files = PartFiles(store, part, root.is_sealed(part), group)
    except StorageError:
        raise
    except AudiospecError as error:
        return [Damage(part, _without_hint(error), copied is not None)]
    damage = []
    if files.seal is None:
        if not store.exists(f"{group}/zarr.json") and part != "tracks":
            return []  # a folder that is no view
        unsealed.append(part)
        for name in part_nodes(files):
            if name not in ("data", *GROUPS_WITHIN):
                try:
                    read_array(files, name)
                except AudiospecError as error:
                    damage.append(Damage(part, str(error)))
        return damage
    if files.seal.part != part:
        damage.append(Damage(part, f"its seal is of {files.seal.part}: the folder was renamed"))
    for name in files.seal.files:
        reason = files.seal.reason(name, files.content(name))
        if reason:
            damage.append(Damage(part, reason, copied is not None and copied[1].get(name) is not None))
    if copied is None:
        damage.append(Damage(part, "the copy of its metadata and tables is missing or damaged", not damage))
    elif copied[0] != files.seal:
        damage.append(Damage(part, "the copy of its metadata and tables is of another version", not damage))
    if not damage and part != "tracks":
        damage += _check_objects(files)
    return damage


def _check_objects(files: PartFiles) -> list[Damage]:
    """Return which files among a view's shards do not belong there. Missing shards are damaged rows."""
    node = json.loads(files.read("data/zarr.json"))
    attributes = json.loads(files.read("zarr.json"))["attributes"]
    info = ViewInfo.from_attributes(attributes, files.part)
    zeros = "/0" * len(info.row_shape)
    shards = f"{files.group}/data/c/"
    expected = {f"{shards}{number}{zeros}" for number in range(-(-node["shape"][0] // info.shard_rows))}
    found = {entry.key for entry in files.store.list(shards)}
    return [
        Damage(files.part, f"{name.removeprefix(f'{files.group}/')} does not belong to the view: remove it")
        for name in sorted(found - expected)
    ]


def _check_root(store: Folder, root: Root, found: set[str]) -> list[Damage]:
    """Return how an undamaged root, which was replaced alone, differs from the undamaged parts."""
    damage = []
    same = has_views_group(store)
    if root.sealed is None:
        return [] if same else [Damage("store", "views/zarr.json is missing or damaged", True)]
    if not same:
        damage.append(Damage("store", "views/zarr.json is missing or damaged", True))
    sealed = PartFiles(store, "tracks", True, root.group("tracks")).seal
    if sealed is not None and _lasting(sealed.attributes) != _lasting(root.attributes):
        damage.append(Damage("store", "its zarr.json is of another version than the tracks", True))
    nodes = {} if root.metadata is None else dict(root.metadata)
    if nodes.pop("views", None) is None:
        damage.append(Damage("store", "its zarr.json lacks the group of views", True))
    for part in ("tracks", *sorted(found or {f"views/{name}" for name in root.listed})):
        files = PartFiles(store, part, False, root.group(part))
        for name in ["", *part_nodes(files)]:
            file = f"{name}/zarr.json" if name else "zarr.json"
            if (content := files.content(file)) is None:
                continue
            node = json.loads(content)
            node.pop("consolidated_metadata", None)
            key = f"{files.group}/{name}" if name else files.group
            stated = dict(nodes.pop(key, {}))
            stated.pop("consolidated_metadata", None)
            if stated != node:
                damage.append(Damage("store", f"its zarr.json disagrees with {files.group}/{file}", True))
    if nodes:
        damage.append(Damage("store", f"its zarr.json names what is not there: {', '.join(nodes)}", True))
    return damage


def _lasting(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a store's own attributes, without those that change with each commit in a bucket."""
    return {name: value for name, value in attributes.items() if name not in OF_COMMITS}


def has_views_group(store: Folder) -> bool:
    """Whether the group of views is as it is in every store."""
    content = read_file(store, "views/zarr.json")
    try:
        return content is not None and bool(json.loads(content) == VIEWS_GROUP)
    except ValueError:
        return False


def copied_files(store: Folder, group: str) -> tuple[Any, dict[str, bytes]] | None:
    """Return the seal and the files of a part's copy; None if the copy is missing or damaged."""
    bundle = read_file(store, copy_key(group))
    return None if bundle is None else open_copy(bundle)


def _without_hint(error: AudiospecError) -> str:
    return error.reason.partition("is damaged: ")[2] or error.reason
