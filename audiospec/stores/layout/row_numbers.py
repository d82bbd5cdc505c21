"""Row numbers, as callers choose rows of a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import RowIndexError

#: Rows of a view: a number, a slice, numbers in any order with repeats, a boolean mask; None for all.
RowChoice: TypeAlias = int | slice | Sequence[int] | NDArray[Any] | None


def row_numbers(rows: RowChoice, count: int, view: str) -> NDArray[np.int64]:
    """Return the numbers of chosen rows.

    Parameters
    ----------
    rows : int, slice, sequence of int, boolean mask, or None
        Negative numbers count from the end.
    count : int
        Rows of the view.
    view : str
        The view's name, for messages.

    Returns
    -------
    ndarray of int64, shape (n,); () for one number
        From 0 to ``count - 1``, in the given order.

    Raises
    ------
    RowIndexError
        The view does not have such a row.
    """
    if rows is None:
        rows = slice(None)
    try:
        chosen = np.arange(count)[rows] if isinstance(rows, slice) else np.asarray(rows)
    except (TypeError, ValueError) as error:
        raise RowIndexError(
            f"expected row numbers, a slice or a mask; got a {type(rows).__name__} ({error})"
        ) from error
    if chosen.dtype == bool:
        if chosen.shape != (count,):
            raise RowIndexError(f"expected a mask of {count} rows; got shape {chosen.shape}")
        chosen = np.flatnonzero(chosen)
    if chosen.size == 0:
        chosen = chosen.astype(np.int64)
    if not np.issubdtype(chosen.dtype, np.integer) or chosen.ndim > 1:
        raise RowIndexError(
            f"expected row numbers, a slice or a mask; got {chosen.dtype}, shape {chosen.shape}"
        )
    outside = (chosen < -count) | (chosen >= count)
    if outside.any():
        raise RowIndexError(
            f"view {view} has {f'rows 0 to {count - 1}' if count else 'no rows'}; "
            f"got {np.atleast_1d(chosen)[np.atleast_1d(outside)][0]}"
        )
    numbers = chosen.astype(np.int64)
    numbers[numbers < 0] += count
    return numbers
