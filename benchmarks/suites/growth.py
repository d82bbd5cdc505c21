"""growth: whether time grows linearly with the number of tracks, and memory stays constant."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.audio import RATE
from audiospec.benchmarks.base import (
    PYTHON,
    Case,
    NotRun,
    Setup,
    Suite,
    Table,
    suites,
    target_result,
    user_environment,
)
from audiospec.benchmarks.formatting import format_size
from audiospec.benchmarks.measure import can_watch_children, touch_memory, watch_children
from audiospec.pipeline.plan import PLAN_DTYPE
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.info import SHARD_BYTES, ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE

#: The largest acceptable ratio, many tracks to few, of the time per track.
MAX_TIME_RATIO = 1.25
#: The most bytes by which the peak memory of many tracks may exceed that of few. Workers hold shards, which
#: grow with the view up to 24 MiB. Not a ratio: few tracks need so little memory that shards would double it.
MAX_MORE_MEMORY = 2e8


@dataclass(frozen=True)
class Run:
    """Measurements of one run of the command.

    Attributes
    ----------
    tracks : int
    seconds : float
        Wall-clock time.
    total_bytes : int
        Peak memory of the command and its workers together.
    command_bytes : int
        Peak memory of the command without its workers.
    command_cpu_seconds : float
        Processor time of the command without its workers.
    stored_bytes : int
        Size of the store.
    """

    tracks: int
    seconds: float
    total_bytes: int
    command_bytes: int
    command_cpu_seconds: float
    stored_bytes: int


@suites.register
class Growth(Suite):
    """Distinct synthetic clips of one second: 100 to 4000 tracks, with `full` up to 10 000."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield a table with a row per number of tracks, then an estimate for a million hours."""
        if not can_watch_children():
            yield NotRun(
                "100 tracks and more", "the memory of processes cannot be measured: needs Linux and psutil"
            )
            return
        counts = (100, 1000, 4000, 10_000) if setup.full else (100, 1000, 2500, 4000)
        clips = setup.folder / "clips"
        runs = []
        for count in counts:
            _add_clips(clips, count)
            repeats = [_run(setup, clips, count) for _ in range(3)]
            runs.append(sorted(repeats, key=lambda run: run.seconds)[len(repeats) // 2])
        yield _growth_table(runs)
        # From the fewest to the most: the command's time for a single step is lost in noise.
        yield _estimate(_cost_per_track(runs[0], runs[-1]))


def _add_clips(to: Path, count: int) -> None:
    """Add clips of noise to a folder until it has `count`; each is 1 s of 16-bit WAV."""
    to.mkdir(exist_ok=True)
    for number in range(len(list(to.iterdir())), count):
        noise = np.random.default_rng(number).integers(-3000, 3000, RATE, np.int16)
        soundfile.write(to / f"{number:06d}.wav", noise, RATE)


def _run(setup: Setup, clips: Path, count: int) -> Run:
    """Run the command over the first `count` clips, with a new store."""
    data, store = setup.folder / "first-clips", setup.folder / "growth.zarr"
    for folder in (data, store):
        shutil.rmtree(folder, ignore_errors=True)
    data.mkdir()
    for clip in sorted(clips.iterdir())[:count]:
        (data / clip.name).hardlink_to(clip)
    command = [*PYTHON, "-m", "audiospec", "featurize", "folder", "--data", str(data)]
    touch_memory()
    start = time.perf_counter()
    with watch_children(interval=0.2) as peak:
        subprocess.run(
            [*command, "--store", str(store), "--chunk", "1", "--workers", "2"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=user_environment(),
        )
    seconds = time.perf_counter() - start
    stored_bytes = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    return Run(count, seconds, peak.total_bytes, peak.direct_bytes, peak.direct_cpu_seconds, stored_bytes)


def _growth_table(runs: list[Run]) -> Table:
    """Return the measurements of each run, and the cost of each additional track."""
    few, many = runs[0], runs[-1]
    steps = [_cost_per_track(before, run) for before, run in itertools.pairwise(runs)]
    return Table(
        name=f"{few.tracks:,} to {many.tracks:,} clips of 1 s, chunks of 1 s, 2 workers",
        head=(
            *("tracks", "s", "MB of memory, total", "MB of memory, command", "ms per additional track"),
            *("ms of the command", "bytes of memory, command", "bytes of the store"),
        ),
        rows=[
            [few.tracks, *_rounded(few), "", "", "", ""],
            *(
                [run.tracks, *_rounded(run), *step.rounded()]
                for run, step in zip(runs[1:], steps, strict=True)
            ),
        ],
        # The first step is left out: it is so short that the start of processes dominates.
        targets=[
            target_result(
                f"time per track beyond {runs[-2].tracks:,} tracks over that before",
                steps[-1].seconds / steps[-2].seconds,
                MAX_TIME_RATIO,
            ),
            target_result(
                f"peak memory of {many.tracks:,} tracks beyond that of {few.tracks:,}",
                many.total_bytes - few.total_bytes,
                MAX_MORE_MEMORY,
                "bytes",
            ),
        ],
        note="memory is the peak proportional set size of the command and its workers together; the last "
        "four columns are per track added since the row above",
    )


def _rounded(run: Run) -> tuple[float, int, int]:
    """Return the time in s, and the memory in all and of the command in MB."""
    return round(run.seconds, 2), round(run.total_bytes / 1e6), round(run.command_bytes / 1e6)


@dataclass(frozen=True)
class CostPerTrack:
    """The cost of each additional track; attributes as those of `Run`."""

    seconds: float
    command_cpu_seconds: float
    command_bytes: float
    stored_bytes: float

    def rounded(self) -> tuple[float, float, int, int]:
        """Return both times in ms, and both sizes in bytes."""
        times = round(1e3 * self.seconds, 2), round(1e3 * self.command_cpu_seconds, 2)
        return *times, round(self.command_bytes), round(self.stored_bytes)


def _cost_per_track(before: Run, run: Run) -> CostPerTrack:
    tracks = run.tracks - before.tracks
    return CostPerTrack(
        (run.seconds - before.seconds) / tracks,
        (run.command_cpu_seconds - before.command_cpu_seconds) / tracks,
        (run.command_bytes - before.command_bytes) / tracks,
        (run.stored_bytes - before.stored_bytes) / tracks,
    )


def _estimate(cost: CostPerTrack) -> Table:
    """Return an estimate for a million hours: 15 million tracks of 4 minutes, in chunks of 10 s.

    Bytes, shards and tasks follow from the layout; the time and memory of the command follow from the
    measured cost of an additional track.
    """
    tracks, chunks = 15_000_000, 24
    row_bytes = ViewInfo(spec=MelSpec(), chunking=Chunking(seconds=10), shard_rows=1).row_bytes
    shard_rows = SHARD_BYTES // row_bytes
    rows = tracks * chunks
    shards = -(-rows // shard_rows)
    planned = PLAN_DTYPE.itemsize + ROW_DTYPE.itemsize
    cpu_seconds = tracks * cost.command_cpu_seconds
    source = "cost of an additional track"
    return Table(
        name="1 million hours of music, on paper, float16",
        head=("quantity", "value", "from"),
        rows=[
            ["rows of 10 s", f"{rows:,}", f"{tracks:,} tracks of 4 min"],
            ["bytes of rows", format_size(rows * row_bytes), f"{row_bytes:,} per row"],
            ["shards, each a file and a task", f"{shards:,}", f"{shard_rows} rows in 24 MiB"],
            ["processor time of the command itself", _format_hours(cpu_seconds), source],
            ["… for each task", f"{1e3 * cpu_seconds / shards:.1f} ms", ""],
            ["memory of the command for tracks", format_size(tracks * cost.command_bytes), source],
            ["memory of the command for rows", format_size(rows * planned), f"{planned} bytes per row"],
        ],
        note="the plan of one store of this size needs more memory than most machines have; a thousand "
        "stores of a thousand hours need a thousandth each and can be made in parallel",
    )


def _format_hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
