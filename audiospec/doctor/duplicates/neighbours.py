"""Candidates by nearest descriptors: for each track those whose covariances are most like its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Neighbours of each track that become candidates, before the best `PER_TRACK` · tracks pairs are chosen.
NEIGHBOURS, PER_TRACK = 5, 2
#: Pairs in a store so small that all are candidates.
FEW = 2000
#: Near tracks of each in a block, on average, above which only the nearest are looked at.
MOST_NEAR = 32
#: Tracks in a block of a matrix product, and tracks from which the least similarity is estimated.
BLOCK, SAMPLE = 2048, 256


def neighbours(
    descriptors: NDArray[np.float32], seed: int, tell: Callable[[int, int], None]
) -> NDArray[np.int64]:
    """Return pairs of near tracks.

    Parameters
    ----------
    descriptors : ndarray of float32, shape (tracks, numbers)
        Of length 1.
    seed : int
        Of the sample from which the least similarity of neighbours is estimated.
    tell : callable
        Called with the tracks that are done, and all.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Places of the tracks, first < second, each pair once; at most `PER_TRACK` · tracks or `FEW` pairs.
    """
    count = len(descriptors)
    if count * (count - 1) // 2 <= FEW:
        tell(count, count)
        return np.stack(np.triu_indices(count, 1), 1).astype(np.int64)
    least = _least(descriptors, seed)
    nearest, values = [], []
    for begin in range(0, count, BLOCK):
        block = descriptors[begin : begin + BLOCK]
        rows, columns, similar = [], [], []
        for other in range(0, count, BLOCK):
            product = block @ descriptors[other : other + BLOCK].T
            near = product >= least
            if np.count_nonzero(near) > MOST_NEAR * len(block):  # thousands that are equally alike
                some = np.argpartition(-product, min(NEIGHBOURS, product.shape[1] - 1), axis=1)
                near = np.zeros_like(near)
                np.put_along_axis(near, some[:, : NEIGHBOURS + 1], True, 1)
            row, column = np.nonzero(near)
            rows.append(row + begin)
            columns.append(column + other)
            similar.append(product[row, column])
        row, column = np.concatenate(rows), np.concatenate(columns)
        value = np.concatenate(similar)
        order = np.lexsort((column, -value, row))
        order = order[row[order] != column[order]]
        row, column, value = row[order], column[order], value[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        first = rank < NEIGHBOURS
        nearest.append(np.sort(np.stack([row[first], column[first]], 1), 1))
        values.append(value[first])
        tell(min(begin + BLOCK, count), count)
    pairs, places = np.unique(np.concatenate(nearest), axis=0, return_index=True)
    best = np.argsort(-np.concatenate(values)[places], kind="stable")[: max(FEW, PER_TRACK * count)]
    return pairs[np.sort(best)].astype(np.int64)


def _least(descriptors: NDArray[np.float32], seed: int) -> float:
    """Return a similarity that about twice `NEIGHBOURS` others of a track reach."""
    count = len(descriptors)
    chosen = np.random.default_rng(seed).choice(count, min(SAMPLE, count), replace=False)
    similar = descriptors[chosen] @ descriptors.T
    return float(np.quantile(similar, max(0.0, 1 - (2 * NEIGHBOURS + 1) / count)))
