"""Shards of a task while they are filled: copied rows, computed rows, fragments of other tasks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiospec.audio.waves import Wave
from audiospec.digests import checksum
from audiospec.errors import StoreError
from audiospec.features.base import Frontend, frontend, store_row
from audiospec.pipeline.staging import Commit, DecodeResult, StagedRow, Staging, is_fragment
from audiospec.pipeline.tasks import ExistingRow, Task, TaskResult, TaskRow, TaskShard, TaskView
from audiospec.specs.base import FeatureSpec
from audiospec.stores.base import open_store
from audiospec.stores.layout.view import View
from audiospec.stores.shards.packed import PackedShard

#: Chunks that go through a frontend together on a device that is not a CPU.
DEVICE_BATCH = 64


class ViewFiller:
    """One view of a task: how its rows are computed, and the shards that are being filled."""

    def __init__(self, view: TaskView, task: Task) -> None:
        spec = view.spec
        self.name = view.name
        self.length = view.length
        self.rate = spec.sample_rate
        self.pads = spec.pads
        self.least = spec.least_samples
        self.device = task.run.device
        self.tracks = {track.number: track for track in task.tracks}
        backend = task.run.backends.get(spec.feature)
        self.frontend, self.parity = _prepared(spec, backend, self.device, self.length)
        self.row = np.dtype((spec.dtype, spec.row_shape(self.length)))
        self.staging = Staging(Path(task.run.work), self.name)
        self.shards = [PendingShard(shard, self.row) for shard in view.shards]
        self.batch = 1 if self.device == "cpu" else DEVICE_BATCH
        self._views: dict[str, View] = {}
        self._mapped: dict[str, NDArray[Any] | PackedShard] = {}

    def copy_existing(self, shard: PendingShard) -> None:
        """Copy the rows that were computed before, but for those that turn out to be damaged."""
        for index, row in enumerate(shard.task.rows):
            if row.existing is not None:
                self._copy(shard, index, row.existing)
        self._mapped.clear()

    def wanted(self) -> dict[int, list[WantedRow]]:
        """The rows that are to be computed: track number → rows in order of start."""
        wanted: dict[int, list[WantedRow]] = defaultdict(list)
        for shard in self.shards:
            for index in shard.empty():
                row = shard.task.rows[index]
                wanted[row.track].append(WantedRow(shard, index, row))
        return wanted

    def _copy(self, shard: PendingShard, index: int, existing: ExistingRow) -> None:
        """Copy a row from where it lies, if it is there and sound."""
        store, name = existing.store, existing.name
        try:
            if store:
                if name not in self._views:
                    self._views[name] = open_store(store).view(name)
                values = self._views[name].read_stored(existing.number)
            else:
                if name not in self._mapped:
                    self._mapped[name] = self.staging.read(name, self.row, existing.capacity)
                values = self._mapped[name][existing.number]
        except (StoreError, OSError):
            return
        if checksum(values) != existing.checksum:
            return
        row = shard.task.rows[index]
        shard.array[index] = values
        shard.set(index, self._staged(row, row.samples, existing.source, existing.checksum))
        shard.copied.add(index)
        if not store and is_fragment(name, shard.task.digest):
            shard.spent.add(name)

    def _gather(self, shard: PendingShard) -> None:
        """Copy the rows that other tasks stage as fragments, if they have."""
        for name, indices in shard.awaited.items():
            commit = self.staging.get(name)
            if commit is None:  # then the others are of no use
                break
            numbers = {(row.track, row.start, row.samples): i for i, row in enumerate(commit.rows)}
            for index in indices:
                row = shard.task.rows[index]
                number = numbers.get((self.tracks[row.track].id, row.start, row.samples))
                if number is not None:
                    staged = commit.rows[number]
                    existing = ExistingRow("", name, number, commit.capacity, staged.checksum, staged.source)
                    self._copy(shard, index, existing)
        self._mapped.clear()

    def transform_batch(self, source: int, rows: list[ReadyChunk]) -> None:
        """Features of a batch of chunks of one length, into their shards' arrays."""
        waves = rows[0].wave[None] if len(rows) == 1 else np.stack([row.wave for row in rows])
        if not waves.flags.writeable:
            waves = waves.copy()
        features = self.frontend(torch.from_numpy(waves).to(self.device)).cpu()
        for ready, feature in zip(rows, features, strict=True):
            array = ready.want.array
            store_row(self.frontend.spec, feature, array)
            self.fill(ready.want, ready.samples, source)

    def fill(self, want: WantedRow, samples: int, source: int) -> None:
        """Take note that a wanted row is in its shard's array, computed from so many samples."""
        row = self._staged(want.row, samples, source, checksum(want.array))
        want.shard.set(want.index, row)

    def _staged(self, row: TaskRow, samples: int, source: int, checksum: int) -> StagedRow:
        return StagedRow(self.tracks[row.track].id, row.start, samples, source, checksum)

    def commit(self, shard: PendingShard) -> TaskResult:
        """Write a full shard and its commit.

        Where rows of other tasks are not there yet, those that were computed here are written as a fragment.
        """
        self._gather(shard)
        digest, array, capacity = shard.task.digest, shard.array, shard.task.capacity
        filled = [(index, row) for index, row in enumerate(shard.rows) if row is not None]
        if len(filled) < len(shard.rows):
            filled = [(index, row) for index, row in filled if index not in shard.copied]
            digest, array, capacity = shard.task.fragment, array[[i for i, _ in filled]], len(filled)
            shard.spent.clear()
        # What fragments tell of their tracks must not go with them.
        spent = [commit for name in shard.spent if (commit := self.staging.get(name))]
        decoded = {result.id: result for commit in spent for result in commit.decoded}
        decoded.update({result.id: result for result in shard.decoded})
        rows = [row for _, row in filled]
        commit = Commit(rows, list(decoded.values()), capacity, self.frontend.backend, self.parity)
        self.staging.put(digest, array, commit)
        for name in shard.spent:
            self.staging.remove(name)
        shard.release()
        return TaskResult(self.name, shard.task.digest, tuple(shard.decoded))


class PendingShard:
    """A shard, or a fragment of one, that is being filled."""

    def __init__(self, task: TaskShard, row: np.dtype[Any]) -> None:
        self.task = task
        self.row = row
        self.rows: list[StagedRow | None] = [None] * len(task.rows)
        #: Of the tracks that ended in it.
        self.decoded: list[DecodeResult] = []
        #: Rows that were copied; fragments of this shard that some came from; fragments of other tasks' rows.
        self.copied: set[int] = set()
        self.spent: set[str] = set()
        self.awaited: dict[str, list[int]] = defaultdict(list)
        for index, planned in enumerate(task.rows):
            if planned.fragment:
                self.awaited[planned.fragment].append(index)
        self.is_committed = False
        self._left = len(self.rows) - sum(map(len, self.awaited.values()))
        self._array: NDArray[Any] | None = None

    @property
    def array(self) -> NDArray[Any]:
        """The rows; made when the first is written, for a task may hold many shards."""
        if self._array is None:
            self._array = np.empty((len(self.rows), *self.row.shape), self.row.base)
        return self._array

    def set(self, index: int, row: StagedRow) -> None:
        """Take note of a row that is in the array."""
        self.rows[index] = row
        self._left -= 1

    def empty(self) -> list[int]:
        """The rows that are not filled yet, but for those that other tasks stage."""
        rows = zip(self.rows, self.task.rows, strict=True)
        return [index for index, (row, planned) in enumerate(rows) if row is None and not planned.fragment]

    def release(self) -> None:
        """Let the rows go, once they are written."""
        self.is_committed = True
        self._array = None

    @property
    def is_full(self) -> bool:
        """Whether every row is filled that this task can fill."""
        return self._left <= 0


@dataclass(frozen=True, slots=True)
class WantedRow:
    """A row that is to be computed, and its place in a shard."""

    shard: PendingShard
    index: int
    row: TaskRow

    @property
    def array(self) -> NDArray[Any]:
        """Where its features go."""
        array: NDArray[Any] = self.shard.array[self.index]
        return array


@dataclass(frozen=True, slots=True)
class ReadyChunk:
    """A wanted row, its chunk, and how much of that is audio."""

    want: WantedRow
    wave: Wave
    samples: int


@lru_cache(maxsize=16)
def _prepared(spec: FeatureSpec, backend: str | None, device: str, length: int) -> tuple[Frontend, float]:
    """A frontend, and its largest difference from float64."""
    made = frontend(spec, backend=backend, device=device)
    return made, made.parity(length)
