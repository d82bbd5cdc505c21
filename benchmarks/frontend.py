"""Log-mel spectrograms of 10 s chunks on one thread: the backends, librosa, and the FFT alone.

The FFT alone is the floor: the same number of real FFTs of 2048 samples, in the best batch, and nothing else.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"
# As the workers have it (see audiospec.engines.local); must stand before the process starts.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks._result import save


def main() -> None:
    """Time all contenders, interleaved, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/gtzan-part"))
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--save", type=Path, help="folder for frontend.json")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in _MALLOC.items()):
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks.frontend", *sys.argv[1:]],
            {**os.environ, **_MALLOC},
        )

    import librosa
    import torch

    import audiospec
    from audiospec.audio import load
    from audiospec.features.mel import BLOCK

    torch.set_num_threads(1)
    files = sorted(options.data.rglob("rock.*.flac"))[:8]
    waves = [load(file)[:220500] for file in files]
    tensors = [torch.from_numpy(wave.copy()) for wave in waves]
    spec = audiospec.MelSpec()
    fft, conv = audiospec.frontend(spec), audiospec.frontend(spec, backend="conv")
    block = torch.randn(BLOCK, spec.n_fft)
    frames = spec.row_shape(220500)[1]

    def by_librosa(i: int) -> np.ndarray:
        mel = librosa.feature.melspectrogram(
            y=waves[i],
            sr=22050,
            n_fft=2048,
            hop_length=256,
            n_mels=192,
            fmax=8000,
            htk=True,
            pad_mode="reflect",
        )
        return librosa.power_to_db(mel, top_db=None)

    def fft_alone(_: int) -> None:
        for first in range(0, frames, BLOCK):
            torch.fft.rfft(block[: min(BLOCK, frames - first)])

    contenders: dict[str, tuple[Callable[[int], object], int]] = {
        "audiospec fft": (lambda i: fft(tensors[i]), 1),
        "librosa": (by_librosa, 1),
        "FFT alone": (fft_alone, 1),
        "audiospec conv (nnAudio)": (lambda i: conv(tensors[i]), 10),
    }
    took: dict[str, list[float]] = {name: [] for name in contenders}
    with torch.inference_mode():
        for i in range(len(waves)):
            expected = by_librosa(i)
            near = expected >= expected.max() - 80
            for frontend in (fft, conv):
                worst = np.abs(frontend(tensors[i]).numpy() - expected)[near].max()
                if worst > 0.01:
                    sys.exit(f"unequal work: {files[i].name} differs by {worst:.4f} dB")
        for repeat in range(options.repeats + 3):
            for name, (call, every) in contenders.items():
                if repeat % every == 0:
                    began = time.perf_counter()
                    call(repeat % len(waves))
                    if repeat >= 3:
                        took[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(values) for name, values in took.items()}
    ours = middle["audiospec fft"]
    figures = {
        "chunk_s": 10,
        "ms": {name: round(1e3 * value, 3) for name, value in middle.items()},
        "times_librosa": round(middle["librosa"] / ours, 2),
        "times_conv": round(middle["audiospec conv (nnAudio)"] / ours, 1),
        "share_of_fft_alone": round(middle["FFT alone"] / ours, 3),
        "times_real_time": round(10 / ours),
    }
    for name, value in middle.items():
        print(f"{name:26s} {1e3 * value:8.2f} ms a chunk of 10 s")
    print(
        f"audiospec fft: {figures['times_librosa']}× librosa, {figures['times_conv']}× conv, "
        f"{100 * middle['FFT alone'] / ours:.0f} % of the speed of its FFT alone"
    )
    if options.save:
        print(f"saved to {save('frontend', figures, options.save)}")


if __name__ == "__main__":
    main()
