"""Computing shards: what a worker does. Decode → resample → cut → frontend → write.

A task and its results are plain JSON values, so that any engine can carry them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiospec.audio import AudioInfo, Recording, Wave, fit, probe
from audiospec.errors import AudioError, StoreError
from audiospec.features.base import Frontend, frontend, keep, one_thread
from audiospec.spec import FeatureSpec
from audiospec.staging import Commit, Fact, Row, Staging, is_fragment
from audiospec.stores._files import checksum
from audiospec.stores._packed import PackedShard
from audiospec.stores.base import View, open_store, source_bits

#: Chunks that go through a frontend together on a device that is not a CPU.
DEVICE_BATCH = 64


def compute(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compute, write and commit the shards of one task, of all its views; each track is decoded once.

    Parameters
    ----------
    task : dict
        From `Schedule.tasks`, with ``work`` and ``device`` added, and ``backend`` to each view.

    Yields
    ------
    dict
        For each shard or fragment once it is committed: ``view``, ``digest``, and ``facts`` of the tracks
        that ended in it.

    Raises
    ------
    DiskFullError
        What was committed stays.
    """
    with one_thread(), torch.inference_mode():
        yield from _Worker(task).shards()


class _Worker:
    """Goes through the tracks of a task."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.views = [_TaskView(view, task) for view in task["views"]]

    def shards(self) -> Iterator[dict[str, Any]]:
        """The task's shards, each yielded once it is committed."""
        wanted: dict[int, list[_Cutter]] = defaultdict(list)
        for view in self.views:
            for shard in view.shards:
                view.copy_found(shard)
                if shard.is_full:
                    yield view.commit(shard)
            for track, rows in view.wanted().items():
                wanted[track].append(_Cutter(view, rows))
        first = self.task["first"]
        for track in sorted(wanted, key=lambda track: (track != first, track)):
            for view, shard in self._decode(track, wanted[track]):
                yield view.commit(shard)

    def _decode(self, track: int, cutters: list[_Cutter]) -> Iterator[tuple[_TaskView, _PendingShard]]:
        """Compute the wanted rows of one track, in one pass over its audio; yields shards as they fill.

        A long track fills several shards: each is written, and let go, when it is full. A view's last waits
        for what the end of the track tells.
        """
        name, file = self.task["tracks"][str(track)]["id"], Path(self.task["tracks"][str(track)]["file"])
        hash, problem, size, modified = "", "", -1, -1
        info: AudioInfo | None = None
        rates = sorted({cutter.view.rate for cutter in cutters})
        try:
            stat = file.stat()
            size, modified = stat.st_size, stat.st_mtime_ns
            recording = Recording(file)
            hash = recording.hash
            for waves in recording.streams(rates):
                for cutter in cutters:
                    cutter.feed(waves[rates.index(cutter.view.rate)])
                    for shard in cutter.transform(track, source_bits(hash)):
                        yield cutter.view, shard
                if not any(cutter.wants_more for cutter in cutters):
                    break
            info = recording.info
            for cutter in cutters:
                if info is not None:
                    cutter.end(info.samples(cutter.view.rate))
                for shard in cutter.transform(track, source_bits(hash), last=True):
                    yield cutter.view, shard
        except (AudioError, OSError) as error:
            problem = str(error) if isinstance(error, AudioError) else f"not readable: {error.strerror}"
            with suppress(AudioError):
                info = probe(file)  # what its header says is still worth knowing
        fact = Fact(
            id=name,
            hash=hash,
            frames=info.frames if info else 0,
            sample_rate=info.sample_rate if info else 0,
            channels=info.channels if info else 0,
            problem=problem,
            size=size,
            modified=modified,
        )
        for cutter in cutters:
            cutter.fill_up(track)
            if info is not None or problem:
                cutter.closing.facts.append(fact)
            for shard in dict.fromkeys(want.shard for want in cutter.wanted):
                if shard.is_full and not shard.is_committed:
                    yield cutter.view, shard


class _TaskView:
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
        self.shards = [_PendingShard(shard, self.row) for shard in view["shards"]]
        self.batch = 1 if self.device == "cpu" else DEVICE_BATCH
        self._views: dict[str, View] = {}
        self._mapped: dict[str, NDArray[Any] | PackedShard] = {}

    def copy_found(self, shard: _PendingShard) -> None:
        """Copy the rows that were computed before, but for those that turn out to be damaged."""
        for index, (*_, place) in enumerate(shard.task["rows"]):
            if isinstance(place, list):
                self._copy(shard, index, place)
        self._mapped.clear()

    def wanted(self) -> dict[int, list[_Wanted]]:
        """The rows that are to be computed: track → rows in order of start."""
        wanted: dict[int, list[_Wanted]] = defaultdict(list)
        for shard in self.shards:
            for index in shard.empty():
                track, start, samples, last, _ = shard.task["rows"][index]
                wanted[track].append(_Wanted(shard, index, start, samples, last))
        return wanted

    def _copy(self, shard: _PendingShard, index: int, place: list[Any]) -> None:
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

    def _gather(self, shard: _PendingShard) -> None:
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

    def compute(self, track: int, source: int, rows: list[_Ready]) -> None:
        """Features of a batch of chunks of one length, into their shards' arrays."""
        waves = rows[0].wave[None] if len(rows) == 1 else np.stack([row.wave for row in rows])
        if not waves.flags.writeable:
            waves = waves.copy()
        features = self.frontend(torch.from_numpy(waves).to(self.device)).cpu()
        for ready, feature in zip(rows, features, strict=True):
            want = ready.want
            array = want.shard.array[want.index]
            keep(self.frontend.spec, feature, array)
            want.shard.set(want.index, (track, want.start, ready.samples, source, checksum(array)))

    def commit(self, shard: _PendingShard) -> dict[str, Any]:
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
        rows = [Row(self.tracks[str(track)]["id"], *values) for _, (track, *values) in filled]
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


class _PendingShard:
    """A shard, or a fragment of one, that is being filled."""

    def __init__(self, task: dict[str, Any], row: np.dtype[Any]) -> None:
        self.task = task
        self.row = row
        self.rows: list[tuple[int, int, int, int, int] | None] = [None] * len(task["rows"])
        self.facts: list[Fact] = []
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
class _Wanted:
    """A row that is to be computed: its place, and its place in the track."""

    shard: _PendingShard
    index: int
    start: int
    samples: int
    last: bool


@dataclass(frozen=True, slots=True)
class _Ready:
    """A wanted row, its chunk, and how much of that is audio."""

    want: _Wanted
    wave: Wave
    samples: int


class _Cutter:
    """Cuts the wanted rows of one view and one track out of a stream, and has them computed."""

    def __init__(self, view: _TaskView, wanted: list[_Wanted]) -> None:
        self.view = view
        self.wanted = wanted
        self.closing = wanted[-1].shard
        self._queue = deque(wanted)
        self._ready: list[_Ready] = []
        self._held, self._position = np.zeros(0, np.float32), 0  # `_held[0]` is sample `_position`

    @property
    def wants_more(self) -> bool:
        """Whether the stream has to go on: for a row, or to learn the length of the track."""
        return bool(self._queue) or self.wanted[-1].last

    def feed(self, wave: Wave) -> None:
        """Take the next samples of the stream."""
        queue, length = self._queue, self.view.length
        if not queue:
            return
        # A row that is planned to be short waits for the end, where the length is certain; it is the
        # track's last, and needs no more than its own length.
        short = queue[0].samples < length
        if short and self._position == queue[0].start and len(self._held) >= length:
            return
        self._held = np.concatenate([self._held, wave]) if len(self._held) else wave
        while queue:
            want = queue[0]
            skip = min(want.start - self._position, len(self._held))
            self._held, self._position = self._held[skip:], self._position + skip
            if want.samples < length or self._position < want.start or len(self._held) < length:
                return
            self._ready.append(_Ready(queue.popleft(), self._held[:length], length))
        self._held = self._held[:0]

    def end(self, total: int) -> None:
        """Take note that the stream has ended after so many samples."""
        length = self.view.length
        for want in self._queue:
            samples = min(length, total - want.start)
            if samples >= (1 if self.view.pads else self.view.least):
                wave = self._held[max(0, want.start - self._position) :][:samples]
                wave = fit(wave, length if self.view.pads else samples)
                self._ready.append(_Ready(want, wave, samples))

    def transform(self, track: int, source: int, last: bool = False) -> Iterator[_PendingShard]:
        """Compute the rows that are ready, batch by batch; yields shards as they fill, but for the last."""
        while self._ready and (last or len(self._ready) >= self.view.batch):
            length = len(self._ready[0].wave)  # one that is not padded goes alone
            batch = [ready for ready in self._ready[: self.view.batch] if len(ready.wave) == length]
            self._ready = self._ready[len(batch) :]
            self.view.compute(track, source, batch)
            for shard in dict.fromkeys(ready.want.shard for ready in batch):
                if shard.is_full and shard is not self.closing:
                    yield shard

    def fill_up(self, track: int) -> None:
        """Fill the rows for which there was no audio; they are never put into a view."""
        for want in self.wanted:
            if want.shard.rows[want.index] is None:
                array = want.shard.array[want.index]
                array[...] = 0
                want.shard.set(want.index, (track, want.start, 0, 0, checksum(array)))


@lru_cache(maxsize=16)
def _prepared(spec: FeatureSpec, backend: str | None, device: str, length: int) -> tuple[Frontend, float]:
    """A frontend, and its largest difference from float64."""
    made = frontend(spec, backend=backend, device=device)
    return made, made.parity(length)
