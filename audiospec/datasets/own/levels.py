"""Read labels and folds from the names of folders, and refuse what has several readings.

A level is a folder's place in a path: 1 is the first below the data folder, -1 is the file's own folder.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from audiospec.datasets.own.folds import KEYWORDS, fold_in, fold_named
from audiospec.errors import DatasetError
from audiospec.text import printable

#: Parts of one album or recording, which are no classes.
_PART = re.compile(r"(cd|dis[ck]|side|vol|volume|part)[-._ ]*([0-9]{1,2}|[a-d])", re.IGNORECASE)
_NAMED = 3  #: labels that a choice shows

Folders = tuple[str, ...]


def read_levels(folders: Sequence[Folders], label_level: int | None = None) -> list[tuple[str, str]]:
    """Return label and fold of each file; the fold is ``""`` if the folders are no split.

    Parameters
    ----------
    folders : sequence of tuple of str
        Names of the folders that each file is in, from the data folder down; at least one for each file.
    label_level : int or None
        Level of the label. None: the only level that can be it.

    Raises
    ------
    DatasetError
        There is no such level, or there are several readings; the message says what each gives.
    """
    if label_level is not None:
        labels = _labels_at(folders, label_level)
        taken = {label_level - 1} if label_level > 0 else {len(path) + label_level for path in folders}
        given = [level for level in fold_levels(folders) if level not in taken]
    else:
        given = fold_levels(folders)
        rest = [[level for level in range(len(path)) if level not in given] for path in folders]
        if given and not _have_classes(folders, given, rest):
            _refuse_no_class(folders, given, rest)
        labels = _labels(folders, rest)
    return list(zip(labels, _folds(folders, given), strict=True))


def read_folds(folders: Sequence[Folders]) -> list[str]:
    """Return the fold of each file, whose label is known; ``""`` if the folders are no split."""
    return _folds(folders, fold_levels(folders, alone=True))


def fold_levels(folders: Sequence[Folders], alone: bool = False) -> list[int]:
    """Return the levels, from 0, whose folders are a given split, such as ``train`` and ``test``.

    All folders of such a level are named after a fold, and there are two folds or more; or it is ``train``,
    ``test`` or ``valid`` alone, with folders in it or, with `alone`, without.
    """
    levels = []
    for level in range(max(map(len, folders), default=0)):
        names = {path[level] for path in folders if len(path) > level}
        folds = {fold_in(name) for name in names}
        least = level if alone else level + 1
        one = len(names) == 1 and any(map(fold_named, names)) and all(len(path) > least for path in folders)
        if "" not in folds and (len(folds) > 1 or one):
            levels.append(level)
    return levels


def _folds(folders: Sequence[Folders], given: Sequence[int]) -> list[str]:
    result = []
    for path in folders:
        folds = {fold_in(path[level]) for level in given if level < len(path)}
        if len(folds) > 1:
            raise DatasetError(
                f"folder {_path(path)} is of several folds: {', '.join(sorted(folds))}",
                "rename the folders that are no split, or list the files in a CSV file",
            )
        result.append(folds.pop() if folds else "")
    return result


def _have_classes(folders: Sequence[Folders], given: Sequence[int], rest: Sequence[list[int]]) -> bool:
    """Whether each file is in a folder of a class: one below the split, or one of several above it."""
    first = min(given)
    several = any(len({path[level] for path in folders if len(path) > level}) > 1 for level in range(first))
    alone = len({path[first] for path in folders if len(path) > first}) == 1
    return all(levels and (several or alone or levels[-1] > first) for levels in rest)


def _refuse_no_class(folders: Sequence[Folders], given: Sequence[int], rest: Sequence[list[int]]) -> None:
    """Refuse files that are directly in a folder of a split."""
    bare = [path for path, levels in zip(folders, rest, strict=True) if not levels or levels[-1] < min(given)]
    raise DatasetError(
        f"{len(bare)} file(s) are directly in a folder of a split, such as {_path(bare[0])}, so they have no "
        "label",
        "put each in the folder of its class, or list them with their labels in a metadata.csv (columns "
        f"file_name and label); {_choice(folders, given[0] + 1)}",
    )


def _labels(folders: Sequence[Folders], rest: Sequence[list[int]]) -> list[str]:
    """Return the label of each file from the levels that are no split, or refuse several readings."""
    _refuse_half_a_split(folders)
    own = [path[levels[-1]] for path, levels in zip(folders, rest, strict=True)]
    if len({tuple(levels) for levels in rest}) > 1:  # files at several depths
        first = [path[levels[0]] for path, levels in zip(folders, rest, strict=True)]
        if first == own:
            return own
        shared = set.intersection(*map(set, rest))
        # The folders above the first level that differs hold all files, so they are no classes.
        varying = [level for level in sorted(shared) if len({path[level] for path in folders}) > 1]
        raise _ambiguous("files are at several depths", folders, [*(level + 1 for level in varying), -1])
    levels = rest[0]
    varying = [level for level in levels if len({path[level] for path in folders}) > 1]
    if len(varying) < 2:
        return [path[varying[0]] for path in folders] if varying else own
    last = varying[-1]
    above: defaultdict[str, set[Folders]] = defaultdict(set)
    for path in folders:
        above[path[last]].add(tuple(path[level] for level in levels if level < last))
    repeated = sum(len(places) > 1 for places in above.values())
    # Classes repeat in each folder above them (of a speaker, a site, a session); albums of a genre do not.
    if 2 * repeated >= len(above) and not all(map(_PART.fullmatch, above)):
        return [path[last] for path in folders]
    raise _ambiguous(
        "several folders above a file may be its class", folders, [level + 1 for level in varying]
    )


def _refuse_half_a_split(folders: Sequence[Folders]) -> None:
    """Refuse a level with folders called train and test, and with other folders beside them."""
    for level in range(max(map(len, folders))):
        names = {path[level] for path in folders if len(path) > level}
        others = sorted(name for name in names if not fold_in(name))
        folds = {fold_in(name) for name in names} & KEYWORDS.keys()
        if others and len(folds) > 1 and ("train" in folds or len(set(map(fold_named, names))) > 2):
            split = sorted(name for name in names if fold_in(name))
            raise DatasetError(
                f"folders {', '.join(map(_name, split))} look like a given split, but "
                f"{_name(others[0])} is beside them",
                f"move it away if they are a split; {_choice(folders, level + 1)}",
            )


def _labels_at(folders: Sequence[Folders], level: int) -> list[str]:
    if level == 0:
        raise DatasetError(
            "expected a `label_level` from 1, the first folder below the data folder, or from -1, the file's "
            "own folder; got 0"
        )
    short = [path for path in folders if len(path) < abs(level)]
    if short:
        raise DatasetError(
            f"{len(short)} file(s) have no folder at level {level}, such as those in {_path(short[0])}",
            f"give another `label_level`; {_choice(folders, -1)}",
        )
    return [path[level - 1 if level > 0 else level] for path in folders]


def _ambiguous(reason: str, folders: Sequence[Folders], levels: Sequence[int]) -> DatasetError:
    return DatasetError(
        f"{reason}, such as {_path(max(folders, key=len))}", "; ".join(_choice(folders, n) for n in levels)
    )


def _choice(folders: Sequence[Folders], level: int) -> str:
    """Say what a level of labels gives: ``label_level=1`` gives 2 labels (jazz 10, rock 12)."""
    counts = Counter(path[level - 1 if level > 0 else level] for path in folders if len(path) >= abs(level))
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
    named = ", ".join(f"{printable(name)} {count}" for name, count in largest)
    more = ", …" if len(counts) > _NAMED else ""
    return f"`label_level={level}` gives {len(counts)} label{'s' * (len(counts) != 1)} ({named}{more})"


def _path(path: Folders) -> str:
    return _name("/".join(path))


def _name(text: str) -> str:
    return repr(printable(text))
