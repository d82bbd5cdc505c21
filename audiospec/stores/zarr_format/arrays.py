"""The small arrays of a store: one axis, one chunk, numbers or text, compressed with Zstandard.

They are decoded here, not by zarr-python: from bytes that were compared with the seal, by the codecs that
audiospec writes and no others (a codec such as ``pickle`` runs code from the file), and without allocating
more than the bytes can hold.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.files import damage_errors
from audiospec.stores.seals.folder import PartFiles
from audiospec.stores.shards.frames import content_size, unpack
from audiospec.stores.zarr_format.root import is_format

#: Types of numbers in tables and axes.
_NUMBERS = ("int32", "int64", "uint32", "uint64", "float32", "float64")
#: Most bytes that a Zstandard frame can hold for each of its own bytes: blocks of 128 KiB in 4 bytes.
_MOST_RATIO = 1 << 15


def group_attributes(files: PartFiles) -> dict[str, Any]:
    """Return the attributes of a part's group; StoreError if it is missing or damaged."""
    with damage_errors(f"{files.place}/zarr.json"):
        node = json.loads(files.read("zarr.json"))
        if not is_format(node, "group"):
            raise files.damaged("zarr.json is not that of a Zarr v3 group")
        return dict(node["attributes"])


def read_array(files: PartFiles, name: str) -> NDArray[Any]:
    """Read a one-dimensional array of a part; text becomes an object array.

    Raises
    ------
    StoreError
        The array is missing or damaged, or was written by another program.
    """
    with damage_errors(f"{files.place}/{name}"):
        node = json.loads(files.read(f"{name}/zarr.json"))
        if not is_format(node, "array"):
            raise files.damaged(f"{name} is not a Zarr v3 array")
        (count,) = node["shape"]
        kind, codecs = node["data_type"], [codec["name"] for codec in node["codecs"]]
        chunk = node["chunk_grid"]["configuration"]["chunk_shape"]
        if codecs != ["vlen-utf8" if kind == "string" else "bytes", "zstd"] or chunk != [max(1, count)]:
            raise files.damaged(
                f"{name} has codecs {codecs} and chunks {chunk}, which audiospec does not write"
            )
        if kind == "string":
            return _texts(files.read(f"{name}/c/0"), count) if count else np.empty(0, object)
        if kind not in _NUMBERS or node["codecs"][0]["configuration"]["endian"] != "little":
            raise files.damaged(f"{name} is of {kind}, which audiospec does not write")
        dtype = np.dtype(kind).newbyteorder("<")
        return _numbers(files.read(f"{name}/c/0"), count, dtype) if count else np.empty(0, dtype)


def _numbers(frame: bytes, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    if content_size(frame) != count * dtype.itemsize:  # before anything is allocated
        raise ValueError(f"expected a frame of {count} numbers")
    values = np.empty(count, dtype)
    unpack(frame, values.view(np.uint8).data)
    return values


def _texts(frame: bytes, count: int) -> NDArray[Any]:
    size = content_size(frame)
    if not 4 * (count + 1) <= size <= _MOST_RATIO * len(frame):
        raise ValueError(f"expected a frame of {count} texts")
    content = bytearray(size)
    unpack(frame, memoryview(content))
    if int.from_bytes(content[:4], "little") != count:
        raise ValueError(f"expected {count} texts")
    texts, start = [], 4
    for _ in range(count):
        stop = start + 4 + int.from_bytes(content[start : start + 4], "little")
        texts.append(content[start + 4 : stop].decode())
        start = stop
    if start != size:
        raise ValueError("the texts have another length than their frame")
    return np.array(texts, dtype=object)
