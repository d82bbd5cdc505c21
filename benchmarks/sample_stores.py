"""Stores of any number of rows of real features, for suites that read, write and train."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.audio import RATE, load_waves
from audiospec.benchmarks.base import Setup
from audiospec.digests import checksum
from audiospec.features.rows.writing import row_writer
from audiospec.specs.mel import MelSpec
from audiospec.stores.base import open_store, store_class
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import SHARD_BYTES, ViewInfo
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import ROW_DTYPE, TrackRecord, store_attributes
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View

Dtype = Literal["float16", "float32", "uint8"]

#: Seconds of a chunk.
CHUNK = 10.0
#: The largest number of distinct rows; a view repeats them.
MAX_DISTINCT = 120


def compute_rows(setup: Setup, dtype: Dtype = "float16") -> NDArray[Any]:
    """Return rows of log-mel spectrograms as a store of that dtype has them.

    Returns
    -------
    array, shape (n, 192, 862)
        With n up to `MAX_DISTINCT`; dB, or for uint8 the code of the spec.
    """
    spec = MelSpec(dtype=dtype)
    writer = row_writer(spec)
    length = round(CHUNK * RATE)
    rows = []
    for wave in load_waves(setup, MAX_DISTINCT // 3, 30.0):
        for first in range(0, len(wave) - length + 1, length):
            rows.append(np.empty(spec.row_shape(length), spec.dtype))
            writer.write([wave[first : first + length]], [rows[-1]])
    return np.stack(rows)


def write_store(
    path: Path, rows: NDArray[Any], count: int, dtype: Dtype = "float16", shard_bytes: int = SHARD_BYTES
) -> View:
    """Write a store with one view that repeats some rows; each row is a track, with one of four labels.

    Parameters
    ----------
    path : Path
        The store; its suffix selects the format.
    rows : array, shape (n, mel bins, frames)
    count : int
        Rows of the view.
    dtype : str
        Of the spec.
    shard_bytes : int
        Bytes of a full shard.

    Returns
    -------
    View
    """
    spec = MelSpec(dtype=dtype)
    info = ViewInfo(spec=spec, chunking=Chunking(seconds=CHUNK), shard_rows=shard_bytes // rows[0].nbytes)
    table = np.zeros(count, ROW_DTYPE)
    table["track"] = np.arange(count)
    table["seconds"] = CHUNK
    table["checksum"] = [checksum(rows[number % len(rows)]) for number in range(count)]
    step = info.shard_rows

    def shard(number: int) -> ShardSource:
        first, last = number * step, min(count, (number + 1) * step)
        if last <= len(rows):
            return ShardSource(lambda: rows[first:last])
        numbers = np.arange(first, last) % len(rows)
        return ShardSource(lambda: rows[numbers])

    work = work_folder(path)
    work.mkdir(parents=True)
    records = [TrackRecord(f"{n:06d}", label=f"label {n % 4}", seconds=CHUNK) for n in range(count)]
    kind = store_class(path)
    new = NewView(info, table, shard)
    kind.publish(path, work, store_attributes("benchmark", path), Tracks.from_records(records), new)
    return open_store(path).view()
