"""Compute the shards of a task in a worker: decode → resample → cut → frontend → write.

A task and its results are plain JSON values, so that any engine can carry them; `tasks` defines them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

from audiospec.audio.ahead import FetchedAhead
from audiospec.audio.guard import Guard
from audiospec.audio.info import AudioInfo
from audiospec.audio.quality import Quality
from audiospec.audio.recording import Recording, probe
from audiospec.audio.source import SourceFile
from audiospec.digests import source_bits
from audiospec.errors import AudioError, DiskFullError
from audiospec.pipeline.commits import Commits
from audiospec.pipeline.cutter import ChunkStream
from audiospec.pipeline.filling import PendingShard, ViewFiller
from audiospec.pipeline.staging import DecodeResult
from audiospec.pipeline.tasks import Task, TaskResult, TaskTrack, TrackBegun


def compute(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compute, write and commit the shards of one task; decode each track once for all views.

    Parameters
    ----------
    task : dict
        A `Task`, as JSON.

    Yields
    ------
    dict
        A `TrackBegun`, as JSON, for each track before it is decoded, and a `TaskResult` for each shard or
        fragment once it is committed.

    Raises
    ------
    DiskFullError
        The disk has no room for a shard. Committed shards stay.
    """
    for result in _Worker(Task.from_json(task)).results():
        yield result.to_json()


class _Worker:
    """Decodes the tracks of a task one by one, and fills its shards."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.views = [ViewFiller(view, task) for view in task.views]

    def results(self) -> Iterator[TaskResult | TrackBegun]:
        """Yield each track that begins, and the result of each of the task's shards once it is committed."""
        is_local = all(view.staging.folder.is_local for view in self.views)
        with Commits(in_background=not is_local) as commits:
            yield from self._results(commits)
            yield from commits.rest()

    def _results(self, commits: Commits) -> Iterator[TaskResult | TrackBegun]:
        tracks = {track.number: track for track in self.task.tracks}
        streams: dict[int, list[ChunkStream]] = defaultdict(list)
        for view in self.views:
            for shard in view.shards:
                view.copy_existing(shard)
                if shard.is_full:
                    yield from commits.add(view, shard)
            for number, rows in view.wanted_rows().items():
                streams[number].append(ChunkStream(view, rows))
        first = self.task.first
        numbers = sorted(streams, key=lambda number: (number != first, number))
        with closing(FetchedAhead(tracks[number].audio for number in numbers)) as files:
            for number in numbers:
                yield TrackBegun(self.task.number, number)
                for view, shard in self._decode(tracks[number], streams[number], files):
                    yield from commits.add(view, shard)

    def _decode(
        self, track: TaskTrack, streams: list[ChunkStream], files: FetchedAhead
    ) -> Iterator[tuple[ViewFiller, PendingShard]]:
        """Compute the wanted rows of one track in one pass over its audio; yield each shard once it is full.

        A long track fills several shards, and each can be written and freed as soon as it is full. The last
        shard of each view waits for the end of the track, because its commit contains the `DecodeResult`.
        """
        hash, problem, note, size, modified = "", "", "", -1, -1
        info: AudioInfo | None = None
        quality: Quality | None = None
        source: SourceFile | None = None
        wanted = sorted({stream.view.signal for stream in streams})
        try:
            source = files.next()  # without a guard: a network that is slow is not the decoder's fault
            size, modified = source.size, source.modified
            guard = Guard(size, files.memory)
            with guard.step():
                recording = Recording(source, self.task.run.reading, measured=True)
            hash = recording.hash
            for waves in guard.steps(recording.streams(wanted)):
                for stream in streams:
                    stream.feed(waves[wanted.index(stream.view.signal)])
                    for shard in stream.transform(source_bits(hash)):
                        yield stream.view, shard
                if not any(stream.needs_more for stream in streams):
                    break
            info, note, quality = recording.info, recording.note, recording.quality
            for stream in streams:
                if info is not None:
                    stream.end(info.samples(stream.view.rate))
                for shard in stream.transform(source_bits(hash), last=True):
                    yield stream.view, shard
        except DiskFullError:  # no room for a large object: that is not the track's fault
            raise
        except (AudioError, OSError) as error:
            problem = str(error) if isinstance(error, AudioError) else f"not readable: {error.strerror}"
            if source is not None:
                with suppress(AudioError), Guard(size, files.memory).step():
                    info = probe(source, self.task.run.reading)  # the header may still be readable
        finally:
            if source is not None:
                source.close()
        decoded = DecodeResult(
            id=track.id,
            hash=hash,
            frames=info.frames if info else 0,
            sample_rate=info.sample_rate if info else 0,
            channels=info.channels if info else 0,
            problem=problem,
            size=size,
            modified=modified,
            note=note,
            quality=quality,
        )
        for stream in streams:
            stream.fill_missing()
            if info is not None or problem:
                stream.last_shard.decoded.append(decoded)
            for shard in dict.fromkeys(want.shard for want in stream.wanted):
                if shard.is_full and not shard.is_committed:
                    yield stream.view, shard
