"""PackedShard: a shard of compressed rows, each a Zstandard frame as Zarr's codec ``zstd`` writes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.stores.shards.format import ABSENT, REPAIR, not_contiguous, open_index
from audiospec.stores.shards.frames import unpack


class PackedShard:
    """A shard of compressed rows, opened for reading.

    Parameters
    ----------
    path : Path
    row : dtype
        One row, as a sub-array.
    capacity : int
        Rows that the shard has room for.

    Raises
    ------
    StoreError
        The file is missing, or is not a shard of such rows. A damaged row is noticed when it is read.
    """

    def __init__(self, path: Path, row: np.dtype[Any], capacity: int) -> None:
        self.path = path
        self.row = row
        self._file, end, index = open_index(path, capacity)
        entries = index.tolist()
        count = next((n for n, (offset, _) in enumerate(entries) if offset == ABSENT), capacity)
        #: Offset of each row, and the end of the last.
        self._edges = [0]
        for offset, length in entries[:count]:
            if offset == self._edges[-1]:
                self._edges.append(offset + length)
        if len(self) != count or self._edges[-1] != end:
            raise not_contiguous(path)

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, index: int | slice) -> NDArray[Any]:
        """Read one row or several into new memory; raises as `fill` does."""
        numbers = range(len(self))[index]
        chosen = [numbers] if isinstance(numbers, int) else numbers
        rows = np.empty((len(chosen), *self.row.shape), self.row.base)
        for row, number in zip(rows, chosen, strict=True):
            self.fill(row, number)
        return rows.reshape(self.row.shape) if isinstance(numbers, int) else rows

    def fill(self, row: NDArray[Any], number: int) -> None:
        """Read the row with the given number into `row`, which must be contiguous.

        Raises
        ------
        StoreError
            The row is damaged.
        """
        start, stop = self._edges[number : number + 2]
        try:
            unpack(os.pread(self._file.descriptor, stop - start, start), row.reshape(-1).data)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"row {number} of shard {self.path} is damaged: {reason}", REPAIR) from error
