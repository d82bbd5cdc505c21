"""NewView: a finished view that is to be written into a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from audiospec.annotations.table import RowTargets
from audiospec.storage.location import Location
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import RowTable


@dataclass(frozen=True)
class ShardSource:
    """Where the rows of one shard of a new view come from.

    Attributes
    ----------
    load : callable
        Returns the rows, shape (n, *row_shape).
    file : Location or None
        A file with the bytes of `shard_parts` of the same rows, if there is one.
    """

    load: Callable[[], NDArray[Any]]
    file: Location | None = None


@dataclass(frozen=True)
class NewView:
    """A finished view that is to be written into a store.

    Attributes
    ----------
    info : ViewInfo
    rows : ndarray of ROW_DTYPE
    shard : callable
        Shard number → `ShardSource`.
    targets : RowTargets or None
        What the rows are to be predicted as. None: by the labels of their tracks.
    """

    info: ViewInfo
    rows: RowTable
    shard: Callable[[int], ShardSource]
    targets: RowTargets | None = None

    def shards(self) -> Iterator[tuple[slice, ShardSource]]:
        """Yield row range and source of each shard, in order."""
        for number, first in enumerate(range(0, len(self.rows), self.info.shard_rows)):
            yield slice(first, min(first + self.info.shard_rows, len(self.rows))), self.shard(number)

    @property
    def is_staged(self) -> bool:
        """Whether any shard is in a file."""
        return any(source.file is not None for _, source in self.shards())
