"""The clips that an export is compared with its run on: of test tracks, of given files, or synthesised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audiospec.audio.isolated import Sound, decode_files
from audiospec.audio.waves import Wave
from audiospec.datasets.own.search import expand
from audiospec.errors import AudioError, AudiospecError, ModelError
from audiospec.specs.base import FeatureSpec
from audiospec.storage.location import Location, location
from audiospec.stores.base import open_store
from audiospec.zoo.runs.run import Run

#: Clips that are compared, and files that are looked at until there are so many.
CLIPS, LOOKED_AT = 10, 100
#: Chunks of a clip; the last is incomplete, as at the end of a track.
CHUNKS = 2.6
#: Where clips are from.
GIVEN, TESTED, MADE = "given", "test tracks", "synthesised"


class Clips(NamedTuple):
    """Decoded stretches of files, mostly their beginnings.

    Attributes
    ----------
    source : str
        `GIVEN`, `TESTED` or `MADE`.
    names : list of str
    waves : list of ndarray, shape (samples,), float32
        At the spec's rate.
    """

    source: str
    names: list[str]
    waves: list[Wave]


def clips_of(run: Run, audio: Sequence[Location | str] | None = None) -> Clips:
    """Return the clips for a run.

    Parameters
    ----------
    run : Run
    audio : sequence of path or URL, or None
        Files, and folders of them. None: test tracks of the run's store, as far as their audio is there, or
        else synthesised ones.

    Raises
    ------
    ModelError
        No given file can be used.
    """
    length = run.chunking.samples(run.spec.sample_rate)
    samples = math.ceil(CHUNKS * length)
    if audio is not None:
        found, _ = expand([location(file) for file in audio])
        clips, problem = _decoded(GIVEN, run.spec, found, samples)
        if not clips.waves:
            raise ModelError(
                f"none of the {len(found)} audio files can be decoded{problem and f' ({problem})'}",
                "give other files with `audio`",
            )
        return clips
    clips, _ = _decoded(TESTED, run.spec, _test_files(run), samples)
    return clips if clips.waves else _synthesised(run.spec.sample_rate, samples)


def _test_files(run: Run) -> list[Location]:
    """Return the audio files of test tracks, of all labels in turn, as far as they are there."""
    try:
        store = open_store(run.info.store)
        root = store.root
        tracks = [track for track in run.tracks() if track.side == "test"]
    except (AudiospecError, OSError):
        return []
    if not isinstance(root, Path):  # comparing is no reason to read a bucket
        return []
    paths = dict(zip(store.tracks["id"].tolist(), store.tracks["path"].tolist(), strict=True))
    by_label: dict[str, list[Location]] = {}
    for track in tracks:
        path = str(paths.get(track.known.track, ""))
        if path and ".." not in Path(path).parts and (root / path).is_file():
            by_label.setdefault(track.label, []).append(root / path)
    longest = max(map(len, by_label.values()), default=0)
    return [files[turn] for turn in range(longest) for files in by_label.values() if turn < len(files)]


def _decoded(source: str, spec: FeatureSpec, files: list[Location], samples: int) -> tuple[Clips, str]:
    """Return the beginnings of the first files that can be decoded, and the first problem.

    Of fewer than ten files, more clips of each: what follows its beginning.
    """
    clips, problem = Clips(source, [], []), ""
    if not files:
        return clips, problem
    each = math.ceil(CLIPS / len(files))
    with closing(decode_files(files[:LOOKED_AT], spec.sample_rate, spec.channel)) as sounds:
        for sound in sounds:
            try:
                wave = _beginning(sound, each * samples)
            except AudioError as error:
                problem = problem or error.reason
                continue
            for start in range(0, len(wave), samples):
                clip = wave[start : start + samples]
                if len(clip) >= spec.least_samples and len(clips.waves) < CLIPS:
                    after = f" from {start / spec.sample_rate:.1f} s"
                    clips.names.append(f"{sound.file}{after if start else ''}")
                    clips.waves.append(clip)
            if len(clips.waves) == CLIPS:
                break
    return clips, problem


def _beginning(sound: Sound, samples: int) -> Wave:
    parts: list[Wave] = []
    count = 0
    for wave in sound:
        parts.append(wave)
        count += len(wave)
        if count >= samples:
            break
    return np.concatenate([np.zeros(0, np.float32), *parts])[:samples]


def _synthesised(rate: int, samples: int) -> Clips:
    """Return notes with a beat and noise, from dark to bright."""
    time = np.arange(samples) / rate
    waves, names = [], []
    for number in range(CLIPS):
        random = np.random.default_rng(number)
        hertz = min(110 * 2 ** (number / 2), rate / 5)
        notes = sum(np.sin(2 * np.pi * hertz * ratio * time) / ratio for ratio in (1, 1.25, 1.5))
        beat = np.exp(-8 * np.remainder(time, 0.4 + number / 20))
        noise = random.standard_normal(samples) * 0.02 * 2.0 ** -(number % 4)
        waves.append((0.2 * notes * beat + noise).astype(np.float32))
        names.append(f"notes at {hertz:.0f} Hz")
    return Clips(MADE, names, waves)
