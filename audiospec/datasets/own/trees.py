"""Folders of a disk and of a bucket, in which files are looked for by names that differ a little."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from audiospec.storage.listing import entries_of
from audiospec.storage.location import WEB, Url
from audiospec.storage.opening import open_folder


class Tree(Protocol):
    """Folders and files, by paths or by URLs as text."""

    def is_file(self, place: str) -> bool:
        """Whether there is such a file."""

    def is_folder(self, place: str) -> bool:
        """Whether there is such a folder."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files and folders in a folder, sorted; none if it cannot be read."""


class _DiskTree:
    def is_file(self, place: str) -> bool:
        return os.path.isfile(place)

    def is_folder(self, place: str) -> bool:
        return os.path.isdir(place)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except OSError:  # reading the file reports it
            return []


DISK: Tree = _DiskTree()


class BucketTree:
    """The objects of a bucket, as files in folders.

    Parameters
    ----------
    bucket : Url
    keys : sequence of str
        Objects that are asked for at once. Folders are listed for others only.
    """

    def __init__(self, bucket: Url, keys: Sequence[str]) -> None:
        self._bucket = bucket
        self._asked = set(keys)
        self._found = set(entries_of(bucket, keys))
        self._listed: dict[str, tuple[set[str], set[str]]] = {}

    def is_file(self, place: str) -> bool:
        """Whether there is such an object."""
        key = self._key(place)
        return key in self._found if key in self._asked else key in self._list(key.rpartition("/")[0])[0]

    def is_folder(self, place: str) -> bool:
        """Whether there is an object below a prefix, or the prefix is the whole bucket."""
        key = self._key(place)
        return not key or any(self._list(key))

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and folders in a folder, sorted."""
        key = self._key(folder)
        skipped = len(key) + 1 if key else 0
        return sorted({place[skipped:] for places in self._list(key) for place in places})

    def _key(self, place: str) -> str:
        return place.removeprefix(str(self._bucket)).strip("/")

    def _list(self, folder: str) -> tuple[set[str], set[str]]:
        """Return the keys of the files and of the folders that are directly in a folder."""
        if self._bucket.scheme in WEB:  # a web server lists nothing
            return set(), set()
        if folder not in self._listed:
            files: set[str] = set()
            folders: set[str] = set()
            prefix = f"{folder}/" if folder else ""
            for entry in open_folder(self._bucket).list(prefix):
                name, slash, _ = entry.key[len(prefix) :].partition("/")
                (folders if slash else files).add(prefix + name)
            self._listed[folder] = files, folders
        return self._listed[folder]
