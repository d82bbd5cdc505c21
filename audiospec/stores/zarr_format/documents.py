"""The nodes of a Zarr v3 store: the text of their `zarr.json`, and the chunks of small arrays.

They are those that zarr-python writes, byte for byte, which a test compares. zarr-python itself takes 0.4 s
to load and a millisecond for each of some twenty arrays.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.stores.shards.frames import LEVEL, pack

#: The codecs of numbers in little-endian order, of one byte each, of text, and of an index of chunks.
_NUMBERS = {"name": "bytes", "configuration": {"endian": "little"}}
_BYTES = {"name": "bytes"}
_TEXT: dict[str, Any] = {"name": "vlen-utf8", "configuration": {}}
_INDEX = [_NUMBERS, {"name": "crc32c"}]


def node_text(node: Mapping[str, Any]) -> str:
    """Return the text of a node's `zarr.json`."""
    return json.dumps(node, indent=2)


def group(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a group."""
    return {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"}


def consolidated_text(attributes: Mapping[str, Any], members: Mapping[str, str]) -> str:
    """Return the text of a group with the metadata of all nodes below it, which readers then need not list.

    Parameters
    ----------
    attributes : mapping
    members : mapping
        Name of a node, relative to the group → text of its metadata.
    """
    # JSON has no line breaks within a text, so a member is indented as it stands.
    entries = ",".join(
        f"\n{' ' * 6}{json.dumps(name)}: {_indented(members[name], 6)}"
        for name in sorted(members, key=_zarr_order)
    )
    metadata = f"{{{entries}\n    }}" if entries else "{}"
    return (
        f'{{\n  "attributes": {_indented(json.dumps(dict(attributes), indent=2), 2)},\n  "zarr_format": 3,\n'
        '  "consolidated_metadata": {\n    "kind": "inline",\n    "must_understand": false,\n'
        f'    "metadata": {metadata}\n  }},\n  "node_type": "group"\n}}'
    )


def member_group(attributes: Mapping[str, Any]) -> str:
    """Return the text of a group as a member of a group above it, which has the metadata of its arrays."""
    return consolidated_text(attributes, {})


def _zarr_order(name: str) -> tuple[int, str]:
    return name.count("/"), unicodedata.normalize("NFKC", name).casefold()


def _indented(text: str, spaces: int) -> str:
    return text.replace("\n", "\n" + " " * spaces)


def small_array(
    values: NDArray[Any], dim: str, attributes: Mapping[str, str]
) -> tuple[dict[str, Any], bytes | None]:
    """Return the metadata of a one-dimensional array, and its only chunk; None if it has no values."""
    count, is_text = len(values), values.dtype == object
    fill: str | int | float = "" if is_text else 0.0 if values.dtype.kind == "f" else 0
    codecs = [_TEXT if is_text else _NUMBERS, _zstd(0)]
    kind = "string" if is_text else values.dtype.name
    node = _array((count,), kind, (max(1, count),), fill, codecs, attributes, [dim])
    if not count:
        return node, None
    # Level 0 of Zstandard is its default, which is `LEVEL`.
    content = _encoded(values.tolist()) if is_text else values.astype(values.dtype.newbyteorder("<"))
    return node, pack(content)


def sharded_array(
    shape: Sequence[int],
    dtype: str,
    *,
    shard_rows: int,
    chunk_rows: int,
    compressed: bool,
    attributes: Mapping[str, Any],
    dims: Sequence[str],
) -> dict[str, Any]:
    """Return the metadata of an array whose shards `write_shard` writes."""
    single = np.dtype(dtype).itemsize == 1
    inner = {
        "chunk_shape": [chunk_rows, *shape[1:]],
        "codecs": [_BYTES if single else _NUMBERS, *([_zstd(LEVEL)] if compressed else [])],
        "index_codecs": _INDEX,
        "index_location": "end",
    }
    codecs = [{"name": "sharding_indexed", "configuration": inner}]
    fill = 0 if compressed else "NaN"
    return _array(shape, dtype, (shard_rows, *shape[1:]), fill, codecs, attributes, dims)


def _array(
    shape: Sequence[int],
    kind: str,
    chunk: Sequence[int],
    fill: str | int | float,
    codecs: list[dict[str, Any]],
    attributes: Mapping[str, Any],
    dims: Sequence[str],
) -> dict[str, Any]:
    return {
        "shape": list(shape),
        "data_type": kind,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": dict(attributes),
        "dimension_names": list(dims),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _zstd(level: int) -> dict[str, Any]:
    return {"name": "zstd", "configuration": {"level": level, "checksum": True}}


def _encoded(texts: list[str]) -> NDArray[np.uint8]:
    """Return texts as ``vlen-utf8`` has them: their number, then length and UTF-8 of each."""
    parts = [len(texts).to_bytes(4, "little")]
    for text in texts:
        content = text.encode()
        parts += (len(content).to_bytes(4, "little"), content)
    return np.frombuffer(b"".join(parts), np.uint8)
