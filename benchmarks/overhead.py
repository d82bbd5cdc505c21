"""The processor time of Dask's scheduler and of the client for a shard: real tasks that compute nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.audio.info import AudioInfo
from audiospec.benchmarks.base import Table, target_result
from audiospec.engines.base import engine
from audiospec.pipeline.plan import Plan
from audiospec.pipeline.schedule import Schedule
from audiospec.pipeline.staging import DecodeResult, WorkFolder
from audiospec.pipeline.survey import TrackState
from audiospec.pipeline.tasks import RunConstants, Task, TaskResult, TrackBegun, read_result
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.schema import TrackRecord

#: Tracks of 4 minutes in a task's shards, as a thousand hours have 15,000.
SECONDS = 240
#: Bytes and time of writing, ns, of their files.
SIZE, MODIFIED = 10_584_044, 1_700_000_000_000_000_000
#: The most processor time for a shard, s, of scheduler and client together.
MOST_SECONDS = 1e-3


def answer(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: answer as `worker.compute` does, without computing or writing anything."""
    parsed = Task.from_json(task)
    tracks = {track.number: track.id for track in parsed.tracks}
    for number in tracks:
        yield TrackBegun(parsed.number, number).to_json()
    for view in parsed.views:
        for shard in view.shards:
            ends = [tracks[row.track] for row in shard.rows if row.last]
            decoded = [
                DecodeResult(
                    id, 32 * "f", SECONDS * 22050, 22050, 1, "", 10_584_044, 1_700_000_000_000_000_000
                )
                for id in ends
            ]
            yield TaskResult(view.name, shard.digest, tuple(decoded)).to_json()


def overhead_table(folder: Path, tracks: int) -> Table:
    """Return a table of the processor time of scheduler and client for a shard.

    Parameters
    ----------
    folder : Path
        An empty folder for the cluster's files.
    tracks : int
        Tracks of 4 minutes, in chunks of 10 s.
    """
    import psutil

    from audiospec.testing.cluster import DaskCluster

    states = [
        TrackState(
            TrackRecord(f"genre/{number:07d}.wav", f"genre/{number:07d}.wav", "genre", size=SIZE),
            Path(f"/music/genre/{number:07d}.wav"),
            AudioInfo(22050, 1, SECONDS * 22050),
        )
        for number in range(tracks)
    ]
    plan = Plan.make(MelSpec(), Chunking(seconds=10), states)
    rows = []
    with DaskCluster(folder) as cluster:
        scheduler = psutil.Process(cluster.start_scheduler().pid)
        for _ in range(2):
            cluster.start_worker(nthreads=1)
        for per_task in (1, 8):
            chosen = {len(plan.shards): per_task}
            schedule = Schedule([plan], WorkFolder(folder / "none.work"), (), chosen.__getitem__)
            tasks = (task.to_json() for task in schedule.tasks(RunConstants("/none", "cpu", {})))
            with engine("dask", scheduler=cluster.address) as dask:
                list(dask.run(f"{__name__}:answer", []))  # connects
                before = scheduler.cpu_times()
                start = time.process_time()
                shards = 0
                for value in dask.run(f"{__name__}:answer", tasks):
                    if isinstance(value, dict):
                        shards += isinstance(read_result(value), TaskResult)
                client = time.process_time() - start
                after = scheduler.cpu_times()
            used = after.user + after.system - before.user - before.system
            rows.append([per_task, shards, *(round(1e3 * each / shards, 2) for each in (used, client))])
    total = (rows[-1][2] + rows[-1][3]) / 1e3
    return Table(
        name="processor time of Dask for a shard, ms",
        head=("shards in a task", "shards", "scheduler", "client, with making the tasks"),
        rows=rows,
        targets=[target_result("scheduler and client, 8 shards in a task", total, MOST_SECONDS, "s")],
        note=f"{tracks:,} tracks of 4 min; the tasks and their results are real, workers compute nothing",
    )
