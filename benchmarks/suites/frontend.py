"""frontend: log-mel spectrograms and tabular features of audio in memory, on one thread and on a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from audiospec.audio.waves import Wave
from audiospec.benchmarks.audio import RATE, load_waves
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
    suites,
    target_result,
)
from audiospec.benchmarks.peers.frontends import (
    COLUMN_TOLERANCE,
    COLUMNS,
    MEL_TOLERANCE,
    SPEC,
    audioflux_log_mel,
    column_transforms,
    essentia_log_mel,
    kaldi_log_mel,
    librosa_log_mel,
    librosa_row,
    log_mel_floors,
    make_contender,
    nnaudio_log_mel,
    torchaudio_log_mel,
)
from audiospec.errors import SpecError
from audiospec.features.base import frontend
from audiospec.features.kernels.median import running_median
from audiospec.features.native.base import native_reason
from audiospec.features.tabular import TabularFrontend, deviation

#: Distinct chunks, used in turn; all contenders of a round get the same one.
CHUNKS = 8
#: Device memory for the intermediate spectra of a chunk of 30 s, in the contender that needs most.
CHUNK_BYTES = 1e8
#: Attributes of `Chunks` that families of columns share, by backend, in the order in which they are computed.
SHARED = {
    "native": ("mel", "chroma", "mfccs", "harmonic"),
    "fft": ("spectrum", "power", "magnitude", "total", "centroids", "mel", "chroma", "mfccs", "harmonic"),
}
#: Tracks whose columns are all compared with librosa's, with `full`.
TRACKS = 40


@suites.register
class Frontend(Suite):
    """Features of chunks in memory; decoding has its own suite."""

    def cases(self, setup: Setup) -> Iterator[Case | Table | NotRun]:
        """Yield log-mel by chunk and by batch, tabular, both on a GPU, then tables of where time goes."""
        torch.set_num_threads(1)
        long = load_waves(setup, CHUNKS, 30.0)
        short = [wave[: 10 * RATE].copy() for wave in long]
        yield _log_mel_case(short)
        for size in (1, 8, 32) if setup.full else (1, 8):
            yield _batch_case(short, size, torch.device("cpu"))
        yield _tabular_case(long)
        yield from _device_cases(setup, long)
        if setup.full:
            yield _median_case(long[0])
            yield _tabular_table(long)
            yield _agreement_table(load_waves(setup, TRACKS, 30.0))


def _log_mel_case(chunks: Sequence[Wave]) -> Case:
    tensors = [torch.from_numpy(chunk) for chunk in chunks]
    samples = len(chunks[0])
    missing = absent("librosa", "essentia", "audioflux", "kaldi_native_fbank", "torchaudio")
    missing = {name.replace("_", "-"): reason for name, reason in missing.items()}
    numpy_peers = {
        "librosa": librosa_log_mel,
        "essentia": essentia_log_mel,
        "audioflux": audioflux_log_mel,
        "kaldi-native-fbank": kaldi_log_mel,
    }
    cpu, ours = torch.device("cpu"), frontend(SPEC)
    others = {} if ours.backend == "fft" else {"audiospec fft": frontend(SPEC, backend="fft")}
    if ours.backend != "native":
        missing["audiospec native"] = native_reason(SPEC)
    return Case(
        name="log-mel, one thread, chunks of 10 s",
        amount=samples / RATE,
        unit="s of audio",
        contenders=[
            make_contender(tensors, ours, name="audiospec", role="ours", note=f"backend {ours.backend}"),
            *(make_contender(tensors, module, name=name) for name, module in others.items()),
            *(make_contender(chunks, **make()) for name, make in numpy_peers.items() if name not in missing),
            *([] if "torchaudio" in missing else [make_contender(tensors, **torchaudio_log_mel(cpu))]),
            make_contender(tensors, **nnaudio_log_mel(cpu)),
            *log_mel_floors(tensors),
        ],
        difference=_mel_difference,
        tolerance=MEL_TOLERANCE,
        difference_unit="dB",
        targets=[
            Target("FFT alone", 0.9),
            Target("librosa", 9),
            Target("torchaudio", 6),
            Target("nnAudio conv", 50),
            Target("essentia", 18),
            Target("audioflux", 10),
            Target("kaldi-native-fbank", 1),
        ],
        warm=True,
        seconds=20,
        missing=missing,
        note=f"{len(chunks)} chunks in turn; all are compared, within 80 dB of their peak",
    )


def _batch_case(chunks: Sequence[Wave], size: int, device: torch.device) -> Case:
    on_cuda = device.type == "cuda"
    # Small batches share the chunks and are used in turn; a large batch repeats all chunks.
    order = torch.arange(size * max(1, CHUNKS // size), device=device) % len(chunks)
    tensors = list(torch.from_numpy(np.stack(chunks)).to(device)[order].reshape(-1, size, len(chunks[0])))
    modules: dict[str, nn.Module] = (
        {"audiospec fft": frontend(SPEC, backend="fft", device=device)}
        if on_cuda
        else {"audiospec": frontend(SPEC)}
    )
    missing = absent("torchaudio")
    if on_cuda:
        # The fused backend, which runs on a GPU only, comes first if it is available.
        try:
            modules = {"audiospec fused": frontend(SPEC, backend="fused", device=device), **modules}
        except SpecError as error:
            missing["audiospec fused"] = str(error)
    ours, *other_backends = modules.items()
    seconds = len(chunks[0]) / RATE
    targets: list[Target | Limit] = []
    if on_cuda and size >= 32:  # smaller batches do not fill a GPU
        targets = [Target("torchaudio", 4), Target("nnAudio conv", 8)]
    if on_cuda and size >= 512:
        targets.append(Limit("seconds", size * seconds / 1.5e6))
    return Case(
        name=f"log-mel, {'GPU' if on_cuda else 'one thread'}, batch of {size} × {seconds:g} s",
        amount=size * seconds,
        unit="s of audio",
        contenders=[
            make_contender(tensors, ours[1], name=ours[0], role="ours"),
            *(make_contender(tensors, module, name=name) for name, module in other_backends),
            *([] if "torchaudio" in missing else [make_contender(tensors, **torchaudio_log_mel(device))]),
            make_contender(tensors, **nnaudio_log_mel(device)),
            *log_mel_floors(tensors),
        ],
        difference=_mel_difference,
        tolerance=MEL_TOLERANCE,
        difference_unit="dB",
        targets=targets,
        warm=True,
        seconds=10,
        min_rounds=5 if on_cuda or size < 32 else 3,
        sync=torch.cuda.synchronize if on_cuda else None,
        memory="device" if on_cuda else "process",
        missing=missing,
        note="input and output in device memory; TensorFloat-32 is disabled for all" if on_cuda else "",
    )


def _tabular_case(chunks: Sequence[Wave]) -> Case:
    # Two chunks are enough: each is compared, and librosa takes seconds for one.
    chunks, missing, ours = chunks[:2], absent("librosa"), TabularFrontend(COLUMNS)
    tensors = [torch.from_numpy(chunk) for chunk in chunks]
    peers = [] if missing else [make_contender(chunks, librosa_row, name="librosa")]
    if ours.backend != "fft":
        slower = TabularFrontend(COLUMNS, backend="fft")
        peers.insert(0, make_contender(tensors, slower, name="audiospec fft"))
    return Case(
        name="tabular, one thread, chunks of 30 s",
        amount=len(chunks[0]) / RATE,
        unit="s of audio",
        contenders=[
            make_contender(tensors, ours, name="audiospec", role="ours", note=f"backend {ours.backend}"),
            *peers,
            column_transforms(len(chunks[0])),
        ],
        difference=_column_difference,
        tolerance=COLUMN_TOLERANCE,
        targets=[Target("librosa", 30)],
        seconds=20,
        missing=missing,
        note=f"{len(COLUMNS.columns)} columns; the difference is |ours - theirs| / |theirs|, except for "
        "means and variances near zero (see `deviation`); the floor: a transform in float64, an inverse one",
    )


def _device_cases(setup: Setup, chunks: Sequence[Wave]) -> Iterator[Case | NotRun]:
    """Yield the cases of log-mel and tabular on a CUDA device."""
    name, device = "log-mel (backend fused) and tabular, GPU", torch.device(setup.device)
    if device.type == "cpu":
        yield NotRun(name, f"needs a CUDA device: `device` is {setup.device!r}")
        return
    if device.type != "cuda" or not torch.cuda.is_available():
        yield NotRun(name, f"device {setup.device!r} is not an available CUDA device")
        return
    torch.backends.cudnn.allow_tf32 = False  # else nnAudio's convolution loses three digits
    with torch.cuda.device(device):
        for size in (1, 32, 1024 if setup.full else 512):
            free, _ = torch.cuda.mem_get_info()
            if size * CHUNK_BYTES > free:
                yield NotRun(
                    f"log-mel, GPU, batch of {size} × 30 s", f"peers need {size * CHUNK_BYTES:.2g} bytes"
                )
                continue
            yield _batch_case(chunks, size, device)
            torch.cuda.empty_cache()
        yield _tabular_device_case(chunks, 64, device)


def _tabular_device_case(chunks: Sequence[Wave], size: int, device: torch.device) -> Case:
    batch = torch.from_numpy(np.stack(chunks))[torch.arange(size) % len(chunks)].to(device)
    module = TabularFrontend(COLUMNS).to(device)
    missing = absent("librosa")

    def librosa(number: int) -> tuple[float, Tensor]:
        start = time.perf_counter()
        row = librosa_row(chunks[number % len(chunks)])
        return size * (time.perf_counter() - start), row

    peer = Contender(
        name="librosa",
        call=librosa,
        has_own_clock=True,
        result=lambda: [librosa_row(chunk) for chunk in chunks[:2]],
        note=f"one CPU thread; one chunk is timed, multiplied by {size}",
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
                # A whole batch, of which only the rows that librosa computes are compared.
                result=lambda: list(module(batch)[: len(chunks[:2])].cpu()),
            ),
            *([] if missing else [peer]),
        ],
        difference=_column_difference,
        tolerance=COLUMN_TOLERANCE,
        targets=[Target("librosa", 100)],
        sync=torch.cuda.synchronize if device.type == "cuda" else None,
        memory="device" if device.type == "cuda" else "process",
        missing=missing,
        note=peer.note,
    )


# --- tables: the time of each part, and the agreement of all columns ---------------------------------------


def _tabular_table(chunks: Sequence[Wave]) -> Table:
    """Return the time of what families share, each when first computed, then that of each family."""
    module = TabularFrontend(COLUMNS)
    shared = SHARED[module.backend]
    times: dict[str, list[float]] = {}
    with torch.inference_mode():
        for chunk in chunks:
            wave, start = torch.from_numpy(chunk)[None], time.perf_counter()
            prepared = module.chunks(wave)
            times.setdefault("first pass (shared)", []).append(time.perf_counter() - start)
            for name in (*shared, *COLUMNS.families):
                start = time.perf_counter()
                if name in shared:
                    getattr(prepared, name)
                else:
                    prepared.columns(name)
                times.setdefault(f"{name} (shared)" if name in shared else name, []).append(
                    time.perf_counter() - start
                )
    rows = {name: statistics.median(seconds) for name, seconds in times.items()}
    return _share_table(
        "where the time of a tabular chunk of 30 s goes", rows, "first what families share, then each family"
    )


def _share_table(name: str, rows: dict[str, float], note: str) -> Table:
    total = sum(rows.values())
    return Table(
        name=name,
        head=("part", "ms", "share"),
        rows=[(part, f"{1e3 * value:.2f}", f"{value / total:.0%}") for part, value in rows.items()],
        note=note,
    )


def _median_case(chunk: Wave) -> Case:
    """Return a case of the most expensive part of a tabular chunk: running medians over time."""
    import scipy.ndimage

    size = COLUMNS.kernel_size
    magnitude = TabularFrontend(COLUMNS, backend="fft").chunks(torch.from_numpy(chunk)[None]).magnitude
    half, (frames, bins) = size // 2, magnitude.shape[1:]
    # One long line of all bins, each with mirrored ends: scipy's filter is faster in one dimension.
    line = np.pad(magnitude[0].numpy().T, ((0, 0), (half, half)), mode="symmetric").ravel()

    def scipy_medians(_: int) -> Tensor:
        medians = scipy.ndimage.median_filter(line, size, mode="reflect")
        return torch.from_numpy(medians.reshape(bins, frames + 2 * half)[:, half:-half].T)

    return Case(
        name=f"running medians of {size} frames, one thread, spectrogram of 30 s",
        amount=magnitude.numel(),
        unit="medians",
        contenders=[
            Contender(name="audiospec", role="ours", call=lambda _: running_median(magnitude, size)[0]),
            Contender(name="scipy", call=scipy_medians),
        ],
        difference=lambda ours, theirs: float((ours - theirs).abs().max()),
    )


def _agreement_table(tracks: Sequence[Wave]) -> Table | NotRun:
    """Compare every column of every track with librosa's, for 30 s and for the first 3 s."""
    name, module = "tabular columns compared with librosa's", TabularFrontend(COLUMNS)
    if absent("librosa"):
        return NotRun(name, absent("librosa")["librosa"])
    rows: list[tuple[str | int, ...]] = []
    largest = 0.0
    for seconds in (30, 3):
        chunks = [track[: seconds * RATE].copy() for track in tracks]
        exact = torch.stack([librosa_row(chunk) for chunk in chunks])
        actual = module(torch.from_numpy(np.stack(chunks))).double()
        deviations = deviation(COLUMNS, actual, exact)
        largest = max(largest, float(deviations.max().nan_to_num(torch.inf)))
        column = COLUMNS.columns[int(deviations.amax(0).argmax())]
        tempo = COLUMNS.columns.index("tempo")
        equal = int((actual[:, tempo] == exact[:, tempo].float().double()).sum())
        rows.append((f"{seconds} s", len(chunks), exact.numel(), f"{deviations.max():.1g}", column, equal))
    return Table(
        name=name,
        head=("chunks of", "chunks", "values", "largest difference", "in column", "equal tempi"),
        rows=rows,
        targets=[target_result("largest relative difference of all columns", largest, COLUMN_TOLERANCE)],
        note="relative differences, except for means and variances near zero (see `deviation`)",
    )


# --- comparisons -------------------------------------------------------------------------------------------


def _mel_difference(ours: Sequence[Tensor], theirs: Sequence[Any]) -> float:
    """Return the largest difference in dB of log-mel bins within 80 dB of the peak of their chunk."""
    largest = []
    for our_mel, result in zip(ours, theirs, strict=True):
        their_mel = torch.as_tensor(result)
        shapes = f"expected shape {tuple(our_mel.shape)}, got {tuple(their_mel.shape)}"
        assert their_mel.shape == our_mel.shape, shapes
        compared = our_mel >= our_mel.amax((-2, -1), keepdim=True) - 80
        largest.append(torch.where(compared, (their_mel - our_mel).abs(), 0).max())
    return float(torch.stack(largest).max())


def _column_difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Return the largest deviation of a column."""
    return float(deviation(COLUMNS, torch.stack([*ours]).double(), torch.stack([*theirs])).max())
