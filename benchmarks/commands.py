"""Whole commands that make a store: ours and those of other libraries."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec import open_store
from audiospec.benchmarks.audio import RATE, TRACK_SECONDS, folder
from audiospec.benchmarks.base import Contender, Setup, as_a_user
from audiospec.benchmarks.measure import take_back_memory
from audiospec.errors import BenchmarkError

CHUNK = 10 * RATE
WORKERS = 2


class TracksByName:
    """A folder of tracks, and folders of the first few of them."""

    def __init__(self, setup: Setup, format: str, count: int, rate: int = RATE, channels: int = 1) -> None:
        self.folder = folder(setup, setup.folder / f"{format}-{rate}", count, format, rate, channels)
        self.kind = f"{format}, {rate} Hz, {'stereo' if channels == 2 else 'mono'}"

    def first(self, count: int) -> Path:
        """A folder of hard links to so many tracks."""
        part = self.folder.with_name(f"{self.folder.name}-{count}")
        if not part.exists():
            part.mkdir()
            for file in sorted(self.folder.iterdir())[:count]:
                os.link(file, part / file.name)
        return part


#: The features that a command has stored: track → (chunks, mel bins, frames).
RowsByTrack = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class MakeStore:
    """A Python module that featurizes a folder.

    Attributes
    ----------
    arguments : list of str
        Its name, and what follows; ``"{data}"`` stands for the folder.
    out : Path
        What it makes.
    read : callable
        `out` → its features.
    source : TracksByName
        What it is run over.
    sizes : (int, int)
        Tracks of the small and of the large folder.
    environment : mapping
        More than a user's.
    note : str
    rounds : int
        Of a case that it leads.
    worked : list of float
        Processor time in s of the large folder less that of the small one, each time that it was measured.
    """

    arguments: list[str]
    out: Path
    read: Callable[[Path], RowsByTrack]
    source: TracksByName
    sizes: tuple[int, int]
    environment: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    rounds: int = 0
    worked: list[float] = field(default_factory=list)

    @property
    def tracks(self) -> int:
        """Tracks in the difference."""
        return self.sizes[1] - self.sizes[0]

    @property
    def per_track(self) -> float:
        """Processor time of a track in s, start-up aside."""
        return statistics.median(self.worked) / self.tracks

    def contender(self, name: str, amount: float, **options: Any) -> Contender:
        """The command, timed without its start-up; `amount` is the case's, in seconds of audio."""
        small, large = self.sizes

        def call(number: int) -> tuple[float, None]:
            # In turns: a machine that grows slower meanwhile favours neither.
            order = (small, large) if number % 2 else (large, small)
            took = {count: self.run(count) for count in order}
            wall, worked = (took[large][i] - took[small][i] for i in range(2))
            self.worked.append(worked)
            return wall * amount / (TRACK_SECONDS * self.tracks), None

        def result() -> RowsByTrack:
            self.run(small)
            return self.read(self.out)

        return Contender(name=name, call=call, has_own_clock=True, **{"result": result, **options})

    def run(self, count: int) -> tuple[float, float]:
        """Seconds that the command takes for so many tracks, all in all, and those of processors."""
        if self.out.exists():
            shutil.rmtree(self.out)
        take_back_memory()
        data = str(self.source.first(count))
        command = [data if argument == "{data}" else argument for argument in self.arguments]
        before, began = getrusage(RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**as_a_user(), **self.environment},
        )
        took, after = time.perf_counter() - began, getrusage(RUSAGE_CHILDREN)
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise BenchmarkError(f"{' '.join(command)} failed: {last}")
        return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def audiospec_command(setup: Setup, tracks: TracksByName, sizes: tuple[int, int], *more: str) -> MakeStore:
    """Our own command, with more options."""
    store = setup.folder / "ours.zarr"
    command = ["audiospec", "featurize", "folder", "--data", "{data}", "--store", str(store)]
    command += ["--workers", str(WORKERS), *more]
    return MakeStore(command, store, _read_store, tracks, sizes, rounds=5 if setup.full else 3)


def _read_store(store: Path) -> RowsByTrack:
    view = open_store(store).view()
    return {Path(track).stem: view.read(view.rows_of(track)) for track in view.store.tracks["id"]}


def read_arrays(out: Path) -> RowsByTrack:
    """The rows that a script saved as arrays."""
    return {file.stem: np.load(file) for file in sorted(out.glob("*.npy"))}


def read_lhotse(out: Path) -> RowsByTrack:
    """The rows that lhotse saved."""
    """What lhotse has stored, a frame longer, which is compared with nothing."""
    from audiospec.benchmarks.peers.lhotse_script import read

    beyond = ((0, 0), (0, 0), (0, 1))
    return {track: np.pad(rows, beyond, constant_values=-np.inf) for track, rows in read(out).items()}


def largest_difference(ours: RowsByTrack, theirs: RowsByTrack) -> float:
    """Largest difference in dB within 80 dB of each chunk's peak; infinite if something is not there.

    Theirs may be a part of our tracks: the first.
    """
    worst = 0.0
    if not theirs or not theirs.keys() <= ours.keys():
        return np.inf
    for track, rows in theirs.items():
        one, other = ours[track].astype(np.float32), rows.astype(np.float32)
        if one.shape != other.shape:
            return np.inf
        near = other >= other.max(axis=(1, 2), keepdims=True) - 80
        worst = max(worst, float(np.abs(one[near] - other[near]).max()))
    return worst
