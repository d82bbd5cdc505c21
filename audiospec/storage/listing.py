"""Find some objects of a bucket, with as few requests as their number allows."""

from __future__ import annotations

import posixpath
from collections.abc import Collection

from audiospec.storage.base import Entry
from audiospec.storage.location import WEB, Url
from audiospec.storage.opening import open_folder

#: A listing is broken off, and the other objects are asked for one by one, once it has shown so many times as
#: many objects as are wanted, and this many more: one request lists a thousand.
MOST_OTHERS, MORE_OTHERS = 8, 2000


def entries_of(root: Url, keys: Collection[str]) -> dict[str, Entry]:
    """Return what is known of those of some objects that exist.

    Parameters
    ----------
    root : Url
        The folder that they are in.
    keys : collection of str
        Relative to `root`.

    Returns
    -------
    dict
        From key to entry.

    Raises
    ------
    StorageError
        The bucket does not answer, or refuses.
    """
    folder, missing, found = open_folder(root), set(keys), {}
    if root.scheme not in WEB:  # a web server lists nothing
        most = MOST_OTHERS * len(missing) + MORE_OTHERS
        for seen, entry in enumerate(folder.list(_common(missing)), 1):
            if entry.key in missing:
                found[entry.key] = entry
                missing.remove(entry.key)
            if not missing or seen == most:
                break
        else:
            return found
    others = [entry for entry in folder.map(folder.entry, sorted(missing)) if entry is not None]
    return found | {entry.key: entry for entry in others}


def _common(keys: Collection[str]) -> str:
    """Return the folder that all keys are in, with a slash; ``""`` if they have none in common."""
    folders = {f"/{key.rpartition('/')[0]}" for key in keys}
    return f"{posixpath.commonpath(folders)}/".lstrip("/") if folders else ""
