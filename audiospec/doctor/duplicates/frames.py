"""Coarse frames: the log-mel spectrogram of a whole track in few bands, assembled from its rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.mel_rules import PER_DECIBEL
from audiospec.stores.layout.view import View

#: Most bands, and the least seconds from one coarse frame to the next. Codecs change single bins and frames
#: of the view; they hardly change means over 36 of them.
BANDS, SECONDS = 32, 0.06
#: dB of a power of 0, where a view is on a linear scale.
SILENCE = 1e-10


def has_levels(spec: FeatureSpec) -> bool:
    """Whether a row's values are levels: each says how loud a bin is, whatever the others of the row are."""
    if not isinstance(spec, MelSpec):
        return spec.unit == "dB"
    return spec.normalise == "none" and spec.scale in ("linear", *PER_DECIBEL)


def decibels(spec: FeatureSpec, levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return levels of a spec in dB.

    Parameters
    ----------
    spec : FeatureSpec
        For which `has_levels` is true.
    levels : ndarray of float32
    """
    if spec.unit == "dB" or not isinstance(spec, MelSpec):
        return levels
    values: NDArray[np.float32] = levels * np.float32(spec.std) + np.float32(spec.mean)
    if spec.scale == "linear":
        values = np.log10(np.maximum(values, np.float32(SILENCE))) * np.float32(10)
        return values
    return values / np.float32(PER_DECIBEL[spec.scale])


@dataclass(frozen=True, eq=False)
class Pooling:
    """How rows of a view are pooled: neighbouring mel bins to bands, and neighbouring frames.

    Parameters
    ----------
    view : View
        Of spectrograms.
    """

    view: View

    @cached_property
    def _step(self) -> float:
        """Seconds from one frame of a row to the next."""
        times = self.view.info.coordinates()[self.view.spec.dims[1]][0]
        return float(times[1]) - float(times[0]) if len(times) > 1 else self.view.chunking.seconds

    @cached_property
    def _first(self) -> float:
        """Seconds from the start of a row to the first frame."""
        return float(self.view.info.coordinates()[self.view.spec.dims[1]][0][0])

    @cached_property
    def frames(self) -> int:
        """Frames of a row in a coarse frame."""
        return max(1, round(SECONDS / self._step))

    @property
    def seconds(self) -> float:
        """Seconds from one coarse frame to the next."""
        return self.frames * self._step

    @cached_property
    def bands(self) -> NDArray[np.float32]:
        """Weights of bins in bands, float32 of shape (bands, bins); each row sums to 1."""
        bins = self.view.info.row_shape[0]
        edges = np.rint(np.linspace(0, bins, min(BANDS, bins) + 1)).astype(int)
        weights = np.zeros((len(edges) - 1, bins), np.float32)
        for band, (low, high) in enumerate(pairwise(edges.tolist())):
            weights[band, low:high] = 1 / (high - low)
        return weights

    def pool(self, values: NDArray[np.generic], start: float, seconds: float) -> Part | None:
        """Pool a row.

        Parameters
        ----------
        values : ndarray, shape (bins, frames)
        start, seconds : float
            Where the row starts in its track, and how much of it is audio, in s. Frames after that are
            padded and left out.

        Returns
        -------
        Part or None
            None if no frame is left, or the row has numbers that are not finite.
        """
        count = min(values.shape[1], math.ceil((seconds - self._first) / self._step - 1e-6))
        if count < 1:
            return None
        bands = decibels(self.view.spec, self.bands @ values[:, :count].astype(np.float32))
        if not np.isfinite(bands).all():
            return None
        first = round(start / self._step)
        places = (first + np.arange(count)) // self.frames
        begins = np.flatnonzero(np.diff(places, prepend=-1))
        sums = np.add.reduceat(bands, begins, axis=1).T
        counts = np.diff(begins, append=count).astype(np.float32)
        return Part(int(places[0]), sums, counts)


@dataclass(frozen=True, eq=False)
class Part:
    """Sums of the frames of a row.

    Attributes
    ----------
    first : int
        The coarse frame of the track that the first sum is of.
    sums : ndarray of float32, shape (n, bands)
        In dB.
    counts : ndarray of float32, shape (n,)
        Frames in each sum.
    """

    first: int
    sums: NDArray[np.float32]
    counts: NDArray[np.float32]


def assembled(pooling: Pooling, parts: Iterable[Part]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the coarse frames of a track in dB, shape (n, bands), and which of them are known."""
    parts = list(parts)
    length = max((part.first + len(part.sums) for part in parts), default=0)
    sums = np.zeros((length, len(pooling.bands)), np.float32)
    counts = np.zeros(length, np.float32)
    for part in parts:  # where chunks overlap, their mean
        place = slice(part.first, part.first + len(part.sums))
        sums[place] += part.sums
        counts[place] += part.counts
    known = counts >= pooling.frames / 2
    sums /= np.maximum(counts, 1)[:, None]
    return sums, known


def coarse_tracks(
    pooling: Pooling, blocks: Iterable[tuple[NDArray[np.int64], NDArray[np.generic]]], rows: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield the coarse frames of tracks, as their rows are read.

    Parameters
    ----------
    pooling : Pooling
    blocks : iterable of (numbers, values)
        Rows as they are read; those that are damaged are left out.
    rows : ndarray of int64
        All row numbers that are read, also those that are left out: a track is complete when all of its rows
        have been passed. Rows of a track should be near each other, as memory holds unfinished tracks.

    Yields
    ------
    (int, ndarray of float32 of shape (n, bands), ndarray of bool of shape (n,))
        The track, its coarse frames in dB, and which of them are known.
    """
    table = pooling.view.rows
    tracks = table["track"][rows]
    last = dict(zip(tracks.tolist(), rows.tolist(), strict=True))
    unfinished: dict[int, list[Part]] = {}

    def finished(passed: int) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.bool_]]]:
        for track in [track for track in unfinished if last[track] <= passed]:
            yield (track, *assembled(pooling, unfinished.pop(track)))

    for numbers, values in blocks:
        for number, row in zip(numbers.tolist(), values, strict=True):
            track, start, seconds = table[number][["track", "start", "seconds"]].tolist()
            part = pooling.pool(row, start, seconds)
            unfinished.setdefault(track, []).extend([] if part is None else [part])
        if len(numbers):
            yield from finished(int(numbers[-1]))
    yield from finished(int(rows[-1]) if len(rows) else 0)
