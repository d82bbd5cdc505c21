"""Tracks: the track table of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError, nearest
from audiospec.storage.location import Location
from audiospec.stores.layout.schema import LATER_COLUMNS, RESTORE, TRACK_COLUMNS, TrackRecord


@dataclass(frozen=True, eq=False)
class Tracks:
    """The track table: one array for each of `TRACK_COLUMNS`, all of one length.

    Raises
    ------
    StoreError
        A column is missing or has another length. Columns of `LATER_COLUMNS` may be missing: they are filled.
    """

    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        missing = {name: value for name, value in LATER_COLUMNS.items() if name not in self.columns}
        if missing and "id" in self.columns:
            filled = {name: np.full(len(self), value, dtype=object) for name, value in missing.items()}
            object.__setattr__(self, "columns", {**self.columns, **filled})
        for name in TRACK_COLUMNS:
            if name not in self.columns:
                raise StoreError(f"the track table is damaged: it has no column {name!r}", RESTORE)
            if len(self.columns[name]) != len(self):
                raise StoreError(
                    f"column {name!r} of the track table is damaged: expected {len(self)} values, "
                    f"got {len(self.columns[name])}",
                    RESTORE,
                )

    @classmethod
    def from_records(cls, records: Sequence[TrackRecord]) -> Tracks:
        r"""Make a table of the given rows.

        Characters that no store can hold (half of a surrogate pair, NUL) are replaced by their escapes, such
        as ``\udc80`` or ``\x00``.
        """
        columns = {}
        for name, kind in TRACK_COLUMNS.items():
            values = [getattr(record, name) for record in records]
            if kind is str:
                columns[name] = np.array([_storable(value) for value in values], dtype=object)
            else:
                columns[name] = np.array(values, dtype=kind)
        return cls(columns)

    def records(self) -> Iterator[TrackRecord]:
        """Yield the rows; their values are plain Python objects."""
        yield from map(TrackRecord, *(self.columns[name].tolist() for name in TRACK_COLUMNS))

    def __len__(self) -> int:
        return len(self.columns["id"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

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


def _storable(text: str) -> str:
    """Return text that every store can hold."""
    text = str(text)
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
