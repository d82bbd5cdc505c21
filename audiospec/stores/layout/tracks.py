"""Tracks: the track table of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.table import Annotations
from audiospec.errors import StoreError, nearest
from audiospec.storage.location import Location
from audiospec.stores.layout.free_columns import free_names, storable
from audiospec.stores.layout.schema import LATER_COLUMNS, RESTORE, TRACK_COLUMNS, TrackRecord


@dataclass(frozen=True, eq=False)
class Tracks:
    """The track table: one array for each of `TRACK_COLUMNS` and each free column, all of one length.

    Attributes
    ----------
    columns : mapping
        Column of `TRACK_COLUMNS` → array.
    free_columns : mapping
        Name → array of texts, of the columns of the dataset that mean nothing to the store.
    annotations : Annotations
        Of all tracks.

    Raises
    ------
    StoreError
        A column is missing or has another length. Columns of `LATER_COLUMNS` may be missing: they are filled.
        Or an annotation is of no track, not in the order of tracks, or ends before it starts.
    """

    columns: Mapping[str, NDArray[Any]]
    free_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    annotations: Annotations = field(default_factory=lambda: Annotations.from_tracks([]))

    def __post_init__(self) -> None:
        missing = {name: value for name, value in LATER_COLUMNS.items() if name not in self.columns}
        if missing and "id" in self.columns:
            filled = {
                name: np.full(len(self), value, object if value == "" else np.float64)
                for name, value in missing.items()
            }
            object.__setattr__(self, "columns", {**self.columns, **filled})
        for name in (*TRACK_COLUMNS, *self.free_columns):
            if name not in self.columns and name not in self.free_columns:
                raise StoreError(f"the track table is damaged: it has no column {name!r}", RESTORE)
            if len(self[name]) != len(self):
                raise StoreError(
                    f"column {name!r} of the track table is damaged: expected {len(self)} values, "
                    f"got {len(self[name])}",
                    RESTORE,
                )
        self._require_annotations()

    def _require_annotations(self) -> None:
        """Raise if an annotation cannot be one of these tracks."""
        table, reason = self.annotations, ""
        if not len(table):
            return
        if not 0 <= table.track.min() <= table.track.max() < len(self):
            reason = f"it names track {table.track.max()} of {len(self)}"
        elif (np.diff(table.track) < 0).any():
            reason = "it is not in the order of tracks"
        elif not ((table.start >= 0) & (table.start < np.inf) & (table.end >= table.start)).all():
            reason = "an annotation does not start, or ends before it starts"
        if reason:
            raise StoreError(f"the table of annotations is damaged: {reason}", RESTORE)

    @classmethod
    def from_records(cls, records: Sequence[TrackRecord]) -> Tracks:
        r"""Make a table of the given rows.

        Characters that no store can hold (half of a surrogate pair, NUL) are replaced by their escapes, such
        as ``\udc80`` or ``\x00``.
        """
        columns = {}
        for name, kind in TRACK_COLUMNS.items():
            values = [getattr(record, name) for record in records]
            columns[name] = _texts(values) if kind is str else np.array(values, dtype=kind)
        names = free_names(name for record in records for name, _ in record.columns)
        given = [dict(record.columns) for record in records] if names else []
        free = {new: _texts([one.get(name, "") for one in given]) for name, new in sorted(names.items())}
        table = Annotations.from_tracks([record.annotations for record in records])
        table = replace(table, label=_texts(table.label.tolist()), column=_texts(table.column.tolist()))
        return cls(columns, free, table)

    @classmethod
    def concatenate(cls, tables: Sequence[Tracks]) -> Tracks:
        """Return one table of several; a free column that a table lacks has empty texts there."""
        columns = {name: np.concatenate([table[name] for table in tables]) for name in TRACK_COLUMNS}
        names = sorted({name for table in tables for name in table.free})
        free = {
            name: np.concatenate(
                [table.free_columns.get(name, np.full(len(table), "", dtype=object)) for table in tables]
            )
            for name in names
        }
        firsts = np.cumsum([0, *map(len, tables)])
        moved = [
            replace(table.annotations, track=table.annotations.track + np.int32(first))
            for table, first in zip(tables, firsts[:-1], strict=True)
        ]
        return cls(
            columns,
            free,
            Annotations(
                *(
                    np.concatenate([getattr(one, column.name) for one in moved])
                    for column in fields(Annotations)
                )
            ),
        )

    def part(self, first: int, stop: int) -> Tracks:
        """Return the table of the tracks from `first` up to `stop`."""
        begin, end = np.searchsorted(self.annotations.track, [first, stop])
        columns = {
            column.name: getattr(self.annotations, column.name)[begin:end] for column in fields(Annotations)
        }
        return Tracks(
            {name: values[first:stop] for name, values in self.columns.items()},
            {name: values[first:stop] for name, values in self.free_columns.items()},
            Annotations(**{**columns, "track": columns["track"] - np.int32(first)}),
        )

    def records(self) -> Iterator[TrackRecord]:
        """Yield the rows; their values are plain Python objects. Each has all free columns."""
        rows = map(TrackRecord, *(self.columns[name].tolist() for name in TRACK_COLUMNS))
        if not self.free and not len(self.annotations):
            yield from rows
            return
        texts = [self.free_columns[name].tolist() for name in self.free]
        firsts = np.searchsorted(self.annotations.track, np.arange(len(self) + 1)).tolist()
        for number, record in enumerate(rows):
            columns = tuple((name, values[number]) for name, values in zip(self.free, texts, strict=True))
            has_any = firsts[number] < firsts[number + 1]
            yield replace(record, columns=columns, annotations=self.annotations.of(number) if has_any else ())

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free columns, sorted."""
        return tuple(sorted(self.free_columns))

    def __len__(self) -> int:
        return len(self.columns["id"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in self.columns:
            return self.columns[name]
        if name not in self.free_columns:
            choices = (*TRACK_COLUMNS, *self.free)
            raise StoreError(
                f"the track table has no column {name!r}{nearest(name, choices)}",
                f"choose one of {', '.join(choices)}",
            )
        return self.free_columns[name]

    @cached_property
    def index(self) -> dict[str, int]:
        """Track id → row number in the table."""
        return {id: i for i, id in enumerate(self["id"].tolist())}

    def find(self, track: str, store: Location) -> int:
        """Return the row number in the table of a track id, or of a file's name.

        Parameters
        ----------
        track : str
            Track id, or a file's name with or without its suffix, if only one track has it.
        store : Path
            The store of the table, for messages.

        Raises
        ------
        StoreError
            No track matches (names the nearest id), or several do.
        """
        if track in self.index:
            return self.index[track]
        paths = [PurePosixPath(path) for path in self["path"].tolist()]
        matches = [number for number, path in enumerate(paths) if track in (path.stem, path.name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(str(self["id"][i]) for i in matches[:3])
            more = ", …" if len(matches) > 3 else ""
            raise StoreError(f"{len(matches)} tracks are called {track!r} ({ids}{more})", "give its id")
        raise StoreError(
            f"{store} has no track {track!r}{nearest(track, self.index)} (it has {len(self)} tracks)"
        )

    @property
    def problems(self) -> dict[str, str]:
        """Track id → reason, for each track with a problem."""
        return self._texts("problem")

    @property
    def notes(self) -> dict[str, str]:
        """Track id → what is odd about it, for each track with a note."""
        return self._texts("note")

    def _texts(self, column: str) -> dict[str, str]:
        pairs = zip(self["id"].tolist(), self[column].tolist(), strict=True)
        return {id: text for id, text in pairs if text}


def _texts(values: Iterable[str]) -> NDArray[Any]:
    return np.array([storable(value) for value in values], dtype=object)
