"""frontend: log-mel spectrograms and tabular features of audio in memory, on one thread and on a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from audiospec.audio import Wave
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
from audiospec.errors import SpecError
from audiospec.features._median import running_median
from audiospec.features.base import frontend
from audiospec.features.tabular import TabularFrontend, _Chunks, deviation
from audiospec.spec import MelSpec, TabularSpec
from audiospec.testing.tabular import librosa_columns

SPEC = MelSpec()
COLUMNS = TabularSpec()
#: Different chunks, one after another; whoever takes part in a round gets the same.
CHUNKS = 8
#: dB that float32 may make of a log-mel bin within 80 dB of its chunk's peak; of a column, relative.
CLOSE, CLOSE_COLUMN = 0.01, 1e-3
#: dB for peers that make the filters themselves in float32. A pure tone at the foot of a filter, where its
#: weight is next to nothing and has few digits left, makes 0.05 dB of it.
CLOSE_FLOAT32_FILTERS = 0.2
FLOAT32_FILTERS = "computes its filters in float32"
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
    missing = absent("librosa", "essentia", "audioflux")
    by_numpy = {"librosa": _librosa, "essentia": _essentia, "audioflux": _audioflux}
    cpu = torch.device("cpu")
    return Case(
        name="log-mel, one thread, chunks of 10 s",
        amount=samples / RATE,
        unit="s of audio",
        contenders=[
            _over(tensors, frontend(SPEC), name="audiospec", role="ours"),
            *(_over(chunks, **make()) for name, make in by_numpy.items() if name not in missing),
            _over(tensors, **_torchaudio(cpu)),
            _over(tensors, **_nnaudio(cpu)),
            *_floors(tensors),
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
    missing: dict[str, str] = {}
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
            _over(tensors, ours[1], name=ours[0], role="ours"),
            *(_over(tensors, module, name=name) for name, module in others),
            _over(tensors, **_torchaudio(device)),
            _over(tensors, **_nnaudio(device)),
            *_floors(tensors),
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
    peers = [] if missing else [_over(chunks[:2], _librosa_row, name="librosa")]
    return Case(
        name="tabular, one thread, chunks of 30 s",
        amount=len(chunks[0]) / RATE,
        unit="s of audio",
        contenders=[
            # Two chunks of librosa's say enough: each is compared, and takes seconds.
            _over(tensors[:2], TabularFrontend(COLUMNS), name="audiospec", role="ours"),
            *peers,
            _column_transforms(len(chunks[0])),
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
        row = _librosa_row(chunks[number % len(chunks)])
        return size * (time.perf_counter() - began), row

    peer = Contender(
        name="librosa",
        call=librosa,
        has_own_clock=True,
        result=lambda: [_librosa_row(chunk) for chunk in chunks[:2]],
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
            together = _Chunks(module, torch.from_numpy(chunk)[None])
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
    magnitude = _Chunks(TabularFrontend(COLUMNS), torch.from_numpy(chunk)[None]).magnitude
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
        exact = torch.stack([_librosa_row(chunk) for chunk in chunks])
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


def _over(inputs: Sequence[Any], work: Callable[[Any], Any], **named: Any) -> Contender:
    """A contender that takes inputs in turn; its results of all of them are compared."""

    @torch.inference_mode()
    def quietly(each: Any) -> Any:
        return work(each)

    return Contender(
        call=lambda number: quietly(inputs[number % len(inputs)]),
        result=lambda: [quietly(each) for each in inputs],
        **named,
    )


def _librosa() -> dict[str, Any]:
    import librosa

    def work(wave: Wave) -> Wave:
        mel = librosa.feature.melspectrogram(
            y=wave,
            sr=SPEC.sample_rate,
            n_fft=SPEC.n_fft,
            hop_length=SPEC.hop_length,
            n_mels=SPEC.n_mels,
            fmax=SPEC.fmax,
            htk=True,
            pad_mode="reflect",
        )
        found: Wave = librosa.power_to_db(mel, top_db=None)
        return found

    return {"name": "librosa", "work": work}


def _torchaudio(device: torch.device) -> dict[str, Any]:
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    mel = MelSpectrogram(
        sample_rate=SPEC.sample_rate,
        n_fft=SPEC.n_fft,
        hop_length=SPEC.hop_length,
        n_mels=SPEC.n_mels,
        f_max=SPEC.fmax,
        power=2.0,
        pad_mode="reflect",
        norm="slaney",
        mel_scale="htk",
    )
    work = nn.Sequential(mel, AmplitudeToDB("power", top_db=None)).to(device)
    return {
        "name": "torchaudio",
        "work": work,
        "tolerance": CLOSE_FLOAT32_FILTERS,
        "note": FLOAT32_FILTERS,
    }


def _nnaudio(device: torch.device) -> dict[str, Any]:
    from nnAudio2.features.mel import MelSpectrogram

    mel = MelSpectrogram(
        sr=SPEC.sample_rate,
        n_fft=SPEC.n_fft,
        hop_length=SPEC.hop_length,
        n_mels=SPEC.n_mels,
        fmax=SPEC.fmax,
        htk=True,
        norm=1,  # Slaney's
        pad_mode="reflect",
        verbose=False,
    ).to(device)

    def work(waves: Tensor) -> Tensor:
        power: Tensor = mel(waves)
        return power.clamp_(min=SPEC.amin).log10_().mul_(10).view(*waves.shape[:-1], *power.shape[1:])

    return {"name": "nnAudio conv", "work": work}


def _essentia() -> dict[str, Any]:
    import essentia.standard

    # MelBands computes the same edges in float32, by which a tone is off by up to 1 dB; the cost is equal.
    mels = np.linspace(0, 2595 * np.log10(1 + SPEC.fmax / 700), SPEC.n_mels + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    size, hop = SPEC.n_fft, SPEC.hop_length
    window = essentia.standard.Windowing(
        type="hann", size=size, normalized=False, zeroPhase=False, symmetric=False
    )
    power = essentia.standard.PowerSpectrum(size=size)
    bands = essentia.standard.TriangularBands(
        inputSize=size // 2 + 1,
        sampleRate=SPEC.sample_rate,
        frequencyBands=edges.tolist(),
        normalize="unit_tri",
        weighting="linear",
        type="magnitude",  # of the power: not squared again
        log=False,
    )

    def work(wave: Wave) -> Wave:
        padded = np.pad(wave, size // 2, mode="reflect")
        mel = [bands(power(window(padded[i : i + size]))) for i in range(0, len(padded) - size + 1, hop)]
        return _decibels(np.array(mel).T)

    return {
        "name": "essentia",
        "work": work,
        "tolerance": CLOSE_FLOAT32_FILTERS,
        "note": f"frame by frame from Python; {FLOAT32_FILTERS}",
    }


def _audioflux() -> dict[str, Any]:
    import audioflux
    from audioflux.type import (
        SpectralDataType,
        SpectralFilterBankNormalType,
        SpectralFilterBankScaleType,
        WindowType,
    )

    mel = audioflux.BFT(
        num=SPEC.n_mels,
        radix2_exp=SPEC.n_fft.bit_length() - 1,
        samplate=SPEC.sample_rate,
        low_fre=SPEC.fmin,
        high_fre=SPEC.fmax,
        window_type=WindowType.HANN,
        slide_length=SPEC.hop_length,
        scale_type=SpectralFilterBankScaleType.MEL,  # HTK's
        normal_type=SpectralFilterBankNormalType.BAND_WIDTH,  # Slaney's
        data_type=SpectralDataType.POWER,
    )

    def work(wave: Wave) -> Wave:
        # It centres no frame by itself; its own decibels are over the peak and cut off 80 dB below.
        return _decibels(mel.bft(np.pad(wave, SPEC.n_fft // 2, mode="reflect"), result_type=1))

    return {
        "name": "audioflux",
        "work": work,
        "tolerance": CLOSE_FLOAT32_FILTERS,
        "note": FLOAT32_FILTERS,
    }


def _decibels(power: Wave) -> Wave:
    found: Wave = 10 * np.log10(np.maximum(power, SPEC.amin))
    return found


def _librosa_row(chunk: Wave) -> Tensor:
    return torch.tensor(list(librosa_columns(chunk, COLUMNS).values()), dtype=torch.float64)


def _floors(tensors: Sequence[Tensor]) -> list[Contender]:
    """What log-mel cannot do without: the Fourier transforms; reading samples, and writing values."""
    shape = SPEC.row_shape(tensors[0].shape[-1])
    chunks = tensors[0].numel() // tensors[0].shape[-1]
    values = tensors[0].new_empty(chunks, *shape)

    def traffic(samples: Tensor) -> None:
        samples.sum()
        values.fill_(0)

    return [
        _transforms(chunks * shape[1], tensors[0].device),
        _over(tensors, traffic, name="memory traffic", role="floor"),
    ]


def _transforms(count: int, device: torch.device) -> Contender:
    """So many real FFTs of windowed frames, one after another, in blocks of the size that is fastest here."""
    on_cpu = device.type == "cpu"
    sizes = [size for size in (16, 64, 128, 256, 512) if on_cpu] or [1 << 12, 1 << 14, 1 << 16]
    window = torch.hann_window(SPEC.n_fft, device=device)
    frames = torch.randn(min(count, sizes[-1]), SPEC.n_fft, device=device) * window

    def by_blocks(size: int) -> None:
        for first in range(0, count, size):
            torch.fft.rfft(frames[: min(size, count - first)])

    def seconds(size: int) -> float:
        times = []
        for _ in range(4):
            began = time.perf_counter()
            by_blocks(size)
            if not on_cpu:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
        return min(times)

    best = min(sizes, key=seconds)
    return Contender(
        name="FFT alone",
        role="floor",
        call=lambda _: by_blocks(best),
        note=f"{count} windows of {SPEC.n_fft} samples, {best} at a time",
    )


def _column_transforms(samples: int) -> Contender:
    """What the columns cannot do without: of each frame a transform forth, in float64, and one back."""
    frames, block = 1 + samples // COLUMNS.hop_length, 128
    windows = torch.randn(block, COLUMNS.n_fft, dtype=torch.float64)
    spectra = torch.fft.rfft(windows.float())

    def work(_: int) -> None:
        for first in range(0, frames, block):
            count = min(block, frames - first)
            torch.fft.rfft(windows[:count])
            torch.fft.irfft(spectra[:count])

    return Contender(name="Fourier transforms alone", role="floor", call=work)


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
