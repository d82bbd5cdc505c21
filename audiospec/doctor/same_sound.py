"""What the checks of duplicates have in common: sets of tracks, which of them splits join, and text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.duplicates.clusters import components, equal_pairs
from audiospec.doctor.duplicates.exact import exact_pairs
from audiospec.doctor.duplicates.pairs import Pair
from audiospec.doctor.examined import Examined
from audiospec.errors import NotCheckedError
from audiospec.stores.layout.duplicates import SameSound
from audiospec.stores.layout.tracks import Tracks
from audiospec.text import printable
from audiospec.zoo.splits.units import SAME_SOUND, joined

#: What joins tracks that a split puts on both sides.
JOIN = "join them, so that splits keep them on one side: `audiospec doctor STORE --fix clusters`"


def known_pairs(examined: Examined) -> tuple[Pair, ...]:
    """Return the pairs of tracks that hold the same sound; by hashes alone if there is no log-mel view."""
    try:
        return examined.duplicates.pairs
    except NotCheckedError:
        return exact_pairs(examined.tracks)


def known_sets(examined: Examined) -> tuple[tuple[int, ...], ...]:
    """Return the tracks that hold the same sound, by `known_pairs` and the clusters that the table has."""
    found = ((pair.first, pair.second) for pair in known_pairs(examined))
    return components([*found, *equal_pairs(examined.tracks["cluster"])])


def split_units(tracks: Tracks) -> NDArray[np.int64]:
    """Return the unit of each track that every split keeps on one side, by content hash and cluster."""
    return joined([tracks[column].astype(str) for column in SAME_SOUND])


def divided(
    sets: Sequence[tuple[int, ...]], units: NDArray[np.int64]
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Return the sets that a split may divide, and those that none does; the largest first."""
    both: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = ([], [])
    for numbers in sorted(sets, key=lambda numbers: (-len(numbers), numbers)):
        both[len({*units[list(numbers)].tolist()}) == 1].append(numbers)
    return both


def labelled(tracks: Tracks, numbers: Sequence[int], column: str = "label") -> SameSound:
    """Return a set of tracks with their texts of a column; tracks without text are left out."""
    ids, texts = tracks["id"], tracks[column]
    return SameSound("", {printable(ids[n]): printable(texts[n]) for n in numbers if texts[n]})


def tracks_in_clusters(sets: Sequence[Sequence[int]]) -> str:
    """Return the number of tracks and of sets as text, such as ``"5 tracks in 2 clusters"``."""
    plural = "s" if len(sets) > 1 else ""
    return f"{sum(map(len, sets))} tracks in {len(sets)} cluster{plural}"


def flat(sets: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the tracks of all sets."""
    return tuple(number for numbers in sets for number in numbers)
