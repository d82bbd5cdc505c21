"""Compare what the headers of a container claim with the bytes that are there, before a library believes them.

Sources: ISO/IEC 14496-12 (boxes of MP4), RFC 8794 (EBML) and RFC 9559 (Matroska), Microsoft's description of ASF.
"""

from __future__ import annotations

from typing import BinaryIO

from audiospec.audio.sniff import container_of

#: Boxes that hold nothing but boxes.
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mvex", b"edts"}
#: Boxes that hold a table → where its count stands in the box, and the bytes of an entry.
_TABLES = {
    b"stts": (12, 8),
    b"ctts": (12, 8),
    b"stsc": (12, 12),
    b"stco": (12, 4),
    b"co64": (12, 8),
    b"stss": (12, 4),
}
#: Elements of EBML whose children are looked at: Matroska's segment and cluster.
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675


def check_claims(file: BinaryIO, size: int) -> str:
    """Return how the sizes that a container states exceed what is there; ``""`` if they do not.

    MP4 and its relatives, Matroska and ASF are known.

    Parameters
    ----------
    file : BinaryIO
        The file.
    size : int
        Its size in bytes.
    """
    kind = container_of(file.read(64))
    if kind == "mp4":
        return _boxes(file, 0, size, top=True)
    if kind == "matroska":
        return _elements(file, size)
    if kind == "asf":
        return _asf(file, size)
    return ""


def _boxes(file: BinaryIO, at: int, end: int, *, top: bool = False) -> str:
    """Check the boxes from `at` to `end`; return what is wrong."""
    has_header = False
    while at + 8 <= end:
        file.seek(at)
        head = file.read(24)
        length, name, begin = int.from_bytes(head[:4]), head[4:8], at + 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16]), at + 16
        elif length == 0:  # to the end
            if not top and not any(head):
                return ""  # zeros behind the last child
            length = end - at
        has_header = has_header or name in (b"moov", b"moof")
        shown = name.decode("latin-1") if name.isalnum() else name.hex()
        if length < begin - at:
            return "" if top and not any(head[:8]) else f"damaged: the box {shown} has a wrong size"
        if at + length > end:
            if not top:
                return f"damaged: the box {shown} is larger than the one around it"
            reason = f"truncated: the box {shown} announces {length} bytes, {end - at} are there"
            return reason if has_header else f"{reason}, and no header"
        problem = ""
        if name in _PARENTS:
            problem = _boxes(file, begin, at + length)
        elif name in _TABLES:
            place, entry = _TABLES[name]
            count = int.from_bytes(head[place : place + 4])
            if place + 4 + count * entry > length:
                problem = f"damaged: the table {shown} announces {count} entries, more than it holds"
        elif name == b"stsz":
            count = 0 if any(head[12:16]) else int.from_bytes(head[16:20])
            if 20 + 4 * count > length:
                problem = f"damaged: the table {shown} announces {count} entries, more than it holds"
        if problem:
            return problem
        at += length
    if top and not has_header:
        return "truncated: the file has no header (moov): its recorder did not finish it"
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
