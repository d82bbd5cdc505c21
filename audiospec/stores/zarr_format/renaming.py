"""Publish into a Zarr store on a disk: new parts are built beside the store, then renamed into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audiospec.errors import StoreError
from audiospec.files import disk_full_errors, write_new
from audiospec.storage.disk import DiskFolder
from audiospec.stores.layout.contents import NewView
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.zarr_format.root import ROOT, read_root, require_version
from audiospec.stores.zarr_format.writing import new_files, write_shards


def publish(
    path: Path,
    work: Path,
    attributes: Mapping[str, Any],
    tracks: Tracks,
    view: NewView | None,
    since: str | None,
) -> None:
    """Build the new parts in `work`, then rename them into the store; see `FeatureStore.publish`."""
    recover(path, work)
    new = work / "publish"
    try:
        with disk_full_errors(path):
            root = read_root(DiskFolder(path))
            require_version(path, root, since)
            if root.groups is not None:
                raise StoreError(
                    f"{path} is a copy of a store in a bucket, which can be read but not written to",
                    "make a store of this disk with `audiospec store export`",
                )
            files = new_files(path, root, attributes, tracks, view)
            if view is not None:
                write_shards(DiskFolder(new), f"views/{view.info.name}", view)
            _write_files(new, files)
            (work / "replaced" / "views").mkdir(parents=True)
            _ready_file(work).touch()
    except BaseException:
        recover(path, work)
        raise
    with disk_full_errors(path):
        recover(path, work)


def recover(path: Path, work: Path) -> None:
    """Rename the new parts into the store if they are complete; delete them if they are not."""
    new, old = work / "publish", work / "replaced"
    if _ready_file(work).exists() and new.exists():
        if not path.exists():
            os.rename(new, path)
        else:
            # The tracks come first, so that a view never refers to a track that is not in the table.
            names = [f"views/{folder.parent.name}" for folder in new.glob("views/*/zarr.json")]
            for name in ["tracks", *names, ROOT]:
                if (new / name).exists():  # else it was renamed before the writer was killed
                    if (path / name).is_dir():
                        os.rename(path / name, old / name)
                    os.replace(new / name, path / name)
    _ready_file(work).unlink(missing_ok=True)
    (work / "restored").unlink(missing_ok=True)
    for folder in (new, old):
        if folder.exists():
            shutil.rmtree(folder)


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder: name → content. Each of their folders is made once."""
    made: set[str] = set()
    for name, content in files.items():
        parts = name.split("/")[:-1]
        for depth in range(len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent not in made:
                (folder / parent).mkdir(exist_ok=True)
                made.add(parent)
        write_new(folder / name, content)


def _ready_file(work: Path) -> Path:
    """Return the path of an empty file that marks the new parts in `work` as complete."""
    return work / "publish.ready"
