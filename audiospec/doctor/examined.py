"""Examined: the store that checks look at, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import checksum
from audiospec.errors import NotCheckedError, StoreError
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View

#: Called as work advances: what is done, how much of it, and the total.
Tell = Callable[[str, int, int], None]


def tell_nobody(what: str, done: int, total: int) -> None:
    """Ignore progress."""


class Examined:
    """A store, as the checks of a diagnosis look at it. What is costly is computed once.

    Parameters
    ----------
    store : FeatureStore
    view : str or None
        Name of the view that is looked at, or its beginning. None: the log-mel view with the most rows.
    seed : int
        All that is random follows from it.
    tell : callable
        Called with what is done, how much of it is done, and the total.
    """

    def __init__(
        self, store: FeatureStore, *, view: str | None = None, seed: int = 0, tell: Tell = tell_nobody
    ) -> None:
        self.store = store
        self.seed = seed
        self.tell = tell
        self._chosen = None if view is None else store.view(view)

    @property
    def tracks(self) -> Tracks:
        """The track table."""
        return self.store.tracks

    @cached_property
    def views(self) -> list[View]:
        """All views of the store, or the chosen one."""
        return self.store.views() if self._chosen is None else [self._chosen]

    @cached_property
    def mel(self) -> View:
        """The log-mel view.

        Raises
        ------
        NotCheckedError
            The store has none, or it is empty.
        """
        spectrograms = [view for view in self.views if view.spec.feature == "mel" and len(view)]
        if not spectrograms:
            raise NotCheckedError(
                f"{self.store.path} has no log-mel view",
                "make one: `audiospec featurize DATASET --features mel --store STORE`",
            )
        return max(spectrograms, key=lambda view: (len(view), view.name))


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


def blocks(view: View) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Yield the whole rows of a view shard by shard, in order; see `whole_rows`."""
    for first in range(0, len(view), view.info.shard_rows):
        yield whole_rows(view, np.arange(first, min(first + view.info.shard_rows, len(view))))


def _stored(view: View, numbers: NDArray[np.int64]) -> list[NDArray[Any] | None]:
    """Read rows as they are stored; None for one that cannot be read."""
    try:
        return list(view.read_stored(numbers))
    except StoreError:
        if len(numbers) <= 1:
            return [None] * len(numbers)
    half = len(numbers) // 2
    return [*_stored(view, numbers[:half]), *_stored(view, numbers[half:])]
