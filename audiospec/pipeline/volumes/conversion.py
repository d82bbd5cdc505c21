"""Make an ordinary store the first volume of a store with volumes, without computing or renaming anything.

Its files are linked (or copied, in a bucket) into the volume; then the root is replaced, which is the commit;
then the files in their old place are removed. A killed conversion is begun anew, or its end is done again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from audiospec.pipeline.volumes.parts import FOLDER
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.volume_names import VOLUMES, volume_name, volume_place
from audiospec.stores.volumes.root import write_root

#: What an ordinary store consists of, besides its root.
_PARTS = ("tracks", "views")


def make_first_volume(store: FeatureStore, hours: float) -> None:
    """Make a store the first volume of itself. The caller holds its lock.

    Parameters
    ----------
    store : FeatureStore
        An ordinary store.
    hours : float
        Hours of audio of a volume.
    """
    path = store.path
    volume = volume_place(path, volume_name(0))
    if volume.exists():  # of a conversion that was killed
        shutil.rmtree(volume)
    files = [file for part in _PARTS for file in (path / part).rglob("*") if file.is_file()]
    for file in sorted([*files, path / "zarr.json"]):
        target = volume / file.relative_to(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:  # a file system without hard links
            shutil.copy2(file, target)
    write_root(path, store.store_attributes(), [volume_name(0)], hours)
    end_conversion(path)


def end_conversion(path: Path) -> None:
    """Remove what was linked into the first volume; its unfinished shards go to that one's."""
    work = work_folder(path)
    target = work_folder(volume_place(path, volume_name(0)))
    for folder in sorted(work.iterdir()) if work.exists() else []:
        if folder.is_dir() and folder.name not in (VOLUMES, FOLDER):
            target.mkdir(parents=True, exist_ok=True)
            os.rename(folder, target / folder.name)
    for part in _PARTS:
        if (path / part).exists():
            shutil.rmtree(path / part)
