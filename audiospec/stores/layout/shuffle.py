"""The order in which a stream reads the shards of a view, and the buffer that shuffles their rows.

Both follow from seeds alone, not from the data, nor from how fast it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiospec.stores.layout.read_ahead import map_ahead

#: Shards that are read in advance, at once: in a bucket one request alone does not fill the line.
AHEAD = 2
#: Most bytes of stored rows that leave the buffer at a time, unless one row has more.
BLOCK_BYTES = 4 << 20


class ReadsRows(Protocol):
    """What reads rows of a view by their numbers."""

    def __call__(self, rows: NDArray[np.int64], /) -> NDArray[Any]:
        """Return the rows as they are stored, shape (n, *row_shape)."""


def shard_order(
    numbers: NDArray[np.int64], shard_rows: int, seed: Sequence[int], part: int = 0, parts: int = 1
) -> list[NDArray[np.int64]]:
    """Return the rows that one of several readers reads, shard by shard.

    The shards are put into a random order, and the rows that this order gives are cut into `parts` parts,
    which differ by one row at most. So each row is in exactly one part, and at most ``parts - 1`` shards are
    read by more than one reader.

    Parameters
    ----------
    numbers : ndarray of int64, shape (n,)
        Row numbers to read, in ascending order, each once. Shards with none of them are not read.
    shard_rows : int
        Rows in one shard.
    seed : sequence of int
        The same for all parts; it decides the order of the shards.
    part, parts : int
        Which part, from 0, and the number of parts.

    Returns
    -------
    list of ndarray of int64
        For each shard that the part reads, its row numbers in ascending order.
    """
    first, last = (len(numbers) * number // parts for number in (part, part + 1))
    starts = np.flatnonzero(np.diff(numbers // shard_rows, prepend=-1))
    counts = np.diff(starts, append=len(numbers))
    order = np.random.default_rng(seed).permutation(len(starts))
    starts, counts = starts[order], counts[order]
    ends = np.cumsum(counts)
    begins = ends - counts
    mine = np.minimum(ends, last) > np.maximum(begins, first)
    return [
        numbers[start + max(0, first - begin) : start + min(count, last - begin)]
        for start, begin, count in zip(
            starts[mine].tolist(), begins[mine].tolist(), counts[mine].tolist(), strict=True
        )
    ]


def shuffled_rows(
    read: ReadsRows, shards: Sequence[NDArray[np.int64]], seed: Sequence[int], buffer: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Read shards in order, and yield their rows shuffled in a buffer of several shards.

    Memory has room for ``buffer + AHEAD + 1`` shards: the buffer, the shards that are read in advance, and
    the one that enters the buffer.

    Parameters
    ----------
    read : callable
        Reads rows of one shard; called by `AHEAD` threads.
    shards : sequence of ndarray of int64
        Row numbers of each shard, as from `shard_order`.
    seed : sequence of int
        Decides which rows leave the buffer.
    buffer : int
        Shards in the buffer, at least 1. A row that leaves it is drawn from as many shards.

    Yields
    ------
    ndarray of int64, shape (n,), and ndarray, shape (n, *row_shape)
        Numbers and stored values of some rows, in new memory of `BLOCK_BYTES` at most.
    """
    random = np.random.default_rng(seed)
    capacity = buffer * max(map(len, shards), default=0)
    numbers = np.empty(capacity, np.int64)
    rows: NDArray[Any] | None = None
    slots = np.arange(capacity)  # the first `filled` of them hold rows
    filled = 0

    def draw(count: int) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        nonlocal slots, filled
        if rows is None or not count:
            return
        drawn = random.permutation(filled)
        chosen = slots[drawn[:count]]
        slots = np.concatenate([slots[np.sort(drawn[count:])], chosen, slots[filled:]])
        filled -= count
        step = max(1, BLOCK_BYTES // max(1, rows[0].nbytes))
        for first in range(0, count, step):
            block = chosen[first : first + step]
            yield numbers[block], rows[block]

    for shard, values in zip(shards, map_ahead(read, shards, AHEAD, AHEAD), strict=True):
        if rows is None:
            rows = np.empty((capacity, *values.shape[1:]), values.dtype)
        yield from draw(max(0, filled + len(shard) - capacity))
        free = slots[filled : filled + len(shard)]
        numbers[free], rows[free] = shard, values
        filled += len(shard)
    yield from draw(filled)
