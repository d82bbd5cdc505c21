"""Rows of files, read by their places into memory that is given.

They are read and not mapped. To look at the map of a file that somebody has cut off kills the process; a read
of it fails. And reading is faster, for each page of 4 KB that is first looked at in a map costs a fault: 32
random rows of 331 KB out of 4 GB, all in the page cache, took 1.1 ms by `preadv`, 1.6 ms by a map whose pages
had all been looked at before, and 16 to 100 ms by a new one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Rows up to so many bytes, as tables have, are read together with what lies between them, up to `GAP` bytes:
#: to call the system for each takes 3 µs, in which 30 KB are copied.
SMALL, GAP = 4 << 10, 32 << 10
#: Bytes that are read together at most where not all of them are asked for: what a core's own cache holds.
SPAN = 256 << 10

Fill = Callable[[memoryview, int], None]


def read_rows(places: NDArray[np.int64], out: NDArray[np.generic], fill: Fill) -> None:
    """Read rows into `out`, in order of their places.

    Parameters
    ----------
    places : ndarray of int64
        First byte of each row, in any order, with repeats.
    out : ndarray, shape (n, ...)
        In one piece.
    fill : callable
        Given a buffer and a place, it reads the buffer full from there on.
    """
    size = out.nbytes // len(out)
    order = np.argsort(places, kind="stable")
    places = places[order]
    step = np.diff(places)
    # Rows that follow upon one another both there and here are read as one.
    joined = lined = (step == size) & (np.diff(order) == 1)
    if size <= SMALL:
        near = (step <= size + GAP) & (step % size == 0) & (places[1:] // SPAN == places[:-1] // SPAN)
        joined = lined | near
    cuts = np.flatnonzero(np.concatenate([[True], ~joined, [True]]))
    first, last = cuts[:-1], cuts[1:] - 1
    lines = np.concatenate([[0], np.cumsum(lined)])
    in_line = lines[last] - lines[first] == last - first
    data = out.reshape(-1).view(np.uint8).data
    columns = (first, last, places[first], places[last], order[first], in_line)
    for head, tail, start, stop, target, whole in zip(*(column.tolist() for column in columns), strict=True):
        count = (stop - start) // size + 1
        if whole:
            fill(data[target * size : (target + count) * size], start)
        else:
            span = np.empty((count, *out.shape[1:]), out.dtype)
            fill(span.reshape(-1).view(np.uint8).data, start)
            some = slice(head, tail + 1)
            out[order[some]] = span[(places[some] - start) // size]


class OpenFile:
    """A file that is open for reading, until nobody has this object any more.

    Threads, and processes that are forked, may share it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def fill(self, buffer: memoryview, place: int) -> None:
        """Read a buffer full.

        Raises
        ------
        OSError
            The system cannot read it, or the file ends before.
        """
        while buffer:  # one call reads 2 GB at most
            count = os.preadv(self.descriptor, [buffer], place)
            if not count:
                raise OSError(errno.ENODATA, "the file ends too early")
            buffer, place = buffer[count:], place + count
