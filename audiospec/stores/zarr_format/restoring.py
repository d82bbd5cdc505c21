"""Mend a Zarr store, except its rows: damaged files from the copies, the root from the parts."""

from __future__ import annotations

import os
from pathlib import Path

from audiospec.errors import AudiospecError
from audiospec.stores.seals.folder import FolderSeal, PartFiles, copy_file, read_file, seal_file
from audiospec.stores.zarr_format.checking import copied_files, has_views_group
from audiospec.stores.zarr_format.root import Root, read_root
from audiospec.stores.zarr_format.writing import is_or_gets_sealed, new_root, part_files, views_group


def restore(path: Path, work: Path) -> list[str]:
    """Mend what the copies allow, and seal what has no seal; return what was done.

    A view that vanished is taken off the list of views. The caller holds the lock, and has called `recover`.
    """
    done: list[str] = []
    try:
        root = read_root(path)
    except AudiospecError:
        root = Root({})
    parts = ["tracks", *sorted(f"views/{folder.name}" for folder in path.glob("views/*") if folder.is_dir())]
    for part in parts:
        done += _restore_part(path, part, root, work)
    if not has_views_group(path):
        _put(path / "views" / "zarr.json", views_group(), work)
        done.append("views/zarr.json: written again")
    views = {part: seal_file(path / part).exists() for part in parts if (path / part / "zarr.json").exists()}
    for name in root.listed:
        if not (path / "views" / name).is_dir():
            done.append(f"views/{name}: it has vanished, and is taken off the list of views")
    new = _new_root(path, root, views)
    if new is not None and new != read_file(path / "zarr.json"):
        _put(path / "zarr.json", new, work)
        done.append("zarr.json: made again from the parts")
    return done


def _new_root(path: Path, root: Root, parts: dict[str, bool]) -> bytes | None:
    """Return the root that belongs to the parts; None if a part is damaged still."""
    try:
        files = PartFiles(path, "tracks", False)
        attributes = dict(files.seal.attributes) if files.seal else dict(root.attributes)
        return new_root(path, attributes, parts) if attributes else None
    except AudiospecError:
        return None


def _restore_part(path: Path, part: str, root: Root, work: Path) -> list[str]:
    """Mend one part as far as possible."""
    folder = path / part
    copied = copied_files(folder)
    try:
        seal = PartFiles(path, part, root.is_sealed(part)).seal
    except AudiospecError:
        seal = None
    else:
        if seal is None:
            sealed = (folder / "zarr.json").exists() and is_or_gets_sealed(path, part, False)
            return [f"{part}: sealed"] if sealed else []
    if seal is not None and (copied is None or copied[0] != seal):
        return _copy_again(folder, seal, work)
    if copied is None:
        return []
    done = []
    for name, content in copied[1].items():
        if read_file(folder / name) != content:
            _put(folder / name, content, work)
            done.append(f"{part}: {name} restored from its copy")
    if seal is None:
        _put(seal_file(folder), copied[0].to_bytes(), work)
        done.append(f"{part}: its seal made again from the copy")
    return done


def _copy_again(folder: Path, seal: FolderSeal, work: Path) -> list[str]:
    """Replace a damaged copy, if all files are as sealed."""
    files = part_files(folder)
    if any(seal.reason(name, files.get(name)) for name in seal.files):
        return []
    content = {name: files[name] for name in seal.files}
    _put(copy_file(folder), seal.copy(content), work)
    return [f"{seal.part}: the copy of its metadata and tables made again"]


def _put(file: Path, content: bytes, work: Path) -> None:
    """Write or replace a file as a whole; nothing else appears in its folder, which Zarr's readers list."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = work / "restored"
    unfinished.write_bytes(content)
    os.replace(unfinished, file)
