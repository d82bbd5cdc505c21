"""The seal of an HDF5 store, with its copy of everything but the rows; the store written from that copy."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from audiospec.files import write_all
from audiospec.stores.hdf5_format.reading import (
    SEAL,
    array_names,
    chunk_table,
    open_unchecked,
    read_attributes,
    read_column,
    read_rows_of,
)
from audiospec.stores.hdf5_format.trailer import Trailer, joined, rest_checksum
from audiospec.stores.hdf5_format.writing import write_file
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.free_columns import free_columns
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.schema import ROW_DTYPE, RowTable
from audiospec.stores.layout.target_tables import (
    TARGETS,
    array_type,
    read_targets,
    read_tracks,
    target_arrays,
    track_arrays,
    track_attributes,
)
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.seals.bundle import pack_bundle, unpack_bundle
from audiospec.stores.shards.format import is_compressed

#: Piece of the copy with the attributes of the track table.
_FREE = "tracks.attributes"


@dataclass(frozen=True)
class ViewParts:
    """What a seal keeps of a view, and where the rows of the view are.

    Attributes
    ----------
    attributes : mapping
    rows : RowTable
    chunks : ndarray of int64
        The chunk table, see `chunk_table`.
    chunk_rows, row_bytes : int
        Rows of a chunk, bytes of a row; 0 if rows are compressed.
    targets : mapping
        The arrays of its targets, see `target_arrays`.
    """

    attributes: Mapping[str, Any]
    rows: RowTable
    chunks: NDArray[np.int64]
    chunk_rows: int
    row_bytes: int
    targets: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, view: NewView, chunks: NDArray[np.int64]) -> ViewParts:
        """Return those of a view that was just written."""
        info, chunk_rows, row_bytes = view.info, 0, 0
        if not is_compressed(info.row_dtype):
            chunk_rows, row_bytes = min(info.chunk_rows, max(1, len(view.rows))), info.row_bytes
        targets = {name: column.values for name, column in target_arrays(view.targets).items()}
        return cls(info.to_attributes(), view.rows, chunks, chunk_rows, row_bytes, targets)

    @classmethod
    def read(cls, group: h5py.Group) -> ViewParts:
        """Return those of a view in a file."""
        rows, data = read_rows_of(group), group["data"]
        chunk_rows, row_bytes = 0, 0
        if data.chunks and not data.compression:
            chunk_rows, row_bytes = data.chunks[0], data.dtype.itemsize * int(np.prod(data.shape[1:]))
        names = [name for name in array_names(group) if name.startswith(f"{TARGETS}/")]
        targets = {name: read_column(group, name) for name in names}
        return cls(read_attributes(group), rows, chunk_table(data), chunk_rows, row_bytes, targets)


def write_sealed(
    file: Path, attributes: Mapping[str, Any], tracks: Tracks, views: Sequence[NewView], *, flush: bool
) -> None:
    """Write a whole store into a new file, with its seal.

    Parameters
    ----------
    file : Path
    attributes : mapping
    tracks : Tracks
    views : sequence of NewView
    flush : bool
        Whether to wait until the file is on the disk.
    """
    tables = write_file(file, attributes, tracks, views)
    parts = {view.info.name: ViewParts.of(view, table) for view, table in zip(views, tables, strict=True)}
    columns = {name: column.values for name, column in track_arrays(tracks).items()}
    _append(file, attributes, columns, track_attributes(tracks), parts, flush)


def append_seal(file: Path) -> None:
    """Append the seal to an HDF5 file that is trusted, and wait until it is on the disk."""
    with open_unchecked(file) as opened:
        attributes = {name: value for name, value in read_attributes(opened).items() if name != SEAL}
        table = opened["tracks"]
        columns = {name: read_column(table, name) for name in array_names(table)}
        free = read_attributes(table)
        views = {name: ViewParts.read(group) for name, group in opened["views"].items()}
    _append(file, attributes, columns, free, views, flush=True)


def _append(
    file: Path,
    attributes: Mapping[str, Any],
    columns: Mapping[str, NDArray[Any]],
    free: Mapping[str, Any],
    views: Mapping[str, ViewParts],
    flush: bool,
) -> None:
    """Append the seal to a finished HDF5 file with the given content."""
    pieces, spans = _pieces(attributes, columns, free, views)
    descriptor = os.open(file, os.O_RDWR)
    try:
        end = os.fstat(descriptor).st_size
        crc = rest_checksum(descriptor, end, spans)
        write_all(descriptor, [Trailer(end, crc, spans, pack_bundle(pieces)).to_bytes()], end)
        if flush:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pieces(
    attributes: Mapping[str, Any],
    columns: Mapping[str, NDArray[Any]],
    free: Mapping[str, Any],
    views: Mapping[str, ViewParts],
) -> tuple[dict[str, bytes], NDArray[np.int64]]:
    """Return the pieces of the copy, and the spans of rows."""
    pieces = {"attributes": json.dumps(attributes, sort_keys=True).encode()}
    if free:
        pieces[_FREE] = json.dumps(free, sort_keys=True).encode()
    for name, values in sorted(columns.items()):
        pieces[f"tracks/{name}"] = _packed(name, values)
    starts, stops = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for name, view in sorted(views.items()):
        table = view.chunks
        pieces[f"views/{name}/attributes"] = json.dumps(view.attributes, sort_keys=True).encode()
        pieces[f"views/{name}/rows"] = view.rows.tobytes()
        pieces[f"views/{name}/chunks"] = table.astype("<i8").tobytes()
        for column, values in sorted(view.targets.items()):
            pieces[f"views/{name}/{column}"] = _packed(column, values)
        sizes = table[:, 1].copy()
        if len(table) and view.row_bytes:
            # What fills up the last chunk belongs to no row.
            sizes[-1] = (len(view.rows) - (len(table) - 1) * view.chunk_rows) * view.row_bytes
        there = table[:, 0] >= 0
        starts.append(table[there, 0])
        stops.append((table[:, 0] + sizes)[there])
    return pieces, joined(np.concatenate(starts), np.concatenate(stops))


def _packed(name: str, values: NDArray[Any]) -> bytes:
    """Return an array as a piece of the copy."""
    if values.dtype != object:
        return values.tobytes()
    if "/" in name:
        return json.dumps(values.tolist()).encode()
    return "\0".join(values.tolist()).encode()  # text has no NUL: HDF5 cannot hold it


def _unpacked(name: str, content: bytes, count: int, texts: Collection[str] = ()) -> NDArray[Any]:
    """Return what `_packed` packed; `count` is the number of tracks, `texts` are arrays of texts."""
    kind = np.dtype(object) if name in texts else array_type(name)
    if kind.kind != "O":
        return np.frombuffer(content, kind)
    if "/" in name:
        return np.array(json.loads(content), dtype=object)
    return np.array(content.decode().split("\0") if count else [], dtype=object)


def write_from_copy(damaged: Path, copy: bytes, new: Path) -> list[str]:
    """Write a sealed store from the copy in its seal, and the rows as they are in the damaged file.

    Rows that cannot be unpacked become zeros, which do not match their checksums.

    Returns
    -------
    list of str
        The names of the views.
    """
    pieces = unpack_bundle(copy)
    assert pieces is not None
    attributes = json.loads(pieces["attributes"])
    parts = [name.split("/") for name in pieces]
    names = [part[1] for part in parts if part[0] == "views" and part[2:] == ["attributes"]]
    file = os.open(damaged, os.O_RDONLY)
    try:
        views = [_view(name, pieces, file) for name in names]
        write_sealed(new, attributes, _tracks(pieces), views, flush=True)
    finally:
        os.close(file)
    return names


def _tracks(pieces: Mapping[str, bytes]) -> Tracks:
    count = len(pieces["tracks/seconds"]) // 8
    free = json.loads(pieces.get(_FREE, b"{}"))
    # A text column of an older store may have the name of a number of newer ones.
    return read_tracks(free, *_arrays(pieces, "tracks", count, free_columns(free)))


def _arrays(
    pieces: Mapping[str, bytes], part: str, count: int = 0, texts: Collection[str] = ()
) -> tuple[Callable[[str], bool], Callable[[str], NDArray[Any]]]:
    """Return what says whether a part has an array, and what reads one."""
    return (
        lambda name: f"{part}/{name}" in pieces,
        lambda name: _unpacked(name, pieces[f"{part}/{name}"], count, texts),
    )


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

    return NewView(info, rows, shard, read_targets(len(rows), *_arrays(pieces, f"views/{name}")))
