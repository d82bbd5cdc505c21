"""Computing shards: what a worker does. Decode → resample → cut → frontend → write.

A task and its results are plain JSON values, so that any engine can carry them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audiospec.audio import AudioInfo, Recording, Wave, fit, probe
from audiospec.errors import AudioError, StoreError
from audiospec.features.base import Frontend, frontend
from audiospec.spec import FeatureSpec
from audiospec.staging import Commit, Fact, Row, Staging
from audiospec.stores._files import checksum
from audiospec.stores.base import View, open_store, source_bits

#: Chunks that go through a frontend together on a device that is not a CPU.
DEVICE_BATCH = 64


def compute(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compute, write and commit the shards of one task.

    Parameters
    ----------
    task : dict
        From `Plan.tasks`, with ``work``, ``view``, ``backend`` and ``device`` added.

    Yields
    ------
    dict
        For each shard once it is committed: ``digest``, and ``facts`` of the tracks that ended in it.

    Raises
    ------
    DiskFullError
        What was committed stays.
    """
    with _one_thread(), torch.inference_mode():
        yield from _Worker(task).shards()


class _Worker:
    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.length: int = task["length"]
        spec = FeatureSpec.from_dict(task["spec"])
        self.frontend, self.parity = _prepared(spec, task["backend"], task["device"], self.length)
        self.rate = spec.sample_rate
        self.row = np.dtype((spec.dtype, spec.row_shape(self.length)))
        self.staging = Staging(Path(task["work"]), task["view"])
        self._views: dict[str, View] = {}
        self.batch = 1 if task["device"] == "cpu" else DEVICE_BATCH

    def shards(self) -> Iterator[dict[str, Any]]:
        """The task's shards, each yielded once it is committed."""
        pending = [_PendingShard(shard, self.row) for shard in self.task["shards"]]
        wanted: dict[int, list[_Wanted]] = defaultdict(list)
        for shard in pending:
            for index, (track, start, samples, last, place) in enumerate(shard.task["rows"]):
                if not self._reuse(shard, index, place):
                    wanted[track].append(_Wanted(shard, index, start, samples, last))
        order = list(dict.fromkeys(row[0] for shard in pending for row in shard.task["rows"]))
        for track in order:
            if track in wanted:
                for _ in self._decode(track, wanted[track]):
                    # A long track fills several shards: each is written, and let go, when it is full.
                    # The last waits for what the end of the track tells.
                    while pending[0].is_full and pending[0] is not wanted[track][-1].shard:
                        yield self._commit(pending.pop(0))
            while pending and pending[0].is_full:
                yield self._commit(pending.pop(0))

    def _reuse(self, shard: _PendingShard, index: int, place: list[Any] | None) -> bool:
        """Copy a row that was computed before; False if there is none, or it is damaged."""
        if place is None:
            return False
        store, name, number, capacity, expected, source = place
        try:
            if store:
                row = self._view(store, name).read(int(number))
            else:
                row = self.staging.read(name, self.row, capacity)[number]
        except (StoreError, OSError):
            return False
        if checksum(row) != expected:
            return False
        track, start, samples, _, _ = shard.task["rows"][index]
        shard.array[index] = row
        shard.rows[index] = (track, start, samples, source, expected)
        return True

    def _view(self, store: str, name: str) -> View:
        if name not in self._views:
            self._views[name] = open_store(store).view(name)
        return self._views[name]

    def _decode(self, track: int, wanted: list[_Wanted]) -> Iterator[None]:
        """Compute the wanted rows of one track, in order of start; yields after each batch."""
        name, file = self.task["tracks"][str(track)]["id"], Path(self.task["tracks"][str(track)]["file"])
        hash, problem, size, modified = "", "", -1, -1
        info: AudioInfo | None = None
        try:
            stat = file.stat()
            size, modified = stat.st_size, stat.st_mtime_ns
            recording = Recording(file)
            hash = recording.hash
            for rows in self._batches(recording, wanted):
                self._transform(track, source_bits(hash), rows)
                yield
            info = getattr(recording, "info", None)
        except (AudioError, OSError) as error:
            problem = str(error) if isinstance(error, AudioError) else f"not readable: {error.strerror}"
            with suppress(AudioError):
                info = probe(file)  # what its header says is still worth knowing
        for want in wanted:
            if want.shard.rows[want.index] is None:  # no audio for it: never put into a view
                array = want.shard.array[want.index]
                array[...] = 0
                want.shard.rows[want.index] = (track, want.start, 0, 0, checksum(array))
        if info is not None or problem:
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
            wanted[-1].shard.facts.append(fact)

    def _batches(
        self, recording: Recording, wanted: list[_Wanted]
    ) -> Iterator[list[tuple[_Wanted, Wave, int]]]:
        """Cut a recording's stream: batches of (wanted row, its `length` samples, samples of audio)."""
        held, position = np.zeros(0, np.float32), 0  # `held[0]` is sample `position`
        queue = list(wanted)
        ready: list[tuple[_Wanted, Wave, int]] = []
        for wave in recording.waves(self.rate):
            # A row that is planned to be padded waits for the end, where the length is certain; it is the
            # track's last, and needs no more than its own length.
            padded = bool(queue) and queue[0].samples < self.length
            if padded and position == queue[0].start and len(held) >= self.length:
                continue
            held = np.concatenate([held, wave]) if len(held) else wave
            while queue:
                want = queue[0]
                skip = min(want.start - position, len(held))
                held, position = held[skip:], position + skip
                if want.samples < self.length or position < want.start or len(held) < self.length:
                    break
                ready.append((queue.pop(0), held[: self.length], self.length))
                if len(ready) == self.batch:
                    yield ready
                    ready = []
            if not queue:
                if not wanted[-1].last:  # the rest is for another task
                    break
                held = held[:0]
        else:
            total = recording.info.samples(self.rate)
            for want in queue:
                samples = min(self.length, total - want.start)
                if samples > 0:
                    wave = fit(held[max(0, want.start - position) :][:samples], self.length)
                    ready.append((want, wave, samples))
        if ready:
            yield ready

    def _transform(self, track: int, source: int, rows: list[tuple[_Wanted, Wave, int]]) -> None:
        """Features of a batch of chunks, into their shards' arrays."""
        waves = rows[0][1][None] if len(rows) == 1 else np.stack([wave for _, wave, _ in rows])
        if not waves.flags.writeable:
            waves = waves.copy()
        features = self.frontend(torch.from_numpy(waves).to(self.task["device"])).cpu()
        for (want, _, samples), feature in zip(rows, features, strict=True):
            array = want.shard.array[want.index]
            torch.from_numpy(array).copy_(feature)
            want.shard.rows[want.index] = (track, want.start, samples, source, checksum(array))

    def _commit(self, shard: _PendingShard) -> dict[str, Any]:
        """Write a full shard and its commit."""
        rows = []
        for row in shard.rows:
            assert row is not None
            track, *values = row
            rows.append(Row(self.task["tracks"][str(track)]["id"], *values))
        how = (self.task["capacity"], self.frontend.backend, self.parity)
        commit = Commit(rows, shard.facts, *how)
        self.staging.put(shard.task["digest"], shard.array, commit)
        shard.release()
        return {"digest": shard.task["digest"], "facts": [asdict(fact) for fact in shard.facts]}


class _PendingShard:
    """A shard that is being filled."""

    def __init__(self, task: dict[str, Any], row: np.dtype[Any]) -> None:
        self.task = task
        self.row = row
        self.rows: list[tuple[int, int, int, int, int] | None] = [None] * len(task["rows"])
        self.facts: list[Fact] = []
        self._array: NDArray[Any] | None = None

    @property
    def array(self) -> NDArray[Any]:
        """The rows; made when the first is written, for a task may hold many shards."""
        if self._array is None:
            self._array = np.empty((len(self.rows), *self.row.shape), self.row.base)
        return self._array

    def release(self) -> None:
        """Let the rows go, once they are written."""
        self._array = None

    @property
    def is_full(self) -> bool:
        """Whether every row is filled."""
        return all(row is not None for row in self.rows)


class _Wanted:
    """A row that is to be computed: its place, and its place in the track."""

    def __init__(self, shard: _PendingShard, index: int, start: int, samples: int, last: bool) -> None:
        self.shard = shard
        self.index = index
        self.start = start
        self.samples = samples
        self.last = last


@lru_cache(maxsize=4)
def _prepared(spec: FeatureSpec, backend: str | None, device: str, length: int) -> tuple[Frontend, float]:
    """A frontend, and its largest difference from float64."""
    made = frontend(spec, backend=backend, device=device)
    return made, made.parity(length)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: results are the same in every engine, and workers do not crowd each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
