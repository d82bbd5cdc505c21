"""Names of free columns: those of a dataset that mean nothing to a store, which keeps them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from audiospec.errors import StoreError
from audiospec.fields import shown
from audiospec.stores.layout.schema import LATER_COLUMNS, RESTORE, TRACK_COLUMNS

#: Attribute of the track table: name of the array → name of the free column.
FREE = "free"
#: Group of the track table with the table of annotations.
ANNOTATIONS = "annotations"
_TAKEN = (*TRACK_COLUMNS, ANNOTATIONS, "zarr.json")
#: Names that free columns may have in stores from before tracks were measured.
_ONCE_FREE = frozenset(LATER_COLUMNS) - {"note", "cluster"}
#: Characters that a file system, Zarr or HDF5 does not allow in a name.
_REFUSED = frozenset('/\\:*?"<>|')
#: Most characters of an array's name: a file system allows 255 bytes.
_MOST = 60


def storable(text: str) -> str:
    r"""Return text that every store can hold: NUL and half of a surrogate pair become escapes (``\x00``)."""
    text = str(text)
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def free_names(names: Iterable[str]) -> dict[str, str]:
    """Return name → name in the track table; one that is a column of every store gets an underscore."""
    return _distinct(names, lambda name: storable(name) or "_", str, TRACK_COLUMNS)


def array_names(names: Iterable[str]) -> dict[str, str]:
    """Return name → name of the array of a free column, which every format and file system allows."""
    return _distinct(names, _array_name, _folded, _TAKEN)


def free_columns(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return name of the array → name of the free column, by the attributes of the track table.

    A column of an older store that has the name of a column of every store by now gets an underscore.

    Raises
    ------
    StoreError
        They are not names.
    """
    names = attributes.get(FREE, {})
    valid = isinstance(names, Mapping) and all(
        isinstance(name, str)
        and (name not in TRACK_COLUMNS or name in _ONCE_FREE)
        and (_is_array_name(array) or array in _ONCE_FREE)
        for array, name in names.items()
    )
    if not valid or len(set(names.values())) < len(names):
        raise StoreError(f"the track table is damaged: its free columns are {shown(names)}", RESTORE)
    renamed = free_names(names.values()) if _ONCE_FREE.intersection(names.values()) else {}
    return {array: renamed.get(name, name) for array, name in names.items()}


def _distinct(
    names: Iterable[str], changed: Callable[[str], str], key: Callable[[str], str], taken: Iterable[str]
) -> dict[str, str]:
    """Return name → changed name, with as many underscores as make the keys differ."""
    reserved = {key(name) for name in taken}
    used, found = set(reserved), {}
    # Those that can keep their name come first.
    for name in sorted(set(names), key=lambda name: (changed(name) != name or key(name) in reserved, name)):
        new = changed(name)
        while key(new) in used:
            new += "_"
        used.add(key(new))
        found[name] = new
    return found


def _array_name(name: str) -> str:
    kept = "".join(char if char.isprintable() and char not in _REFUSED else "_" for char in name)
    kept = kept[:_MOST].rstrip(". ")
    return kept if kept and kept[0] not in "._" else f"column{kept}"


def _is_array_name(name: str) -> bool:
    """Whether a name leads to an array of the track table, not to anything else."""
    return bool(name) and name[0] != "." and not _REFUSED & set(name) and name not in _TAKEN


def _folded(name: str) -> str:
    """Return the key of a name: equal if a file system may take two names for the same."""
    return unicodedata.normalize("NFKC", name).casefold()
