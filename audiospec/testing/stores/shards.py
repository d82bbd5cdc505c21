"""Shards as files of a disk, for tests of their format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.files import write_bytes
from audiospec.storage.disk import DiskFolder
from audiospec.stores.shards.format import read_shard, shard_parts
from audiospec.stores.shards.packed import PackedShard


def write_shard(path: Path, rows: NDArray[Any], capacity: int) -> None:
    """Write rows, shape (n, ...), as the file of a shard with room for `capacity` ≥ n rows."""
    write_bytes(path, *shard_parts(rows, capacity))


def map_shard(path: Path, row: np.dtype[Any], capacity: int) -> NDArray[Any]:
    """Return the rows of the uncompressed shard in a file; see `read_shard`."""
    return read_shard(DiskFolder(path.parent), path.name, row, capacity)


def packed_shard(path: Path, row: np.dtype[Any], capacity: int) -> PackedShard:
    """Open the compressed shard in a file."""
    return PackedShard(DiskFolder(path.parent), path.name, row, capacity)
