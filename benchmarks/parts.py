"""The parts of the pipeline, each timed alone."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr
import xxhash
from numpy.typing import NDArray

from audiospec.benchmarks.audio import RATE, TRACK_SECONDS
from audiospec.benchmarks.base import Contender
from audiospec.benchmarks.commands import CHUNK, WORKERS, TrackFolder
from audiospec.digests import checksum
from audiospec.features.rows.writing import row_writer
from audiospec.specs.mel import MelSpec

if TYPE_CHECKING:
    from torch import Tensor


class PartTimer:
    """Run steps of the pipeline in two processes with the settings of a worker; each takes half the tracks.

    The time is from the start of the first process to the end of the last; it excludes their start-up.

    Parameters
    ----------
    out : Path
        A folder for the files that the steps write; it must not exist.
    """

    #: Tracks to process. Start-up is excluded, so a few are enough.
    TRACKS = 120

    def __init__(self, out: Path) -> None:
        out.mkdir()
        self.out = out
        # Spawned, not forked: a fork would inherit the state of this process's libraries.
        self._processes = [ProcessPoolExecutor(1, get_context("spawn")) for _ in range(WORKERS)]

    def __enter__(self) -> PartTimer:
        # Start the processes now, so that their memory is not counted as that of a contender.
        for job in [process.submit(_warm_up) for process in self._processes]:
            job.result()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.shutdown()

    def contender(self, name: str, tracks: TrackFolder, amount: float, steps: Sequence[str]) -> Contender:
        """Return a floor that runs these steps for each track, one after another."""

        def call(number: int) -> tuple[float, None]:
            runs = self._run(tracks, steps)
            seconds = max(end for _, end, _ in runs) - min(start for start, _, _ in runs)
            return seconds * amount / (TRACK_SECONDS * self.TRACKS), None

        return Contender(name=name, role="floor", call=call, has_own_clock=True)

    def parts(self, tracks: TrackFolder, steps: Sequence[str]) -> dict[str, float]:
        """Return the processor time of each step in seconds per track."""
        runs = self._run(tracks, steps)
        return {step: sum(times[step] for _, _, times in runs) / self.TRACKS for step in steps}

    def _run(self, tracks: TrackFolder, steps: Sequence[str]) -> list[tuple[float, float, dict[str, float]]]:
        files = [str(file) for file in sorted(tracks.first(self.TRACKS).iterdir())]
        jobs = [
            process.submit(_run_steps, files[number::WORKERS], str(self.out / str(number)), tuple(steps))
            for number, process in enumerate(self._processes)
        ]
        return [job.result() for job in jobs]


@dataclass
class _TrackSteps:
    """The steps for one track; a step that is skipped leaves its output as it was."""

    path: Path
    out: Path
    content: bytes
    samples: NDArray[Any]
    wave: NDArray[np.float32]
    rows: NDArray[np.float16]
    rate: int = RATE

    @classmethod
    def blank(cls, out: Path) -> _TrackSteps:
        """Return steps whose data is noise."""
        chunks = round(TRACK_SECONDS * RATE / CHUNK)
        shape = MelSpec().row_shape(CHUNK)
        wave = np.random.default_rng(0).normal(0, 0.1, (chunks, CHUNK)).astype(np.float32)
        rows = np.full((chunks, *shape), -20, np.float16)
        return cls(out, out, b"", wave, wave, rows)

    def read(self) -> None:
        self.content = self.path.read_bytes()

    def hash(self) -> None:
        xxhash.xxh3_128_hexdigest(self.content)

    def decode(self) -> None:
        """Decode with soundfile to the type that it decodes to fastest."""
        with soundfile.SoundFile(self.path) as file:
            self.rate = file.samplerate
            self.samples = file.read(dtype="int16" if file.subtype == "PCM_16" else "float32")

    def to_wave(self) -> None:
        """Convert to chunks of mono samples from -1 to 1, at the sample rate of the features."""
        scale = np.float32(1 / 32768 if self.samples.dtype == np.int16 else 1)
        wave = self.wave.reshape(-1)
        if self.rate == RATE:
            samples = self.samples[: len(wave)]
            np.multiply(samples, scale, out=wave[: len(samples)])
        else:
            mono = self.samples[:, 0].astype(np.float32)
            mono += self.samples[:, 1]
            mono *= scale / 2
            resampled = soxr.resample(mono, self.rate, RATE, quality="HQ")[: len(wave)]
            wave[: len(resampled)] = resampled

    def log_mel(self) -> None:
        """Compute log-mel chunk by chunk into the rows, by what a worker computes them with."""
        writer = row_writer(MelSpec())
        for chunk, row in zip(self.wave, self.rows, strict=True):
            writer.write([chunk], [row])

    def fft(self) -> None:
        """Transform all frames with MKL, by torch, in blocks of the fastest size, with no other work."""
        import torch

        frames, windows = self.rows.shape[-1], _windows()
        for _ in self.rows:
            for first in range(0, frames, len(windows)):
                torch.fft.rfft(windows[: frames - first])

    def checksum(self) -> None:
        for row in self.rows:
            checksum(row)

    def write(self) -> None:
        """Write the rows without forcing them to disk, as audiospec and every peer do."""
        with (self.out / self.path.stem).open("wb") as file:
            file.write(self.rows.data)


def _run_steps(files: Sequence[str], out: str, steps: Sequence[str]) -> tuple[float, float, dict[str, float]]:
    """Run steps for some tracks; return start and end, and the processor time of each step in seconds."""
    shutil.rmtree(out, ignore_errors=True)
    Path(out).mkdir()
    work = _TrackSteps.blank(Path(out))
    times = dict.fromkeys(steps, 0.0)
    calls: dict[str, Callable[[], None]] = {step: getattr(work, step) for step in steps}
    start = time.monotonic()
    for file in files:
        work.path = Path(file)
        for step, call in calls.items():
            before = time.thread_time()
            call()
            times[step] += time.thread_time() - before
    return start, time.monotonic(), times


def _warm_up() -> None:
    """Load and create all that a process needs, before anything is timed."""
    work = _TrackSteps.blank(Path())
    work.log_mel()
    work.fft()


@cache
def _windows() -> Tensor:
    """Return as many windows as the FFT is fastest for, when it transforms them at a time."""
    import torch

    torch.set_num_threads(1)
    seconds_per_frame: dict[int, float] = {}
    for block in (16, 32, 64, 128, 256, 862):
        windows = torch.randn(block, MelSpec().n_fft)
        times = []
        for _ in range(8000 // block):
            before = time.perf_counter()
            torch.fft.rfft(windows)
            times.append(time.perf_counter() - before)
        seconds_per_frame[block] = statistics.median(times) / block
    fastest = min(seconds_per_frame, key=seconds_per_frame.__getitem__)
    return torch.randn(fastest, MelSpec().n_fft)
