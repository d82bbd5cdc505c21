"""VolumeView: a view of a store with volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Protocol

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import RowTable, replaced
from audiospec.stores.layout.view import View, ViewStore

#: Rows of the tables of the volumes that stay open, each of 32 bytes.
MOST_ROWS = 1 << 24


class ManyVolumes(ViewStore, Protocol):
    """The part of its store that a view over volumes uses."""

    volumes: tuple[str, ...]

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
        self._views: dict[int, View] = {}
        self._full_name = name
        rows, tracks = [0], [0]
        for volume in store.volumes:
            opened = store.volume(volume)
            rows.append(opened.row_count(name))
            tracks.append(opened.track_count())
        self.row_offsets = np.cumsum(np.array(rows, np.int64))
        self.track_offsets = np.cumsum(np.array(tracks, np.int64))

    def volume_view(self, number: int) -> View:
        """Open the view of a volume, by the volume's place in `store.volumes`."""
        view = self._views.pop(number, None)
        if view is None:
            view = self.store.volume(self.store.volumes[number]).view(self._full_name)
            expected = int(self.row_offsets[number + 1] - self.row_offsets[number])
            if len(view) != expected:
                raise replaced(self._full_name)
        self._views[number] = view
        while len(self._views) > 1 and sum(map(len, self._views.values())) > MOST_ROWS:
            self._views.pop(next(iter(self._views)), None)
        return view

    def volume_views(self) -> Iterator[View]:
        """Yield the views of the volumes, in order."""
        for number in range(len(self.store.volumes)):
            yield self.volume_view(number)

    def place_of(self, row: int) -> tuple[int, int]:
        """Return the place in `store.volumes` of a row's volume, and the row's number there."""
        place = int(np.searchsorted(self.row_offsets, row, "right")) - 1
        return place, row - int(self.row_offsets[place])

    @cached_property
    def info(self) -> ViewInfo:  # type: ignore[override]
        """Spec and chunking; shard size and origin are those of the first volume."""
        return self.volume_view(0).info

    @cached_property
    def rows(self) -> RowTable:  # type: ignore[override]
        """The row table of all volumes."""
        firsts = self.track_offsets.tolist()
        return np.concatenate(
            [_numbered(view.rows, first) for view, first in zip(self.volume_views(), firsts, strict=False)]
        )

    def __len__(self) -> int:
        return int(self.row_offsets[-1])

    def _track_column(self, column: str) -> NDArray[Any]:
        return np.concatenate([view._track_column(column) for view in self.volume_views()])

    def rows_of(self, track: str) -> NDArray[np.int64]:
        """Return the row numbers of a track, in order of start; see `View.rows_of`."""
        for view, first in zip(self.volume_views(), self.row_offsets.tolist(), strict=False):
            if track in view.store.tracks.index:
                rows: NDArray[np.int64] = view.rows_of(track) + first
                return rows
        return super().rows_of(track)

    def skipped(self) -> dict[str, str]:
        """Return track id → reason for each track without rows and without a problem."""
        return {id: reason for view in self.volume_views() for id, reason in view.skipped().items()}

    def stale(self) -> list[str]:
        """Return the ids of tracks whose file has changed since their rows were computed."""
        return [id for view in self.volume_views() for id in view.stale()]

    def _read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        numbers = np.searchsorted(self.row_offsets, rows, "right") - 1
        for number in np.unique(numbers).tolist():
            view, chosen = self.volume_view(number), numbers == number
            within = rows[chosen] - self.row_offsets[number]
            if len(within) == len(rows):
                view._read(within, out)
            else:
                out[chosen] = view.read_stored(within)

    def damaged(self, step: Callable[[int], None] | None = None) -> NDArray[np.int64]:
        """Read every row again; return the numbers of damaged ones; see `View.damaged`."""
        damaged = [np.zeros(0, np.int64)]
        for view, first in zip(self.volume_views(), self.row_offsets.tolist(), strict=False):
            part = None if step is None else _from(step, first)
            damaged.append(view.damaged(part) + first)
        return np.concatenate(damaged)

    @cached_property
    def _rows_checksum(self) -> int:
        crc = 0
        for view, first in zip(self.volume_views(), self.track_offsets.tolist(), strict=False):
            crc = int(google_crc32c.extend(crc, _numbered(view.rows, first).tobytes()))
        return crc

    def bytes_on_disk(self) -> int:
        """Return the size of the view's numbers in bytes, as they are stored."""
        return sum(view.bytes_on_disk() for view in self.volume_views())


def _numbered(rows: RowTable, first: int) -> RowTable:
    """Return a row table with the numbers of tracks in the table of all volumes."""
    table = rows.copy()
    table["track"] += first
    return table


def _from(step: Callable[[int], None], first: int) -> Callable[[int], None]:
    """Return a callback that counts the rows of the volumes before."""
    return lambda done: step(first + done)
