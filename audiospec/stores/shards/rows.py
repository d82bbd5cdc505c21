"""Read rows of files, by their offsets, into existing arrays.

Rows are read, not mapped into memory, for two reasons. Accessing a map of a file that was truncated kills the
process; a read fails with an error. And reading is faster, because the first access to each page of 4 KB of a
map costs a page fault: 32 random rows of 331 KB out of 4 GB, all in the page cache, took 1.1 ms by `preadv`,
1.6 ms by a map whose pages had all been accessed before, and 16 to 100 ms by a new map.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Rows of up to `SMALL` bytes, such as those of tables, are read together if the gap between them is at most
#: `GAP` bytes: a system call takes 3 µs, in which 30 KB are copied.
SMALL, GAP = 4 << 10, 32 << 10
#: Most bytes that one call reads if it reads gaps as well; they fit a core's own cache.
SPAN = 256 << 10

Fill = Callable[[memoryview, int], None]


def read_rows(offsets: NDArray[np.int64], out: NDArray[np.generic], fill: Fill) -> None:
    """Read rows into `out`, in order of their offsets.

    Parameters
    ----------
    offsets : ndarray of int64, shape (n,)
        First byte of each row, in any order; repeats are allowed.
    out : ndarray, shape (n, ...)
        Must be contiguous.
    fill : callable
        ``fill(buffer, offset)`` fills the buffer with the bytes from that offset on.
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
    for head, tail, start, stop, target, is_direct in zip(*(each.tolist() for each in calls), strict=True):
        count = (stop - start) // size + 1
        if is_direct:
            fill(data[target * size : (target + count) * size], start)
        else:
            span = np.empty((count, *out.shape[1:]), out.dtype)
            fill(span.reshape(-1).view(np.uint8).data, start)
            rows = slice(head, tail + 1)
            out[order[rows]] = span[(offsets[rows] - start) // size]


class OpenFile:
    """A file that is open for reading; it is closed when this object is garbage-collected.

    Threads and forked processes can share it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def fill(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer with the file's bytes from an offset on.

        Raises
        ------
        OSError
            The system cannot read the file, or the file is too short.
        """
        while buffer:  # one call reads 2 GB at most
            count = os.preadv(self.descriptor, [buffer], offset)
            if not count:
                raise OSError(errno.ENODATA, "the file ends too early")
            buffer, offset = buffer[count:], offset + count
