"""ShardCache: whole shards of a view, kept as files on a disk of this machine."""

from __future__ import annotations

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiospec.digests import checksum, digest
from audiospec.files import write_new
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import RowTable

_log = logging.getLogger("audiospec")


class CachedView(Protocol):
    """The part of a view that `ShardCache` uses."""

    info: ViewInfo
    rows: RowTable

    @property
    def name(self) -> str:
        """The view's name."""

    def __len__(self) -> int: ...

    def read_stored(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows by number, as they are stored."""


class ShardCache:
    """Reads rows of a view by way of files, each with all rows of a shard.

    A shard is read from the view once, and then from its file. Any number of processes may share the folder.
    There are no locks: a file is written under another name, then renamed, and every row that is read from it
    is compared with its checksum. A file that is damaged is written again. If files cannot be written, as on
    a full disk, a warning says so, and the shards that have none are read from the view each time.

    Parameters
    ----------
    view : View
    folder : Path
        The files are in a folder of it that is named after the view and its content, so that several views
        may share it, and another version of a view has its own. Nothing in it is ever removed.
    """

    def __init__(self, view: CachedView, folder: Path) -> None:
        self.view = view
        self.folder = folder / f"{view.name}-{digest([len(view), checksum(view.rows)])[:16]}"
        #: One warning, until it is given: several threads read, and may fail at the same time.
        self._warnings = ["cannot keep shards in %s (%s): reading goes on without"]

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows of one shard, as they are stored.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
            Row numbers, at least one.

        Returns
        -------
        ndarray, shape (n, *row_shape)
        """
        step = self.view.info.shard_rows
        number = int(rows[0]) // step
        first, last = number * step, min((number + 1) * step, len(self.view))
        shard = self._kept(number, last - first)
        if shard is not None:
            values = shard[rows - first]
            expected = self.view.rows["checksum"][rows].tolist()
            if all(checksum(row) == crc for row, crc in zip(values, expected, strict=True)):
                return values
        shard = self.view.read_stored(np.arange(first, last))
        self._keep(number, shard)
        return shard[rows - first]

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.rows"

    def _kept(self, number: int, count: int) -> NDArray[Any] | None:
        """Return the rows of a file; None if there is none, or it does not have their size."""
        row = self.view.info.row_dtype
        try:
            content = self._file(number).read_bytes()
        except OSError:
            return None
        if len(content) != count * row.itemsize:
            return None
        return np.frombuffer(content, row.base).reshape(count, *row.shape)

    def _keep(self, number: int, shard: NDArray[Any]) -> None:
        if not self._warnings:
            return
        file = self._file(number)
        # The folder may be shared by machines, whose processes have the same numbers.
        temporary = file.with_name(f"{file.name}.{secrets.token_hex(8)}.partial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                write_new(temporary, shard.data)
                os.replace(temporary, file)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            with suppress(IndexError):
                _log.warning(self._warnings.pop(), self.folder, error.strerror)
