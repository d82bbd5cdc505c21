"""Members: which volume each known track is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

#: A track id as 128 bits of a hash, and its volume: 20 bytes a track. No two ids of a million million tracks
#: have one hash but by a chance of 1 in 10^14.
_MEMBER = np.dtype([("high", "<u8"), ("low", "<u8"), ("volume", "<i4")])


class Members:
    """Which volume each known track is in; 20 bytes a track, however long the ids are."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, _MEMBER)
        self._new: list[NDArray[Any]] = []

    def __len__(self) -> int:
        return len(self._sorted) + sum(map(len, self._new))

    def add(self, ids: Sequence[str], volume: int) -> None:
        """Add tracks of a volume; one that is in a volume already stays there."""
        if len(ids):
            table = _hashed(ids)
            table["volume"] = volume
            self._new.append(table)

    def volumes(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the volume of each track; -1 for one that is in none."""
        if self._new:
            # A stable sort: of equal ids, the first that was added is found.
            table = np.concatenate([self._sorted, *self._new])
            self._sorted = table[np.lexsort((table["low"], table["high"]))]
            self._new.clear()
        wanted, known = _hashed(ids), self._sorted
        found = np.full(len(ids), -1, np.int64)
        places = np.searchsorted(known["high"], wanted["high"])
        open_ = np.flatnonzero(places < len(known))
        while len(open_):  # once, unless two ids have the same first half
            at = places[open_]
            same = known["high"][at] == wanted["high"][open_]
            equal = same & (known["low"][at] == wanted["low"][open_])
            found[open_[equal]] = known["volume"][at[equal]]
            open_ = open_[same & ~equal]
            places[open_] += 1
            open_ = open_[places[open_] < len(known)]
        return found


def _hashed(ids: Sequence[str]) -> NDArray[Any]:
    digests = b"".join(xxhash.xxh3_128_digest(id.encode("utf-8", "surrogatepass")) for id in ids)
    halves = np.frombuffer(digests, "<u8").reshape(-1, 2)
    table = np.zeros(len(ids), _MEMBER)
    table["high"], table["low"] = halves[:, 0], halves[:, 1]
    return table
