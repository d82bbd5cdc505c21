"""Compare what the headers of a container claim with the bytes that are there.

Sources: RFC 8794 (EBML) and RFC 9559 (Matroska), Microsoft's description of ASF.
"""

from __future__ import annotations

from typing import BinaryIO

from audiospec.audio.decoders.mp4 import check_boxes
from audiospec.audio.decoders.wavpack import wavpack_files
from audiospec.audio.sniff import container_of

#: Elements of EBML whose children are looked at: Matroska's segment and cluster.
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675


def check_claims(file: BinaryIO, size: int) -> str:
    """Return how the sizes that a container states exceed what is there; ``""`` if they do not.

    MP4 and its relatives, Matroska, ASF and WavPack are known.

    Parameters
    ----------
    file : BinaryIO
        The file.
    size : int
        Its size in bytes.
    """
    kind = container_of(file.read(64))
    if kind == "mp4":
        return check_boxes(file, size)
    if kind == "matroska":
        return _elements(file, size)
    if kind == "asf":
        return _asf(file, size)
    if kind == "wavpack":
        return wavpack_files(file, size)[1]
    return ""


def _elements(file: BinaryIO, size: int) -> str:
    """Check the elements of a Matroska file; return what is wrong."""
    at, end = 0, size
    while at + 2 <= end:
        file.seek(at)
        head = file.read(12)
        name, begin = _number(head, keep_mark=True)
        length, used = _number(head[begin:], keep_mark=False)
        if not begin or not used:
            file.seek(at)
            if not file.read(1 << 16).strip(b"\0"):
                return ""
            return f"damaged: what begins at byte {at} is no element"
        at += begin + used
        unknown = length == (1 << 7 * used) - 1
        if name in (_SEGMENT, _CLUSTER):
            if not unknown and at + length > size:
                what = "file" if name == _SEGMENT else "cluster"
                return f"truncated: the {what} announces {length} bytes, {size - at} are there"
            if name == _SEGMENT or unknown:
                continue  # its children are next
        elif unknown:
            return f"damaged: the element at byte {at} has no size"
        if at + length > size:
            return f"truncated: the element {name:x} announces {length} bytes, {size - at} are there"
        at += length
    return ""


def _number(data: bytes, *, keep_mark: bool) -> tuple[int, int]:
    """Return a number of variable length, and its length in bytes; 0 bytes: there is none."""
    if not data or not data[0]:
        return 0, 0
    length = 9 - data[0].bit_length()
    if len(data) < length or (keep_mark and length > 4):
        return 0, 0
    value = int.from_bytes(data[:length])
    return (value if keep_mark else value & (1 << 7 * length) - 1), length


def _asf(file: BinaryIO, size: int) -> str:
    """Check the objects of an ASF file; return what is wrong."""
    at = 0
    while at + 24 <= size:
        file.seek(at)
        head = file.read(24)
        length = int.from_bytes(head[16:24], "little")
        if length < 24:
            return "" if length == 0 else f"damaged: the object at byte {at} has a wrong size"
        if at + length > size:
            return f"truncated: the object at byte {at} announces {length} bytes, {size - at} are there"
        at += length
    return ""
