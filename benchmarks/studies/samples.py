"""Which tracks share sound, by their samples: a truth that does not depend on features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import soundfile

from audiospec.benchmarks.studies.judging import Found
from audiospec.benchmarks.studies.planted import source_of
from audiospec.benchmarks.studies.repetitions import overlap

#: Correlation of samples from which on two tracks share sound. Other tracks reach about 0.3.
SHARED = 0.5


class Samples:
    """The recordings of tracks, with those joined that share sound.

    Parameters
    ----------
    tracks : mapping
        Name of a track, ``LABEL/FILE`` without suffix → its file, of one channel.
    declared : callable
        Name of a track → its recording, as the dataset states it.

    Attributes
    ----------
    undeclared : list
        Tracks of two recordings that share sound: both names and the correlation.
    """

    def __init__(self, tracks: Mapping[str, Path], declared: Callable[[str], str]) -> None:
        self._tracks, self._declared = tracks, declared
        self._joined: dict[str, str] = {}
        self._compared: set[tuple[str, str]] = set()
        self.undeclared: list[list[Any]] = []

    def recording(self, track: str) -> str:
        """Return the recording of a track."""
        recording = self._declared(track)
        while recording in self._joined:
            recording = self._joined[recording]
        return recording

    def compare(self, found: Iterable[Found]) -> None:
        """Join the recordings of pairs that were found and whose tracks share sound."""
        for pair in found:
            one, other = sorted((source_of(pair.first), source_of(pair.second)))
            if self.recording(one) == self.recording(other) or (one, other) in self._compared:
                continue
            self._compared.add((one, other))
            (first, rate), (second, same) = (soundfile.read(self._tracks[name]) for name in (one, other))
            correlation = overlap(first, second).correlation if rate == same else 0.0
            if correlation >= SHARED:
                self.undeclared.append([one, other, round(correlation, 4)])
                self._joined[self.recording(other)] = self.recording(one)
