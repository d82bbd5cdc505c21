"""Read lists of the files of a split, such as ``testing_list.txt`` and ``validation_list.txt``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from audiospec.datasets.own.folds import KEYWORDS, fold_in
from audiospec.datasets.own.search import Found, suffix
from audiospec.errors import DatasetError
from audiospec.storage.location import Location
from audiospec.storage.opening import open_folder
from audiospec.text import printable

_SUFFIXES = (".txt", ".lst", ".list")
_MOST_BYTES = 64 << 20


def read_lists(root: Location, found: Found) -> tuple[dict[str, str], list[str]]:
    """Return the fold of each file that a list names, and the lists.

    A list is a text in `root` whose name has a fold in it and whose lines are paths of sound files. If no
    list is of training files, all files that are in no list are.

    Raises
    ------
    DatasetError
        A file is in the lists of two folds.
    """
    sound = set(found.sound)
    folds: dict[str, str] = {}
    lists = []
    for file in found.others:
        fold = fold_in(PurePosixPath(file).stem)
        if "/" in file or suffix(file) not in _SUFFIXES or fold not in KEYWORDS:
            continue
        paths = _paths(root, file)
        if not paths or not sound.issuperset(paths):
            continue  # about something else: it is named among the files left out
        lists.append(file)
        for path in paths:
            if folds.setdefault(path, fold) != fold:
                raise DatasetError(
                    f"{printable(path)!r} is in lists of two folds under {root}: {folds[path]} and {fold}",
                    "keep it in one list",
                )
    if lists and "train" not in folds.values():
        folds = dict.fromkeys(found.sound, "train") | folds
    return folds, lists


def _paths(root: Location, file: str) -> list[str]:
    """Return the paths in the lines of a text; none if it is too long for a list."""
    try:
        content = _content(root, file)
    except OSError:
        return []
    text = content.decode("utf-8-sig", "replace")
    lines = (line.strip().replace("\\", "/").removeprefix("./") for line in text.splitlines())
    return [line for line in lines if line]


def _content(root: Location, file: str) -> bytes:
    """Return the bytes of a text; none if there are too many."""
    if isinstance(root, Path):
        path = root / file
        return path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    content = open_folder(root).read(file, 0, _MOST_BYTES + 1)
    return content if len(content) <= _MOST_BYTES else b""
