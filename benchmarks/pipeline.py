"""A folder of WAV files to a store on disk: audiospec against a librosa script, two processes each.

The script runs twice: as people write it, and with its libraries held to one thread a process, without which
the two processes fight for the cores. Start-up is set aside by taking the difference of a large and a small
run of the whole command; it is printed too. All do equal work, which is checked. Runs are interleaved, so
that a slow minute hits all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import audiospec
from benchmarks._result import save

#: What keeps numpy's, torch's and numba's libraries from starting threads.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def copies(data: Path, folder: Path, count: int) -> None:
    """Fill `folder` with so many 16-bit WAV copies of the decodable tracks in `data`; repeats are links."""
    folder.mkdir()
    sources: list[Path] = []
    for file in sorted(path for path in data.rglob("*") if path.is_file()):
        if len(sources) == count:
            break
        try:
            samples, rate = soundfile.read(file, dtype="int16")
        except soundfile.LibsndfileError:
            continue
        copy = folder / "x" / f"{len(sources):05d}.wav"
        copy.parent.mkdir(exist_ok=True)
        soundfile.write(copy, samples, rate)
        sources.append(copy)
    if not sources:
        sys.exit(f"no audio file under {data}")
    for number in range(len(sources), count):
        os.link(sources[number % len(sources)], folder / "x" / f"{number:05d}.wav")


@dataclass(frozen=True)
class Contender:
    """A command, what it writes, and what it finds in its environment."""

    command: list[str]
    made: Path
    environment: dict[str, str]

    def seconds(self) -> float:
        """Wall-clock time of a run."""
        if self.made.exists():
            shutil.rmtree(self.made)
        began = time.perf_counter()
        subprocess.run(
            self.command,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
        )
        return time.perf_counter() - began


def contenders(data: Path, folder: Path, workers: int) -> dict[str, Contender]:
    """The contenders over the audio in `data`; the first is ours."""
    store, arrays = folder / "ours.zarr", folder / "librosa"
    options = ["--chunk", "10", "--workers", str(workers)]
    ours = [
        sys.executable,
        "-m",
        "audiospec",
        "featurize",
        "folder",
        "--data",
        str(data),
        "--store",
        str(store),
    ]
    peer = [sys.executable, "-m", "benchmarks.peers.librosa_script", str(data), str(arrays)]
    peer += ["--workers", str(workers)]
    one_thread = dict.fromkeys(_THREADS, "1")
    return {
        "audiospec": Contender([*ours, *options], store, {}),
        "librosa script": Contender(peer, arrays, {}),
        "librosa script, one thread each": Contender(peer, arrays, one_thread),
    }


def check_equal(store: Path, arrays: Path) -> float:
    """Largest difference in dB between the two results, within 80 dB of each chunk's peak."""
    view = audiospec.open_store(store).view()
    worst = 0.0
    for track in view.store.tracks["id"]:
        ours = view.read(view.rows_of(track)).astype(np.float32)
        theirs = np.load(arrays / f"{Path(track).stem}.npy").astype(np.float32)
        if ours.shape != theirs.shape:
            sys.exit(f"unequal work: {track} has shape {ours.shape} here, {theirs.shape} there")
        near = theirs >= theirs.max(axis=(1, 2), keepdims=True) - 80
        worst = max(worst, float(np.abs(ours - theirs)[near].max()))
    if worst > 0.07:  # one step of float16 at 64 to 128 dB
        sys.exit(f"unequal work: results differ by {worst:.3f} dB")
    return worst


def main() -> None:
    """Run both contenders and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/gtzan-part"))
    parser.add_argument("--small", type=int, default=85, help="tracks of the small run")
    parser.add_argument("--large", type=int, default=680, help="tracks of the large run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--save", type=Path, help="folder for pipeline.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sizes = {"small": options.small, "large": options.large}
        for size, count in sizes.items():
            copies(options.data, folder / size, count)
        took: dict[tuple[str, str], list[float]] = {}
        for repeat in range(options.repeats):
            for size in sizes:
                for name, contender in contenders(folder / size, folder, options.workers).items():
                    took.setdefault((name, size), []).append(contender.seconds())
                if repeat == 0 and size == "small":
                    difference = check_equal(folder / "ours.zarr", folder / "librosa")
    extra = options.large - options.small
    figures: dict[str, Any] = {
        "tracks": sizes,
        "workers": options.workers,
        "repeats": options.repeats,
        "largest_difference_db": round(difference, 4),
    }
    names = list(contenders(folder, folder, options.workers))
    each = {
        name: [(a - b) / extra for a, b in zip(took[name, "large"], took[name, "small"], strict=True)]
        for name in names
    }
    for name in names:
        per_track, small = statistics.median(each[name]), statistics.median(took[name, "small"])
        ratios = [theirs / ours for theirs, ours in zip(each[name], each[names[0]], strict=True)]
        figures[name] = {
            "ms_per_track": round(1e3 * per_track, 2),
            "ms_per_track_runs": [round(1e3 * value, 2) for value in each[name]],
            "start_up_s": round(small - options.small * per_track, 2),
            "small_run_s": round(small, 2),
            "large_run_s": round(statistics.median(took[name, "large"]), 2),
            "times_audiospec": round(statistics.median(ratios), 2),
            "times_audiospec_runs": [round(ratio, 2) for ratio in ratios],
        }
        print(
            f"{name:32s} {1e3 * per_track:7.2f} ms a track, start-up {figures[name]['start_up_s']:.2f} s, "
            f"{figures[name]['times_audiospec']:.2f}× the time of audiospec"
        )
    print(f"results agree to {difference:.3f} dB (float16 steps)")
    if options.save:
        print(f"saved to {save('pipeline', figures, options.save)}")


if __name__ == "__main__":
    main()
