"""VolumeView: a view of a store with volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Protocol

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.table import RowTargets
from audiospec.storage.disk import MAX_OPEN_FILES, DiskFolder
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.row_labels import joined_targets, with_targets
from audiospec.stores.layout.schema import RowTable, replaced
from audiospec.stores.layout.skipped import skip_reason
from audiospec.stores.layout.view import View, ViewStore

#: Volumes whose views stay open, and rows of their tables, each of 32 bytes.
MOST_VIEWS, MOST_ROWS = 64, 1 << 24


class ManyVolumes(ViewStore, Protocol):
    """The part of its store that a view over volumes uses."""

    @property
    def volumes(self) -> tuple[str, ...]:
        """Names of the volumes."""

    def volume(self, name: str) -> Any:
        """Open a volume."""


class VolumeView(View):
    """A view of all volumes: the rows of the first, then those of the second, and so on.

    The tables of a volume are read when a row of it is; `rows` and the columns of all rows read all of them.

    Attributes
    ----------
    row_offsets, track_offsets : ndarray of int64, shape (volumes + 1,)
        First row, and first track, of each volume; last, their numbers.
    """

    store: ManyVolumes

    def __init__(self, store: ManyVolumes, name: str) -> None:
        self.store = store
        self._full_name = name
        self._views: dict[int, View] = {}
        #: Places in `store.volumes` of the volumes that have the view.
        self._having: list[int] = []
        rows, tracks = [0], [0]
        for place, volume in enumerate(store.volumes):
            opened = store.volume(volume)
            has_it = name in opened.listed_view_names()
            if has_it:
                self._having.append(place)
            rows.append(opened.row_count(name) if has_it else 0)
            tracks.append(opened.track_count())
        self.row_offsets = np.cumsum(np.array(rows, np.int64))
        self.track_offsets = np.cumsum(np.array(tracks, np.int64))

    def volume_view(self, place: int) -> View:
        """Open the view of a volume, by the volume's place in `store.volumes`."""
        view = self._views.pop(place, None)
        if view is None:
            view = self.store.volume(self.store.volumes[place]).view(self._full_name)
            if len(view) != self.row_offsets[place + 1] - self.row_offsets[place]:
                raise replaced(self._full_name)
        self._views[place] = view
        while len(self._views) > 1 and self._are_too_many():
            self._views.pop(next(iter(self._views)), None)
        opened = list(self._views.values())
        for each in opened:
            files = getattr(each, "files", None)
            if isinstance(files, DiskFolder):
                files.keep_open(MAX_OPEN_FILES // len(opened))
        return view

    def _are_too_many(self) -> bool:
        return (
            len(self._views) > MOST_VIEWS or sum(map(_rows_in_memory, list(self._views.values()))) > MOST_ROWS
        )

    def volume_views(self) -> Iterator[tuple[View, int, int]]:
        """Yield the view of each volume that has it, and the numbers of its first row and track."""
        for place in self._having:
            yield self.volume_view(place), int(self.row_offsets[place]), int(self.track_offsets[place])

    def place_of(self, row: int) -> tuple[int, int]:
        """Return the place in `store.volumes` of a row's volume, and the row's number there."""
        place = int(np.searchsorted(self.row_offsets, row, "right")) - 1
        return place, row - int(self.row_offsets[place])

    @cached_property
    def info(self) -> ViewInfo:  # type: ignore[override]
        """Spec and chunking; size of shards and origin are those of the first volume."""
        return self.volume_view(self._having[0]).info

    @cached_property
    def rows(self) -> RowTable:  # type: ignore[override]
        """The row table of all volumes."""
        return np.concatenate([_numbered(view.rows, track) for view, _, track in self.volume_views()])

    @cached_property
    def targets(self) -> RowTargets | None:  # type: ignore[override]
        """The targets of the rows of all volumes; None if no volume has any."""
        return joined_targets([(view.targets, row) for view, row, _ in self.volume_views()])

    def __len__(self) -> int:
        return int(self.row_offsets[-1])

    def _track_column(self, column: str) -> NDArray[Any]:
        return np.concatenate([view._track_column(column) for view, _, _ in self.volume_views()])

    def rows_of(self, track: str) -> NDArray[np.int64]:
        """Return the row numbers of a track, in order of start; see `View.rows_of`."""
        for view, first, _ in self.volume_views():
            if track in view.store.tracks.index:
                rows: NDArray[np.int64] = view.rows_of(track) + first
                return rows
        return super().rows_of(track)

    def skipped(self) -> dict[str, str]:
        """Return track id → reason for each track without rows and without a problem."""
        skipped: dict[str, str] = {}
        for place, name in enumerate(self.store.volumes):
            if place in self._having:
                skipped.update(self.volume_view(place).skipped())
            else:
                records = self.store.volume(name).tracks.records()
                skipped.update({one.id: skip_reason(self.info, one) for one in records if not one.problem})
        return skipped

    def stale(self) -> list[str]:
        """Return the ids of tracks whose file has changed since their rows were computed."""
        return [id for view, _, _ in self.volume_views() for id in view.stale()]

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        numbers = np.searchsorted(self.row_offsets, rows, "right") - 1
        for number in np.unique(numbers).tolist():
            view, chosen = self.volume_view(number), numbers == number
            within = rows[chosen] - self.row_offsets[number]
            if len(within) == len(rows) and not view.checks_rows:
                view._read(within, out)
            else:
                out[chosen] = view.read_stored(within)

    def damaged(self, step: Callable[[int], None] | None = None) -> NDArray[np.int64]:
        """Read every row again; return the numbers of damaged ones; see `View.damaged`."""
        damaged = [np.zeros(0, np.int64)]
        for view, first, _ in self.volume_views():
            damaged.append(view.damaged(None if step is None else _from(step, first)) + first)
        return np.concatenate(damaged)

    @cached_property
    def _rows_checksum(self) -> int:
        crc = 0
        for view, _, track in self.volume_views():
            crc = int(google_crc32c.extend(crc, _numbered(view.rows, track).tobytes()))
            crc = with_targets(crc, view.targets)
        return crc

    def shard_count(self) -> int:
        """Return the number of shards of all volumes."""
        return sum(-(-len(view) // view.info.shard_rows) for view, _, _ in self.volume_views())

    def bytes_on_disk(self) -> int:
        """Return the size of the view's numbers in bytes, as they are stored."""
        return sum(view.bytes_on_disk() for view, _, _ in self.volume_views())


def _rows_in_memory(view: View) -> int:
    """Return the rows of the tables of an open view; one of targets has 28 bytes."""
    return len(view) + len(view.targets or ())


def _numbered(rows: RowTable, first: int) -> RowTable:
    """Return a row table with the numbers of tracks in the table of all volumes."""
    table = rows.copy()
    table["track"] += first
    return table


def _from(step: Callable[[int], None], first: int) -> Callable[[int], None]:
    """Return a callback that counts the rows of the volumes before."""
    return lambda done: step(first + done)
