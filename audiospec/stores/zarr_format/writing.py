"""Write the parts of a Zarr store: metadata and small arrays, with their seals; shards."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiospec.errors import AudiospecError
from audiospec.files import damage_errors, write_bytes
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.schema import ROW_ATTRIBUTES, ROW_DTYPE, TRACK_ATTRIBUTES, TRACK_COLUMNS
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.seals.folder import FolderSeal, PartFiles, copy_file, seal_file
from audiospec.stores.shards.format import is_compressed, write_shard
from audiospec.stores.zarr_format.arrays import read_array
from audiospec.stores.zarr_format.documents import (
    consolidated_text,
    group,
    member_group,
    node_text,
    sharded_array,
    small_array,
)
from audiospec.stores.zarr_format.root import Root, is_format, sign, with_seal


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
    name = None if view is None else f"views/{view.info.name}"
    parts = {"tracks": True, **({} if name is None else {name: True})}
    kept = {f"views/{folder.name}" for folder in path.glob("views/*") if folder.is_dir()}
    for part in sorted(kept | {f"views/{listed}" for listed in root.listed}):
        # A view that vanished stays on the list, until it is computed again or `restore` gives it up.
        parts.setdefault(part, part not in kept or is_or_gets_sealed(path, part, root.is_sealed(part)))
    new = {"tracks": _tracks_part(tracks)}
    if view is not None and name is not None:
        new[name] = _view_part(view)
    files = {"views/zarr.json": views_group()}
    for part, built in new.items():
        seal = FolderSeal.of(part, built.files, attributes if part == "tracks" else {})
        folder = Path(part)
        sealed = {seal_file(folder): seal.to_bytes(), copy_file(folder): seal.copy(built.files)}
        files |= {f"{part}/{member}": content for member, content in built.files.items()}
        files |= {file.as_posix(): content for file, content in sealed.items()}
    nodes = {f"{part}{member}": text for part, built in new.items() for member, text in built.nodes.items()}
    nodes |= _kept_nodes(path, {part: sealed for part, sealed in parts.items() if part not in new})
    return {**files, "zarr.json": _root(attributes, parts, nodes)}


def new_root(path: Path, attributes: Mapping[str, Any], parts: Mapping[str, bool]) -> bytes:
    """Return the `zarr.json` of a root, made of the parts that are there."""
    return _root(attributes, parts, _kept_nodes(path, {"tracks": True, **parts}))


def _root(attributes: Mapping[str, Any], parts: Mapping[str, bool], nodes: Mapping[str, str]) -> bytes:
    """Return the `zarr.json` of a root with the metadata of the given nodes; it is signed."""
    members = {"views": member_group({}), **nodes}
    return sign(consolidated_text(with_seal(attributes, parts), members).encode())


def views_group() -> bytes:
    """Return the `zarr.json` of the group of views, which is the same in all stores."""
    return node_text(group({})).encode()


def part_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a part that its seal covers: name → content."""
    names = [file for pattern in ("zarr.json", "*/zarr.json", "*/c/0") for file in folder.glob(pattern)]
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in names
        if file.is_file() and not file.is_relative_to(folder / "data" / "c")
    }


def is_or_gets_sealed(path: Path, part: str, must_be: bool) -> bool:
    """Seal a part of an older store, if it can be read; return whether the part has a seal now."""
    folder = path / part
    if must_be or seal_file(folder).exists():
        return True
    try:
        files = PartFiles(path, part, False)
        for array in folder.glob("*/zarr.json"):
            if array.parent.name != "data":
                read_array(files, array.parent.name)
        content = part_files(folder)
    except (AudiospecError, OSError):
        return False  # do not seal damage
    attributes = {}
    if part == "tracks":
        attributes = dict(json.loads((path / "zarr.json").read_bytes())["attributes"])
        attributes.pop("seal", None)
    seal = FolderSeal.of(part, content, attributes)
    write_bytes(copy_file(folder), seal.copy(content))
    write_bytes(seal_file(folder), seal.to_bytes())
    return True


def write_shards(data: Path, view: NewView) -> None:
    """Link a view's shards, or write them, into the folder of its array."""
    zeros = "/0" * len(view.info.row_shape)
    for number, (_, source) in enumerate(view.shards()):
        file = data / "c" / f"{number}{zeros}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if source.file is not None:
            try:
                os.link(source.file, file)
                continue
            except OSError:  # a file system without hard links
                pass
        write_shard(file, source.load(), view.info.shard_rows)


class _Part:
    """The files of a new part.

    Attributes
    ----------
    files : dict
        File's name in the part → content.
    nodes : dict
        ``""`` for the part itself, ``"/NAME"`` for an array → text of its metadata, as the root has it.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.nodes: dict[str, str] = {}

    def add(self, name: str, node: Mapping[str, Any], chunk: bytes | None = None) -> None:
        """Add an array, and its only chunk if that is among the files."""
        text = node_text(node)
        self.nodes[f"/{name}"] = text
        self.files[f"{name}/zarr.json"] = text.encode()
        if chunk is not None:
            self.files[f"{name}/c/0"] = chunk


def _tracks_part(tracks: Tracks) -> _Part:
    """Return the table of tracks."""
    part = _Part()
    for column in TRACK_COLUMNS:
        part.add(column, *small_array(tracks[column], "track", TRACK_ATTRIBUTES.get(column, {})))
    part.files["zarr.json"] = node_text(group({})).encode()
    part.nodes[""] = member_group({})
    return part


def _view_part(view: NewView) -> _Part:
    """Return a view, except its shards. Its group has the metadata of its arrays: xarray warns without."""
    info, part = view.info, _Part()
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
        files = PartFiles(path, part, is_sealed)
        arrays = [file.parent.name for file in (path / part).glob("*/zarr.json")]
        for name in ("", *arrays):
            file = f"{name}/zarr.json" if name else "zarr.json"
            if not files.has(file):
                continue
            with damage_errors(path / part / file):
                node = json.loads(files.read(file))
                if not is_format(node, "array" if name else "group"):
                    raise files.damaged(f"{file} is not of Zarr v3")
                text = node_text(node) if name else member_group(node["attributes"])
            nodes[f"{part}/{name}" if name else part] = text
    return nodes
