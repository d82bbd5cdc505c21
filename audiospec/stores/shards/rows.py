"""Read rows of files, by their offsets, into existing arrays.

Rows are read, not mapped into memory, for two reasons. Accessing a map of a file that was truncated kills the
process; a read fails with an error. And reading is faster, because the first access to each page of 4 KB of a
map costs a page fault: 32 random rows of 331 KB out of 4 GB, all in the page cache, took 1.1 ms by `preadv`,
1.6 ms by a map whose pages had all been accessed before, and 16 to 100 ms by a new map.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Rows of up to `SMALL` bytes, such as those of tables, are read together if the gap between them is at most
#: `GAP` bytes: a system call takes 3 µs, in which 30 KB are copied.
SMALL, GAP = 4 << 10, 32 << 10
#: Most bytes that one call reads if it reads gaps as well; they fit a core's own cache.
SPAN = 256 << 10

#: Most bytes that are read besides the rows before they are released.
MOST_SPANS = 16 << 20

FillAll = Callable[[list[tuple[int, memoryview]]], None]


def read_rows(offsets: NDArray[np.int64], out: NDArray[np.generic], fill_all: FillAll) -> None:
    """Read rows into `out`, in order of their offsets.

    Parameters
    ----------
    offsets : ndarray of int64, shape (n,)
        First byte of each row, in any order; repeats are allowed.
    out : ndarray, shape (n, ...)
        Must be contiguous.
    fill_all : callable
        Fills buffers: it gets a list of offsets and buffers, and fills each with the bytes from its offset
        on. It is called once, unless many rows are read together with what is between them.
    """
    size = out.nbytes // len(out)
    order = np.argsort(offsets, kind="stable")
    offsets = offsets[order]
    step = np.diff(offsets)
    # Rows that are consecutive both in the file and in `out` are read by one call.
    joined = consecutive = (step == size) & (np.diff(order) == 1)
    if size <= SMALL:
        near = (step <= size + GAP) & (step % size == 0) & (offsets[1:] // SPAN == offsets[:-1] // SPAN)
        joined = consecutive | near
    cuts = np.flatnonzero(np.concatenate([[True], ~joined, [True]]))
    first, last = cuts[:-1], cuts[1:] - 1
    counts = np.concatenate([[0], np.cumsum(consecutive)])
    direct = counts[last] - counts[first] == last - first  # the bytes need no rearranging
    data = out.reshape(-1).view(np.uint8).data
    calls = (first, last, offsets[first], offsets[last], order[first], direct)
    wanted: list[tuple[int, memoryview]] = []
    spans: list[tuple[slice, int, NDArray[np.generic]]] = []
    held = 0

    def read() -> None:
        fill_all(wanted)
        for rows, start, span in spans:
            out[order[rows]] = span[(offsets[rows] - start) // size]
        wanted.clear()
        spans.clear()

    for head, tail, start, stop, target, is_direct in zip(*(each.tolist() for each in calls), strict=True):
        count = (stop - start) // size + 1
        if is_direct:
            wanted.append((start, data[target * size : (target + count) * size]))
            continue
        span = np.empty((count, *out.shape[1:]), out.dtype)
        wanted.append((start, span.reshape(-1).view(np.uint8).data))
        spans.append((slice(head, tail + 1), start, span))
        held += span.nbytes
        if held > MOST_SPANS:
            read()
            held = 0
    read()
