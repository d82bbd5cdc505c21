"""Find the files that a table means, although it writes their names in another way."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

from audiospec.datasets.own.search import AUDIO_SUFFIXES, suffix
from audiospec.errors import DatasetError
from audiospec.text import printable


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())


#: Ways to compare names, the strictest first.
_FORMS: tuple[Callable[[str], str], ...] = (_composed, _folded)


class Finder:
    """Finds files below a folder; it lists each folder that it has to look into once."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._names: dict[str, list[str]] = {}

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
        file = normal(os.path.join(self.folder, path))
        if os.path.isfile(file):
            return file, path
        if "\\" in path:
            path = path.replace("\\", "/")
            file = normal(os.path.join(self.folder, path))
            if os.path.isfile(file):
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
        if os.path.isdir(folder):
            return folder
        above, name = os.path.split(folder)
        if above == folder:
            return ""
        above = self._walk(above, form)
        same = [entry for entry in self._list(above) if form(entry) == form(name)] if above else []
        found = os.path.join(above, same[0]) if len(same) == 1 else ""
        return found if os.path.isdir(found) else ""

    def _only(self, folder: str, names: list[str], path: str) -> str:
        if len(names) > 1:
            raise DatasetError(
                f"{printable(path)!r} may be {' or '.join(map(printable, names[:3]))} in {printable(folder)}",
                "write the name of the file as it is",
            )
        file = os.path.join(folder, names[0]) if names else ""
        return file if os.path.isfile(file) else ""

    def _list(self, folder: str) -> list[str]:
        if folder not in self._names:
            try:
                self._names[folder] = sorted(os.listdir(folder))
            except OSError:  # reading the file reports it
                self._names[folder] = []
        return self._names[folder]


def normal(path: str) -> str:
    """Return a path without ``..``, resolved as the system does; other links are kept."""
    folder, name = os.path.split(path)
    if ".." in Path(path).parts:
        folder = os.path.realpath(folder)
    return os.path.normpath(os.path.join(folder, name))
