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

from audiospec.doctor.duplicates.fingerprints import COMPONENTS, PATCH
from audiospec.doctor.duplicates.sketch_file import SketchFile

#: Hashes that are sorted at once, and following ones that each is compared with.
MOST_HASHES, NEIGHBOURS = 1 << 22, 6
#: Bits of a hash: so many more than a number of all frames has, and at least so many.
MORE_BITS, LEAST_BITS = 3, 16
#: Frames around a moment that are compared, and their least correlation. A shift by half a frame halves it.
WINDOW, LEAST = 52, 0.4
#: Collisions that are compared at once.
BATCH = 4096


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
    return min(COMPONENTS, max(LEAST_BITS, math.ceil(math.log2(max(frames, 2))) + MORE_BITS))


def collisions(sketches: SketchFile, tell: Callable[[int, int], None]) -> Collisions:
    """Return the tracks that have a hash in common and are alike around it.

    Parameters
    ----------
    sketches : SketchFile
    tell : callable
        Called with the hashes that are done, and all.

    Returns
    -------
    Collisions
        Each of the same tracks and lag once.
    """
    found = [np.zeros((0, 3), np.int64)]
    for rows in _passes(sketches, tell):
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            found.append(some[_alike(sketches, some)][:, :3])
    return Collisions(*np.unique(np.concatenate(found), axis=0).T)


def _passes(sketches: SketchFile, tell: Callable[[int, int], None]) -> Iterator[NDArray[np.int64]]:
    """Yield first, second, lag and moment in the first track, shape (n, 4), range by range of the hashes."""
    hashes_of = sketches.hashes.reshape(-1)
    count = len(hashes_of)
    ranges = max(1, -(-count // MOST_HASHES))
    owner_ends = sketches.ends[1:]
    for number in range(ranges):
        places, hashes = [], []
        for begin in range(0, count, MOST_HASHES):
            block = np.asarray(hashes_of[begin : begin + MOST_HASHES])
            # Multiplied, the ranges are of one size, though some signs of components are more frequent.
            mixed = block * np.uint32(2654435769)
            chosen = np.flatnonzero((block != 0) & (mixed.astype(np.uint64) * ranges >> 32 == number))
            places.append((chosen + begin) // 2)
            hashes.append(mixed[chosen])
        yield _equal(np.concatenate(hashes), np.concatenate(places), owner_ends, sketches.ends)
        tell(min(count, (number + 1) * MOST_HASHES), count)


def _equal(
    hashes: NDArray[np.uint32],
    places: NDArray[np.int64],
    owner_ends: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return first, second, lag and moment of frames that have equal hashes; each tracks and lag once."""
    order = np.argsort(hashes, kind="stable")
    hashes, places = hashes[order], places[order]
    tracks = np.searchsorted(owner_ends, places, "right")
    # Of a note that is held, a track has the same hash several times: the first is enough.
    kept = np.ones(len(hashes), bool)
    kept[1:] = (hashes[1:] != hashes[:-1]) | (tracks[1:] != tracks[:-1])
    hashes, tracks = hashes[kept], tracks[kept]
    moments = places[kept] - ends[tracks]
    pairs = [np.zeros((0, 4), np.int64)]
    for step in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(hashes[step:] == hashes[:-step])
        one, other = moments[same], moments[same + step]
        pairs.append(np.stack([tracks[same], tracks[same + step], one - other, one], 1))
    rows = np.concatenate(pairs)
    _, chosen = np.unique(rows[:, :3], axis=0, return_index=True)
    return rows[chosen]


def _alike(sketches: SketchFile, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pairs correlate in a window around a moment."""
    first, second, lag, moment = rows.T
    lengths = sketches.lengths()
    earliest = -np.minimum(moment, moment - lag)
    latest = np.minimum(lengths[first] - moment, lengths[second] - moment + lag)
    begin = np.maximum(earliest, np.minimum((PATCH - WINDOW) // 2, latest - WINDOW))
    offsets = begin[:, None] + np.arange(WINDOW)
    inside = offsets < latest[:, None]
    windows = []
    for track, start in ((first, moment), (second, moment - lag)):
        places = (sketches.ends[track] + start)[:, None] + offsets
        windows.append(sketches.frames[np.where(inside, places, 0)].astype(np.float32))
    known = inside & windows[0].any(2) & windows[1].any(2)
    one, other = windows[0][known], windows[1][known]
    owner = np.repeat(np.arange(len(rows)), known.sum(1))
    products, *energies = (
        np.bincount(owner, values, len(rows))
        for values in ((one * other).sum(1), np.square(one).sum(1), np.square(other).sum(1))
    )
    alike: NDArray[np.bool_] = products >= LEAST * np.sqrt(np.maximum(energies[0] * energies[1], 1))
    return alike
