"""The parts of the pipeline, timed one by one."""

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
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
import xxhash
from numpy.typing import NDArray

from audiospec.benchmarks.audio import RATE, TRACK_SECONDS
from audiospec.benchmarks.base import Contender
from audiospec.benchmarks.commands import CHUNK, WORKERS, TracksByName
from audiospec.digests import checksum
from audiospec.features.base import frontend
from audiospec.specs.mel import MelSpec


class PartAndFloor:
    """Two processes with the settings of a worker, each of which takes every other track.

    Their time is from the first that begins to the last that ends; start-up is no part of it.

    Parameters
    ----------
    out : Path
        A folder for what they write.
    """

    #: Tracks that the two go through: no start-up has to be told from noise, so few are enough.
    TRACKS = 120

    def __init__(self, out: Path) -> None:
        out.mkdir()
        self.out = out
        # Not forked: a process that has used torch is no clean start.
        self._processes = [ProcessPoolExecutor(1, get_context("spawn")) for _ in range(WORKERS)]

    def __enter__(self) -> PartAndFloor:
        # Now, so that their memory is not taken for that of a contender.
        for ready in [process.submit(_ready) for process in self._processes]:
            ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.shutdown()

    def contender(self, name: str, tracks: TracksByName, amount: float, steps: Sequence[str]) -> Contender:
        """A floor: these steps for each track, one after another."""

        def call(number: int) -> tuple[float, None]:
            ran = self._run(tracks, steps)
            took = max(end for _, end, _ in ran) - min(begin for begin, _, _ in ran)
            return took * amount / (TRACK_SECONDS * self.TRACKS), None

        return Contender(name=name, role="floor", call=call, has_own_clock=True)

    def parts(self, tracks: TracksByName, steps: Sequence[str]) -> dict[str, float]:
        """Seconds of a processor for each step of a track."""
        ran = self._run(tracks, steps)
        return {step: sum(each[step] for _, _, each in ran) / self.TRACKS for step in steps}

    def _run(self, tracks: TracksByName, steps: Sequence[str]) -> list[tuple[float, float, dict[str, float]]]:
        files = [str(file) for file in sorted(tracks.first(self.TRACKS).iterdir())]
        jobs = [
            process.submit(_go_through, files[number::WORKERS], str(self.out / str(number)), tuple(steps))
            for number, process in enumerate(self._processes)
        ]
        return [job.result() for job in jobs]


@dataclass
class _Work:
    """One track on its way through the steps; one that is left out leaves what it makes as it was."""

    path: Path
    out: Path
    content: bytes
    samples: NDArray[Any]
    wave: NDArray[np.float32]
    mel: list[torch.Tensor]
    rows: NDArray[np.float16]
    windows: torch.Tensor
    rate: int = RATE

    @classmethod
    def blank(cls, out: Path) -> _Work:
        """Noise in all places."""
        chunks = round(TRACK_SECONDS * RATE / CHUNK)
        shape = MelSpec().row_shape(CHUNK)
        wave = np.random.default_rng(0).normal(0, 0.1, (chunks, CHUNK)).astype(np.float32)
        rows = np.full((chunks, *shape), -20, np.float16)
        windows = torch.randn(_fft_block(), MelSpec().n_fft)
        return cls(out, out, b"", wave, wave, [torch.zeros(shape)] * chunks, rows, windows)

    def read(self) -> None:
        self.content = self.path.read_bytes()

    def hash(self) -> None:
        xxhash.xxh3_128_hexdigest(self.content)

    def decode(self) -> None:
        """Soundfile alone, to whichever type it is quickest at."""
        with soundfile.SoundFile(self.path) as file:
            self.rate = file.samplerate
            self.samples = file.read(dtype="int16" if file.subtype == "PCM_16" else "float32")

    def to_wave(self) -> None:
        """Samples from -1 to 1, mono, at the features' rate, in chunks."""
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
        """As a worker does it, chunk by chunk."""
        self.mel = [_frontend()(torch.from_numpy(chunk[None]))[0] for chunk in self.wave]

    def fft(self) -> None:
        """The transforms of all frames, with nothing before or after, in the best of blocks."""
        frames = self.rows.shape[-1]
        for _ in self.rows:
            for first in range(0, frames, len(self.windows)):
                torch.fft.rfft(self.windows[: frames - first])

    def to_float16(self) -> None:
        for row, mel in zip(self.rows, self.mel, strict=True):
            torch.from_numpy(row).copy_(mel)

    def checksum(self) -> None:
        for row in self.rows:
            checksum(row)

    def write(self) -> None:
        """Nothing is forced onto the disk, as in ours and in every peer."""
        with (self.out / self.path.stem).open("wb") as file:
            file.write(self.rows.data)


@torch.inference_mode()
def _go_through(
    files: Sequence[str], out: str, steps: Sequence[str]
) -> tuple[float, float, dict[str, float]]:
    """Put tracks through some steps; when it began and ended, and seconds of the processor for each step."""
    shutil.rmtree(out, ignore_errors=True)
    Path(out).mkdir()
    work = _Work.blank(Path(out))
    took = dict.fromkeys(steps, 0.0)
    calls: dict[str, Callable[[], None]] = {step: getattr(work, step) for step in steps}
    began = time.monotonic()
    for file in files:
        work.path = Path(file)
        for step, call in calls.items():
            before = time.thread_time()
            call()
            took[step] += time.thread_time() - before
    return began, time.monotonic(), took


def _ready() -> None:
    """Load and make what a process needs, before any clock runs."""
    torch.set_num_threads(1)
    _fft_block()
    with torch.inference_mode():
        _frontend()(torch.zeros(1, CHUNK))


@cache
def _frontend() -> torch.nn.Module:
    return frontend(MelSpec())


@cache
def _fft_block() -> int:
    """Frames that the FFT takes fastest at a time."""
    best: dict[int, float] = {}
    for block in (16, 32, 64, 128, 256, 862):
        windows = torch.randn(block, MelSpec().n_fft)
        times = []
        for _ in range(8000 // block):
            before = time.perf_counter()
            torch.fft.rfft(windows)
            times.append(time.perf_counter() - before)
        best[block] = statistics.median(times) / block
    return min(best, key=best.__getitem__)
