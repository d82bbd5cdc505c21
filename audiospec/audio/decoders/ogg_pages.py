"""The pages of an Ogg file: each one's checksum and number, and the links that they make.

Sources: RFC 3533 (Ogg), RFC 7845 (Opus), the Vorbis I specification, the mapping of FLAC to Ogg.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from audiospec.audio.decoders.tags import tags_end
from audiospec.audio.decoders.window import BLOCK, FileWindow

#: Bytes of the longest page.
_MOST_BYTES = 27 + 255 + 255 * 255
#: Most bytes behind the last page, beside tags and zeros, that are passed over.
_MOST_REST = 64
#: Each byte with its bits in reverse: Ogg's CRC-32 is zlib's with all bits in reverse.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
#: What the first packet of a stream of sound begins with → its codec.
_CODECS = {
    b"\x01vorbis": "vorbis",
    b"OpusHead": "opus",
    b"\x7fFLAC": "flac",
    b"Speex   ": "speex",
}


class Page(NamedTuple):
    """One page.

    Attributes
    ----------
    begin, end : int
        Its bytes in the file.
    flags : int
        1: it begins with the rest of a packet; 2: first page of its stream; 4: last one.
    granule : int
        Position at its end, in samples for most codecs; -1: no packet ends in it.
    serial : int
        Number of its stream.
    number : int
        Number of the page in its stream.
    packets : int
        Packets that end in it.
    open : bool
        Whether its last packet goes on in the next page.
    """

    begin: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    packets: int
    open: bool


@dataclass
class Link:
    """A stream of sound in an Ogg file: from its first page to its last.

    Attributes
    ----------
    codec : str
        ``"vorbis"``, ``"opus"``, ``"flac"`` or ``"speex"``.
    ranges : list of (int, int)
        The bytes of the file that hold its pages; neighbours are joined.
    packets : int
        Packets that end in these pages, headers included.
    last : Page or None
        The last page.
    """

    codec: str
    ranges: list[tuple[int, int]] = field(default_factory=list)
    packets: int = 0
    last: Page | None = None

    @property
    def has_end(self) -> bool:
        """Whether the last page is marked as the last."""
        return bool(self.last and self.last.flags & 4)

    def add(self, page: Page) -> None:
        """Add the next page."""
        if self.ranges and self.ranges[-1][1] == page.begin:
            self.ranges[-1] = (self.ranges[-1][0], page.end)
        else:
            self.ranges.append((page.begin, page.end))
        self.packets += page.packets
        self.last = page


@dataclass
class Walk:
    """What is in an Ogg file.

    Attributes
    ----------
    links : list of Link
        The streams of sound, one behind the other.
    damage : str
        What is wrong behind the last of their pages, beginning with ``damaged`` or ``truncated``.
    others : int
        Streams that are passed over: video, subtitles, and further streams of sound beside another.
    """

    links: list[Link] = field(default_factory=list)
    damage: str = ""
    others: int = 0


def checksum(page: bytes) -> int:
    """Return the checksum of a page whose field for it is zero: CRC-32, polynomial 0x04c11db7, from zero."""
    reversed_crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reversed_crc.to_bytes(4, "little").translate(_REVERSED))


def with_end(page: bytes) -> bytes:
    """Return a page marked as the last of its stream."""
    marked = page[:5] + bytes((page[5] | 4,)) + page[6:22] + b"\0\0\0\0" + page[26:]
    return marked[:22] + checksum(marked).to_bytes(4, "little") + marked[26:]


def walk(file: BinaryIO, size: int) -> Walk:
    """Walk through all pages of an Ogg file of `size` bytes, to the first that is damaged or missing."""
    return _Walker(file, size).run()


class _Walker(FileWindow):
    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file, size)
        self.result = Walk()
        self.last: dict[int, Page] = {}  # the last page of each stream that has not ended

    def run(self) -> Walk:
        result, last = self.result, self.last
        sound: int | None = None  # the stream that is decoded
        beginning = False  # whether all pages since the last end were first ones
        for page in self.pages():
            before = last.pop(page.serial, None)
            if page.flags & 2:
                if not beginning:
                    if sound is not None and sound in last:
                        self.ended(last[sound])
                    elif sound == page.serial and before:
                        self.ended(before)
                    if result.damage:
                        break
                    last.clear()
                    sound, beginning = None, True
                head = self.packet(page)
                codec = next((name for mark, name in _CODECS.items() if head.startswith(mark)), "")
                if codec and sound is None:
                    sound = page.serial
                    result.links.append(Link(codec))
                else:
                    result.others += 1
            elif before is None:
                result.damage = f"damaged: the page at byte {page.begin} is of a stream without a beginning"
            elif page.number != before.number + 1 & 0xFFFFFFFF:
                missing = page.number - before.number - 1
                count = f"{missing} pages are" if missing > 1 else "a page is"
                result.damage = f"damaged: {count} missing before byte {page.begin}"
            elif bool(page.flags & 1) != before.open:
                result.damage = (
                    f"damaged: the page at byte {page.begin} does not go on with the packet before"
                )
            else:
                beginning = False
            if result.damage:
                break
            if page.serial == sound:
                result.links[-1].add(page)
            if not page.flags & 4:
                last[page.serial] = page
            elif page.serial == sound and page.open:
                self.ended(page)
                break
        else:
            if sound is not None and sound in last and not result.damage:
                self.ended(last[sound])
        return result

    def ended(self, page: Page) -> None:
        """Note that a stream ends with this page: whole if its last packet is, flag or not."""
        if page.open:
            self.result.damage = "truncated: the last packet has no end"

    def pages(self) -> Iterator[Page]:
        """Yield the intact pages up to the first damaged one."""
        at = tags_end(self.get, 0, self.size)
        while at < self.size:
            head = self.get(at, 27 + 255)
            if head[:4] != b"OggS" or len(head) < 27:
                following = self.following(at + 1)
                if following is None:
                    self.rest(at)
                    return
                at = following
                continue
            count = head[26]
            lacing = head[27 : 27 + count]
            length = 27 + count + sum(lacing)
            data = self.get(at, length)
            if len(lacing) < count or len(data) < length:
                following = self.following(at + 4)
                self.result.damage = (
                    f"truncated: the page at byte {at} has no end"
                    if following is None
                    else f"damaged: the page at byte {at} is incomplete"
                )
                return
            if checksum(data[:22] + b"\0\0\0\0" + data[26:]) != int.from_bytes(data[22:26], "little"):
                self.result.damage = f"damaged: the page at byte {at} has a wrong checksum"
                return
            yield Page(
                at,
                at + length,
                data[5],
                int.from_bytes(data[6:14], "little", signed=True),
                int.from_bytes(data[14:18], "little"),
                int.from_bytes(data[18:22], "little"),
                sum(byte < 255 for byte in lacing),
                bool(count) and lacing[-1] == 255,
            )
            at += length

    def following(self, at: int) -> int | None:
        """Return the place of the next mark of a page from `at` on; None if there is none."""
        while at < self.size:
            part = self.get(at, BLOCK)
            found = part.find(b"OggS")
            if found >= 0:
                return at + found
            if at + len(part) >= self.size:
                return None
            at += max(1, len(part) - 3)
        return None

    def rest(self, at: int) -> None:
        """Note what follows the last page, unless it is little, or may be what is left of a page."""
        is_little = self.size - at <= _MOST_REST and not self.last
        if not is_little and self.get(at, _MOST_BYTES).strip(b"\0"):
            self.result.damage = f"damaged: what begins at byte {at} is no page"

    def packet(self, page: Page) -> bytes:
        """Return the beginning of the first packet of a page."""
        data = self.get(page.begin, page.end - page.begin)
        count = data[26]
        return data[27 + count : 27 + count + 255]
