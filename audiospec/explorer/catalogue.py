"""Catalogue: the table of tracks that the page shows, sorted and filtered in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError, nearest
from audiospec.stores.layout.tracks import Tracks

#: Title and unit of the column ``seconds``.
LENGTH = ("length", "s")
#: Columns of the track table that are shown beside id and labels, if a store has them → title and unit.
COLUMNS: dict[str, tuple[str, str]] = {
    "sample_rate": ("sample rate", "Hz"),
    "channels": ("channels", ""),
    "peak": ("peak", "dBFS"),
    "level": ("level", "dBFS"),
    "clipped": ("clipped samples", "share"),
    "dc": ("DC offset", "share"),
    "digital_silence": ("digital silence", "share"),
    "bandwidth": ("bandwidth", "Hz"),
    "snr": ("signal to noise", "dB"),
    "channel_correlation": ("correlation of channels", ""),
    "dead_channels": ("dead channels", ""),
}
#: Most labels of a track's annotations that are shown in place of its label.
MOST_LABELS = 5
_OF_TRACKS = ("number", "id", "label", "group", "seconds", "duplicates")
_OF_RUNS = ("side", "predicted", "probability", "loss")


@dataclass(frozen=True, kw_only=True)
class Query:
    """What the table shows, and in which order.

    Attributes
    ----------
    sort : str
        A column; ``"number"`` is the order of the store. ``"finding"`` and ``"findings"``: see `Filters`.
    descending : bool
        Values that are missing come last in both orders, and equal ones in the order of the store.
    label, side, predicted : str
        Only tracks with this value; ``""``: any.
    finding : str
        Only tracks of this finding or check; ``""``: any.
    error : bool
        Only tracks that the run predicts wrongly.
    corrected : bool
        Only tracks whose label was decided about.
    text : str
        Only tracks that have this text in their id, in capital letters or not.
    """

    sort: str = "number"
    descending: bool = False
    label: str = ""
    side: str = ""
    predicted: str = ""
    finding: str = ""
    error: bool = False
    corrected: bool = False
    text: str = ""


class Outputs(NamedTuple):
    """What a run predicts of the tracks, each of shape (tracks,).

    Attributes
    ----------
    side, predicted : ndarray of str objects
        ``""`` where the run has no such track.
    probability, loss : ndarray of float64
        Probability of the predicted label, and −ln of that of the given label; NaN where unknown.
    wrong : ndarray of bool
        Whether the predicted label is another than the given one.
    """

    side: NDArray[Any]
    predicted: NDArray[Any]
    probability: NDArray[np.float64]
    loss: NDArray[np.float64]
    wrong: NDArray[np.bool_]


class Filters(NamedTuple):
    """What a query needs besides the table of tracks.

    Attributes
    ----------
    outputs : Outputs or None
        Of the chosen run.
    finding : ndarray of int64 or None
        Numbers of the tracks of the chosen finding, worst first. ``sort="finding"`` keeps that order.
    counts : ndarray of int64, shape (tracks,)
        Number of findings of each track.
    duplicates : ndarray of int64, shape (tracks,)
        Number of tracks that hold the same sound as each, as far as the doctor knows.
    corrected : frozenset of int
        Numbers of the tracks that were decided about.
    """

    outputs: Outputs | None
    finding: NDArray[np.int64] | None
    counts: NDArray[np.int64]
    duplicates: NDArray[np.int64]
    corrected: frozenset[int]


class Catalogue:
    """The tracks of a store, as columns.

    Parameters
    ----------
    tracks : Tracks

    Attributes
    ----------
    labels : ndarray of str objects, shape (tracks,)
        The given label; of a track that has annotations instead, its first few labels, joined.
    columns : dict
        Column of `COLUMNS` → float64 (tracks,), of those that this store has values for.
    """

    def __init__(self, tracks: Tracks) -> None:
        self.tracks = tracks
        self.labels = _labels(tracks)
        self.columns: dict[str, NDArray[np.float64]] = {}
        for name in COLUMNS:
            if name in tracks.columns:
                values = np.asarray(tracks[name], np.float64)
                if not np.isnan(values).all():
                    self.columns[name] = values
        self._ranks: dict[str, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return len(self.tracks)

    @cached_property
    def label_counts(self) -> dict[str, int]:
        """Label → number of tracks, sorted by label."""
        names, counts = np.unique(self.labels.astype(str), return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    @cached_property
    def duplicates(self) -> NDArray[np.int64]:
        """Number of tracks in the cluster of each track; 0 for a track without one: (tracks,)."""
        return np.array([len(self.cluster_of(number)) for number in range(len(self))], np.int64)

    @cached_property
    def _folded_ids(self) -> list[str]:
        return [str(id).casefold() for id in self.tracks["id"].tolist()]

    def cluster_of(self, number: int) -> list[int]:
        """Return the numbers of the tracks of a track's cluster, with itself; empty if it has none."""
        return self._clusters.get(str(self.tracks["cluster"][number]), [])

    @cached_property
    def _clusters(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, name in enumerate(self.tracks["cluster"].tolist()):
            if name:
                found.setdefault(name, []).append(number)
        return found

    def numbers(self, query: Query, filters: Filters) -> NDArray[np.int64]:
        """Return the numbers of the tracks that a query selects, in its order.

        Raises
        ------
        StoreError
            There is no such column.
        """
        chosen = self._selected(query, filters)
        if query.sort == "finding" and filters.finding is not None:
            place = np.full(len(self), np.inf)
            place[filters.finding[::-1]] = np.arange(len(filters.finding))[::-1]
            keys = place
        else:
            keys = self._keys(query.sort, filters)
        keys = keys[chosen]
        return chosen[np.argsort(-keys if query.descending else keys, kind="stable")]

    def _selected(self, query: Query, filters: Filters) -> NDArray[np.int64]:
        keep = np.ones(len(self), bool)
        outputs = filters.outputs
        if query.label:
            keep &= self.labels == query.label
        for wanted, name in ((query.side, "side"), (query.predicted, "predicted")):
            if wanted:
                keep &= False if outputs is None else getattr(outputs, name) == wanted
        if query.error:
            keep &= False if outputs is None else outputs.wrong
        if query.finding:
            named = np.zeros(len(self), bool)
            if filters.finding is not None:
                named[filters.finding] = True
            keep &= named
        if query.corrected:
            decided = np.zeros(len(self), bool)
            decided[sorted(filters.corrected)] = True
            keep &= decided
        if query.text:
            text = query.text.casefold()
            keep &= np.fromiter((text in id for id in self._folded_ids), bool, len(self))
        return np.flatnonzero(keep)

    def _keys(self, column: str, filters: Filters) -> NDArray[np.float64]:
        """Return numbers in the order of a column's values: (tracks,); NaN for a missing value."""
        if column in ("number", "finding"):
            return np.arange(len(self), dtype=np.float64)
        if column == "findings":
            return filters.counts.astype(np.float64)
        if column == "corrected":
            decided = np.full(len(self), np.nan)
            decided[sorted(filters.corrected)] = 1
            return decided
        if column == "duplicates":
            return np.maximum(self.duplicates, filters.duplicates).astype(np.float64)
        if column in _OF_RUNS:
            if filters.outputs is None:
                return np.full(len(self), np.nan)
            values = getattr(filters.outputs, column)
            return _text_keys(values) if values.dtype == object else values
        if column in self.columns:
            return self.columns[column]
        if column not in _OF_TRACKS:
            choices = (*_OF_TRACKS, *_OF_RUNS, "findings", "finding", "corrected", *self.columns)
            raise StoreError(
                f"the table has no column {column!r}{nearest(column, choices)}",
                f"choose one of {', '.join(choices)}",
            )
        if column not in self._ranks:
            values = self.labels if column == "label" else self.tracks[column]
            self._ranks[column] = _text_keys(values) if column != "seconds" else np.asarray(values, float)
        return self._ranks[column]

    def row(self, number: int) -> dict[str, Any]:
        """Return what the table of tracks itself says of a track, as JSON values."""
        return {
            "number": number,
            "id": str(self.tracks["id"][number]),
            "label": str(self.labels[number]),
            "group": str(self.tracks["group"][number]),
            "seconds": finite(self.tracks["seconds"][number]),
            **{name: finite(values[number]) for name, values in self.columns.items()},
        }

    def described(self) -> list[Mapping[str, Any]]:
        """Return the columns of `COLUMNS` that the store has, with titles and units, as JSON values."""
        return [
            {"name": name, "title": title, "unit": unit, "numeric": True}
            for name, (title, unit) in COLUMNS.items()
            if name in self.columns
        ]


def finite(value: Any) -> float | None:
    """Return a number as JSON has it; None if it is NaN or infinite."""
    return float(value) if np.isfinite(value) else None


def _text_keys(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each text; NaN for ``""``."""
    names, codes = np.unique(values.astype(str), return_inverse=True)
    keys = codes.astype(np.float64)
    keys[names[codes] == ""] = np.nan
    return keys


def _labels(tracks: Tracks) -> NDArray[Any]:
    labels = np.array(tracks["label"], dtype=object)
    table = tracks.annotations
    if not len(table):
        return labels
    firsts = np.searchsorted(table.track, np.arange(len(tracks) + 1))
    for number in np.flatnonzero((firsts[1:] > firsts[:-1]) & (labels == "")).tolist():
        names = list(dict.fromkeys(table.label[firsts[number] : firsts[number + 1]].tolist()))
        names = [name for name in names if name]
        labels[number] = ", ".join(names[:MOST_LABELS]) + ", …" * (len(names) > MOST_LABELS)
    return labels
