"""ShardReader: the rows of a view, read from the files of its shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import StoreError
from audiospec.storage.base import Folder
from audiospec.stores.shards.format import REPAIR, count_rows, is_compressed, unreadable
from audiospec.stores.shards.packed import PackedShard, damaged_row
from audiospec.stores.shards.rows import read_rows

#: For `read_rows`, all shards of a view form one address space: shard n begins at n times this many bytes,
#: which is more than a shard has.
_STRIDE = 1 << 40


class ShardReader:
    """Reads rows from the files of shards.

    On a disk, a shard's index is compared with the shard when it is first read from. In a bucket, that would
    cost a request, so it is not: the place of an uncompressed row follows from its number, and the row's
    checksum guards it.

    Parameters
    ----------
    folder : Folder
    key : callable
        Number of a shard → key of its file.
    row : dtype
        One row, as a sub-array.
    capacity : int
        Rows in a shard; the last may have fewer.
    chunk : int
        Rows in a chunk of a shard.
    count : int
        Rows in all shards.
    """

    def __init__(
        self,
        folder: Folder,
        key: Callable[[int], str],
        row: np.dtype[Any],
        capacity: int,
        chunk: int,
        count: int,
    ) -> None:
        self.folder, self.key = folder, key
        self.row, self.capacity, self.chunk, self.count = row, capacity, chunk, count
        self.is_packed = is_compressed(row)
        self._packed: dict[int, PackedShard] = {}
        self._checked: set[int] = set()

    def read(self, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Read rows by number into `out`, which must be contiguous.

        Raises
        ------
        StoreError
            A shard is missing or damaged.
        """
        numbers, within = np.divmod(rows, self.capacity)
        if self.is_packed:
            self._read_packed(numbers.tolist(), within.tolist(), out)
            return
        if self.folder.is_local:
            for number in np.unique(numbers).tolist():
                if number not in self._checked:
                    self.require(number)

        def fill_all(wanted: list[tuple[int, memoryview]]) -> None:
            places = [(*divmod(offset, _STRIDE), buffer) for offset, buffer in wanted]
            keys = {number: self.key(number) for number, _, _ in places}
            try:
                self.folder.fill([(keys[number], start, buffer) for number, start, buffer in places])
            except (OSError, EOFError) as error:
                number = next((n for n in keys if not self._has(n)), places[0][0])
                raise unreadable(self.folder, keys[number], error) from error

        read_rows(numbers * _STRIDE + within * self.row.itemsize, out, fill_all)

    def _read_packed(self, numbers: list[int], within: list[int], out: NDArray[Any]) -> None:
        missing = [number for number in dict.fromkeys(numbers) if number not in self._packed]
        for number, shard in zip(missing, self.folder.map(self._open, missing), strict=True):
            self._packed[number] = shard
        places = [(self._packed[number], row) for number, row in zip(numbers, within, strict=True)]
        frames = [shard.frame(row) for shard, row in places]
        wanted = [(shard.key, *frame) for (shard, _), frame in zip(places, frames, strict=True)]
        try:
            self.folder.fill(wanted)
        except (OSError, EOFError) as error:
            shard, row = places[0]
            raise damaged_row(row, shard, error) from error
        for (shard, number), (_, frame), target in zip(places, frames, out, strict=True):
            shard.unpack(frame, target, number)

    def _open(self, number: int) -> PackedShard:
        shard = PackedShard(self.folder, self.key(number), self.row, self.capacity)
        self._require_count(number, len(shard))
        return shard

    def require(self, number: int) -> None:
        """Compare a shard's index with what it must be.

        Raises
        ------
        StoreError
            The shard is missing, or damaged.
        """
        if self.is_packed:
            self._open(number)
            return
        self._require_count(number, count_rows(self.folder, self.key(number), self.row, self.capacity))
        self._checked.add(number)

    def _require_count(self, number: int, count: int) -> None:
        expected = min(self.capacity, self.count - number * self.capacity)
        expected = -(-expected // self.chunk) * self.chunk  # the last chunk is filled up
        if count != expected:
            place = self.folder.location / self.key(number)
            raise StoreError(f"shard {place} is damaged: expected {expected} rows, got {count}", REPAIR)

    def _has(self, number: int) -> bool:
        return self.folder.exists(self.key(number))
