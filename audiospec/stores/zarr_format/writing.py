"""Write the parts of a Zarr store: metadata and small arrays by zarr-python, in memory; shards; seals."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer
from zarr.buffer import cpu
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from audiospec.errors import AudiospecError
from audiospec.files import damage_errors, write_bytes
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.schema import ROW_ATTRIBUTES, ROW_DTYPE, TRACK_ATTRIBUTES, TRACK_COLUMNS
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.seals.folder import FolderSeal, PartFiles, copy_file, seal_file
from audiospec.stores.shards.format import is_compressed, write_shard
from audiospec.stores.shards.frames import LEVEL
from audiospec.stores.zarr_format.arrays import read_array
from audiospec.stores.zarr_format.root import Root, sign, with_seal

#: What zarr-python says of consolidated metadata, which xarray warns without.
_WARNING = "Consolidated metadata is currently not part"


def new_files(
    path: Path, root: Root, attributes: Mapping[str, Any], tracks: Tracks, view: NewView | None
) -> dict[str, bytes]:
    """Return the files of a new track table, a new view and the root, with their seals: name → content.

    Shards are not among them. zarr-python's own writing to files needs a disk with hard links.

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
    files: dict[str, Buffer] = {}
    group = zarr.create_group(MemoryStore(files), attributes=with_seal(attributes, parts))
    table = group.create_group("tracks")
    for column in TRACK_COLUMNS:
        _write_array(table, column, tracks[column], "track", TRACK_ATTRIBUTES.get(column, {}))
    views = group.create_group("views")
    if view is not None:
        _write_view(views, view)
    contents = _consolidate(path, files, _kept_metadata(path, parts, files))
    for part in ("tracks", *([] if name is None else [name])):
        members = {
            file.removeprefix(f"{part}/"): content
            for file, content in contents.items()
            if file.startswith(f"{part}/")
        }
        seal = FolderSeal.of(part, members, attributes if part == "tracks" else {})
        contents[f"{part}/{seal_file(Path(part)).relative_to(part)}"] = seal.to_bytes()
        contents[f"{part}/{copy_file(Path(part)).relative_to(part)}"] = seal.copy(members)
    return contents


def new_root(path: Path, attributes: Mapping[str, Any], parts: Mapping[str, bool]) -> bytes:
    """Return the `zarr.json` of a root, made of the parts that are there."""
    files: dict[str, Buffer] = {}
    zarr.create_group(MemoryStore(files), attributes=with_seal(attributes, parts)).create_group("views")
    metadata = _kept_metadata(path, {"tracks": True, **parts}, files)
    return _consolidate(path, files, metadata)["zarr.json"]


def views_group() -> bytes:
    """Return the `zarr.json` of the group of views, which is the same in all stores."""
    files: dict[str, Buffer] = {}
    zarr.create_group(MemoryStore(files))
    return files["zarr.json"].to_bytes()


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


def _write_view(views: zarr.Group, view: NewView) -> None:
    """Write a view, except its shards, into the group `views`."""
    info = view.info
    group = views.create_group(info.name, attributes=info.to_attributes())
    compressed = is_compressed(info.row_dtype)
    group.create_array(
        "data",
        shape=(len(view.rows), *info.row_shape),
        chunks=(info.chunk_rows, *info.row_shape),
        shards=(info.shard_rows, *info.row_shape),
        dtype=info.spec.dtype,
        compressors=ZstdCodec(level=LEVEL, checksum=True) if compressed else None,
        fill_value=0 if compressed else float("nan"),
        dimension_names=["row", *info.spec.dims],
        attributes=info.data_attributes(),
    )
    for name in ROW_DTYPE.names or ():
        _write_array(group, name, view.rows[name], "row", ROW_ATTRIBUTES[name])
    attributes = info.axis_attributes()
    for dim, (values, _) in info.coordinates().items():
        array = np.array(values, dtype=object) if isinstance(values[0], str) else np.array(values)
        _write_array(group, dim, array, dim, attributes[dim])


def _kept_metadata(path: Path, parts: Mapping[str, bool], new: Mapping[str, Buffer]) -> dict[str, Buffer]:
    """Return the metadata of the parts that the store at `path` keeps: file's name → content.

    Raises
    ------
    StoreError
        A part differs from its seal: the root must not spread the damage.
    """
    metadata: dict[str, Buffer] = {}
    for part, is_sealed in parts.items():
        if f"{part}/zarr.json" in new or not (path / part / "zarr.json").exists():
            continue
        files = PartFiles(path, part, is_sealed)
        arrays = [file.parent.name for file in (path / part).glob("*/zarr.json")]
        for name in ("zarr.json", *(f"{array}/zarr.json" for array in arrays)):
            if files.has(name):
                metadata[f"{part}/{name}"] = cpu.Buffer.from_bytes(files.read(name))
    return metadata


def _consolidate(path: Path, files: dict[str, Buffer], kept: Mapping[str, Buffer]) -> dict[str, bytes]:
    """Return new files with consolidated metadata in those of the groups; xarray warns without it.

    A view's group has the metadata of its arrays. The root has the metadata of the whole new store, with the
    views that the store keeps. It is signed.
    """
    metadata = {**files, **kept}
    store = MemoryStore(metadata)
    with damage_errors(path), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_WARNING)
        for name in files:
            if name.startswith("views/") and name.count("/") == 2 and name.endswith("/zarr.json"):
                zarr.consolidate_metadata(store, path=name.removesuffix("/zarr.json"))
        zarr.consolidate_metadata(store)
    contents = {name: metadata[name].to_bytes() for name in files}
    return {**contents, "zarr.json": sign(contents["zarr.json"])}


def _write_array(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dim: str,
    attributes: dict[str, str],
) -> None:
    """Write a one-dimensional array as one chunk."""
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, len(values)),),
        dtype="string" if values.dtype == object else values.dtype,
        compressors=ZstdCodec(checksum=True),
        dimension_names=[dim],
        attributes=dict(attributes),
        config={"write_empty_chunks": True},  # so that a missing chunk is damage, not zeros
    )
    array[:] = values
