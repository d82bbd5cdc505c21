"""Exact duplicates: tracks with equal files, or with equal decoded samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.duplicates.clusters import equal_pairs
from audiospec.doctor.duplicates.pairs import Kind, Pair
from audiospec.stores.layout.schema import REMOVED
from audiospec.stores.layout.tracks import Tracks

#: Kind of pair → column of the track table, which older stores may lack.
COLUMNS: dict[Kind, str] = {"bytes": "hash", "samples": "samples_hash"}


def usable(tracks: Tracks) -> NDArray[np.bool_]:
    """Return which tracks can be used: those without a problem, or removed ones that keep their rows."""
    problems = tracks["problem"].astype(str)
    flags: NDArray[np.bool_] = (problems == "") | (problems == REMOVED)
    return flags


def exact_pairs(tracks: Tracks) -> tuple[Pair, ...]:
    """Return pairs of tracks whose files or decoded samples are equal.

    Parameters
    ----------
    tracks : Tracks

    Returns
    -------
    tuple of Pair
        In order of the tracks. Each track is in a pair with the first track that it equals: by its bytes, or
        else by its samples.
    """
    pairs: dict[tuple[int, int], Pair] = {}
    numbers = np.flatnonzero(usable(tracks))
    for kind, column in COLUMNS.items():
        if column in tracks.columns:
            for first, second in equal_pairs(tracks[column], numbers):
                pairs.setdefault((first, second), Pair(first, second, kind))
    return tuple(sorted(pairs.values()))
