"""The copy of everything in an HDF5 store but its rows, and the store that is written from it."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from audiospec.stores.hdf5_format.reading import (
    SEAL,
    chunk_table,
    open_unchecked,
    read_attributes,
    read_column,
    read_rows_of,
)
from audiospec.stores.hdf5_format.trailer import Trailer, joined, rest_checksum
from audiospec.stores.hdf5_format.writing import write_file
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE, TRACK_COLUMNS
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.seals.bundle import pack_bundle, unpack_bundle
from audiospec.stores.shards.format import is_compressed


def append_seal(file: Path) -> None:
    """Append the seal to a finished HDF5 file, which was just written, or is trusted."""
    with open_unchecked(file) as opened:
        pieces, spans = _pieces(opened)
    end = file.stat().st_size
    with file.open("r+b") as out:
        crc = rest_checksum(out.fileno(), end, spans)
        out.seek(end)
        out.write(Trailer(end, crc, spans, pack_bundle(pieces)).to_bytes())
        out.flush()
        os.fsync(out.fileno())


def _pieces(file: h5py.File) -> tuple[dict[str, bytes], NDArray[np.int64]]:
    """Return the pieces of the copy, and the spans of rows."""
    attributes = {name: value for name, value in read_attributes(file).items() if name != SEAL}
    pieces = {"attributes": json.dumps(attributes).encode()}
    for name in file["tracks"]:
        values = read_column(file["tracks"], name)
        # Text has no NUL: HDF5 cannot hold it.
        is_text = values.dtype == object
        content = "\0".join(values.tolist()).encode() if is_text else values.tobytes()
        pieces[f"tracks/{name}"] = content
    starts, stops = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for name, group in file["views"].items():
        rows, data = read_rows_of(group), group["data"]
        table = chunk_table(data)
        pieces[f"views/{name}/attributes"] = json.dumps(read_attributes(group)).encode()
        pieces[f"views/{name}/rows"] = rows.tobytes()
        pieces[f"views/{name}/chunks"] = table.astype("<i8").tobytes()
        sizes = table[:, 1].copy()
        if len(table) and not data.compression:
            # What fills up the last chunk belongs to no row.
            row_bytes = data.dtype.itemsize * int(np.prod(data.shape[1:]))
            sizes[-1] = (len(data) - (len(table) - 1) * data.chunks[0]) * row_bytes
        there = table[:, 0] >= 0
        starts.append(table[there, 0])
        stops.append((table[:, 0] + sizes)[there])
    return pieces, joined(np.concatenate(starts), np.concatenate(stops))


def write_from_copy(damaged: Path, copy: bytes, new: Path) -> list[str]:
    """Write a store from the copy in its seal, and the rows as they are in the damaged file.

    Rows that cannot be unpacked become zeros, which do not match their checksums.

    Returns
    -------
    list of str
        The names of the views.
    """
    pieces = unpack_bundle(copy)
    assert pieces is not None
    attributes = json.loads(pieces["attributes"])
    names = [name.split("/")[1] for name in pieces if name.endswith("/attributes")]
    file = os.open(damaged, os.O_RDONLY)
    try:
        views = [_view(name, pieces, file) for name in names]
        write_file(new, attributes, _tracks(pieces), views)
    finally:
        os.close(file)
    return names


def _tracks(pieces: Mapping[str, bytes]) -> Tracks:
    columns: dict[str, NDArray[Any]] = {}
    count = len(pieces["tracks/seconds"]) // 8
    for name, kind in TRACK_COLUMNS.items():
        content = pieces.get(f"tracks/{name}")
        if content is None:
            continue
        if kind is str:
            texts = content.decode().split("\0") if count else []
            columns[name] = np.array(texts, dtype=object)
        else:
            columns[name] = np.frombuffer(content, kind)
    return Tracks(columns)


def _view(name: str, pieces: Mapping[str, bytes], file: int) -> NewView:
    info = ViewInfo.from_attributes(json.loads(pieces[f"views/{name}/attributes"]), name)
    rows = np.frombuffer(pieces[f"views/{name}/rows"], ROW_DTYPE)
    chunks = np.frombuffer(pieces[f"views/{name}/chunks"], "<i8").reshape(-1, 3).tolist()
    chunk_rows = min(info.chunk_rows, max(1, len(rows)))

    def load(first: int, last: int) -> NDArray[Any]:
        content = b"".join(chunk(number) for number in range(first // chunk_rows, -(-last // chunk_rows)))
        return np.frombuffer(content, info.row_dtype.base).reshape(-1, *info.row_shape)[: last - first]

    def chunk(number: int) -> bytes:
        offset, size, unfiltered = chunks[number]
        expected = chunk_rows * info.row_bytes
        content = os.pread(file, size, offset) if offset >= 0 else b""
        if is_compressed(info.row_dtype) and not unfiltered:
            try:
                content = zlib.decompressobj().decompress(content, expected + 1)
            except zlib.error:
                content = b""
        return content if len(content) == expected else bytes(expected)

    def shard(number: int) -> ShardSource:
        first = number * info.shard_rows
        last = min(first + info.shard_rows, len(rows))
        return ShardSource(lambda: load(first, last))

    return NewView(info, rows, shard)
