"""Candidates by hashing: tracks that have a hash in common, and where.

Hashes are sorted, so that equal ones are neighbours; each is compared with a few that follow. So the number
of candidates grows with the number of hashes, even where thousands of tracks have the same one. Tracks that
hold the same sound are joined nevertheless, through others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.doctor.duplicates.fingerprints import COMPONENTS, HASHES, PATCH
from audiospec.doctor.duplicates.sketch_file import SketchFile

#: Hashes that are sorted at once, and following ones that each is compared with.
MOST_HASHES, NEIGHBOURS = 1 << 21, 6
#: Most collisions of a track that are compared, of those hashes.
MOST_PER_TRACK = 256
#: Bits of a hash: `GROWTH` times as many as the number of all frames has, as songs have notes in common, and
#: more.
MORE_BITS, GROWTH = 2, 1.15
#: Odd numbers that make one of tracks and lag.
_MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
#: Frames around a moment that are compared, and their least correlation: low, as the lag may be wrong by a
#: frame.
WINDOW, LEAST = 52, 0.4
#: Collisions that are compared at once, and hashes that are looked through at once.
BATCH, BLOCK = 512, 1 << 22


class Collisions(NamedTuple):
    """Tracks that sound alike at a moment.

    Attributes
    ----------
    first, second : ndarray of int64, shape (n,)
        Places of the tracks in the sketch file; first < second.
    lag : ndarray of int64, shape (n,)
        Frame of the first track minus frame of the second.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    lag: NDArray[np.int64]


def bits_for(frames: int) -> int:
    """Return the bits that a hash needs so that few of so many frames have the same one by chance."""
    return min(COMPONENTS, math.ceil(GROWTH * math.log2(max(frames, 2))) + MORE_BITS)


def collisions(sketches: SketchFile, tell: Callable[[int, int], None]) -> Collisions:
    """Return the tracks that have a hash in common and are alike around it.

    Parameters
    ----------
    sketches : SketchFile
    tell : callable
        Called with the ranges of hashes that are done, and all.

    Returns
    -------
    Collisions
        Each of the same tracks and lag once.
    """
    alike = [np.zeros((0, 3), np.int64)]
    for rows in _passes(sketches, tell):
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            alike.append(some[_alike(sketches, some)][:, :3])
    return Collisions(*np.unique(np.concatenate(alike), axis=0).T)


def _passes(sketches: SketchFile, tell: Callable[[int, int], None]) -> Iterator[NDArray[np.int64]]:
    """Yield first, second, lag and moment in the first track, shape (n, 4), range by range of the hashes."""
    every = sketches.hashes.reshape(-1)
    count = len(every)
    bits = max(0, math.ceil(math.log2(count / MOST_HASHES))) if count else 0
    for number in range(1 << bits):
        places = np.concatenate([_in_range(every, first, number, bits) for first in range(0, count, BLOCK)])
        yield _equal(every[places], places // HASHES, sketches.ends)
        tell(number + 1, 1 << bits)


def _in_range(hashes: NDArray[np.uint32], first: int, number: int, bits: int) -> NDArray[np.int64]:
    """Return the places in a block of the hashes that begin with the `bits` bits of a number."""
    block = hashes[first : first + BLOCK]
    chosen = block != 0
    if bits:
        chosen &= block >> np.uint32(32 - bits) == number
    return np.flatnonzero(chosen) + first


def _equal(
    hashes: NDArray[np.uint32], places: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return first, second, lag and moment of frames that have equal hashes.

    Each first, second and lag is there once, and of each first track those that most hashes agree on.
    """
    order = np.sort(hashes.astype(np.uint64) << 32 | np.arange(len(hashes), dtype=np.uint64))
    hashes = (order >> 32).astype(np.uint32)
    places = places[(order & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    tracks = np.searchsorted(ends[1:], places, "right")
    # Of a note that is held, a track has the same hash several times: the first is enough.
    kept = np.ones(len(hashes), bool)
    kept[1:] = (hashes[1:] != hashes[:-1]) | (tracks[1:] != tracks[:-1])
    hashes, tracks = hashes[kept], tracks[kept]
    moments = places[kept] - ends[tracks]
    pairs = [np.zeros((0, 4), np.int64)]
    for step in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(hashes[step:] == hashes[:-step])
        same = same[tracks[same] != tracks[same + step]]
        one, other = moments[same], moments[same + step]
        pairs.append(np.stack([tracks[same], tracks[same + step], one - other, one], 1))
    rows = np.concatenate(pairs)
    keys = (rows[:, :3].astype(np.uint64) * _MIXERS).sum(1, dtype=np.uint64)
    _, chosen, votes = np.unique(keys, return_index=True, return_counts=True)
    order = np.lexsort((chosen, -votes, rows[chosen, 0]))
    rows = rows[chosen[order]]
    rank = np.arange(len(rows)) - np.searchsorted(rows[:, 0], rows[:, 0])
    return rows[rank < MOST_PER_TRACK]


def _alike(sketches: SketchFile, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pairs correlate in a window around a moment."""
    first, second, lag, moment = rows.T
    lengths = sketches.lengths()
    earliest = -np.minimum(moment, moment - lag)
    latest = np.minimum(lengths[first] - moment, lengths[second] - moment + lag)
    begin = np.maximum(earliest, np.minimum((PATCH - WINDOW) // 2, latest - WINDOW))
    outside = begin[:, None] + np.arange(WINDOW) >= latest[:, None]
    windows = []
    for track, start in ((first, moment), (second, moment - lag)):
        windows.append(sketches.windows(sketches.ends[track] + start + begin, WINDOW))
        windows[-1][outside] = 0
    products, *energies = (
        np.einsum("nfb,nfb->n", one, other) for one, other in (windows, windows[:1] * 2, windows[1:] * 2)
    )
    alike: NDArray[np.bool_] = products >= LEAST * np.sqrt(np.maximum(energies[0] * energies[1], 1))
    return alike
