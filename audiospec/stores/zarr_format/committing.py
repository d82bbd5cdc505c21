"""Publish into a Zarr store in a bucket, where nothing is renamed: new groups, then the root that names them.

A part is a group that is never written to again; its name ends with a digest of its content::

    music.zarr/zarr.json                            the commit: names the groups
    music.zarr/tracks.52c1f0a77d01/…                a table of tracks
    music.zarr/views/mel-10s-3f9a1c.0c8e6b1f2a94/…  a view

The root is replaced by one request, and only if it is still the one that was read. So a reader sees the old
store or the new, a writer that was killed leaves groups that nobody names, and of two writers one fails.
`clean` removes the groups that no root names any more; it waits for days, because readers may have them open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from audiospec.storage.base import NEW, ConflictError, Folder
from audiospec.stores.layout.cleaned import Cleaned
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.lock import require_lock
from audiospec.stores.layout.schema import COMMITS_FORMAT, FORMAT
from audiospec.stores.layout.target_tables import numbered
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.zarr_format.documents import member_group, node_text
from audiospec.stores.zarr_format.root import (
    GROUPS,
    ROOT,
    Root,
    changed_meanwhile,
    read_root,
    require_version,
)
from audiospec.stores.zarr_format.writing import (
    NewPart,
    new_parts,
    root_bytes,
    views_group,
    write_shards,
)

#: Hexadecimal digits of the digest in the name of a group.
_DIGITS = 12


def publish(
    store: Folder,
    attributes: Mapping[str, Any],
    tracks: Tracks,
    view: NewView | None,
    since: str | None,
) -> None:
    """Write new groups, then the root; see `FeatureStore.publish`."""
    root = read_root(store)
    require_version(store.location, root, since)
    new = new_parts(tracks, view)
    groups = {part: root.group(part) for part in root.sealed or ()}
    for name, part in new.items():
        groups[name] = f"{name}.{_digest(part)}"
        if view is not None and name != "tracks":
            write_shards(store, groups[name], view)
    generation = int(root.attributes.get("generation", 0)) + 1
    nodes = {
        f"{groups[name]}{member}": text for name, part in new.items() for member, text in part.nodes.items()
    }
    nodes |= _kept_nodes(root, {groups[part] for part in groups if part not in new})
    stated = numbered({**attributes, FORMAT: COMMITS_FORMAT}, tracks, nodes)
    stored = {**stated, "generation": generation, GROUPS: groups}
    files = [item for name, part in new.items() for item in part.files_in(groups[name], attributes).items()]
    if not root.version:
        files.append(("views/zarr.json", views_group()))
    store.map(lambda file: store.write(*file), files)
    content = root_bytes(stored, dict.fromkeys(sorted(groups), True), nodes)
    require_lock(store.location)
    try:
        store.write(ROOT, content, only=root.version or NEW)
    except ConflictError as error:
        raise changed_meanwhile(store.location) from error


def _digest(part: NewPart) -> str:
    """Return the digest of a part's files. Those of a view have the checksum of each row."""
    sums = hashlib.sha256()
    for name in sorted(part.files):
        content = part.files[name]
        sums.update(f"{name} {len(content)}\n".encode() + content)
    return sums.hexdigest()[:_DIGITS]


def _kept_nodes(root: Root, groups: set[str]) -> dict[str, str]:
    """Return the metadata of the groups that stay, as the root has it: node → its text."""
    nodes: dict[str, str] = {}
    for name, node in (root.metadata or {}).items():
        if any(name == group or name.startswith(f"{group}/") for group in groups):
            if node["node_type"] == "group":
                nodes[name] = member_group(node["attributes"])
            else:
                nodes[name] = node_text(node)
    return nodes


def clean(store: Folder, older: float, now: float, dry_run: bool) -> Cleaned:
    """Remove the groups that the root does not name, and whose files are all older than `older` seconds.

    The caller holds the store's lock.

    Parameters
    ----------
    store : Folder
    older : float
        s.
    now : float
        s since 1970, by the clock of the storage.
    dry_run : bool
        Whether to remove nothing.
    """
    root = read_root(store)
    named = {root.group(part) for part in root.sealed or ()}
    found: dict[str, list[Any]] = {}
    for entry in store.list():
        group = _group_of(entry.key)
        if group and group not in named:
            found.setdefault(group, []).append(entry)
    removed = {
        group: entries
        for group, entries in found.items()
        if all(now - entry.modified >= older for entry in entries)
    }
    keys = [entry.key for entries in removed.values() for entry in entries]
    if not dry_run:
        store.remove(keys)
    sizes = {group: sum(entry.size for entry in entries) for group, entries in removed.items()}
    return Cleaned(sizes, len(keys))


def _group_of(key: str) -> str:
    """Return the group that a file is in; ``""`` if it is in none whose name has a digest."""
    parts = key.split("/")
    group = "/".join(parts[:2]) if parts[0] == "views" else parts[0]
    digest = group.rpartition(".")[2]
    is_group = len(digest) == _DIGITS and "." in group and len(parts) > group.count("/") + 1
    return group if is_group else ""
