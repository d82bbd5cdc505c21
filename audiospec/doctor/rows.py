"""Rows of a view that can be read and match their checksums; others are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import checksum
from audiospec.errors import StoreError
from audiospec.stores.layout.view import View


def whole_rows(view: View, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Read the rows of a view that are not damaged.

    Parameters
    ----------
    view : View
    numbers : ndarray of int64
        Numbers of the rows.

    Returns
    -------
    (ndarray of int64, ndarray)
        The numbers of those that match their checksums, in the given order, and their values as `View.read`
        returns them.
    """
    stored = _stored(view, numbers)
    whole = np.fromiter(
        (
            row is not None and checksum(row) == expected
            for row, expected in zip(stored, view.rows["checksum"][numbers].tolist(), strict=True)
        ),
        bool,
        len(numbers),
    )
    values = np.empty((int(whole.sum()), *view.info.row_shape), view.info.row_dtype.base)
    for place, row in enumerate(row for row, ok in zip(stored, whole, strict=True) if ok):
        values[place] = row
    return numbers[whole], values if view.spec.code is None else view.spec.code.decode(values)


def blocks(
    view: View, numbers: NDArray[np.int64] | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Yield the whole rows of a view shard by shard, in order; see `whole_rows`.

    Parameters
    ----------
    view : View
    numbers : ndarray of int64 or None
        Rows to read, in ascending order. None: all.
    """
    chosen = np.arange(len(view)) if numbers is None else numbers
    step = view.info.shard_rows
    for part in np.split(chosen, np.flatnonzero(np.diff(chosen // step)) + 1) if len(chosen) else ():
        yield whole_rows(view, part)


def _stored(view: View, numbers: NDArray[np.int64]) -> list[NDArray[Any] | None]:
    """Read rows as they are stored; None for one that cannot be read."""
    try:
        return list(view.read_stored(numbers))
    except StoreError:
        if len(numbers) <= 1:
            return [None] * len(numbers)
    half = len(numbers) // 2
    return [*_stored(view, numbers[:half]), *_stored(view, numbers[half:])]
