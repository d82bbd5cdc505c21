"""growth: whether cost is linear and memory flat in the number of tracks."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audiospec.benchmarks.audio import RATE
from audiospec.benchmarks.base import Case, NotRun, Setup, Suite, Table, as_a_user, suites
from audiospec.benchmarks.measure import watching_children

#: A run of many tracks may cost so much more a track, and hold so much more memory, than one of few.
MOST_TIME, MOST_MEMORY = 1.25, 1.25


@dataclass(frozen=True)
class Run:
    """A whole run of the command: its tracks, time in s; bytes: peak, of the command itself, of the store."""

    tracks: int
    seconds: float
    memory: int
    own_memory: int
    stored: int


@suites.register
class Growth(Suite):
    """Clips of one second, made up, each another; 100 to 3000 tracks, with ``--full`` to 10 000."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """One table: a row for each number of tracks."""
        counts = (100, 1000, 10_000) if setup.full else (100, 1000, 3000)
        clips = setup.folder / "clips"
        runs = []
        for count in counts:
            _clips(clips, count)
            some = [_run(setup, clips, count) for _ in range(3 if count < 10_000 else 1)]
            runs.append(sorted(some, key=lambda run: run.seconds)[len(some) // 2])
        yield _table(runs)


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
    return Run(count, seconds, peak.together, peak.started, stored)


def _table(runs: list[Run]) -> Table:
    """What each number of tracks took, and what each further track did."""
    few, some, many = runs
    first, second = _further(few, some), _further(some, many)
    return Table(
        name=f"{few.tracks:,} to {many.tracks:,} clips of 1 s, chunks of 1 s, 2 workers",
        head=(
            *("tracks", "s", "MB of memory in all", "MB of the command itself"),
            *("ms a further track", "bytes of the command's memory", "bytes of the store"),
        ),
        rows=[
            [few.tracks, *_figures(few), "", "", ""],
            [some.tracks, *_figures(some), *first],
            [many.tracks, *_figures(many), *second],
        ],
        targets=[
            _target("time of a further track, many over few", second[0] / first[0], MOST_TIME),
            _target("peak memory, many over few", many.memory / few.memory, MOST_MEMORY),
        ],
        note="memory is the peak of the proportional set sizes of the command and its workers together; the "
        "last three columns are for each track more than in the row before",
    )


def _figures(run: Run) -> tuple[float, int, int]:
    return round(run.seconds, 2), round(run.memory / 1e6), round(run.own_memory / 1e6)


def _further(before: Run, run: Run) -> tuple[float, int, int]:
    """Time in ms, and bytes of the command's memory and of the store, for each further track."""
    tracks = run.tracks - before.tracks
    return (
        round(1e3 * (run.seconds - before.seconds) / tracks, 2),
        round((run.own_memory - before.own_memory) / tracks),
        round((run.stored - before.stored) / tracks),
    )


def _target(what: str, found: float, most: float) -> dict[str, Any]:
    return {"what": what, "at_most": most, "found": found, "met": found <= most}
