"""Shards of a task while they are filled: copied rows, computed rows, fragments of other tasks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
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
from audiospec.specs.base import FeatureSpec
from audiospec.stores.base import open_store
from audiospec.stores.layout.view import View
from audiospec.stores.shards.packed import PackedShard

#: Chunks that go through a frontend together on a device that is not a CPU.
DEVICE_BATCH = 64


class TaskView:
    """One view of a task: how its rows are computed, and the shards that are being filled."""

    def __init__(self, view: dict[str, Any], task: dict[str, Any]) -> None:
        spec = FeatureSpec.from_dict(view["spec"])
        self.name: str = view["view"]
        self.length: int = view["length"]
        self.rate = spec.sample_rate
        self.pads = spec.pads
        self.least = spec.least_samples
        self.device: str = task["device"]
        self.tracks: dict[str, dict[str, str]] = task["tracks"]
        self.frontend, self.parity = _prepared(spec, view["backend"], self.device, self.length)
        self.row = np.dtype((spec.dtype, spec.row_shape(self.length)))
        self.staging = Staging(Path(task["work"]), self.name)
        self.shards = [PendingShard(shard, self.row) for shard in view["shards"]]
        self.batch = 1 if self.device == "cpu" else DEVICE_BATCH
        self._views: dict[str, View] = {}
        self._mapped: dict[str, NDArray[Any] | PackedShard] = {}

    def copy_found(self, shard: PendingShard) -> None:
        """Copy the rows that were computed before, but for those that turn out to be damaged."""
        for index, (*_, place) in enumerate(shard.task["rows"]):
            if isinstance(place, list):
                self._copy(shard, index, place)
        self._mapped.clear()

    def wanted(self) -> dict[int, list[WantedRow]]:
        """The rows that are to be computed: track → rows in order of start."""
        wanted: dict[int, list[WantedRow]] = defaultdict(list)
        for shard in self.shards:
            for index in shard.empty():
                track, start, samples, last, _ = shard.task["rows"][index]
                wanted[track].append(WantedRow(shard, index, start, samples, last))
        return wanted

    def _copy(self, shard: PendingShard, index: int, place: list[Any]) -> None:
        """Copy a row from where it lies, if it is there and sound."""
        store, name, number, capacity, expected, source = place
        try:
            if store:
                if name not in self._views:
                    self._views[name] = open_store(store).view(name)
                row = self._views[name].read_stored(int(number))
            else:
                if name not in self._mapped:
                    self._mapped[name] = self.staging.read(name, self.row, capacity)
                row = self._mapped[name][number]
        except (StoreError, OSError):
            return
        if checksum(row) != expected:
            return
        track, start, samples, _, _ = shard.task["rows"][index]
        shard.array[index] = row
        shard.set(index, (track, start, samples, source, expected))
        shard.copied.add(index)
        if not store and is_fragment(name, shard.task["digest"]):
            shard.spent.add(name)

    def _gather(self, shard: PendingShard) -> None:
        """Copy the rows that other tasks stage as fragments, if they have."""
        for name, indices in shard.awaited.items():
            commit = self.staging.get(name)
            if commit is None:  # then the others are of no use
                break
            places = {(row.track, row.start, row.samples): i for i, row in enumerate(commit.rows)}
            for index in indices:
                track, start, samples, _, _ = shard.task["rows"][index]
                number = places.get((self.tracks[str(track)]["id"], start, samples))
                if number is not None:
                    row = commit.rows[number]
                    self._copy(shard, index, ["", name, number, commit.capacity, row.checksum, row.source])
        self._mapped.clear()

    def compute(self, track: int, source: int, rows: list[ReadyChunk]) -> None:
        """Features of a batch of chunks of one length, into their shards' arrays."""
        waves = rows[0].wave[None] if len(rows) == 1 else np.stack([row.wave for row in rows])
        if not waves.flags.writeable:
            waves = waves.copy()
        features = self.frontend(torch.from_numpy(waves).to(self.device)).cpu()
        for ready, feature in zip(rows, features, strict=True):
            want = ready.want
            array = want.shard.array[want.index]
            store_row(self.frontend.spec, feature, array)
            want.shard.set(want.index, (track, want.start, ready.samples, source, checksum(array)))

    def commit(self, shard: PendingShard) -> dict[str, Any]:
        """Write a full shard and its commit.

        Where rows of other tasks are not there yet, those that were computed here are written as a fragment.
        """
        self._gather(shard)
        digest, array, capacity = shard.task["digest"], shard.array, shard.task["capacity"]
        filled = [(index, row) for index, row in enumerate(shard.rows) if row is not None]
        if len(filled) < len(shard.rows):
            filled = [(index, row) for index, row in filled if index not in shard.copied]
            digest, array, capacity = shard.task["fragment"], array[[i for i, _ in filled]], len(filled)
            shard.spent.clear()
        rows = [StagedRow(self.tracks[str(track)]["id"], *values) for _, (track, *values) in filled]
        # What fragments tell of their tracks must not go with them.
        spent = [commit for name in shard.spent if (commit := self.staging.get(name))]
        facts = {fact.id: fact for commit in spent for fact in commit.facts}
        facts.update({fact.id: fact for fact in shard.facts})
        commit = Commit(rows, list(facts.values()), capacity, self.frontend.backend, self.parity)
        self.staging.put(digest, array, commit)
        for name in shard.spent:
            self.staging.remove(name)
        shard.release()
        return {
            "view": self.name,
            "digest": shard.task["digest"],
            "facts": [asdict(fact) for fact in shard.facts],
        }


class PendingShard:
    """A shard, or a fragment of one, that is being filled."""

    def __init__(self, task: dict[str, Any], row: np.dtype[Any]) -> None:
        self.task = task
        self.row = row
        self.rows: list[tuple[int, int, int, int, int] | None] = [None] * len(task["rows"])
        self.facts: list[DecodeResult] = []
        #: Rows that were copied; fragments of this shard that some came from; fragments of other tasks' rows.
        self.copied: set[int] = set()
        self.spent: set[str] = set()
        self.awaited: dict[str, list[int]] = defaultdict(list)
        for index, (*_, place) in enumerate(task["rows"]):
            if isinstance(place, str):
                self.awaited[place].append(index)
        self.is_committed = False
        self._left = len(self.rows) - sum(map(len, self.awaited.values()))
        self._array: NDArray[Any] | None = None

    @property
    def array(self) -> NDArray[Any]:
        """The rows; made when the first is written, for a task may hold many shards."""
        if self._array is None:
            self._array = np.empty((len(self.rows), *self.row.shape), self.row.base)
        return self._array

    def set(self, index: int, row: tuple[int, int, int, int, int]) -> None:
        """Take note of a row that is in the array: track, start, samples, source, checksum."""
        self.rows[index] = row
        self._left -= 1

    def empty(self) -> list[int]:
        """The rows that are not filled yet, but for those that other tasks stage."""
        places = (place for *_, place in self.task["rows"])
        return [
            index
            for index, (row, place) in enumerate(zip(self.rows, places, strict=True))
            if row is None and not isinstance(place, str)
        ]

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
    """A row that is to be computed: its place, and its place in the track."""

    shard: PendingShard
    index: int
    start: int
    samples: int
    last: bool


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
