"""The tables of annotations and targets as arrays, in the form that is common to all kinds of stores.

The track table has an array for each of `TRACK_COLUMNS` and for each free column, and a group ``annotations``
unless that table is empty. A view has a group ``targets`` unless its rows have their tracks' labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.table import Annotations, RowTargets
from audiospec.errors import StoreError
from audiospec.stores.layout.free_columns import ANNOTATIONS, FREE, array_names, free_columns
from audiospec.stores.layout.schema import (
    FORMAT,
    LABELLING,
    RESTORE,
    TARGETS_FORMAT,
    TRACK_ATTRIBUTES,
    TRACK_COLUMNS,
)
from audiospec.stores.layout.tracks import Tracks

#: Group of a view with the targets of its rows.
TARGETS = "targets"
#: Columns of the table of annotations, and of targets, with the names of CF.
ANNOTATION_ATTRIBUTES: dict[str, dict[str, str]] = {
    "track": {"long_name": "place in the track table"},
    "start": {"long_name": "start of the annotation in its track", "units": "s"},
    "end": {"long_name": "end of the annotation in its track; infinite: that of the track", "units": "s"},
    "label": {"long_name": "label"},
    "value": {"long_name": "value; NaN for a label"},
    "column": {"long_name": "column of the dataset"},
}
TARGET_ATTRIBUTES: dict[str, dict[str, str]] = {
    "row": {"long_name": "place in the rows of the view"},
    "label": {"long_name": "place of the label in names"},
    "share": {"long_name": "share of the chunk that annotations of the label cover"},
    "value": {"long_name": "value; NaN for a label"},
}
#: Array of the labels' names, along an axis of its own.
NAMES = "names"
_TYPES = {
    f"{ANNOTATIONS}/track": "<i4",
    f"{ANNOTATIONS}/start": "<f8",
    f"{ANNOTATIONS}/end": "<f8",
    f"{ANNOTATIONS}/value": "<f8",
    f"{TARGETS}/row": "<i8",
    f"{TARGETS}/label": "<i4",
    f"{TARGETS}/share": "<f8",
    f"{TARGETS}/value": "<f8",
}


#: Groups within the track table or a view.
GROUPS_WITHIN = (ANNOTATIONS, TARGETS)


class Column(NamedTuple):
    """An array as it is stored: values, name of its axis, attributes."""

    values: NDArray[Any]
    dim: str
    attributes: Mapping[str, str]


def numbered(attributes: Mapping[str, Any], tracks: Tracks, nodes: Iterable[str] = ()) -> dict[str, Any]:
    """Return a store's attributes, with the number of the format that its content needs.

    Parameters
    ----------
    attributes : mapping
        As `FeatureStore.publish` takes them.
    tracks : Tracks
        The new track table.
    nodes : iterable of str
        Names of groups of the store; that of a view's targets ends with ``/targets``.
    """
    needs = bool(tracks.free or len(tracks.annotations) or LABELLING in attributes)
    if not needs and not any(name.endswith(f"/{TARGETS}") for name in nodes):
        return dict(attributes)
    stated = attributes.get(FORMAT)
    return {**attributes, **({FORMAT: max(stated, TARGETS_FORMAT)} if isinstance(stated, int) else {})}


def track_arrays(tracks: Tracks) -> dict[str, Column]:
    """Return the arrays of a track table: name, with a slash if it is in a group → array."""
    arrays = {name: Column(tracks[name], "track", TRACK_ATTRIBUTES.get(name, {})) for name in TRACK_COLUMNS}
    for name, array in sorted(array_names(tracks.free).items()):
        arrays[array] = Column(tracks[name], "track", {"long_name": name})
    if len(tracks.annotations):
        for name, attributes in ANNOTATION_ATTRIBUTES.items():
            values = getattr(tracks.annotations, name)
            arrays[f"{ANNOTATIONS}/{name}"] = Column(values, "annotation", attributes)
    return arrays


def track_attributes(tracks: Tracks) -> dict[str, Any]:
    """Return the attributes of the group of a track table."""
    names = {array: name for name, array in sorted(array_names(tracks.free).items())}
    return {FREE: names} if names else {}


def read_tracks(
    attributes: Mapping[str, Any], has: Callable[[str], bool], read: Callable[[str], NDArray[Any]]
) -> Tracks:
    """Read a track table.

    Parameters
    ----------
    attributes : mapping
        Those of its group.
    has : callable
        Whether there is an array of a name.
    read : callable
        Reads an array.

    Raises
    ------
    StoreError
        A table is damaged.
    """
    arrays = free_columns(attributes)
    # The table itself says which column is missing.
    columns = {name: read(name) for name in TRACK_COLUMNS if name not in arrays and has(name)}
    free = {name: _checked(array, read, np.dtype(object)) for array, name in arrays.items()}
    if not has(f"{ANNOTATIONS}/track"):
        return Tracks(columns, free)
    table = {name: _checked(f"{ANNOTATIONS}/{name}", read) for name in ANNOTATION_ATTRIBUTES}
    return Tracks(columns, free, Annotations(**table))


def target_arrays(targets: RowTargets | None) -> dict[str, Column]:
    """Return the arrays of a view's targets: name with the group → array."""
    if targets is None:
        return {}
    arrays = {
        f"{TARGETS}/{name}": Column(getattr(targets, name), "target", attributes)
        for name, attributes in TARGET_ATTRIBUTES.items()
    }
    names = Column(np.array(targets.names, dtype=object), "name", {"long_name": "label"})
    return {**arrays, f"{TARGETS}/{NAMES}": names}


def read_targets(
    rows: int, has: Callable[[str], bool], read: Callable[[str], NDArray[Any]]
) -> RowTargets | None:
    """Read the targets of a view of so many rows; None if it has none; for the parameters see `read_tracks`.

    Raises
    ------
    StoreError
        The table is damaged.
    """
    if not has(f"{TARGETS}/row"):
        return None
    table = {name: _checked(f"{TARGETS}/{name}", read) for name in TARGET_ATTRIBUTES}
    names = _checked(f"{TARGETS}/{NAMES}", read)
    return require_targets(RowTargets(**table, names=tuple(names.tolist())), rows)


def require_targets(targets: RowTargets, rows: int) -> RowTargets:
    """Return the targets of a view of so many rows; raise a StoreError if they cannot be those."""
    row, share = targets.row, targets.share
    reason = ""
    if len(row) and not 0 <= row.min() <= row.max() < rows:
        reason = f"it has targets of row {row.max() if row.min() >= 0 else row.min()}"
    elif (np.diff(row) < 0).any():
        reason = "its targets are not in the order of rows"
    elif not ((share >= 0) & (share <= 1)).all():
        reason = "a share is not from 0 to 1"
    elif list(targets.names) != sorted(set(targets.names)):
        reason = "its names are not sorted, or not distinct"
    if reason:
        raise StoreError(f"the targets of a view of {rows} rows are damaged: {reason}", RESTORE)
    return targets


def array_type(name: str) -> np.dtype[Any]:
    """Return the type of an array of `track_arrays` or `target_arrays`; object for texts."""
    kind = _TYPES.get(name) or TRACK_COLUMNS.get(name, object)
    return np.dtype(object if kind is str else kind)


def _checked(
    name: str, read: Callable[[str], NDArray[Any]], kind: np.dtype[Any] | None = None
) -> NDArray[Any]:
    """Read a column whose type is that of `array_type`, unless it is given; StoreError if it is another."""
    values, kind = read(name), array_type(name) if kind is None else kind
    if values.dtype != kind or values.ndim != 1:
        raise StoreError(
            f"{name} is damaged: expected a column of {kind}, got shape {values.shape} of {values.dtype}",
            RESTORE,
        )
    return values
