"""The audio that suites work on: the user's folder, or made up; as waves, or as folders in any format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from audiospec.audio.recording import load
from audiospec.audio.waves import Wave
from audiospec.benchmarks.base import Setup
from audiospec.datasets.demo import Demo
from audiospec.errors import AudioError, BenchmarkError

#: Hz; the rate of GTZAN and of the default features.
RATE = 22050
#: Tracks are cut to this length, that of GTZAN's.
TRACK_SECONDS = 30.0
#: Different tracks in a folder at most; the others are hard links to them.
SOURCES = 40


def files(setup: Setup) -> Iterator[Path]:
    """Audio files: those of ``--data``, sorted by name, whatever of it can be decoded; or made-up ones."""
    if setup.data is None:
        # Lengths vary by a quarter; none is shorter than a whole track.
        manifest = Demo(setup.folder / "made-up", seconds=TRACK_SECONDS / 0.74, tracks=4).manifest()
        yield from (manifest.file(track) for track in manifest)
        return
    # The same number of every folder before the next of any: ten files are then ten genres.
    found = sorted(path for path in setup.data.rglob("*") if path.is_file())
    places: dict[Path, int] = {}
    order = []
    for path in found:
        places[path.parent] = places.get(path.parent, 0) + 1
        order.append((places[path.parent], path))
    yield from (path for _, path in sorted(order))


def waves(setup: Setup, count: int, seconds: float) -> list[Wave]:
    """Different chunks of real length, mono at `RATE`, float32 (samples,); as many tracks as there are.

    Raises
    ------
    BenchmarkError
        Not one file is long enough.
    """
    samples = round(seconds * RATE)
    found: list[Wave] = []
    for file in files(setup):
        if len(found) == count:
            break
        try:
            wave = load(file, RATE)
        except AudioError:
            continue
        if len(wave) >= samples:
            found.append(np.ascontiguousarray(wave[:samples]))
    if not found:
        raise BenchmarkError(f"{setup.data} has no audio file of {seconds:g} s that can be decoded")
    return found


def folder(
    setup: Setup, to: Path, count: int, kind: str = "wav", rate: int = RATE, channels: int = 1
) -> Path:
    """Fill the folder `to` with so many tracks of 30 s at most; beyond `SOURCES` they are hard links.

    Parameters
    ----------
    kind : str
        ``"wav"`` (16 bit), ``"flac"``, ``"ogg"`` (Vorbis) or ``"mp3"``.
    rate : int
        Hz.
    channels : int
        With two, the right one is softer and a millisecond late, so that they do not compress as one.
    """
    to.mkdir(parents=True)
    sources: list[Path] = []
    for file in files(setup):
        if len(sources) == min(count, SOURCES):
            break
        try:
            wave = load(file, rate)[: round(TRACK_SECONDS * rate)]
        except AudioError:
            continue
        sources.append(to / f"{len(sources):05d}.{kind}")
        subtype = {"wav": "PCM_16", "flac": "PCM_16"}.get(kind)
        if channels == 2:
            wave = np.stack([wave, 0.8 * np.roll(wave, rate // 1000)], axis=1)
        soundfile.write(sources[-1], wave, rate, subtype=subtype, format=kind.upper())
    if not sources:
        raise BenchmarkError(f"{setup.data} has no audio file that can be decoded")
    for number in range(len(sources), count):
        os.link(sources[number % len(sources)], to / f"{number:05d}.{kind}")
    return to
