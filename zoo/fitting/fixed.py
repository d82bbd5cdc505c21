"""Compute rows in batches of one size, so that the result of a row does not depend on the other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray


def in_fixed_batches(
    compute: Callable[[NDArray[np.float32]], NDArray[np.float64]], rows: NDArray[np.float32], size: int
) -> Iterator[NDArray[np.float64]]:
    """Compute rows in batches of exactly `size`; the last is filled up with its first row.

    A library multiplies matrices of other sizes by other kernels, which add in another order: a row alone may
    differ from the same row in a batch in its last bits. Then the outputs of a file would depend on the files
    before it, and differ from those of the same rows in a store.

    Parameters
    ----------
    compute : callable
        (size, *row_shape) → outputs (size, …).
    rows : ndarray, shape (n, *row_shape)
    size : int

    Yields
    ------
    ndarray
        Outputs of the next rows: `size` of them, or fewer at the end.
    """
    for first in range(0, len(rows), size):
        batch, count = rows[first : first + size], min(size, len(rows) - first)
        if count < size:
            batch = np.empty((size, *rows.shape[1:]), rows.dtype)  # in C order, as any other
            batch[:count], batch[count:] = rows[first:], rows[first]
        yield compute(batch)[:count]
