"""Pairs of tracks that hold the same sound, and the clusters that they form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from audiospec.doctor.duplicates.clusters import components

#: What two tracks have in common: the bytes of their files, the decoded samples, or the sound.
Kind = Literal["bytes", "samples", "sound"]


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two tracks that hold the same sound.

    Attributes
    ----------
    first, second : int
        Numbers in the store's track table; first < second.
    kind : "bytes", "samples" or "sound"
        ``"bytes"``: the files are equal. ``"samples"``: the decoded samples are equal. ``"sound"``: the
        log-mel spectrograms of both, or of an excerpt, correlate.
    similarity : float
        Normalised cross-correlation of the whitened log-mel spectrograms, up to 1; 1 for equal files and
        samples.
    lag_seconds : float
        Time in the first track minus time in the second track of the same moment, in s, to about 0.06 s.
    """

    first: int
    second: int
    kind: Kind
    similarity: float = 1.0
    lag_seconds: float = 0.0


@dataclass(frozen=True)
class FoundDuplicates:
    """The tracks of a store that hold the same sound.

    Attributes
    ----------
    pairs : tuple of Pair
        In order of the tracks. Of many tracks that hold the same sound not every two are a pair, but all are
        joined by pairs.
    compared : int
        Tracks whose sound was compared, beside those that have equal files.
    not_compared : tuple of int
        Numbers of tracks that have rows, but too little sound to be compared: they are too short, silent or
        constant, or their rows are damaged.
    """

    pairs: tuple[Pair, ...] = ()
    compared: int = 0
    not_compared: tuple[int, ...] = ()

    @cached_property
    def clusters(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the tracks that pairs join, directly or through others; in order of the first tracks."""
        return clusters_of(self.pairs)


def clusters_of(pairs: Iterable[Pair]) -> tuple[tuple[int, ...], ...]:
    """Return the tracks that pairs join, directly or through others.

    Returns
    -------
    tuple of tuple of int
        Each of two tracks or more, in ascending order; in order of their first tracks.
    """
    return components((pair.first, pair.second) for pair in pairs)
