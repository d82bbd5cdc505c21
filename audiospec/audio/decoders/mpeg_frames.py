"""The frames of MPEG audio (MP1, MP2, MP3): their headers, checksums, and the tag in a stream's first frame.

Sources: ISO/IEC 11172-3 and 13818-3 (header, checksum), the descriptions by Xing and Fraunhofer of their
tags, and LAME's of its extension.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.sniff import mpeg_frame_bytes

#: Samples that libmpg123 drops beside those that a tag states: the delay of the decoder.
DECODER_DELAY = 529
#: No frame has more bytes, one of free bitrate included.
MOST_BYTES = 8192

#: What a tag in the first frame of a stream begins with.
MARKS = frozenset((b"Xing", b"Info", b"VBRI"))


class Kind(NamedTuple):
    """What all frames of one stream have in common.

    Attributes
    ----------
    version : int
        The two bits of the header: 3 for MPEG-1, 2 for MPEG-2, 0 for MPEG-2.5.
    layer : int
        1 to 3.
    sample_rate : int
        Hz.
    channels : int
        1 or 2.
    checked : bool
        Whether each frame has a checksum.
    free_bytes : int
        Bytes of a frame without padding, if the header does not state the bitrate; 0 if it does.
    """

    version: int
    layer: int
    sample_rate: int
    channels: int
    checked: bool
    free_bytes: int = 0

    @property
    def samples(self) -> int:
        """Samples of a frame in each channel."""
        if self.layer == 1:
            return 384
        return 1152 if self.layer == 2 or self.version == 3 else 576

    @property
    def side_bytes(self) -> int:
        """Bytes of side information behind the header and checksum of a layer III frame."""
        if self.version == 3:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17


@lru_cache(maxsize=1 << 14)
def parse(header: bytes, free_bytes: int = 0) -> tuple[Kind, int] | None:
    """Return the kind of the frame that has this header, and its length in bytes; None for no header.

    Parameters
    ----------
    header : bytes
        Four bytes.
    free_bytes : int
        Length of frames of free bitrate without padding; 0: frames of free bitrate are none.
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    if version == 1 or layer == 4 or header[2] >> 2 & 3 == 3:
        return None
    hertz = (44100, 48000, 32000)[header[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[version]
    free = header[2] >> 4 == 0
    kind = Kind(
        version, layer, hertz, 1 if header[3] >> 6 == 3 else 2, not header[1] & 1, free_bytes if free else 0
    )
    if free:
        length = free_bytes and free_bytes + (header[2] >> 1 & 1) * (4 if layer == 1 else 1)
    else:
        length = mpeg_frame_bytes(header)
    return (kind, length) if length else None


@lru_cache(maxsize=64)
def lengths_of(kind: Kind) -> dict[bytes, int]:
    """Return the first three bytes of every header of a kind → the frame's length in bytes."""
    lengths = {}
    for second in range(0xE0, 0x100):
        for third in range(256):
            start = bytes((0xFF, second, third))
            mode = b"\xc0" if kind.channels == 1 else b"\0"
            found = parse(start + mode, kind.free_bytes)
            if found and found[0] == kind:
                lengths[start] = found[1]
    return lengths


def first_swallowing(data: bytes, starts: list[int], end: int, lengths: dict[bytes, int]) -> int:
    """Return which frame is several: one lost bit of the bitrate in its header made it as long as they are.

    Parameters
    ----------
    data : bytes
        Bytes with the frames in it.
    starts : list of int
        Where each begins.
    end : int
        Where the last one ends.
    lengths : dict
        Of `lengths_of`, for their kind.

    Returns
    -------
    int
        The index of the first such frame; the number of frames if there is none.
    """
    if not starts:
        return 0
    at = np.array(starts, np.int64)
    length = np.diff(np.append(at, end))
    buffer = np.frombuffer(data, np.uint8)
    begin = data[starts[0] : starts[0] + 2]
    table = np.array([lengths.get(begin + bytes((third,)), 0) for third in range(256)])
    found = len(starts)
    for bit in (0x10, 0x20, 0x40, 0x80):
        inner = table[buffer[at + 2] ^ bit]
        place = np.minimum(at + inner, len(buffer) - 2)
        maybe = (inner > 0) & (inner < length) & (buffer[place] == 0xFF) & (buffer[place + 1] == begin[1])
        for index in np.flatnonzero(maybe):
            behind, stop = int(place[index]), int(at[index] + length[index])
            while behind < stop and (following := lengths.get(data[behind : behind + 3])):
                behind += following
            if behind == stop:
                found = min(found, int(index))
                break
    return found


@dataclass(frozen=True, slots=True)
class Tag:
    """What the first frame of a stream says about the stream, instead of holding sound.

    Attributes
    ----------
    frames : int or None
        Number of frames behind this one; None if it is not stated.
    size : int or None
        Bytes of the stream, this frame included; None if it is not stated.
    lame : bytes
        LAME's extension (36 bytes), with the encoder's delay and padding; ``b""`` if there is none.
    trims : bool
        Whether a decoder trims the delay: Fraunhofer's tag, VBRI, makes none do so.
    clean : bool
        Whether all before the tag is zero: libmpg123 takes the frame for one of sound otherwise.
    """

    frames: int | None
    size: int | None
    lame: bytes
    trims: bool
    clean: bool = True

    @property
    def delay(self) -> int:
        """Samples that the encoder put before the sound."""
        return self.lame[21] << 4 | self.lame[22] >> 4 if self.lame else 0

    @property
    def padding(self) -> int:
        """Samples that the encoder put behind the sound."""
        return (self.lame[22] & 15) << 8 | self.lame[23] if self.lame else 0


def tag_of(frame: bytes, kind: Kind) -> Tag | None:
    """Return the tag that a whole frame holds; None if it is a frame of sound."""
    if kind.layer != 3:
        return None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return Tag(int.from_bytes(frame[50:54]), int.from_bytes(frame[46:50]), b"", trims=False)
    at = 4 + kind.side_bytes
    if frame[at + 2 : at + 6] in MARKS and kind.checked:
        at += 2
    side, mark = frame[6 if kind.checked else 4 : at], frame[at : at + 4]
    if mark not in (b"Xing", b"Info"):
        # One bit of the mark is lost: all else is that of a tag, and no frame of sound.
        near = min((int.from_bytes(mark) ^ int.from_bytes(known)).bit_count() for known in (b"Xing", b"Info"))
        if near > 1 or any(side) or len(mark) < 4:
            return None
    flags, at = int.from_bytes(frame[at + 4 : at + 8]), at + 8
    values: list[int | None] = []
    for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)):
        values.append(int.from_bytes(frame[at : at + size]) if flags & bit else None)
        at += size if flags & bit else 0
    lame = frame[at : at + 36]
    # It begins with the encoder's name; other bytes are found there if the flags are damaged.
    known = len(lame) == 36 and all(0x20 <= letter < 0x7F for letter in lame[:4])
    clean = mark in MARKS and not any(side) and (known or not any(lame[:9]))
    return Tag(values[0], values[1], lame if known else b"", True, clean)


def tag_frame(kind: Kind, frames: int, lame: bytes) -> bytes:
    """Return a frame of layer III that states a number of frames, with LAME's extension if there is one."""
    version = 0xE0 | kind.version << 3 | 2 | 1  # no checksum
    rate = (44100, 48000, 32000).index(kind.sample_rate << {3: 0, 2: 1, 0: 2}[kind.version])
    # Bitrate index 9 (128 or 80 kbit/s) makes the frame large enough for the tag.
    header = bytes((0xFF, version, 0x90 | rate << 2, 0xC0 if kind.channels == 1 else 0))
    tag = b"Info" + (1).to_bytes(4) + min(frames, 0x7FFFFFFF).to_bytes(4) + lame
    return (header + bytes(kind.side_bytes) + tag).ljust(mpeg_frame_bytes(header), b"\0")


def _crc_table() -> NDArray[np.uint16]:
    table = np.arange(256, dtype=np.uint32) << 8
    for _ in range(8):
        table = np.where(table & 0x8000, table << 1 ^ 0x8005, table << 1) & 0xFFFF
    return table.astype(np.uint16)


_CRC_TABLE = _crc_table()


def failed_checksums(data: bytes, starts: list[int], kind: Kind) -> NDArray[Any]:
    """Return which frames' checksums differ, as booleans (n,); only layer III's and I's are known.

    Parameters
    ----------
    data : bytes
        Bytes with frames in it.
    starts : list of int
        Where each frame begins; its header, checksum and side information are within `data`.
    kind : Kind
        Of all these frames.
    """
    if not kind.checked or kind.layer == 2 or not starts:
        return np.zeros(len(starts), bool)
    at = np.array(starts, np.int64)
    buffer = np.frombuffer(data, np.uint8)
    crc = np.full(len(at), 0xFFFF, np.uint16)
    if kind.layer == 3:
        covered = np.full(len(at), 6 + kind.side_bytes)
    else:  # four bits a subband and channel; joint ones share theirs
        mode = buffer[at + 3]
        bound = np.where(mode >> 6 == 1, 4 + 4 * (mode >> 4 & 3).astype(np.int64), 32)
        covered = 6 + np.where(mode >> 6 == 3, 16, (2 * bound + 32 - bound) // 2)
    for place in (2, 3, *range(6, int(covered.max()))):
        byte = buffer[np.minimum(at + place, len(buffer) - 1)]
        following = (crc << np.uint16(8)) ^ _CRC_TABLE[(crc >> np.uint16(8)) ^ byte]
        crc = np.where(place < covered, following, crc)
    stated = buffer[at + 4].astype(np.uint16) << np.uint16(8) | buffer[at + 5]
    result: NDArray[Any] = crc != stated
    return result
