"""A table of the memory of a run over many volumes, beside that over one."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import soundfile

from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.base import PYTHON, Table, target_result, user_environment
from audiospec.benchmarks.formatting import format_size
from audiospec.manifest import Manifest, Track
from audiospec.specs.mel import MelSpec

#: The largest acceptable ratio, ten volumes to one, of the peak of memory.
MAX_RATIO = 1.1
#: Hz, and seconds of a track.
_RATE, _SECONDS = 8000, 0.5
_SPEC = MelSpec(sample_rate=_RATE, n_fft=256, hop_length=128, n_mels=8, fmax=4000)


class MadeTracks(Sequence[Track]):
    """Tracks that are made when they are asked for, like those of a dataset that is too large for memory."""

    def __init__(self, total: int) -> None:
        self.total = total

    def __len__(self) -> int:
        return self.total

    @overload
    def __getitem__(self, index: int) -> Track: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Track]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self.total))]
        if not 0 <= index < self.total:
            raise IndexError(index)
        return Track(id=f"{index:07d}", path=f"{index:07d}.wav", label=f"class {index % 10}")

    def __iter__(self) -> Iterator[Track]:
        return (self[number] for number in range(self.total))


def volumes_table(folder: Path, tracks: int = 500) -> Table:
    """Return a table of the peaks of memory of runs over one and over ten volumes.

    Parameters
    ----------
    folder : Path
        An empty folder for the audio and the stores.
    tracks : int
        Tracks of a volume, of half a second each.
    """
    peaks = measure_peaks(folder, tracks)
    rows: list[list[str | float | int]] = [
        [name, volumes, volumes * tracks, format_size(peak)] for name, volumes, peak in peaks
    ]
    ratio = max(peak for _, _, peak in peaks) / peaks[0][2]
    return Table(
        name=f"memory of a run, volumes of {tracks} tracks",
        head=("run", "volumes", "tracks", "peak"),
        rows=rows,
        targets=[target_result("ten volumes to one", ratio, MAX_RATIO)],
        note="what Python and numpy allocate in the process that plans and, here, computes",
    )


def measure_peaks(folder: Path, tracks: int) -> list[tuple[str, int, int]]:
    """Return name, volumes and peak bytes of three runs, measured in a process of their own."""
    command = [*PYTHON, "-c", f"from {__name__} import main; main()", str(folder), str(tracks)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=user_environment())
    return [(name, volumes, peak) for name, volumes, peak in json.loads(done.stdout)]


def main() -> None:
    """Print what `measure_peaks` returns, as JSON: the arguments are a folder and the tracks of a volume."""
    folder, tracks = Path(sys.argv[1]), int(sys.argv[2])
    noise = 0.1 * np.random.default_rng(0).standard_normal(round(_RATE * _SECONDS))
    for number in range(10 * tracks):
        soundfile.write(folder / f"{number:07d}.wav", np.roll(noise, number), _RATE, subtype="FLOAT")
    _peak(folder, "warm", 2, tracks)  # what is loaded and kept in the first run counts for none
    tracemalloc.start()
    peaks = [
        ("one volume", 1, _peak(folder, "one", 1, tracks)),
        ("ten volumes", 10, _peak(folder, "ten", 10, tracks)),
        ("ten volumes, known", 10, _peak(folder, "ten", 10, tracks)),
    ]
    print(json.dumps(peaks))


def _peak(folder: Path, name: str, volumes: int, tracks: int) -> int:
    """Return the bytes that a run adds to the memory of this process at most."""
    from audiospec.pipeline.featurize import run

    manifest = Manifest("made", folder, MadeTracks(volumes * tracks))
    gc.collect()
    before = 0
    if tracemalloc.is_tracing():
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
    report = run(
        manifest,
        views=[(_SPEC, Chunking(seconds=_SECONDS / 2))],
        store=folder / f"{name}.zarr",
        workers=0,
        volume_hours=tracks * _SECONDS / 3600,
    )
    if report.planned[0].rows != 2 * volumes * tracks or report.volumes != (volumes if volumes > 1 else 0):
        raise RuntimeError(f"expected {volumes} volumes of {tracks} tracks; got {report.planned}")
    return tracemalloc.get_traced_memory()[1] - before
