"""Checksums and digests: of rows, of audio files, of JSON values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import xxhash

if TYPE_CHECKING:  # numpy would be the heaviest thing that --help loads
    from numpy.typing import NDArray


def content_hash(path: Path) -> str:
    """XXH3-128 of a file's bytes (32 hexadecimal digits), read as a stream.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        # file_digest accepts any object with update(); xxhash's has one.
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def digest(value: object) -> str:
    """SHA-256 (64 hexadecimal digits) of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def checksum(row: NDArray[Any]) -> int:
    """CRC-32C of an array's bytes."""
    return int(google_crc32c.value(row.tobytes()))


def source_bits(hash: str) -> int:
    """The first 64 bits of a content hash, as row tables keep it; 0 if there is none."""
    return int(hash[:16] or "0", 16)
