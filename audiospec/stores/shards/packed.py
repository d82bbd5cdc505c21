"""PackedShard: a shard of compressed rows, each a Zstandard frame as Zarr's codec ``zstd`` writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.storage.base import Folder
from audiospec.stores.shards.format import ABSENT, REPAIR, not_contiguous, read_index
from audiospec.stores.shards.frames import unpack

#: Bytes of a folder's file, and where they go: key, first byte, buffer.
Wanted = tuple[str, int, memoryview]


class PackedShard:
    """A shard of compressed rows, opened for reading.

    Parameters
    ----------
    folder : Folder
    key : str
        The shard's file.
    row : dtype
        One row, as a sub-array.
    capacity : int
        Rows that the shard has room for.

    Raises
    ------
    StoreError
        The file is missing, or is not a shard of such rows. A damaged row is noticed when it is read.
    """

    def __init__(self, folder: Folder, key: str, row: np.dtype[Any], capacity: int) -> None:
        self.folder, self.key = folder, key
        self.row = row
        end, index = read_index(folder, key, capacity)
        entries = index.tolist()
        count = next((n for n, (offset, _) in enumerate(entries) if offset == ABSENT), capacity)
        #: Offset of each row, and the end of the last.
        self._edges = [0]
        for offset, length in entries[:count]:
            if offset == self._edges[-1]:
                self._edges.append(offset + length)
        if len(self) != count or self._edges[-1] != end:
            raise not_contiguous(folder, key)

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, index: int | slice) -> NDArray[Any]:
        """Read one row or several into new memory; raises as `unpack` does."""
        numbers = range(len(self))[index]
        chosen = [numbers] if isinstance(numbers, int) else numbers
        rows = np.empty((len(chosen), *self.row.shape), self.row.base)
        frames = [self.frame(number) for number in chosen]
        try:
            self.folder.fill([(self.key, start, frame) for start, frame in frames])
        except (OSError, EOFError) as error:
            raise damaged_row(chosen[0], self, error) from error
        for row, number, (_, frame) in zip(rows, chosen, frames, strict=True):
            self.unpack(frame, row, number)
        return rows.reshape(self.row.shape) if isinstance(numbers, int) else rows

    def frame(self, number: int) -> tuple[int, memoryview]:
        """Return where the frame of a row begins, and a buffer for it."""
        start, stop = self._edges[number : number + 2]
        return start, np.empty(stop - start, np.uint8).data

    def unpack(self, frame: memoryview, row: NDArray[Any], number: int) -> None:
        """Decompress the frame of a row into `row`, which must be contiguous.

        Raises
        ------
        StoreError
            The row is damaged.
        """
        try:
            unpack(frame, row.reshape(-1).data)
        except ValueError as error:
            raise damaged_row(number, self, error) from error


def damaged_row(number: int, shard: PackedShard, error: Exception) -> StoreError:
    """Return the error for a row that cannot be read."""
    reason = (error.strerror if isinstance(error, OSError) else "") or error
    place = shard.folder.location / shard.key
    return StoreError(f"row {number} of shard {place} is damaged: {reason}", REPAIR)
