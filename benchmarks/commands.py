"""Whole commands that featurize a folder: ours and scripts with other libraries."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec import open_store
from audiospec.benchmarks.audio import RATE, TRACK_SECONDS, make_folder
from audiospec.benchmarks.base import PYTHON, Contender, Setup, user_environment
from audiospec.benchmarks.measure import touch_memory
from audiospec.errors import BenchmarkError

#: Samples of a chunk.
CHUNK = 10 * RATE
#: Processes of each command.
WORKERS = 2


class TrackFolder:
    """A folder of tracks, and folders of its first tracks.

    Parameters
    ----------
    setup : Setup
    format, count, rate, channels
        As `audiospec.benchmarks.audio.make_folder` takes them.
    """

    def __init__(self, setup: Setup, format: str, count: int, rate: int = RATE, channels: int = 1) -> None:
        self.folder = make_folder(setup, setup.folder / f"{format}-{rate}", count, format, rate, channels)
        self.kind = f"{format}, {rate} Hz, {'stereo' if channels == 2 else 'mono'}"

    def first(self, count: int) -> Path:
        """Return a folder of hard links to the first `count` tracks."""
        part = self.folder.with_name(f"{self.folder.name}-{count}")
        if not part.exists():
            part.mkdir()
            for file in sorted(self.folder.iterdir())[:count]:
                os.link(file, part / file.name)
        return part


#: Stored features: track → array of shape (chunks, mel bins, frames), dB.
RowsByTrack = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FeaturizeCommand:
    """A Python module that featurizes a folder.

    Attributes
    ----------
    arguments : list of str
        Its name and its arguments; ``"{data}"`` stands for the folder.
    out : Path
        Its output.
    read : callable
        Called with `out`; returns the features.
    source : TrackFolder
        The tracks to featurize.
    sizes : (int, int)
        Tracks of the small and of the large folder.
    environment : mapping
        Variables to add to a user's environment.
    note : str
    rounds : int
        Rounds of a case in which the command is ours.
    cpu_seconds : list of float
        Processor time of the large folder minus that of the small one, for each round.
    """

    arguments: list[str]
    out: Path
    read: Callable[[Path], RowsByTrack]
    source: TrackFolder
    sizes: tuple[int, int]
    environment: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    rounds: int = 0
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def tracks(self) -> int:
        """Tracks that the large folder has more than the small one."""
        return self.sizes[1] - self.sizes[0]

    @property
    def cpu_per_track(self) -> float:
        """Processor time per track in seconds, without start-up."""
        return statistics.median(self.cpu_seconds) / self.tracks

    def contender(self, name: str, amount: float, **options: Any) -> Contender:
        """Return a contender that runs the command, timed without its start-up.

        Parameters
        ----------
        name : str
        amount : float
            The amount of the case, in seconds of audio.
        **options
            Other attributes of the `Contender`.
        """
        small, large = self.sizes

        def call(number: int) -> tuple[float, None]:
            # Alternate the order, so that a machine that slows down favours neither size.
            order = (small, large) if number % 2 else (large, small)
            times = {count: self.run(count) for count in order}
            wall, cpu = (times[large][i] - times[small][i] for i in range(2))
            self.cpu_seconds.append(cpu)
            return wall * amount / (TRACK_SECONDS * self.tracks), None

        def result() -> RowsByTrack:
            self.run(small)
            return self.read(self.out)

        return Contender(name=name, call=call, has_own_clock=True, **{"result": result, **options})

    def run(self, count: int) -> tuple[float, float]:
        """Run the command for `count` tracks; return wall-clock and processor time in seconds."""
        if self.out.exists():
            shutil.rmtree(self.out)
        touch_memory()
        data = str(self.source.first(count))
        command = [data if argument == "{data}" else argument for argument in self.arguments]
        before, start = getrusage(RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [*PYTHON, "-m", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**user_environment(), **self.environment},
        )
        seconds, after = time.perf_counter() - start, getrusage(RUSAGE_CHILDREN)
        if done.returncode:
            last_line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise BenchmarkError(f"{' '.join(command)} failed: {last_line}")
        return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def audiospec_command(
    setup: Setup, tracks: TrackFolder, sizes: tuple[int, int], *options: str
) -> FeaturizeCommand:
    """Return our own command, with additional options."""
    store = setup.folder / "ours.zarr"
    command = ["audiospec", "featurize", "folder", "--data", "{data}", "--store", str(store)]
    command += ["--workers", str(WORKERS), *options]
    return FeaturizeCommand(command, store, _read_store, tracks, sizes, rounds=5 if setup.full else 3)


def _read_store(store: Path) -> RowsByTrack:
    view = open_store(store).view()
    return {Path(track).stem: view.read(view.rows_of(track)) for track in view.store.tracks["id"]}


def read_arrays(out: Path) -> RowsByTrack:
    """Read the arrays that a script saved, one file per track."""
    return {file.stem: np.load(file) for file in sorted(out.glob("*.npy"))}


def read_lhotse(out: Path) -> RowsByTrack:
    """Read the features that lhotse stored, padded by the one frame that it omits.

    The padding is -inf dB, so `largest_difference` ignores it.
    """
    from audiospec.benchmarks.peers.lhotse_script import read

    one_frame = ((0, 0), (0, 0), (0, 1))
    return {track: np.pad(rows, one_frame, constant_values=-np.inf) for track, rows in read(out).items()}


def largest_difference(ours: RowsByTrack, theirs: RowsByTrack) -> float:
    """Return the largest difference in dB within 80 dB of the peak of each chunk.

    Parameters
    ----------
    ours, theirs : RowsByTrack
        The tracks of `theirs` may be a part of ours.

    Returns
    -------
    float
        Infinite if `theirs` is empty, has another track or has another shape.
    """
    largest = 0.0
    if not theirs or not theirs.keys() <= ours.keys():
        return np.inf
    for track, rows in theirs.items():
        actual, expected = ours[track].astype(np.float32), rows.astype(np.float32)
        if actual.shape != expected.shape:
            return np.inf
        compared = expected >= expected.max(axis=(1, 2), keepdims=True) - 80
        largest = max(largest, float(np.abs(actual[compared] - expected[compared]).max()))
    return largest
