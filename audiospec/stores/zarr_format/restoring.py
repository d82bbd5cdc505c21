"""Mend a Zarr store, except its rows: damaged files from the copies, the root from the parts."""

from __future__ import annotations

from pathlib import Path

from audiospec.errors import AudiospecError, StorageError
from audiospec.storage.base import Folder
from audiospec.storage.disk import DiskFolder
from audiospec.stores.seals.folder import FolderSeal, PartFiles, copy_key, read_file, seal_key
from audiospec.stores.zarr_format.checking import copied_files, has_views_group, view_parts
from audiospec.stores.zarr_format.root import ROOT, Root, read_root
from audiospec.stores.zarr_format.writing import is_or_gets_sealed, new_root, views_group


def restore(path: Path, work: Path) -> list[str]:
    """Mend what the copies allow, and seal what has no seal; return what was done.

    A view that vanished is taken off the list of views. The caller holds the lock, and has called `recover`.
    """
    # Nothing else may appear in the folders, which Zarr's readers list.
    store = DiskFolder(path, unfinished=work / "restored")
    done: list[str] = []
    try:
        root = read_root(store)
    except AudiospecError:
        root = Root({})
    if root.groups is not None:
        return restore_bucket(store)
    parts = ["tracks", *sorted(view_parts(store))]
    for part in parts:
        done += _restore_part(store, part, root)
    if not has_views_group(store):
        store.write("views/zarr.json", views_group())
        done.append("views/zarr.json: written again")
    views = {part: store.exists(seal_key(part)) for part in parts if store.exists(f"{part}/zarr.json")}
    for name in root.listed:
        if not (path / "views" / name).is_dir():
            done.append(f"views/{name}: it has vanished, and is taken off the list of views")
    new = _new_root(path, root, views)
    if new is not None and new != read_file(store, ROOT):
        store.write(ROOT, new)
        done.append("zarr.json: made again from the parts")
    return done


def restore_bucket(store: Folder) -> list[str]:
    """Write the damaged files of a bucket's groups again, as they were; return what was done.

    A damaged root cannot be made again: only it says which groups are the store's.
    """
    root = read_root(store)
    done: list[str] = []
    for part in root.sealed or ():
        done += _restore_part(store, part, root)
    if not has_views_group(store):
        store.write("views/zarr.json", views_group())
        done.append("views/zarr.json: written again")
    return done


def _new_root(path: Path, root: Root, parts: dict[str, bool]) -> bytes | None:
    """Return the root that belongs to the parts; None if a part is damaged still."""
    try:
        files = PartFiles(DiskFolder(path), "tracks", False)
        attributes = dict(files.seal.attributes) if files.seal else dict(root.attributes)
        return new_root(path, attributes, parts) if attributes else None
    except AudiospecError:
        return None


def _restore_part(store: Folder, part: str, root: Root) -> list[str]:
    """Mend one part as far as possible."""
    group = root.group(part)
    copied = copied_files(store, group)
    try:
        files = PartFiles(store, part, root.is_sealed(part), group)
        seal = files.seal
    except StorageError:
        raise
    except AudiospecError:
        seal = None
    else:
        if seal is None:
            path = store.location
            if not isinstance(path, Path) or not store.exists(f"{part}/zarr.json"):
                return []
            return [f"{part}: sealed"] if is_or_gets_sealed(path, part, False) else []
        if copied is None or copied[0] != seal:
            return _copy_again(files, seal)
    if copied is None:
        return []
    done = []
    for name, content in copied[1].items():
        if read_file(store, f"{group}/{name}") != content:
            store.write(f"{group}/{name}", content)
            done.append(f"{part}: {name} restored from its copy")
    if seal is None:
        store.write(seal_key(group), copied[0].to_bytes())
        done.append(f"{part}: its seal made again from the copy")
    return done


def _copy_again(files: PartFiles, seal: FolderSeal) -> list[str]:
    """Replace a damaged copy, if all files are as sealed."""
    content = {}
    for name in seal.files:
        found = files.content(name)
        if found is None or seal.reason(name, found):
            return []
        content[name] = found
    files.store.write(copy_key(files.group), seal.copy(content))
    return [f"{seal.part}: the copy of its metadata and tables made again"]
