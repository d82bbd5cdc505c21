"""Bundles: several named pieces of bytes as one, compressed, with a checksum.

A bundle is a magic number, the CRC-32C of the rest, and a Zstandard frame: the length of a JSON object (name
→ length of the piece) as little-endian uint32, that object, and the pieces.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import google_crc32c
import numpy as np

from audiospec.stores.shards.frames import content_size, pack, unpack

_MAGIC = b"audiospec copy 1"
_HEAD = len(_MAGIC) + 4


def pack_bundle(pieces: Mapping[str, bytes]) -> bytes:
    """Return a bundle of the pieces."""
    index = json.dumps({name: len(piece) for name, piece in pieces.items()}).encode()
    content = b"".join([len(index).to_bytes(4, "little"), index, *pieces.values()])
    frame = pack(np.frombuffer(content, np.uint8))
    return _MAGIC + int(google_crc32c.value(frame)).to_bytes(4, "little") + frame


def unpack_bundle(bundle: bytes) -> dict[str, bytes] | None:
    """Return the pieces of a bundle; None if it is damaged."""
    frame = bundle[_HEAD:]
    crc = int.from_bytes(bundle[len(_MAGIC) : _HEAD], "little")
    if bundle[: len(_MAGIC)] != _MAGIC or google_crc32c.value(frame) != crc:
        return None
    content = bytearray(content_size(frame))
    unpack(frame, memoryview(content))
    start = 4 + int.from_bytes(content[:4], "little")
    pieces = {}
    for name, length in json.loads(content[4:start]).items():
        pieces[name] = bytes(content[start : start + length])
        start += length
    return pieces
