"""The frames of AAC in ADTS, AC-3 and E-AC-3, which follow each other without a container.

Sources: ISO/IEC 13818-7 (ADTS) and ETSI TS 102 366 (AC-3, E-AC-3), the headers of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import BinaryIO

from audiospec.audio.decoders.tags import tags_end
from audiospec.audio.decoders.window import BLOCK, FileWindow

#: Bytes of a header that are looked at, and of the longest frame.
_HEAD_BYTES, _MOST_BYTES = 7, 8192
#: Frames in a row that make the beginning of a stream.
_ENOUGH = 4
#: Most bytes before the first frame, and behind the last, that are passed over.
_MOST_JUNK, _MOST_REST = 1 << 16, 64
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def _adts(head: bytes) -> tuple[Hashable, int] | None:
    """Return what frames of one stream share, and this one's length in bytes; None for no header."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return None
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    # Version, checksum; profile, rate, channels; blocks.
    return ((head[1], head[2] & 0xFD, head[3] >> 6, head[6] & 3), length) if length > 8 else None


def _ac3(head: bytes) -> tuple[Hashable, int] | None:
    """Do the same as `_adts` for AC-3 and E-AC-3."""
    if len(head) < 7 or head[0] != 0x0B or head[1] != 0x77:
        return None
    rate, version = head[4] >> 6, head[5] >> 3
    if 10 < version <= 16:
        return ("eac3", rate), 2 * ((head[2] & 7) << 8 | head[3]) + 2
    code = head[4] & 63
    if version > 10 or rate == 3 or code > 37:
        return None
    kbits = _AC3_KBITS[code >> 1]
    words = (2 * kbits, kbits * 320 // 147 + (code & 1), 3 * kbits)[rate]
    return (version, rate), 2 * words


#: The first two bytes of a frame of AC-3 and E-AC-3.
_AC3_MARK = 0x0B77
#: FFmpeg's name of a reader → its headers, their marks of 16 bits, and samples of a frame.
KINDS: dict[str, tuple[Callable[[bytes], tuple[Hashable, int] | None], int, int]] = {
    "aac": (_adts, 0xFFF1, 1024),
    "ac3": (_ac3, _AC3_MARK, 1536),
    "eac3": (_ac3, _AC3_MARK, 1536),
}


@dataclass
class RawStream:
    """Frames of one kind: their bytes in the file, and how many there are."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0


@dataclass
class RawWalk:
    """The streams of a file, and what is wrong behind the last one's end; ``""``: nothing.

    Attributes
    ----------
    streams : list of RawStream
    damage : str
    is_cut : bool
        Whether the file ends within a frame of AC-3. Encoders write whole frames, and so does who records a
        broadcast, so an unknown part of the file is missing. AAC of a recorded stream often ends like that.
    """

    streams: list[RawStream] = field(default_factory=list)
    damage: str = ""
    is_cut: bool = False


def walk_frames(file: BinaryIO, size: int, kind: str) -> RawWalk:
    """Walk through the frames of a file of `size` bytes; `kind` is a name in `KINDS`."""
    return _Walker(file, size, kind).run()


class _Walker(FileWindow):
    def __init__(self, file: BinaryIO, size: int, kind: str) -> None:
        super().__init__(file, size)
        self.parse, self.mark, _ = KINDS[kind]

    def run(self) -> RawWalk:
        result = RawWalk()
        first = tags_end(self.get, 0, self.size)
        begin = first + self.zeros(first)
        at = self.first(begin)
        if at is None:
            return result
        if at > begin and (self.was_header(begin) or self.is_frame_long(at, first, begin)):
            result.damage = f"the frame at byte {begin} has a wrong header"
            return result
        key: Hashable = None
        while at < self.size:
            found = self.parse(self.get(at, _HEAD_BYTES))
            if found is None:
                behind = tags_end(self.get, at, self.size)
                if behind > at:
                    at = behind
                    continue
                left = self.get(at + self.zeros(at), _MOST_REST + 1)
                if len(left) > _MOST_REST or (left and self.was_header(at)):
                    result.damage = f"what begins at byte {at} is no frame"
                break
            if found[0] != key:
                if key is not None and not self.chain(at, whole=True):
                    result.damage = f"the frame at byte {at} has a wrong header"
                    break
                key = found[0]
                result.streams.append(RawStream())
            end = at + found[1]
            if end > self.size:  # players take a part of a frame for none
                if self.leads_to_end(at + 1, key):
                    result.damage = f"the frame at byte {at} has a wrong header"
                result.is_cut = self.mark == _AC3_MARK
                break
            stream = result.streams[-1]
            if stream.ranges and stream.ranges[-1][1] == at:
                stream.ranges[-1] = (stream.ranges[-1][0], end)
            else:
                stream.ranges.append((at, end))
            stream.frames += 1
            at = end
        return result

    def first(self, begin: int) -> int | None:
        """Return where the first stream begins, at or behind `begin`."""
        if self.chain(begin):
            return begin
        lead = bytes((self.mark >> 8,))
        at = begin + 1
        while at < min(begin + _MOST_JUNK, self.size):
            self.get(at, _MOST_BYTES)
            found = self.data.find(lead, at - self.base)
            if found < 0:
                at = self.base + len(self.data)
                continue
            at = self.base + found
            if self.chain(at, whole=True):
                return at
            at += 1
        return None

    def chain(self, at: int, *, whole: bool = False) -> bool:
        """Whether enough frames of one kind follow each other at `at`, or, unless `whole`, up to the end."""
        first = self.parse(self.get(at, _HEAD_BYTES))
        found = first
        for _ in range(1, _ENOUGH):
            if found is None or first is None or found[0] != first[0]:
                return False
            at += found[1]
            if at >= self.size:
                return not whole
            found = self.parse(self.get(at, _HEAD_BYTES))
        return found is not None and first is not None and found[0] == first[0]

    def leads_to_end(self, begin: int, key: Hashable) -> bool:
        """Whether frames of a kind that begin behind `begin` lead to the very end."""
        data = self.get(begin, self.size - begin)
        lead = bytes((self.mark >> 8,))
        place = data.find(lead)
        while place >= 0:
            at = place
            while (found := self.parse(data[at : at + _HEAD_BYTES])) and found[0] == key:
                at += found[1]
                if at == len(data):
                    return True
            place = data.find(lead, place + 1)
        return False

    def was_header(self, at: int) -> bool:
        """Whether a frame may have begun at `at`: no more than one bit of the mark is wrong."""
        start = int.from_bytes(self.get(at, 2))
        mask = 0xFFF0 if self.mark == 0xFFF1 else 0xFFFF
        return ((start ^ self.mark) & mask).bit_count() <= 1

    def is_frame_long(self, at: int, *begins: int) -> bool:
        """Whether what begins at one of some places has the length that a frame before `at` would have."""
        found = self.parse(self.get(at, _HEAD_BYTES))
        assert found is not None
        for begin in begins:
            # Its header as it would be with the right mark, or frames that are of one length but for padding.
            repaired = self.parse(self.get(at, 2) + self.get(begin + 2, _HEAD_BYTES - 2))
            if repaired is not None and repaired[0] == found[0] and begin + repaired[1] == at:
                return True
            if self.mark == _AC3_MARK and abs(at - begin - found[1]) <= 2:
                return True
        return False

    def zeros(self, at: int) -> int:
        """Return how many zeros are at `at`, up to a block."""
        part = self.get(at, BLOCK)
        return len(part) - len(part.lstrip(b"\0"))
