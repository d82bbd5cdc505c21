"""A run needs the memory of one volume, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Print the peak of memory of runs over one and over ten volumes, whose tracks are made as they are needed.
SCRIPT = """
import gc, json, sys, tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

import audiospec

folder, tracks, seconds = Path(sys.argv[1]), 60, 0.5


class Lazy(Sequence):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return audiospec.Track(id=f"{number:06d}", path=f"{number:06d}.wav", label=f"class {number % 3}")

    def __iter__(self):
        return (self[number] for number in range(self.count))


noise = 0.1 * np.random.default_rng(0).standard_normal(4000)
for number in range(10 * tracks):
    soundfile.write(folder / f"{number:06d}.wav", np.roll(noise, number), 8000)
spec = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=8, fmax=4000)
views = [(spec, audiospec.Chunking(seconds=0.25))]


def peak(volumes, name):
    manifest = audiospec.Manifest("made", folder, Lazy(tracks * volumes))
    gc.collect()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    report = audiospec.run(
        manifest, views=views, store=folder / name, workers=0, volume_hours=tracks * seconds / 3600
    )
    assert report.planned[0].rows == 2 * tracks * volumes
    return tracemalloc.get_traced_memory()[1] - before, report.volumes


peak(2, "warm.zarr")
tracemalloc.start()
print(json.dumps([peak(1, "one.zarr"), peak(10, "ten.zarr"), peak(10, "ten.zarr")]))
"""


def test_ten_volumes_need_the_memory_of_one(python: Callable[..., Any], tmp_path: Path) -> None:
    import json

    (one, _), (ten, volumes), (again, _) = json.loads(python(SCRIPT, tmp_path).stdout)
    assert volumes == 10
    assert ten <= 1.1 * one
    assert again <= 1.1 * one  # all tracks are known, and nothing is computed
