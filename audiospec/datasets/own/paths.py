"""Find the files that a table means, although it writes their names in another way."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from audiospec.datasets.own.search import AUDIO_SUFFIXES, suffix
from audiospec.datasets.own.trees import DISK, BucketTree, Tree
from audiospec.errors import DatasetError, StorageError
from audiospec.storage.location import Location, Url, location
from audiospec.text import printable


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())


#: Ways to compare names, the strictest first.
_FORMS: tuple[Callable[[str], str], ...] = (_composed, _folded)


class Finder:
    """Finds files below a folder; it lists each folder that it has to look into once.

    Parameters
    ----------
    folder : str
        A path or a URL, without ``..``.
    paths : sequence of str
        Those that will be looked for: buckets are asked for all of them at once.
    """

    def __init__(self, folder: str, paths: Sequence[str]) -> None:
        self.folder = folder
        self._names: dict[str, list[str]] = {}
        self._buckets: dict[Url, BucketTree] = {}
        keys: dict[Url, list[str]] = {}
        for path in paths:
            with suppress(DatasetError):  # finding it reports it
                place = location(joined(folder, path))
                if isinstance(place, Url):
                    keys.setdefault(Url(place.scheme, place.bucket), []).append(place.key)
        self._buckets = {bucket: BucketTree(bucket, listed) for bucket, listed in keys.items()}

    def exists(self, file: str) -> bool:
        """Whether a file that was found exists."""
        return self._tree(file).is_file(file)

    def _tree(self, place: str) -> Tree:
        url = location(place)
        return self._buckets[Url(url.scheme, url.bucket)] if isinstance(url, Url) else DISK

    def find(self, path: str) -> tuple[str, str]:
        """Return the file that a path means, and the path with forward slashes.

        If no file has the path itself, these are tried in turn: backslashes that separate folders, as
        Windows writes them; another form of the same letters (NFC or NFD), or of another case, if exactly
        one file has it; and a name without its suffix, likewise. If there is no such file, the path stands
        for itself.

        Raises
        ------
        DatasetError
            Several files fit the path.
        """
        file = joined(self.folder, path)
        if self._tree(file).is_file(file):
            return file, path
        if "\\" in path:
            path = path.replace("\\", "/")
            file = joined(self.folder, path)
            if self._tree(file).is_file(file):
                return file, path
        for form in _FORMS:
            folder = self._walk(os.path.dirname(file), form)
            name = form(os.path.basename(file))
            if folder:
                same = [entry for entry in self._list(folder) if form(entry) == name]
                same = same or [
                    entry
                    for entry in self._list(folder)
                    if suffix(entry) in AUDIO_SUFFIXES and form(os.path.splitext(entry)[0]) == name
                ]
                if found := self._only(folder, same, path):
                    return found, path
        return file, path

    def _walk(self, folder: str, form: Callable[[str], str]) -> str:
        """Return the folder that a path means, its parts compared by `form`; ``""`` if there is none."""
        if self._tree(folder).is_folder(folder):
            return folder
        above, name = os.path.split(folder)
        if above == folder:
            return ""
        above = self._walk(above, form)
        same = [entry for entry in self._list(above) if form(entry) == form(name)] if above else []
        found = os.path.join(above, same[0]) if len(same) == 1 else ""
        return found if found and self._tree(found).is_folder(found) else ""

    def _only(self, folder: str, names: list[str], path: str) -> str:
        if len(names) > 1:
            raise DatasetError(
                f"{printable(path)!r} may be {' or '.join(map(printable, names[:3]))} in {printable(folder)}",
                "write the name of the file as it is",
            )
        file = os.path.join(folder, names[0]) if names else ""
        return file if file and self._tree(file).is_file(file) else ""

    def _list(self, folder: str) -> list[str]:
        if folder not in self._names:
            self._names[folder] = self._tree(folder).names(folder)
        return self._names[folder]


def joined(folder: str, path: str) -> str:
    """Return the file that a path means, seen from a folder: each is a path of a disk, or a URL.

    Raises
    ------
    DatasetError
        It is a URL that cannot be used.
    """
    if "://" in path:
        try:
            return str(location(path))
        except StorageError as error:
            raise DatasetError(error.reason, error.hint) from error
    if "://" in folder and not os.path.isabs(path):
        return str(location(folder) / path)
    return normal(os.path.join(folder, path))


def normal(path: str) -> str:
    """Return a path without ``..``, resolved as the system does; other links are kept."""
    folder, name = os.path.split(path)
    if ".." in Path(path).parts:
        folder = os.path.realpath(folder)
    return os.path.normpath(os.path.join(folder, name))


def relative(file: str, root: Location) -> str:
    """Return a file's path from a folder, with forward slashes; ``""`` if it is not on the same storage."""
    place = location(file)
    if isinstance(place, Path) and isinstance(root, Path):
        return Path(os.path.relpath(place, root)).as_posix()
    if isinstance(place, Path) or isinstance(root, Path) or place.bucket != root.bucket:
        return ""
    return posixpath.relpath(place.key, root.key or ".") if place.scheme == root.scheme else ""


def common_folder(folder: Location, files: Sequence[str]) -> Location:
    """Return the folder that contains all of some files: a given one, or one above it.

    Parameters
    ----------
    folder : Location
        What paths are relative to. If the files are on another storage, it does not count; a bucket is then
        taken as a whole, so that it is the same for other files.
    files : sequence of str
        Paths or URLs; at least one.

    Raises
    ------
    DatasetError
        The files are not all on the disks of a machine, or in one bucket.
    """
    places = [location(file) for file in files]
    urls = [place for place in places if isinstance(place, Url)]
    buckets = {Url(place.scheme, place.bucket): place for place in urls}
    if len(buckets) + (len(urls) < len(places)) > 1:
        paths = [place for place in places if isinstance(place, Path)]
        examples = " and ".join(map(str, [*buckets.values(), *paths][:2]))
        raise DatasetError(
            f"the files are in several places, such as {examples}",
            "list those of one bucket, or those on the disks of a machine",
        )
    if not urls:
        parents = [os.path.dirname(file) for file in files]
        first = [str(folder)] if isinstance(folder, Path) else []
        return Path(os.path.commonpath([*first, *parents]))
    (bucket,) = buckets
    if not isinstance(folder, Url) or (folder.scheme, folder.bucket) != (bucket.scheme, bucket.bucket):
        return bucket
    common = posixpath.commonpath([f"/{place.key}" for place in (folder, *(url.parent for url in urls))])
    return bucket / common
