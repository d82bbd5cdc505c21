"""The order in which a stream reads the shards of a view, and the buffer that shuffles their rows.

Both follow from seeds alone, not from the data, nor from how fast it is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiospec.stores.layout.read_ahead import map_ahead

#: Shards that are read in advance, at once: in a bucket one request alone does not fill the line.
AHEAD = 2
#: Number of the shard after which a row is due that has been yielded.
_GIVEN = np.iinfo(np.int64).max


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
) -> Iterator[tuple[NDArray[np.int64], list[NDArray[Any]]]]:
    """Read shards in order, and yield their rows shuffled among several shards.

    Each row stays in memory until 0 to ``buffer - 1`` more shards have been read, drawn at random, so a shard
    is released when as many have followed it. Rows that are due together are yielded in random order. At the
    beginning nothing is yielded before `buffer` shards are read, and at the end what is left is due together.

    Memory has room for ``buffer + AHEAD`` shards: those in the buffer, and those that are read in advance.

    Parameters
    ----------
    read : callable
        Reads rows of one shard; called by `AHEAD` threads.
    shards : sequence of ndarray of int64
        Row numbers of each shard, as from `shard_order`.
    seed : sequence of int
        Decides how the rows are shuffled.
    buffer : int
        Shards in the buffer, at least 1.

    Yields
    ------
    ndarray of int64, shape (n,), and list of n ndarrays of row_shape
        Numbers and stored values of some rows. The values are in the memory of their shards: a copy of a row
        does not keep the others in memory.
    """
    random = np.random.default_rng(seed)
    #: The latest shards: row numbers, values, and after which shard each row is due.
    held: deque[tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]] = deque(maxlen=buffer)
    for count, values in enumerate(map_ahead(read, shards, AHEAD, AHEAD)):
        held.append((shards[count], values, count + random.integers(buffer, size=len(values))))
        is_last = count == len(shards) - 1
        if count < buffer - 1 and not is_last:
            continue
        places = []
        for number, (_, _, due) in enumerate(held):
            rows = np.flatnonzero(due < _GIVEN if is_last else due <= count)
            due[rows] = _GIVEN
            places.append(np.stack([np.full(len(rows), number), rows], 1))
        order = random.permutation(np.concatenate(places)).tolist()
        yield (
            np.array([held[number][0][row] for number, row in order], np.int64),
            [held[number][1][row] for number, row in order],
        )
