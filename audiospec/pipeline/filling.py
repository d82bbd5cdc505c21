"""Fill the shards of a task: with copied rows, computed rows, and fragments that other tasks staged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.waves import Wave
from audiospec.digests import checksum
from audiospec.errors import StoreError
from audiospec.features.rows.writing import row_writer
from audiospec.machine import processor_kind
from audiospec.pipeline.staging import Commit, DecodeResult, StagedRow, Staging, digest_of, is_fragment
from audiospec.pipeline.tasks import ExistingRow, Task, TaskResult, TaskRow, TaskShard, TaskView
from audiospec.storage.location import location
from audiospec.stores.base import open_store
from audiospec.stores.layout.view import View
from audiospec.stores.shards.packed import PackedShard

#: File of a staged shard → its rows.
Opened = dict[str, NDArray[Any] | PackedShard]


class ViewFiller:
    """One view of a task: computes its rows and fills its shards."""

    def __init__(self, view: TaskView, task: Task) -> None:
        spec = view.spec
        self.name = view.name
        self.length = view.length
        self.rate = spec.sample_rate
        #: What is fed to it: rate and channel, as `Recording.streams` takes them.
        self.signal = spec.sample_rate, spec.channel
        self.pads = spec.pads
        self.least_samples = spec.least_samples
        self.tracks = {track.number: track for track in task.tracks}
        backend = task.run.backends.get(spec.feature)
        self.writer = row_writer(spec, backend, task.run.device)
        self.parity = self.writer.parity(self.length)
        self.row_dtype = np.dtype((spec.dtype, spec.row_shape(self.length)))
        self.staging = Staging(location(task.run.work), self.name)
        self.shards = [PendingShard(shard, self.row_dtype) for shard in view.shards]
        self.batch = self.writer.batch
        self._views: dict[str, View] = {}

    def copy_existing(self, shard: PendingShard) -> None:
        """Copy the rows that were computed before, except those that turn out to be damaged."""
        opened: Opened = {}
        for index, row in enumerate(shard.task.rows):
            if row.existing is not None:
                self._copy(shard, index, row.existing, opened)

    def wanted_rows(self) -> dict[int, list[WantedRow]]:
        """Return the rows to compute: track number → rows in order of start."""
        wanted: dict[int, list[WantedRow]] = defaultdict(list)
        for shard in self.shards:
            for index in shard.empty_rows():
                row = shard.task.rows[index]
                wanted[row.track].append(WantedRow(shard, index, row))
        return wanted

    def _copy(self, shard: PendingShard, index: int, existing: ExistingRow, opened: Opened) -> None:
        """Copy a row, unless it is missing or its checksum is wrong; `opened` keeps staged shards open."""
        store, name = existing.store, existing.name
        try:
            if store:
                if name not in self._views:
                    self._views[name] = open_store(store).view(name)
                values = self._views[name].read_stored(existing.number)
            else:
                if name not in opened:
                    opened[name] = self.staging.read(name, self.row_dtype, existing.capacity)
                values = opened[name][existing.number]
        except (StoreError, OSError):
            return
        if checksum(values) != existing.checksum:
            return
        row = shard.task.rows[index]
        shard.array[index] = values
        shard.mark_filled(index, self._staged(row, row.samples, existing.source, existing.checksum))
        shard.copied.add(index)
        if not store and is_fragment(name, shard.task.digest):
            shard.merged_fragments.add(name)

    def _copy_fragments(self, shard: PendingShard) -> None:
        """Copy the rows that other tasks have staged as fragments by now."""
        opened: Opened = {}
        for name, indices in shard.awaited_fragments.items():
            commit = self.staging.get(name)
            if commit is None:  # the shard cannot be completed, whether the others exist or not
                break
            numbers = {(row.track, row.start, row.samples): i for i, row in enumerate(commit.rows)}
            for index in indices:
                row = shard.task.rows[index]
                number = numbers.get((self.tracks[row.track].id, row.start, row.samples))
                if number is not None:
                    staged = commit.rows[number]
                    file = commit.file(name)
                    existing = ExistingRow("", file, number, commit.capacity, staged.checksum, staged.source)
                    self._copy(shard, index, existing, opened)

    def transform_batch(self, source: int, rows: list[ReadyChunk]) -> None:
        """Compute a batch of chunks of one length, and write the features into their shards' arrays."""
        self.writer.write([ready.wave for ready in rows], [ready.want.array for ready in rows])
        for ready in rows:
            self.fill(ready.want, ready.samples, source)

    def fill(self, want: WantedRow, samples: int, source: int) -> None:
        """Mark a wanted row as filled: it is in its shard's array, computed from `samples` samples."""
        row = self._staged(want.row, samples, source, checksum(want.array))
        want.shard.mark_filled(want.index, row)

    def _staged(self, row: TaskRow, samples: int, source: int, checksum: int) -> StagedRow:
        return StagedRow(self.tracks[row.track].id, row.start, samples, source, checksum)

    def commit(self, shard: PendingShard) -> TaskResult:
        """Write a shard and its commit.

        If rows that other tasks compute are still missing, only the rows that were computed here are written,
        as a fragment.
        """
        self._copy_fragments(shard)
        digest, array, capacity = shard.task.digest, shard.array, shard.task.capacity
        filled = [(index, row) for index, row in enumerate(shard.rows) if row is not None]
        if len(filled) < len(shard.rows):
            filled = [(index, row) for index, row in filled if index not in shard.copied]
            digest, array, capacity = shard.task.fragment, array[[i for i, _ in filled]], len(filled)
            shard.merged_fragments.clear()
        # The fragments are removed; the decode results in their commits must not be lost.
        merged = [commit for file in shard.merged_fragments if (commit := self.staging.get(digest_of(file)))]
        decoded = {result.id: result for commit in merged for result in commit.decoded}
        decoded.update({result.id: result for result in shard.decoded})
        rows = [row for _, row in filled]
        commit = Commit(
            rows,
            list(decoded.values()),
            capacity,
            self.writer.backend,
            self.parity,
            processor=processor_kind(),
        )
        self.staging.put(digest, array, commit)
        for file in shard.merged_fragments:
            self.staging.remove(file)
        shard.release()
        return TaskResult(self.name, shard.task.digest, tuple(shard.decoded))


class PendingShard:
    """A shard, or a fragment of one, that is being filled.

    Parameters
    ----------
    task : TaskShard
    row_dtype : dtype
        One row, as a sub-array.

    Attributes
    ----------
    rows : list of StagedRow or None
        None for a row that is not filled yet.
    decoded : list of DecodeResult
        Those of the tracks that end in the shard.
    copied : set of int
        Indices of the rows that were copied.
    merged_fragments : set of str
        Files of the shard's fragments from which rows were copied.
    awaited_fragments : dict
        Digest of a fragment that another task stages → indices of its rows.
    """

    def __init__(self, task: TaskShard, row_dtype: np.dtype[Any]) -> None:
        self.task = task
        self.row_dtype = row_dtype
        self.rows: list[StagedRow | None] = [None] * len(task.rows)
        self.decoded: list[DecodeResult] = []
        self.copied: set[int] = set()
        self.merged_fragments: set[str] = set()
        self.awaited_fragments: dict[str, list[int]] = defaultdict(list)
        for index, planned in enumerate(task.rows):
            if planned.fragment:
                self.awaited_fragments[planned.fragment].append(index)
        self.is_committed = False
        self._left = len(self.rows) - sum(map(len, self.awaited_fragments.values()))
        self._array: NDArray[Any] | None = None

    @property
    def array(self) -> NDArray[Any]:
        """The rows. Allocated when the first is written, because a task may have many shards."""
        if self._array is None:
            self._array = np.empty((len(self.rows), *self.row_dtype.shape), self.row_dtype.base)
        return self._array

    def mark_filled(self, index: int, row: StagedRow) -> None:
        """Record that a row is in the array."""
        self.rows[index] = row
        self._left -= 1

    def empty_rows(self) -> list[int]:
        """Return the indices of the rows that this task has to compute and has not filled yet."""
        rows = zip(self.rows, self.task.rows, strict=True)
        return [index for index, (row, planned) in enumerate(rows) if row is None and not planned.fragment]

    def release(self) -> None:
        """Free the memory of the rows, once they are written."""
        self.is_committed = True
        self._array = None

    @property
    def is_full(self) -> bool:
        """Whether every row that this task can fill is filled."""
        return self._left <= 0


@dataclass(frozen=True, slots=True)
class WantedRow:
    """A row to compute, and its index in a shard."""

    shard: PendingShard
    index: int
    row: TaskRow

    @property
    def array(self) -> NDArray[Any]:
        """The part of the shard's array that its features are written into."""
        array: NDArray[Any] = self.shard.array[self.index]
        return array


@dataclass(frozen=True, slots=True)
class ReadyChunk:
    """A wanted row, the samples of its chunk, and how many of them are audio rather than padding."""

    want: WantedRow
    wave: Wave
    samples: int
