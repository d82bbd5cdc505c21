"""frontend: log-mel spectrograms and tabular features of audio in memory, on one thread and on a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiospec.audio.waves import Wave
from audiospec.benchmarks.audio import RATE, waves
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
    held,
    suites,
)
from audiospec.benchmarks.peers.frontends import (
    CLOSE,
    CLOSE_COLUMN,
    COLUMNS,
    SPEC,
    audioflux_log_mel,
    column_transforms,
    essentia_log_mel,
    floors,
    librosa_log_mel,
    librosa_row,
    nnaudio_log_mel,
    over,
    torchaudio_log_mel,
)
from audiospec.errors import SpecError
from audiospec.features.base import frontend
from audiospec.features.kernels.families import Chunks
from audiospec.features.kernels.median import running_median
from audiospec.features.tabular import TabularFrontend, deviation

#: Different chunks, one after another; whoever takes part in a round gets the same.
CHUNKS = 8
#: Device memory that spectra of 30 s take on their way, in whoever takes most.
CHUNK_BYTES = 1e8
#: What families of columns share, in the order in which one asks for it.
SHARED = ("spectrum", "power", "magnitude", "total", "centroids", "mel", "chroma", "mfccs", "harmonic")
#: Tracks whose every column is compared by ``--full``.
TRACKS = 40


@suites.register
class Frontend(Suite):
    """Chunks that are in memory already: decoding is of another suite."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Log-mel chunk by chunk and in batches, tabular, the same on a GPU; where the time goes."""
        torch.set_num_threads(1)
        long = waves(setup, CHUNKS, 30.0)
        short = [wave[: 10 * RATE].copy() for wave in long]
        yield _log_mel(short)
        for size in (1, 8, 32) if setup.full else (1, 8):
            yield _batch(short, size, torch.device("cpu"))
        yield _tabular(long)
        yield from _on_device(setup, long)
        if setup.full:
            yield _mel_operations(short)
            yield _medians(long[0])
            yield _tabular_stages(long)
            yield _agreement(waves(setup, TRACKS, 30.0))


def _log_mel(chunks: Sequence[Wave]) -> Case:
    tensors = [torch.from_numpy(chunk) for chunk in chunks]
    samples = len(chunks[0])
    missing = absent("librosa", "essentia", "audioflux", "torchaudio")
    by_numpy = {"librosa": librosa_log_mel, "essentia": essentia_log_mel, "audioflux": audioflux_log_mel}
    cpu = torch.device("cpu")
    return Case(
        name="log-mel, one thread, chunks of 10 s",
        amount=samples / RATE,
        unit="s of audio",
        contenders=[
            over(tensors, frontend(SPEC), name="audiospec", role="ours"),
            *(over(chunks, **make()) for name, make in by_numpy.items() if name not in missing),
            *([] if "torchaudio" in missing else [over(tensors, **torchaudio_log_mel(cpu))]),
            over(tensors, **nnaudio_log_mel(cpu)),
            *floors(tensors),
        ],
        difference=_decibels_apart,
        tolerance=CLOSE,
        difference_unit="dB",
        targets=[
            Target("librosa", 2.8),
            Target("torchaudio", 6),
            Target("nnAudio conv", 18),
            Target("FFT alone", 0.45),
        ],
        warm=True,
        seconds=16,
        missing={
            **missing,
            "kaldifeat": "other work: Kaldi's filters are triangles over mel, not over Hz, of height 1",
        },
        note=f"{len(chunks)} chunks in turn, each compared, within 80 dB of its peak",
    )


def _batch(chunks: Sequence[Wave], size: int, device: torch.device) -> Case:
    on_cuda = device.type == "cuda"
    # Small batches take turns; a large one has all chunks in it, again and again.
    order = torch.arange(size * max(1, CHUNKS // size), device=device) % len(chunks)
    tensors = list(torch.from_numpy(np.stack(chunks)).to(device)[order].reshape(-1, size, len(chunks[0])))
    modules: dict[str, nn.Module] = {
        "audiospec fft" if on_cuda else "audiospec": frontend(SPEC, device=device)
    }
    missing = absent("torchaudio")
    if on_cuda:
        # What is on no CPU comes first, if it is to be had here.
        try:
            modules = {"audiospec fused": frontend(SPEC, backend="fused", device=device), **modules}
        except SpecError as error:
            missing["audiospec fused"] = str(error)
    ours, *others = modules.items()
    seconds = len(chunks[0]) / RATE
    targets: list[Target | Limit] = []
    if on_cuda and size >= 32:  # fewer do not fill a GPU
        targets = [Target("torchaudio", 4), Target("nnAudio conv", 8)]
    if on_cuda and size >= 512:
        targets.append(Limit("seconds", size * seconds / 1.5e6))
    return Case(
        name=f"log-mel, {'GPU' if on_cuda else 'one thread'}, batch of {size} × {seconds:g} s",
        amount=size * seconds,
        unit="s of audio",
        contenders=[
            over(tensors, ours[1], name=ours[0], role="ours"),
            *(over(tensors, module, name=name) for name, module in others),
            *([] if "torchaudio" in missing else [over(tensors, **torchaudio_log_mel(device))]),
            over(tensors, **nnaudio_log_mel(device)),
            *floors(tensors),
        ],
        difference=_decibels_apart,
        tolerance=CLOSE,
        difference_unit="dB",
        targets=targets,
        warm=True,
        seconds=10,
        least=5 if on_cuda or size < 32 else 3,
        sync=torch.cuda.synchronize if on_cuda else None,
        memory="device" if on_cuda else "process",
        missing=missing,
        note="from device memory to device memory; TensorFloat-32 is off for all" if on_cuda else "",
    )


def _tabular(chunks: Sequence[Wave]) -> Case:
    tensors = [torch.from_numpy(chunk) for chunk in chunks]
    missing = absent("librosa")
    peers = [] if missing else [over(chunks[:2], librosa_row, name="librosa")]
    return Case(
        name="tabular, one thread, chunks of 30 s",
        amount=len(chunks[0]) / RATE,
        unit="s of audio",
        contenders=[
            # Two chunks of librosa's say enough: each is compared, and takes seconds.
            over(tensors[:2], TabularFrontend(COLUMNS), name="audiospec", role="ours"),
            *peers,
            column_transforms(len(chunks[0])),
        ],
        difference=_columns_apart,
        tolerance=CLOSE_COLUMN,
        targets=[Target("librosa", 6)],
        seconds=20,
        missing=missing,
        note=f"{len(COLUMNS.columns)} columns; they differ by |ours - theirs| / |theirs|, but for means and "
        "variances of next to nothing (see `deviation`); the transforms are one forth in float64, one back",
    )


def _on_device(setup: Setup, chunks: Sequence[Wave]) -> Iterator[Case | NotRun]:
    """Log-mel and tabular on a CUDA device."""
    name, device = "log-mel (backend fused) and tabular, GPU", torch.device(setup.device)
    if device.type == "cpu":
        yield NotRun(name, "no CUDA device was asked for: --device cuda")
        return
    if device.type != "cuda" or not torch.cuda.is_available():
        yield NotRun(name, f"device {setup.device!r} is no CUDA device that is to be had here")
        return
    torch.backends.cudnn.allow_tf32 = False  # nnAudio's convolution would lose three decimal digits
    with torch.cuda.device(device):
        for size in (1, 32, 1024 if setup.full else 512):
            free, _ = torch.cuda.mem_get_info()
            if size * CHUNK_BYTES > free:
                yield NotRun(
                    f"log-mel, GPU, batch of {size} × 30 s", f"peers need {size * CHUNK_BYTES:.2g} bytes"
                )
                continue
            yield _batch(chunks, size, device)
            torch.cuda.empty_cache()
        yield _tabular_on_device(chunks, 64, device)


def _tabular_on_device(chunks: Sequence[Wave], size: int, device: torch.device) -> Case:
    batch = torch.from_numpy(np.stack(chunks))[torch.arange(size) % len(chunks)].to(device)
    module = TabularFrontend(COLUMNS).to(device)
    missing = absent("librosa")

    def librosa(number: int) -> tuple[float, Tensor]:
        began = time.perf_counter()
        row = librosa_row(chunks[number % len(chunks)])
        return size * (time.perf_counter() - began), row

    peer = Contender(
        name="librosa",
        call=librosa,
        has_own_clock=True,
        result=lambda: [librosa_row(chunk) for chunk in chunks[:2]],
        note=f"one thread of this machine; one chunk is timed, times {size}",
    )
    return Case(
        name=f"tabular, GPU, batch of {size} × 30 s",
        amount=size * len(chunks[0]) / RATE,
        unit="s of audio",
        contenders=[
            Contender(
                name="audiospec",
                role="ours",
                call=lambda _: module(batch),
                # By the batch, and the rows of those chunks that librosa computes, too.
                result=lambda: list(module(batch)[: len(chunks[:2])].cpu()),
            ),
            *([] if missing else [peer]),
        ],
        difference=_columns_apart,
        tolerance=CLOSE_COLUMN,
        targets=[Target("librosa", 100)],
        sync=torch.cuda.synchronize if device.type == "cuda" else None,
        memory="device" if device.type == "cuda" else "process",
        missing=missing,
        note=peer.note,
    )


# --- tables: where the time goes, and how far all columns are apart ----------------------------------------


def _mel_operations(chunks: Sequence[Wave]) -> Table:
    """Torch's own count, so that nothing of the frontend is written here a second time."""
    tensors, module = [torch.from_numpy(chunk) for chunk in chunks], frontend(SPEC)
    repeats = 5
    with torch.inference_mode():
        module(tensors[0])
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            began = time.perf_counter()
            for _ in range(repeats):
                for tensor in tensors:
                    module(tensor)
            whole = time.perf_counter() - began
    chunk = whole / (repeats * len(tensors))
    times = {
        event.key: event.self_cpu_time_total / 1e6 / (repeats * len(tensors))
        for event in profiler.key_averages()
    }
    rows = {
        name.removeprefix("aten::"): value
        for name, value in sorted(times.items(), key=lambda item: -item[1])
        if value >= 0.01 * chunk
    }
    rows["the rest, and Python between"] = chunk - sum(rows.values())
    return _shares(
        "where the time of a log-mel chunk of 10 s goes", rows, "torch's operations, by its profiler"
    )


def _tabular_stages(chunks: Sequence[Wave]) -> Table:
    """What families share, each when it is first asked for, then what each family adds."""
    module = TabularFrontend(COLUMNS)
    took: dict[str, list[float]] = {}
    with torch.inference_mode():
        for chunk in chunks:
            together = _chunks(module, chunk)
            for name in (*SHARED, *COLUMNS.families):
                began = time.perf_counter()
                if name in SHARED:
                    getattr(together, name)
                else:
                    together.columns(name)
                took.setdefault(f"{name} (shared)" if name in SHARED else name, []).append(
                    time.perf_counter() - began
                )
    rows = {name: statistics.median(times) for name, times in took.items()}
    return _shares(
        "where the time of a tabular chunk of 30 s goes", rows, "first what families share, then each of them"
    )


def _shares(name: str, rows: dict[str, float], note: str) -> Table:
    whole = sum(rows.values())
    return Table(
        name=name,
        head=("part", "ms", "share"),
        rows=[(part, f"{1e3 * value:.2f}", f"{value / whole:.0%}") for part, value in rows.items()],
        note=note,
    )


def _medians(chunk: Wave) -> Case:
    """The largest part of a tabular chunk: running medians over the time of a spectrogram."""
    import scipy.ndimage

    size = COLUMNS.kernel_size
    magnitude = _chunks(TabularFrontend(COLUMNS), chunk).magnitude
    half, (frames, bins) = size // 2, magnitude.shape[1:]
    # One long line, bin after bin, each with its mirrored ends: the filter of one dimension is quicker.
    line = np.pad(magnitude[0].numpy().T, ((0, 0), (half, half)), mode="symmetric").ravel()

    def by_scipy(_: int) -> Tensor:
        found = scipy.ndimage.median_filter(line, size, mode="reflect")
        return torch.from_numpy(found.reshape(bins, frames + 2 * half)[:, half:-half].T)

    return Case(
        name=f"running medians of {size} frames, one thread, spectrogram of 30 s",
        amount=magnitude.numel(),
        unit="medians",
        contenders=[
            Contender(name="audiospec", role="ours", call=lambda _: running_median(magnitude, size)[0]),
            Contender(name="scipy", call=by_scipy),
        ],
        difference=lambda ours, theirs: float((ours - theirs).abs().max()),
    )


def _agreement(tracks: Sequence[Wave]) -> Table | NotRun:
    """Every column of every track against librosa's, by the track and by its first 3 s."""
    name, module = "tabular columns beside librosa's", TabularFrontend(COLUMNS)
    if absent("librosa"):
        return NotRun(name, absent("librosa")["librosa"])
    rows: list[tuple[str | int, ...]] = []
    worst = 0.0
    for seconds in (30, 3):
        chunks = [track[: seconds * RATE].copy() for track in tracks]
        exact = torch.stack([librosa_row(chunk) for chunk in chunks])
        found = module(torch.from_numpy(np.stack(chunks))).double()
        apart = deviation(COLUMNS, found, exact)
        worst = max(worst, float(apart.max().nan_to_num(torch.inf)))
        column = COLUMNS.columns[int(apart.amax(0).argmax())]
        tempo = COLUMNS.columns.index("tempo")
        tempi = int((found[:, tempo] == exact[:, tempo].float().double()).sum())
        rows.append((f"{seconds} s", len(chunks), exact.numel(), f"{apart.max():.1g}", column, tempi))
    return Table(
        name=name,
        head=("chunks of", "chunks", "numbers", "furthest", "that is", "tempi equal"),
        rows=rows,
        targets=[held("furthest of all columns, relative", worst, CLOSE_COLUMN)],
        note="relative; means and variances of next to nothing by another measure (see `deviation`)",
    )


# --- contenders --------------------------------------------------------------------------------------------


# --- comparisons -------------------------------------------------------------------------------------------


def _decibels_apart(ours: Sequence[Tensor], theirs: Sequence[Any]) -> float:
    """Largest difference of log-mel bins that are within 80 dB of their chunk's peak."""
    worst = []
    for exact, found in zip(ours, theirs, strict=True):
        found = torch.as_tensor(found)
        assert found.shape == exact.shape, f"{tuple(found.shape)} beside {tuple(exact.shape)}"
        near = exact >= exact.amax((-2, -1), keepdim=True) - 80
        worst.append(torch.where(near, (found - exact).abs(), 0).max())
    return float(torch.stack(worst).max())


def _columns_apart(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Largest deviation of columns."""
    return float(deviation(COLUMNS, torch.stack([*ours]).double(), torch.stack([*theirs])).max())


def _chunks(module: TabularFrontend, chunk: NDArray[np.float32]) -> Chunks:
    """One chunk, as the frontend hands it to its families."""
    return Chunks(module.spec, torch.from_numpy(chunk)[None], module.mel, module.chroma)
