"""Cut chunks out of a stream of samples whose length is known only at its end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from audiospec.audio.chunking import Chunking
from audiospec.audio.waves import Wave, pad_or_trim
from audiospec.errors import AudioError
from audiospec.specs.base import FeatureSpec


class CutChunk(NamedTuple):
    """A chunk of a file.

    Attributes
    ----------
    start : int
        Index of its first sample in the file.
    samples : int
        Samples of audio in it; `wave` may have zeros after them.
    wave : ndarray, shape (n,), float32
        What the feature is computed from.
    """

    start: int
    samples: int
    wave: Wave


class Cutter:
    """Cuts a file into the chunks that `Chunking.chunks` names, as the file is decoded.

    Parameters
    ----------
    spec : FeatureSpec
    chunking : Chunking
    """

    def __init__(self, spec: FeatureSpec, chunking: Chunking) -> None:
        assert chunking.hop is not None
        self.spec, self.chunking = spec, chunking
        self.rate = spec.sample_rate
        self.length = chunking.samples(self.rate)
        self.hop = max(1, round(chunking.hop * self.rate))
        self._count = self._received = 0
        self._parts: list[Wave] = []
        self._buffer, self._position = np.zeros(0, np.float32), 0  # `_buffer[0]` is sample `_position`

    def feed(self, wave: Wave) -> list[CutChunk]:
        """Add the next samples of the file, and return the chunks that are complete.

        A chunk waits until a second of audio follows: a resampler may give a few samples more than the file
        has.
        """
        self._parts.append(wave)
        self._received += len(wave)
        if self._received < self._needed():
            return []  # a chunk may be hours long: its parts are joined once
        self._join()
        chunks = []
        while self._received >= self._needed():
            chunks.append(self._cut(self.length))
        skip = min(self._count * self.hop - self._position, len(self._buffer))
        self._buffer, self._position = self._buffer[skip:], self._position + skip
        return chunks

    def end(self, total: int) -> list[CutChunk]:
        """Return the other chunks, now that the file is known to have `total` samples.

        Raises
        ------
        AudioError
            The file is too short for a chunk.
        """
        least = self.spec.least_samples
        if reason := self.chunking.reason_to_skip(total, self.rate, least):
            raise AudioError(reason)
        self._join()
        self._buffer = pad_or_trim(self._buffer, total - self._position)
        # Counted from the last chunk that was cut, so that only what follows that one is the tail.
        before = max(0, self._count - 1) * self.hop
        places = self.chunking.chunks(total - before, self.rate, least)
        return [self._cut(place.samples) for place in places[1 if self._count else 0 :]]

    def whole(self, wave: Wave) -> list[CutChunk]:
        """Return all chunks of a whole file; for the error see `end`."""
        return self.feed(wave) + self.end(len(wave))

    def _needed(self) -> int:
        """Return how many samples the file must have until the next chunk is cut."""
        return self._count * self.hop + self.length + self.rate

    def _join(self) -> None:
        self._buffer, self._parts = np.concatenate([self._buffer, *self._parts]), []

    def _cut(self, samples: int) -> CutChunk:
        """Return the next chunk, which has this many samples of audio."""
        start = self._count * self.hop
        wave = self._buffer[start - self._position :][:samples]
        self._count += 1
        return CutChunk(start, samples, pad_or_trim(wave, self.length) if self.spec.pads else wave)
