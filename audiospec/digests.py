"""Checksums and digests of rows, audio files and JSON values."""

from __future__ import annotations

import hashlib
import json
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import xxhash

from audiospec.errors import StoreError

if TYPE_CHECKING:  # else ``audiospec --help`` would load numpy
    from numpy.typing import NDArray

_DIGITS = frozenset("0123456789abcdef")


def content_hash(path: Path) -> str:
    """Return the XXH3-128 of a file's bytes (32 hexadecimal digits); the file is read as a stream.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        return hash_of(file)


def hash_of(file: BufferedReader) -> str:
    """Return the content hash of an open file, from its present position on."""
    # file_digest accepts any object with the methods of a hash, such as xxhash's.
    return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def version_bits(version: str) -> int:
    """Return 63 bits of the XXH3-64 of an object's version, which stand in for its modification time."""
    return xxhash.xxh3_64_intdigest(version.encode()) >> 1


def digest(value: object) -> str:
    """Return the SHA-256 (64 hexadecimal digits) of a value's canonical JSON: sorted keys, no spaces.

    Raises
    ------
    ValueError
        A number is NaN or infinite.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def checksum(row: NDArray[Any]) -> int:
    """Return the CRC-32C of an array's bytes in C order."""
    # The version in C reads an array in its place; a copy takes half as long as the checksum.
    in_place = row.flags.c_contiguous and google_crc32c.implementation == "c"
    return int(google_crc32c.value(row if in_place else row.tobytes()))


def source_bits(hash: str) -> int:
    """Return the first 64 bits of a content hash, as row tables store them; 0 for ``""``.

    Raises
    ------
    StoreError
        It is no content hash: the track table that it is from is damaged.
    """
    if not hash:
        return 0
    if len(hash) != 32 or not set(hash) <= _DIGITS:
        raise StoreError(
            f"the track table is damaged: it has the content hash {hash[:64]!a}; expected 32 "
            "hexadecimal digits",
            "restore a complete copy, or remove the store and featurize again",
        )
    return int(hash[:16], 16)
