"""Check a Zarr store, except its rows."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from audiospec.errors import AudiospecError
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.seals.damage import Check, Damage
from audiospec.stores.seals.folder import PartFiles, copy_file, open_copy, read_file
from audiospec.stores.zarr_format.arrays import read_array
from audiospec.stores.zarr_format.root import Root, read_root

#: The group of all views has nothing of its own, so that every store has the same.
VIEWS_GROUP: dict[str, Any] = {"attributes": {}, "zarr_format": 3, "node_type": "group"}
INTERRUPTED = (
    "a publish was interrupted (or goes on): run the same `audiospec featurize` again, or repair, "
    "which finishes it"
)
#: How often, and for how many seconds each, to wait for a writer that renames parts at this moment.
_TRIES, _PAUSE = 30, 0.01


def check(path: Path) -> Check:
    """Compare everything but the rows with the seals, and the parts with one another.

    What looks like damage while a writer renames parts is looked at again.
    """
    for _ in range(_TRIES):
        before = _state(path)
        found = _check(path)
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


def _check(path: Path) -> Check:
    damage: list[Damage] = []
    unsealed: list[str] = []
    try:
        root = read_root(path)
        if not root.attributes:
            return Check(unsealed=("store",))  # this is no store
    except AudiospecError as error:
        can_be_restored = (copy_file(path / "tracks")).exists()
        damage.append(Damage("store", _without_hint(error), can_be_restored))
        root = Root({})
    else:
        if root.sealed is None:
            unsealed.append("store")
    found = {f"views/{folder.name}" for folder in path.glob("views/*") if folder.is_dir()}
    for part in ("tracks", *sorted({*found, *(f"views/{name}" for name in root.listed)})):
        if not (path / part).is_dir():
            damage.append(Damage(part, "its folder is missing"))
            continue
        damage += _check_part(path, part, root, unsealed)
    if not damage:
        damage += _check_root(path, root, found)
    return Check(tuple(damage), tuple(unsealed))


def _check_part(path: Path, part: str, root: Root, unsealed: list[str]) -> list[Damage]:
    """Return the damage of one part; add it to `unsealed` if it has no seal."""
    copied = copied_files(path / part)
    try:
        files = PartFiles(path, part, root.is_sealed(part))
    except AudiospecError as error:
        return [Damage(part, _without_hint(error), copied is not None)]
    damage = []
    if files.seal is None:
        if not (path / part / "zarr.json").exists() and part != "tracks":
            return []  # a folder that is no view
        unsealed.append(part)
        names = sorted(array.parent.name for array in (path / part).glob("*/zarr.json"))
        for name in names:
            if name != "data":
                try:
                    read_array(files, name)
                except AudiospecError as error:
                    damage.append(Damage(part, str(error)))
        return damage
    if files.seal.part != part:
        damage.append(Damage(part, f"its seal is of {files.seal.part}: the folder was renamed"))
    for name in files.seal.files:
        reason = files.seal.reason(name, read_file(path / part / name))
        if reason:
            damage.append(Damage(part, reason, copied is not None and copied[1].get(name) is not None))
    if copied is None:
        damage.append(Damage(part, "the copy of its metadata and tables is missing or damaged", not damage))
    elif copied[0] != files.seal:
        damage.append(Damage(part, "the copy of its metadata and tables is of another version", not damage))
    if not damage and part != "tracks":
        damage += _check_objects(path / part, part)
    return damage


def _check_objects(folder: Path, part: str) -> list[Damage]:
    """Return which files among a view's shards do not belong there. Missing shards are damaged rows."""
    node = json.loads((folder / "data" / "zarr.json").read_bytes())
    attributes = json.loads((folder / "zarr.json").read_bytes())["attributes"]
    info = ViewInfo.from_attributes(attributes, folder.name)
    zeros = "/0" * len(info.row_shape)
    expected = {f"{number}{zeros}" for number in range(-(-node["shape"][0] // info.shard_rows))}
    shards = folder / "data" / "c"
    found = {file.relative_to(shards).as_posix() for file in shards.rglob("*") if not file.is_dir()}
    return [
        Damage(part, f"data/c/{name} does not belong to the view: remove it")
        for name in sorted(found - expected)
    ]


def _check_root(path: Path, root: Root, found: set[str]) -> list[Damage]:
    """Return how an undamaged root, which was replaced alone, differs from the undamaged parts."""
    damage = []
    same = has_views_group(path)
    if root.sealed is None:
        return [] if same else [Damage("store", "views/zarr.json is missing or damaged", True)]
    if not same:
        damage.append(Damage("store", "views/zarr.json is missing or damaged", True))
    sealed = PartFiles(path, "tracks", True).seal
    if sealed is not None and dict(sealed.attributes) != dict(root.attributes):
        damage.append(Damage("store", "its zarr.json is of another version than the tracks", True))
    nodes = {} if root.metadata is None else dict(root.metadata)
    if nodes.pop("views", None) is None:
        damage.append(Damage("store", "its zarr.json lacks the group of views", True))
    for part in ("tracks", *sorted(found)):
        for file in [path / part / "zarr.json", *(path / part).glob("*/zarr.json")]:
            if not file.exists():
                continue
            node = json.loads(file.read_bytes())
            node.pop("consolidated_metadata", None)
            stated = dict(nodes.pop(file.parent.relative_to(path).as_posix(), {}))
            stated.pop("consolidated_metadata", None)
            if stated != node:
                reason = f"its zarr.json disagrees with {file.relative_to(path)}"
                damage.append(Damage("store", reason, True))
    if nodes:
        damage.append(Damage("store", f"its zarr.json names what is not there: {', '.join(nodes)}", True))
    return damage


def has_views_group(path: Path) -> bool:
    """Whether the group of views is as it is in every store."""
    content = read_file(path / "views" / "zarr.json")
    try:
        return content is not None and bool(json.loads(content) == VIEWS_GROUP)
    except ValueError:
        return False


def copied_files(folder: Path) -> tuple[Any, dict[str, bytes]] | None:
    """Return the seal and the files of a part's copy; None if the copy is missing or damaged."""
    bundle = read_file(copy_file(folder))
    return None if bundle is None else open_copy(bundle)


def _without_hint(error: AudiospecError) -> str:
    return error.reason.partition("is damaged: ")[2] or error.reason
