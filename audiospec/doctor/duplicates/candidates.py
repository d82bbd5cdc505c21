"""Candidates: pairs of tracks that may hold the same sound, by hashing and by nearest descriptors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audiospec.doctor.duplicates.collisions import collisions
from audiospec.doctor.duplicates.neighbours import neighbours
from audiospec.doctor.duplicates.sketch_file import SketchFile

#: Most lags of a pair that hashing found.
MOST_LAGS = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two tracks that may hold the same sound.

    Attributes
    ----------
    first, second : int
        Their places in the sketch file; first < second.
    lags : tuple of int
        Where hashes say that they are alike: frame of the first minus frame of the second.
    """

    first: int
    second: int
    lags: tuple[int, ...] = ()


def candidates(sketches: SketchFile, seed: int, tell: Callable[[str, int, int], None]) -> list[Candidate]:
    """Return the candidates among the tracks of a sketch file, in order.

    Their number is bounded by the number of frames and of tracks, see `collisions` and `neighbours`.
    """
    lags: dict[tuple[int, int], list[int]] = {}
    near = neighbours(
        sketches.descriptors, seed, lambda done, total: tell("comparing descriptors", done, total)
    )
    for first, second in near.tolist():
        lags[first, second] = []
    places = collisions(sketches, lambda done, total: tell("comparing hashes", done, total))
    for first, second, lag in zip(*(column.tolist() for column in places), strict=True):
        lags.setdefault((first, second), []).append(lag)
    return [Candidate(*pair, tuple(_spread(values, MOST_LAGS))) for pair, values in sorted(lags.items())]


def _spread(lags: list[int], most: int) -> list[int]:
    """Return up to `most` of some lags, from the smallest to the largest."""
    if len(lags) <= most:
        return lags
    places = np.linspace(0, len(lags) - 1, most).round().astype(int)
    return [lags[place] for place in places.tolist()]
