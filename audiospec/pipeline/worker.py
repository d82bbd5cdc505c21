"""Computing shards: what a worker does. Decode → resample → cut → frontend → write.

A task and its results are plain JSON values, so that any engine can carry them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from audiospec.audio.info import AudioInfo
from audiospec.audio.recording import Recording, probe
from audiospec.digests import source_bits
from audiospec.errors import AudioError
from audiospec.features.base import one_thread
from audiospec.pipeline.cutter import ChunkStream
from audiospec.pipeline.filling import PendingShard, TaskView
from audiospec.pipeline.staging import DecodeResult


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
        self.views = [TaskView(view, task) for view in task["views"]]

    def shards(self) -> Iterator[dict[str, Any]]:
        """The task's shards, each yielded once it is committed."""
        wanted: dict[int, list[ChunkStream]] = defaultdict(list)
        for view in self.views:
            for shard in view.shards:
                view.copy_found(shard)
                if shard.is_full:
                    yield view.commit(shard)
            for track, rows in view.wanted().items():
                wanted[track].append(ChunkStream(view, rows))
        first = self.task["first"]
        for track in sorted(wanted, key=lambda track: (track != first, track)):
            for view, shard in self._decode(track, wanted[track]):
                yield view.commit(shard)

    def _decode(self, track: int, cutters: list[ChunkStream]) -> Iterator[tuple[TaskView, PendingShard]]:
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
        fact = DecodeResult(
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
