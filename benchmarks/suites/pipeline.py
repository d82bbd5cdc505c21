"""pipeline: from a folder of audio to features on disk, by two processes."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
import xxhash
from numpy.typing import NDArray

from audiospec import open_store
from audiospec.benchmarks.audio import RATE, TRACK_SECONDS, folder
from audiospec.benchmarks.base import (
    Case,
    Contender,
    Limit,
    NotRun,
    Setup,
    Suite,
    Table,
    Target,
    absent,
    as_a_user,
    held,
    suites,
)
from audiospec.benchmarks.measure import can_watch, take_back_memory, watching_children
from audiospec.benchmarks.words import size
from audiospec.errors import BenchmarkError
from audiospec.features.base import frontend
from audiospec.spec import MelSpec
from audiospec.stores._files import checksum

CHUNK = 10 * RATE
WORKERS = 2
#: All that these processes may hold together, whatever the number of tracks.
MOST_MEMORY = 1.5e9
#: … compared at these. Shards, which workers hold, grow with a view until it has so many tracks as the first.
MEMORY_TRACKS = (400, 1000)
#: Formats that take some time to decode.
COMPRESSED = ("flac", "ogg", "mp3")
#: dB; one step of float16 between 64 and 128 dB is 0.0625.
TOLERANCE = 0.07
#: What keeps libraries to one thread.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@suites.register
class Pipeline(Suite):
    """Ours, the scripts that people write instead, and what the parts of the work take alone."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """WAV to a store; where its time goes; its memory; other formats; a device."""
        sizes = (85, 765) if setup.full else (40, 440)
        tracks = _Tracks(setup, "wav", max(*sizes, *MEMORY_TRACKS))
        ours = _ours(setup, tracks, sizes)
        with _Pair(setup.folder / "floor") as pair:
            peers, missing = _peers(setup, tracks)
            yield _wav(tracks, ours, peers, missing, pair)
            yield _by_processor(ours, peers)
            yield _where_time_goes(tracks, ours, pair)
            yield _memory(ours)
            shares = []
            for kind in COMPRESSED:
                few, many = (24, 240) if setup.full else (24, 144)
                # As music files are.
                tracks_of_kind = _Tracks(setup, kind, many, 44100, channels=2)
                ours_of_kind = _ours(setup, tracks_of_kind, (few, many))
                yield _format(tracks_of_kind, ours_of_kind, pair)
                shares.append(_shares(tracks_of_kind, ours_of_kind, pair))
            yield _formats(shares)
            if setup.device != "cpu":
                yield _on_device(setup, tracks, sizes, pair)


def _wav(
    tracks: _Tracks, ours: _Command, peers: Mapping[str, _Command], missing: Mapping[str, str], pair: _Pair
) -> Case:
    """Every contender over WAV files at the features' own rate."""
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name="30 s WAV → 10 s float16 Zarr on disk, 2 workers, start-up aside",
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours"),
            *(peer.contender(name, amount, note=peer.note) for name, peer in peers.items()),
            pair.contender("its parts' floors", tracks, amount, ("decode", "fft", "write")),
            pair.contender("its parts alone", tracks, amount, ("decode", "to_wave", "log_mel", "write")),
        ],
        difference=_difference,
        difference_unit="dB",
        tolerance=TOLERANCE,
        targets=[
            Target("librosa script", 7),
            Target("librosa script, one thread each", 7),
            Target("torchaudio script", 4),
            Target("lhotse, lilcom", 5),
            Target("lhotse, plain files", 3.5),
            Target("its parts' floors", 0.70),
            Limit("memory_bytes", MOST_MEMORY),
        ],
        # Just the least, for rounds are dear: each runs every command twice.
        seconds=0,
        least=ours.rounds,
        memory="children",
        missing=missing,
        note=(
            "a time is that of a large folder less that of a small one, brought to equal audio; memory is "
            "that of the small one. Its parts' floors: soundfile alone, the FFT alone, a plain write; its "
            "parts alone: soundfile, the frontend and a plain write. Lhotse leaves out the last frame of "
            "862; lilcom is lossy, to 1/64 dB"
        ),
    )


def _peers(setup: Setup, tracks: _Tracks) -> tuple[dict[str, _Command], dict[str, str]]:
    """The scripts that people write, by name, and those that cannot run here."""
    # They are slower than ours. Pools hand out four tracks at a time: at the end, no process is idle.
    sizes = (40, 200) if setup.full else (24, 144)

    def script(
        name: str, read: Callable[[Path], _Rows], *more: str, sizes: tuple[int, int] = sizes, **options: Any
    ) -> _Command:
        out = setup.folder / "peer"
        command = ["audiospec.benchmarks.peers." + name, "{data}", str(out), "--workers", str(WORKERS), *more]
        return _Command(command, out, read, tracks, sizes, **options)

    found = {
        # Twice as slow as the next: fewer tracks say as much.
        "librosa script": script(
            "librosa_script", _read_arrays, sizes=(24, 72), note="its processes fight for the cores"
        ),
        "librosa script, one thread each": script("librosa_script", _read_arrays, environment=ONE_THREAD),
        "torchaudio script": script("torchaudio_script", _read_arrays),
        "lhotse, lilcom": script("lhotse_script", _read_lhotse, "--lilcom"),
        "lhotse, plain files": script("lhotse_script", _read_lhotse),
    }
    missing = {}
    for package, why in absent("librosa", "lhotse", "lilcom").items():
        for name in [name for name in found if package in name]:
            missing[name] = f"{package} is {why}"
            del found[name]
    return found, missing


def _format(tracks: _Tracks, ours: _Command, pair: _Pair) -> Case:
    """Ours over another format, beside its decoding alone."""
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name=f"30 s {tracks.kind} → 10 s float16 Zarr on disk, 2 workers, start-up aside",
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours", result=lambda: None),
            pair.contender("decoding alone", tracks, amount, ("decode", "to_wave")),
            pair.contender("decoding and log-mel alone", tracks, amount, ("decode", "to_wave", "log_mel")),
        ],
        targets=[Target("decoding alone", 0.80)],
        seconds=0,
        least=ours.rounds,
        memory="",
        note="decoding: to mono samples at the features' rate, by soundfile and soxr; the second floor is "
        "what can be had at most while features are computed by the same processes",
    )


def _shares(tracks: _Tracks, ours: _Command, pair: _Pair) -> list[str]:
    """Of a format whose case has been measured: its parts and the whole by processor time, and shares."""
    alone = pair.parts(tracks, ("decode", "to_wave", "log_mel"))
    decoding, whole = alone["decode"] + alone["to_wave"], ours.per_track
    both = decoding + alone["log_mel"]
    times = [f"{1e3 * seconds:.1f}" for seconds in (decoding, alone["log_mel"], whole)]
    return [tracks.kind, *times, f"{decoding / whole:.0%}", f"{both / whole:.0%}"]


def _formats(rows: Sequence[Sequence[str]]) -> Table:
    return Table(
        name="30 s tracks of other formats, by processor time, start-up aside",
        head=["format", "decoding, ms a track", "log-mel", "audiospec", "share of decoding", "share of both"],
        rows=rows,
        note="of the runs above: what decoding and log-mel leave is all that the rest of the pipeline takes",
    )


def _on_device(setup: Setup, tracks: _Tracks, sizes: tuple[int, int], pair: _Pair) -> Case | NotRun:
    """Ours with its features on a device: what is left to the processors is decoding."""
    name = f"30 s WAV → 10 s float16 Zarr on disk, 2 workers, features on {setup.device}"
    if not setup.device.startswith("cuda") or not torch.cuda.is_available():
        return NotRun(name, f"no CUDA device {setup.device!r} is here")
    ours = _ours(setup, tracks, sizes, "--device", setup.device)
    amount = ours.tracks * TRACK_SECONDS
    return Case(
        name=name,
        amount=amount,
        unit="s of audio",
        contenders=[
            ours.contender("audiospec", amount, role="ours", result=lambda: None),
            pair.contender("decoding alone", tracks, amount, ("decode", "to_wave")),
        ],
        targets=[Target("decoding alone", 0.80)],
        seconds=0,
        least=ours.rounds,
        memory="",
    )


def _by_processor(ours: _Command, peers: Mapping[str, _Command]) -> Table:
    """The case's runs once more, by processor time."""
    least = ours.per_track
    rows = [
        [name, f"{1e3 * command.per_track:.1f}", f"{command.per_track / least:.3g}×"]
        for name, command in {"audiospec": ours, **peers}.items()
    ]
    return Table(
        name="30 s WAV → 10 s float16 Zarr on disk, by processor time, start-up aside",
        head=["contender", "ms of a core, a track", "over ours"],
        rows=rows,
        note="of the runs above; on a machine that has other work to do, it tells more than the clock",
    )


def _where_time_goes(tracks: _Tracks, ours: _Command, pair: _Pair) -> Table:
    """Where the time of the processors goes: each part alone, and what our own runs took beside them."""
    chain = ("read", "hash", "decode", "to_wave", "log_mel", "to_float16", "checksum", "write")
    alone = pair.parts(tracks, (*chain, "fft"))
    whole, together = ours.per_track, sum(alone[part] for part in chain)
    floor = sum(alone[part] for part in ("decode", "fft", "write"))
    rows = {
        "raw read of the file": alone["read"],
        "hash of its bytes": alone["hash"],
        "soundfile alone, to 16-bit integers": alone["decode"],
        "to float32": alone["to_wave"],
        "log-mel: the frontend": alone["log_mel"],
        "… of it, the FFT alone": alone["fft"],
        "to float16": alone["to_float16"],
        "checksum": alone["checksum"],
        "plain write": alone["write"],
        "sum, in which the FFT counts once": together,
        "audiospec, all its processes, start-up aside": whole,
        "… beyond the sum": whole - together,
        "soundfile, the FFT and the write: the floor": floor,
    }
    return Table(
        name="where the time of a 30 s WAV track goes",
        head=["part", "ms of a core, a track"],
        rows=[[name, f"{1e3 * seconds:.2f}"] for name, seconds in rows.items()],
        note=(
            f"processor time, in two processes at once; of audiospec's, the floor is {floor / whole:.0%}, "
            f"the sum of its parts {together / whole:.0%}"
        ),
    )


def _memory(ours: _Command) -> Table | NotRun:
    """Peak memory of a small and of a large folder."""
    name = "memory of audiospec featurize, 2 workers"
    if not can_watch():
        return NotRun(name, "memory of processes cannot be had: Linux and psutil are needed")
    peaks = []
    for count in MEMORY_TRACKS:
        with watching_children() as peak:
            ours.run(count)
        peaks.append(peak.together)
    return Table(
        name=name,
        head=["tracks", "peak"],
        rows=[[count, size(peak)] for count, peak in zip(MEMORY_TRACKS, peaks, strict=True)],
        targets=[
            held("peak of the large folder", peaks[-1], MOST_MEMORY, "bytes"),
            held("peak of the large folder over that of the small one", peaks[-1] / peaks[0], 1.1),
        ],
        note="of all its processes: what they share counts once",
    )


# --- commands, start-up aside ---


class _Tracks:
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
_Rows = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class _Command:
    """A Python module that featurizes a folder.

    Attributes
    ----------
    arguments : list of str
        Its name, and what follows; ``"{data}"`` stands for the folder.
    out : Path
        What it makes.
    read : callable
        `out` → its features.
    source : _Tracks
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
    read: Callable[[Path], _Rows]
    source: _Tracks
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

        def result() -> _Rows:
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


def _ours(setup: Setup, tracks: _Tracks, sizes: tuple[int, int], *more: str) -> _Command:
    store = setup.folder / "ours.zarr"
    command = ["audiospec", "featurize", "folder", "--data", "{data}", "--store", str(store)]
    command += ["--workers", str(WORKERS), *more]
    return _Command(command, store, _read_store, tracks, sizes, rounds=5 if setup.full else 3)


def _read_store(store: Path) -> _Rows:
    view = open_store(store).view()
    return {Path(track).stem: view.read(view.rows_of(track)) for track in view.store.tracks["id"]}


def _read_arrays(out: Path) -> _Rows:
    return {file.stem: np.load(file) for file in sorted(out.glob("*.npy"))}


def _read_lhotse(out: Path) -> _Rows:
    """What lhotse has stored, a frame longer, which is compared with nothing."""
    from audiospec.benchmarks.peers.lhotse_script import read

    beyond = ((0, 0), (0, 0), (0, 1))
    return {track: np.pad(rows, beyond, constant_values=-np.inf) for track, rows in read(out).items()}


def _difference(ours: _Rows, theirs: _Rows) -> float:
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


# --- floors: parts of the work, alone, in two processes at once ---


class _Pair:
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

    def __enter__(self) -> _Pair:
        # Now, so that their memory is not taken for that of a contender.
        for ready in [process.submit(_ready) for process in self._processes]:
            ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.shutdown()

    def contender(self, name: str, tracks: _Tracks, amount: float, steps: Sequence[str]) -> Contender:
        """A floor: these steps for each track, one after another."""

        def call(number: int) -> tuple[float, None]:
            ran = self._run(tracks, steps)
            took = max(end for _, end, _ in ran) - min(begin for begin, _, _ in ran)
            return took * amount / (TRACK_SECONDS * self.TRACKS), None

        return Contender(name=name, role="floor", call=call, has_own_clock=True)

    def parts(self, tracks: _Tracks, steps: Sequence[str]) -> dict[str, float]:
        """Seconds of a processor for each step of a track."""
        ran = self._run(tracks, steps)
        return {step: sum(each[step] for _, _, each in ran) / self.TRACKS for step in steps}

    def _run(self, tracks: _Tracks, steps: Sequence[str]) -> list[tuple[float, float, dict[str, float]]]:
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
