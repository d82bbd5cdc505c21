"""Stores of so many rows of real features, for suites that read, write and train."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.audio import RATE, waves
from audiospec.benchmarks.base import Setup
from audiospec.digests import checksum
from audiospec.features.base import frontend, store_row
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
#: Different rows at most; a view repeats them.
DIFFERENT = 120


def features(setup: Setup, dtype: Dtype = "float16") -> NDArray[Any]:
    """Rows (n, 192, 862) of log-mel spectrograms as a store of that dtype holds them, `DIFFERENT` at most."""
    spec = MelSpec(dtype=dtype)
    module = frontend(spec)
    length = round(CHUNK * RATE)
    found = []
    with torch.inference_mode():
        for wave in waves(setup, DIFFERENT // 3, 30.0):
            for first in range(0, len(wave) - length + 1, length):
                feature = module(torch.from_numpy(wave[first : first + length].copy()))
                found.append(np.empty(feature.shape, spec.dtype))
                store_row(spec, feature, found[-1])
    return np.stack(found)


def write(
    path: Path, rows: NDArray[Any], count: int, dtype: Dtype = "float16", shard_bytes: int = SHARD_BYTES
) -> View:
    """Write a store of one view with `count` rows, a track each, of four labels; `rows` again and again."""
    spec = MelSpec(dtype=dtype)
    info = ViewInfo(spec=spec, chunking=Chunking(seconds=CHUNK), shard_rows=shard_bytes // rows[0].nbytes)
    table = np.zeros(count, ROW_DTYPE)
    table["track"] = np.arange(count)
    table["seconds"] = CHUNK
    table["checksum"] = [checksum(rows[number % len(rows)]) for number in range(count)]
    step = info.shard_rows

    def shard(number: int) -> ShardSource:
        numbers = np.arange(number * step, min(count, (number + 1) * step)) % len(rows)
        return ShardSource(lambda: rows[numbers])

    work = work_folder(path)
    work.mkdir(parents=True)
    records = [TrackRecord(f"{n:06d}", label=f"label {n % 4}", seconds=CHUNK) for n in range(count)]
    kind = store_class(path)
    new = NewView(info, table, shard)
    kind.publish(path, work, store_attributes("benchmark", path), Tracks.from_records(records), new)
    return open_store(path).view()
