"""growth: whether cost is linear and memory flat in the number of tracks."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.audio import RATE
from audiospec.benchmarks.base import Case, NotRun, Setup, Suite, Table, as_a_user, held, suites
from audiospec.benchmarks.measure import can_watch, take_back_memory, watching_children
from audiospec.benchmarks.words import size
from audiospec.pipeline.plan import PLAN_DTYPE
from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.info import SHARD_BYTES, ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE

#: A run of many tracks may cost so much more a track, and hold so much more memory, than one of few.
MOST_TIME, MOST_MEMORY = 1.25, 1.25


@dataclass(frozen=True)
class Run:
    """A whole run of the command.

    Attributes
    ----------
    tracks : int
    seconds : float
    memory, own_memory : int
        Peak in bytes: of all processes together, of the command without its workers.
    own_seconds : float
        Processor time of the command without its workers.
    stored : int
        Bytes of the store.
    """

    tracks: int
    seconds: float
    memory: int
    own_memory: int
    own_seconds: float
    stored: int


@suites.register
class Growth(Suite):
    """Clips of one second, made up, each another; 100 to 4000 tracks, with ``--full`` to 10 000."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """A row for each number of tracks; then, on paper, what a million hours would take."""
        if not can_watch():
            yield NotRun(
                "100 tracks and more", "memory of processes cannot be had: Linux and psutil are needed"
            )
            return
        counts = (100, 1000, 4000, 10_000) if setup.full else (100, 1000, 2500, 4000)
        clips = setup.folder / "clips"
        runs = []
        for count in counts:
            _clips(clips, count)
            some = [_run(setup, clips, count) for _ in range(3)]
            runs.append(sorted(some, key=lambda run: run.seconds)[len(some) // 2])
        yield _table(runs)
        yield _on_paper(_further(*runs[-2:]))


def _clips(to: Path, count: int) -> None:
    """Fill a folder up to so many clips of noise, 1 s of 16-bit WAV each."""
    to.mkdir(exist_ok=True)
    for number in range(len(list(to.iterdir())), count):
        noise = np.random.default_rng(number).integers(-3000, 3000, RATE, np.int16)
        soundfile.write(to / f"{number:06d}.wav", noise, RATE)


def _run(setup: Setup, clips: Path, count: int) -> Run:
    """One run of the command over the first `count` clips, in an empty store."""
    data, store = setup.folder / "some", setup.folder / "growth.zarr"
    for folder in (data, store):
        shutil.rmtree(folder, ignore_errors=True)
    data.mkdir()
    for clip in sorted(clips.iterdir())[:count]:
        (data / clip.name).hardlink_to(clip)
    command = [sys.executable, "-m", "audiospec", "featurize", "folder", "--data", str(data)]
    take_back_memory()
    began = time.perf_counter()
    with watching_children(every=0.2) as peak:
        subprocess.run(
            [*command, "--store", str(store), "--chunk", "1", "--workers", "2"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=as_a_user(),
        )
    seconds = time.perf_counter() - began
    stored = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    return Run(count, seconds, peak.together, peak.started, peak.worked, stored)


def _table(runs: list[Run]) -> Table:
    """What each number of tracks took, and what each further track did."""
    few, many = runs[0], runs[-1]
    steps = [_further(before, run) for before, run in itertools.pairwise(runs)]
    return Table(
        name=f"{few.tracks:,} to {many.tracks:,} clips of 1 s, chunks of 1 s, 2 workers",
        head=(
            *("tracks", "s", "MB of memory in all", "MB of the command itself", "ms a further track"),
            *("ms of the command itself", "bytes of the command's memory", "bytes of the store"),
        ),
        rows=[
            [few.tracks, *_figures(few), "", "", "", ""],
            *(
                [run.tracks, *_figures(run), *each.rounded()]
                for run, each in zip(runs[1:], steps, strict=True)
            ),
        ],
        # Not the first step: it is so short that it says more of how long processes take to start.
        targets=[
            held(
                f"time of a track beyond {runs[-2].tracks:,} over that of one before",
                steps[-1].seconds / steps[-2].seconds,
                MOST_TIME,
            ),
            held("peak memory, many over few", many.memory / few.memory, MOST_MEMORY),
        ],
        note="memory is the peak of the proportional set sizes of the command and its workers together; the "
        "last four columns are for each track more than in the row before",
    )


def _figures(run: Run) -> tuple[float, int, int]:
    return round(run.seconds, 2), round(run.memory / 1e6), round(run.own_memory / 1e6)


@dataclass(frozen=True)
class Further:
    """What each further track takes: as `Run` has it."""

    seconds: float
    own_seconds: float
    own_memory: float
    stored: float

    def rounded(self) -> tuple[float, float, int, int]:
        """Times in ms."""
        times = round(1e3 * self.seconds, 2), round(1e3 * self.own_seconds, 2)
        return *times, round(self.own_memory), round(self.stored)


def _further(before: Run, run: Run) -> Further:
    tracks = run.tracks - before.tracks
    return Further(
        (run.seconds - before.seconds) / tracks,
        (run.own_seconds - before.own_seconds) / tracks,
        (run.own_memory - before.own_memory) / tracks,
        (run.stored - before.stored) / tracks,
    )


def _on_paper(each: Further) -> Table:
    """A million hours: 15 million tracks of 4 minutes, cut into chunks of 10 s.

    Bytes, shards and tasks follow from the layout; the command's own time and memory from what each further
    track took here.
    """
    tracks, chunks = 15_000_000, 24
    row = ViewInfo(spec=MelSpec(), chunking=Chunking(seconds=10), shard_rows=1).row_bytes
    step = SHARD_BYTES // row
    rows = tracks * chunks
    shards = -(-rows // step)
    planned = PLAN_DTYPE.itemsize + ROW_DTYPE.itemsize
    return Table(
        name="1 million hours of music, on paper, float16",
        head=("what", "how many", "from"),
        rows=[
            ["rows of 10 s", f"{rows:,}", f"{tracks:,} tracks of 4 min"],
            ["bytes of rows", size(rows * row), f"{row:,} a row"],
            ["shards, each a file and a task", f"{shards:,}", f"{step} rows in 24 MiB"],
            ["processor time of the command itself", _hours(tracks * each.own_seconds), "each further track"],
            ["… for each task", f"{1e3 * tracks * each.own_seconds / shards:.1f} ms", ""],
            ["memory of the command for tracks", size(tracks * each.own_memory), "each further track"],
            ["memory of the command for rows", size(rows * planned), f"{planned} bytes a row"],
        ],
        note="one store of this size would need more memory for its plan than most machines have: as "
        "a thousand stores of a thousand hours each needs a thousandth, and they can be made side by side",
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
