"""Write the parts of a Zarr store: metadata and small arrays, with their seals; shards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiospec.errors import AudiospecError
from audiospec.files import damage_errors
from audiospec.storage.base import Folder
from audiospec.storage.disk import DiskFolder
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.schema import ROW_ATTRIBUTES, ROW_DTYPE
from audiospec.stores.layout.target_tables import (
    GROUPS_WITHIN,
    numbered,
    target_arrays,
    track_arrays,
    track_attributes,
)
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.seals.folder import FolderSeal, PartFiles, copy_key, seal_key
from audiospec.stores.shards.format import is_compressed, shard_parts
from audiospec.stores.zarr_format.arrays import read_array
from audiospec.stores.zarr_format.documents import (
    consolidated_text,
    group,
    member_group,
    node_text,
    sharded_array,
    small_array,
)
from audiospec.stores.zarr_format.root import ROOT, Root, is_format, sign, with_seal


def new_files(
    path: Path, root: Root, attributes: Mapping[str, Any], tracks: Tracks, view: NewView | None
) -> dict[str, bytes]:
    """Return the files of a new track table, a new view and the root, with their seals: name → content.

    Shards are not among them.

    Parameters
    ----------
    path : Path
        The store, which may exist and may have other views. Those without a seal get one, in place.
    root : Root
        What the store's root says now.
    attributes : mapping
        The store's new attributes.
    tracks : Tracks
    view : NewView or None
    """
    new = new_parts(tracks, view)
    parts = dict.fromkeys(new, True)
    kept = {f"views/{folder.name}" for folder in path.glob("views/*") if folder.is_dir()}
    for part in sorted(kept | {f"views/{listed}" for listed in root.listed}):
        # A view that vanished stays on the list, until it is computed again or `restore` gives it up.
        parts.setdefault(part, part not in kept or is_or_gets_sealed(path, part, root.is_sealed(part)))
    nodes = {f"{part}{member}": text for part, built in new.items() for member, text in built.nodes.items()}
    nodes |= _kept_nodes(path, {part: sealed for part, sealed in parts.items() if part not in new})
    attributes = numbered(attributes, tracks, nodes)
    files = {"views/zarr.json": views_group()}
    for part, built in new.items():
        files |= built.files_in(part, attributes)
    return {**files, ROOT: root_bytes(attributes, parts, nodes)}


def new_root(path: Path, attributes: Mapping[str, Any], parts: Mapping[str, bool]) -> bytes:
    """Return the `zarr.json` of a root, made of the parts that are there."""
    return root_bytes(attributes, parts, _kept_nodes(path, {"tracks": True, **parts}))


def root_bytes(attributes: Mapping[str, Any], parts: Mapping[str, bool], nodes: Mapping[str, str]) -> bytes:
    """Return the `zarr.json` of a root with the metadata of the given nodes; it is signed."""
    members = {"views": member_group({}), **nodes}
    return sign(consolidated_text(with_seal(attributes, parts), members).encode())


def views_group() -> bytes:
    """Return the `zarr.json` of the group of views, which is the same in all stores."""
    return node_text(group({})).encode()


def part_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a part that its seal covers: name → content."""
    patterns = ("zarr.json", "*/zarr.json", "*/c/0", "*/*/zarr.json", "*/*/c/0")
    names = [file for pattern in patterns for file in folder.glob(pattern)]
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in names
        if file.is_file() and not file.is_relative_to(folder / "data" / "c")
    }


def node_names(folder: Path) -> list[str]:
    """Return the names of the arrays and groups of a part on a disk, sorted; within a group, with a slash."""
    files = [*folder.glob("*/zarr.json"), *folder.glob("*/*/zarr.json")]
    names = [file.parent.relative_to(folder).as_posix() for file in files]
    return sorted(name for name in names if not name.startswith("data/"))


def is_or_gets_sealed(path: Path, part: str, must_be: bool) -> bool:
    """Seal a part of an older store, if it can be read; return whether the part has a seal now."""
    store = DiskFolder(path)
    if must_be or store.exists(seal_key(part)):
        return True
    try:
        files = PartFiles(store, part, False)
        for name in node_names(path / part):
            if name not in ("data", *GROUPS_WITHIN):
                read_array(files, name)
        content = part_files(path / part)
    except (AudiospecError, OSError):
        return False  # do not seal damage
    attributes = {}
    if part == "tracks":
        attributes = dict(json.loads((path / ROOT).read_bytes())["attributes"])
        attributes.pop("seal", None)
    seal = FolderSeal.of(part, content, attributes)
    store.write(copy_key(part), seal.copy(content))
    store.write(seal_key(part), seal.to_bytes())
    return True


def write_shards(store: Folder, group: str, view: NewView) -> None:
    """Copy a view's shards into its group, or write them; on a disk, a copy is a link."""
    zeros = "/0" * len(view.info.row_shape)

    def write(numbered: tuple[int, tuple[slice, ShardSource]]) -> None:
        number, (_, source) = numbered
        key = f"{group}/data/c/{number}{zeros}"
        if source.file is not None:
            store.copy(source.file, key)
        else:
            store.write(key, *shard_parts(source.load(), view.info.shard_rows))

    store.map(write, enumerate(view.shards()))


class NewPart:
    """The files of a new part.

    Attributes
    ----------
    name : str
        ``"tracks"`` or ``"views/NAME"``.
    files : dict
        File's name in the part → content.
    nodes : dict
        ``""`` for the part itself, ``"/NAME"`` for an array or group → text of its metadata, as the root has
        it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, bytes] = {}
        self.nodes: dict[str, str] = {}

    def add(self, name: str, node: Mapping[str, Any], chunk: bytes | None = None) -> None:
        """Add an array, and its only chunk if that is among the files; also the group that it is in."""
        folder, _, _ = name.rpartition("/")
        if folder and f"/{folder}" not in self.nodes:
            self.nodes[f"/{folder}"] = member_group({})
            self.files[f"{folder}/zarr.json"] = node_text(group({})).encode()
        text = node_text(node)
        self.nodes[f"/{name}"] = text
        self.files[f"{name}/zarr.json"] = text.encode()
        if chunk is not None:
            self.files[f"{name}/c/0"] = chunk

    def files_in(self, group: str, attributes: Mapping[str, Any]) -> dict[str, bytes]:
        """Return all files, with the seal and the copy: key in the store → content.

        Parameters
        ----------
        group : str
            Key of the part's group.
        attributes : mapping
            Those of the store, which the seal of the tracks has, too.
        """
        seal = FolderSeal.of(self.name, self.files, attributes if self.name == "tracks" else {})
        files = {f"{group}/{member}": content for member, content in self.files.items()}
        return {**files, seal_key(group): seal.to_bytes(), copy_key(group): seal.copy(self.files)}


def new_parts(tracks: Tracks, view: NewView | None) -> dict[str, NewPart]:
    """Return the parts that a publish writes: name → part."""
    parts = [_tracks_part(tracks), *([] if view is None else [_view_part(view)])]
    return {part.name: part for part in parts}


def _tracks_part(tracks: Tracks) -> NewPart:
    """Return the table of tracks, with that of annotations."""
    part, attributes = NewPart("tracks"), track_attributes(tracks)
    for name, column in track_arrays(tracks).items():
        part.add(name, *small_array(*column))
    part.files["zarr.json"] = node_text(group(attributes)).encode()
    part.nodes[""] = member_group(attributes)
    return part


def _view_part(view: NewView) -> NewPart:
    """Return a view, except its shards. Its group has the metadata of its arrays: xarray warns without."""
    info, part = view.info, NewPart(f"views/{view.info.name}")
    node = sharded_array(
        (len(view.rows), *info.row_shape),
        info.spec.dtype,
        shard_rows=info.shard_rows,
        chunk_rows=info.chunk_rows,
        compressed=is_compressed(info.row_dtype),
        attributes=info.data_attributes(),
        dims=["row", *info.spec.dims],
    )
    part.add("data", node)
    for name in ROW_DTYPE.names or ():
        part.add(name, *small_array(view.rows[name], "row", ROW_ATTRIBUTES[name]))
    attributes = info.axis_attributes()
    for dim, (values, _) in info.coordinates().items():
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        part.add(dim, *small_array(array, dim, attributes[dim]))
    for name, column in target_arrays(view.targets).items():
        part.add(name, *small_array(*column))
    members = {name.removeprefix("/"): text for name, text in part.nodes.items()}
    part.files["zarr.json"] = consolidated_text(info.to_attributes(), members).encode()
    part.nodes[""] = member_group(info.to_attributes())
    return part


def _kept_nodes(path: Path, parts: Mapping[str, bool]) -> dict[str, str]:
    """Return the metadata of the parts that the store at `path` keeps: node → its text, as the root has it.

    Raises
    ------
    StoreError
        A part differs from its seal, or is not of Zarr v3: the root must not spread the damage.
    """
    nodes: dict[str, str] = {}
    for part, is_sealed in parts.items():
        if not (path / part / "zarr.json").exists():
            continue
        files = PartFiles(DiskFolder(path), part, is_sealed)
        for name in ("", *node_names(path / part)):
            file = f"{name}/zarr.json" if name else "zarr.json"
            if not files.has(file):
                continue
            with damage_errors(path / part / file):
                node = json.loads(files.read(file))
                is_group = name in ("", *GROUPS_WITHIN)
                if not is_format(node, "group" if is_group else "array"):
                    raise files.damaged(f"{file} is not of Zarr v3")
                text = member_group(node["attributes"]) if is_group else node_text(node)
            nodes[f"{part}/{name}" if name else part] = text
    return nodes
