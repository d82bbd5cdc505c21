"""The audio that suites work on: the user's folder or synthetic, as waves or as folders of any format."""

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

#: Hz; the sample rate of GTZAN and of the default features.
RATE = 22050
#: Seconds; longer tracks are cut to this length, that of GTZAN's tracks.
TRACK_SECONDS = 30.0
#: The largest number of distinct tracks in a folder; the others are hard links to them.
MAX_DISTINCT = 40


def audio_files(setup: Setup) -> Iterator[Path]:
    """Yield all files of the user's folder, which may not all be audio, or synthetic audio files."""
    if setup.data is None:
        # Lengths vary by a quarter; this makes the shortest at least `TRACK_SECONDS` long.
        demo = Demo(setup.folder / "made-up", seconds=TRACK_SECONDS / 0.74, tracks=4)
        yield from (demo.root / track.path for track in demo.manifest())
        return
    # Take the first file of every folder, then the second: ten files are then of ten genres.
    paths = sorted(path for path in setup.data.rglob("*") if path.is_file())
    counts: dict[Path, int] = {}
    order = []
    for path in paths:
        counts[path.parent] = counts.get(path.parent, 0) + 1
        order.append((counts[path.parent], path))
    yield from (path for _, path in sorted(order))


def load_waves(setup: Setup, count: int, seconds: float) -> list[Wave]:
    """Load the first seconds of up to `count` tracks, fewer if there are not enough.

    Parameters
    ----------
    setup : Setup
    count : int
    seconds : float
        Length of each wave; shorter tracks are skipped.

    Returns
    -------
    list of array, float32, shape (samples,)
        Mono, at `RATE` Hz.

    Raises
    ------
    BenchmarkError
        No file is long enough.
    """
    samples = round(seconds * RATE)
    waves: list[Wave] = []
    for file in audio_files(setup):
        if len(waves) == count:
            break
        try:
            wave = load(file, RATE)
        except AudioError:
            continue
        if len(wave) >= samples:
            waves.append(np.ascontiguousarray(wave[:samples]))
    if not waves:
        raise BenchmarkError(
            f"expected audio of {seconds:g} s or more in {setup.data}, found none that can be decoded",
            "choose another `data`",
        )
    return waves


def make_folder(
    setup: Setup, to: Path, count: int, kind: str = "wav", rate: int = RATE, channels: int = 1
) -> Path:
    """Fill a new folder with tracks of at most 30 s; those beyond `MAX_DISTINCT` are hard links.

    Parameters
    ----------
    setup : Setup
    to : Path
        The folder; it must not exist.
    count : int
        Number of tracks.
    kind : str
        ``"wav"`` (16 bit), ``"flac"``, ``"ogg"`` (Vorbis) or ``"mp3"``.
    rate : int
        Hz.
    channels : int
        1 or 2. The right channel of two is quieter and delayed by 1 ms, so that the two do not compress
        as one.

    Returns
    -------
    Path
        The folder `to`.

    Raises
    ------
    BenchmarkError
        No file can be decoded.
    """
    to.mkdir(parents=True)
    sources: list[Path] = []
    for file in audio_files(setup):
        if len(sources) == min(count, MAX_DISTINCT):
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
        raise BenchmarkError(
            f"expected audio files in {setup.data}, found none that can be decoded", "choose another `data`"
        )
    for number in range(len(sources), count):
        os.link(sources[number % len(sources)], to / f"{number:05d}.{kind}")
    return to
