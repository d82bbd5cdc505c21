"""The 57 columns of GTZAN's tables on one thread: audiospec and librosa, and where the time goes.

Equal work is checked first: every column of every chunk of the tracks that are there, 30 s and 3 s long. The
floor is the Fourier transforms that nobody can do without: one forth in float64, one back.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_variable] = "1"
# As the workers have it (see audiospec.engines.local); must stand before the process starts.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._result import save

RATE = 22050
#: Further apart, relative to librosa's value, columns are not equal work.
CLOSE = 1e-3
#: What families share, in the order in which one asks for it, then the families.
SHARED = ("spectrum", "power", "magnitude", "total", "centroids", "mel", "chroma", "mfccs", "harmonic")


def main() -> None:
    """Compare all columns, time both, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/gtzan-part"))
    parser.add_argument("--tracks", type=int, default=12, help="tracks that are timed")
    parser.add_argument("--compare", type=int, default=0, help="compare so many tracks only (0: all)")
    parser.add_argument("--save", type=Path, help="folder for tabular.json")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in _MALLOC.items()):
        command = [sys.executable, "-m", "benchmarks.tabular", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **_MALLOC})

    import torch

    from audiospec.audio import load
    from audiospec.datasets.gtzan import Gtzan
    from audiospec.features.tabular import TabularFrontend
    from audiospec.spec import TabularSpec

    torch.set_num_threads(1)
    spec = TabularSpec()
    frontend = TabularFrontend(spec)
    manifest = Gtzan(options.data).manifest()
    tracks = [track for track in manifest if track.id != "jazz.00054"]  # does not decode
    # Every other genre before the same one again, so that any number of them is a fair choice.
    tracks.sort(key=lambda track: (track.id.partition(".")[2], track.id))
    waves = {track.id: load(manifest.file(track), RATE) for track in tracks}
    ids = list(waves)
    with torch.inference_mode():
        some = ids[: options.compare] if options.compare else ids
        figures = {
            f"{seconds} s": _compare(frontend, {id: waves[id] for id in some}, seconds) for seconds in (30, 3)
        }
        chunks = [waves[id][: 30 * RATE] for id in ids[: options.tracks]]
        figures["speed"] = _speed(frontend, chunks)
        figures["medians_ms"] = _medians(frontend, chunks[0])
        figures["stages_ms"] = _stages(frontend, chunks)
    for part in ("medians_ms", "stages_ms"):
        for name, value in figures[part].items():
            print(f"    {name:24s} {value:7.1f} ms")
    if options.save:
        print(f"saved to {save('tabular', figures, options.save)}")


def _compare(frontend: Any, waves: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Every column of every chunk against librosa's; ends the program if one is off."""
    import torch

    from audiospec.features.tabular import deviation
    from audiospec.testing.tabular import librosa_columns

    spec, length = frontend.spec, seconds * RATE
    worst: dict[str, float] = dict.fromkeys(spec.columns, 0.0)
    exceptions: list[dict[str, Any]] = []
    compared = tempi = 0
    for id, wave in waves.items():
        for start in range(0, len(wave) - length + 1, length):
            chunk = wave[start : start + length]
            expected = librosa_columns(chunk, spec)
            exact = torch.tensor(list(expected.values()), dtype=torch.float64)
            found = frontend(torch.from_numpy(chunk.copy())).double()
            scaled = deviation(spec, found, exact)
            if scaled.max() > CLOSE:
                column = spec.columns[int(scaled.argmax())]
                sys.exit(f"unequal work: {column} of {id} at {start / RATE:g} s is off by {scaled.max():.2g}")
            relative = ((found - exact).abs() / exact.abs()).nan_to_num(0).tolist()
            for column, far, ours, theirs in zip(
                spec.columns, relative, found.tolist(), exact.tolist(), strict=True
            ):
                if far > CLOSE:
                    place = {"track": id, "start_s": start / RATE, "column": column}
                    exceptions.append({**place, "relative": far, "audiospec": ours, "librosa": theirs})
                else:
                    worst[column] = max(worst[column], far)
            tempi += int(found[spec.columns.index("tempo")] == torch.tensor(expected["tempo"]))
            compared += 1
    count = compared * len(spec.columns)
    print(
        f"{seconds} s: {compared} chunks of {len(waves)} tracks, {count} numbers: "
        f"{count - len(exceptions)} within {CLOSE:g} of librosa's, {len(exceptions)} means that are next to "
        f"nothing further; {tempi} tempi equal"
    )
    return {
        "tracks": len(waves),
        "chunks": compared,
        "tempi_equal": tempi,
        "worst_relative": {column: float(f"{far:.2g}") for column, far in worst.items()},
        "exceptions": exceptions,
    }


def _speed(frontend: Any, chunks: list[Any]) -> dict[str, Any]:
    """Time of a chunk, contenders one after another on each."""
    import librosa
    import torch

    from audiospec.testing.tabular import librosa_columns

    spec = frontend.spec
    frames = 1 + len(chunks[0]) // spec.hop_length
    windows = torch.randn(1, 128, spec.n_fft, dtype=torch.float64)
    spectra = torch.fft.rfft(windows.float())

    def transforms(_: Any) -> None:
        for first in range(0, frames, 128):
            count = min(128, frames - first)
            torch.fft.rfft(windows[:, :count])
            torch.fft.irfft(spectra[:, :count])

    contenders: dict[str, Callable[[Any], object]] = {
        "audiospec": lambda wave: frontend(torch.from_numpy(wave)),
        "librosa": lambda wave: librosa_columns(wave, spec),
        "librosa's hpss alone": lambda wave: librosa.effects.hpss(wave),
        "Fourier transforms alone": transforms,
    }
    chunks = [chunk.copy() for chunk in chunks]
    for call in contenders.values():
        call(chunks[0])
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for chunk in chunks:
        for name, call in contenders.items():
            for _ in range(1 if "librosa" in name else 5):
                began = time.perf_counter()
                call(chunk)
                took[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(values) for name, values in took.items()}
    ratios = sorted(
        theirs / statistics.median(took["audiospec"][5 * i : 5 * i + 5])
        for i, theirs in enumerate(took["librosa"])
    )
    figures: dict[str, Any] = {
        "chunk_s": 30,
        "tracks": len(chunks),
        "ms": {name: round(1e3 * value, 2) for name, value in middle.items()},
        "times_librosa": round(middle["librosa"] / middle["audiospec"], 2),
        "times_librosa_lowest_and_highest": [round(ratios[0], 2), round(ratios[-1], 2)],
        "times_real_time": round(30 / middle["audiospec"]),
    }
    if torch.cuda.is_available():
        figures["cuda"] = _on_gpu(frontend, chunks)
    for name, value in middle.items():
        print(f"{name:26s} {1e3 * value:8.1f} ms a chunk of 30 s")
    low, high = figures["times_librosa_lowest_and_highest"]
    print(f"audiospec is {figures['times_librosa']}× as fast as librosa ({low} to {high} by track)")
    return figures


def _medians(frontend: Any, wave: Any) -> dict[str, float]:
    """Time of the running medians over time of a spectrogram, by us and by scipy, in ms."""
    import numpy as np
    import scipy.ndimage
    import torch

    from audiospec.features._median import running_median
    from audiospec.features.tabular import _Chunks

    size = frontend.spec.kernel_size
    magnitude = _Chunks(frontend, torch.from_numpy(wave.copy())[None]).magnitude
    plain = magnitude[0].numpy()
    half = size // 2
    # One long line, bin after bin, each with its mirrored ends: the filter of one dimension is quicker.
    line = np.pad(plain.T, ((0, 0), (half, half)), mode="symmetric").ravel()
    calls: dict[str, Callable[[], Any]] = {
        "audiospec": lambda: running_median(magnitude, size),
        "scipy, two dimensions": lambda: scipy.ndimage.median_filter(plain, (size, 1), mode="reflect"),
        "scipy, one dimension": lambda: scipy.ndimage.median_filter(line, size, mode="reflect"),
    }
    found = [np.asarray(call()) for call in calls.values()]
    inner = found[2].reshape(plain.shape[1], -1)[:, half:-half].T
    if not ((found[0][0] == found[1]).all() and (found[1] == inner).all()):
        sys.exit("unequal work: the running medians differ")
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(5):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            took[name].append(time.perf_counter() - began)
    return {name: round(1e3 * statistics.median(values), 1) for name, values in took.items()}


def _on_gpu(frontend: Any, chunks: list[Any]) -> dict[str, Any]:
    """Time of a chunk in a batch of 64 on the device, from device memory."""
    import numpy as np
    import torch

    from audiospec.features.tabular import TabularFrontend

    module = TabularFrontend(frontend.spec).cuda()
    batch = torch.from_numpy(np.stack([chunks[i % len(chunks)] for i in range(64)])).cuda()
    took = []
    for _ in range(8):
        torch.cuda.synchronize()
        began = time.perf_counter()
        module(batch)
        torch.cuda.synchronize()
        took.append((time.perf_counter() - began) / len(batch))
    value = statistics.median(took[3:])
    return {"device": torch.cuda.get_device_name(), "ms": round(1e3 * value, 3), "batch": len(batch)}


def _stages(frontend: Any, chunks: list[Any]) -> dict[str, float]:
    """Where the time of a chunk goes, in ms: what families share, then each of them."""
    import torch

    from audiospec.features.tabular import _Chunks

    took: dict[str, list[float]] = {}
    for wave in chunks:
        for _ in range(3):
            together = _Chunks(frontend, torch.from_numpy(wave.copy())[None])
            for name in (*SHARED, *frontend.spec.families):
                began = time.perf_counter()
                if name in SHARED:
                    getattr(together, name)
                else:
                    together.columns(name)
                took.setdefault(name, []).append(time.perf_counter() - began)
    return {name: round(1e3 * statistics.median(values), 2) for name, values in took.items()}


if __name__ == "__main__":
    main()
