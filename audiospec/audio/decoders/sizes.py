"""Where the samples of a file begin and end, whatever its header says: a size in a header is a claim."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal

#: Most chunks of a file that are walked.
MOST_CHUNKS = 10_000
#: Names of chunks that may follow the samples.
KNOWN = (
    frozenset(
        (b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX", b"cue ", b"smpl", b"inst", b"fact", b"PEAK"),
    )
    | frozenset(
        (b"JUNK", b"junk", b"PAD ", b"FLLR", b"fllr", b"afsp", b"cart", b"axml", b"chna", b"LGWV", b"umid"),
    )
    | frozenset(
        (b"DISP", b"acid", b"strc", b"plst", b"note", b"labl", b"ltxt", b"minf", b"elm1", b"regn", b"SAUR"),
    )
    | frozenset(
        (b"NAME", b"AUTH", b"ANNO", b"(c) ", b"COMT", b"MARK", b"INST", b"MIDI", b"APPL", b"COMM", b"FVER"),
    )
    | frozenset((b"CHAN", b"info", b"strg", b"mark", b"uuid", b"ovvw", b"peak", b"free", b"pakt", b"kuki"))
)
#: First bytes of tags that programs append to files of any kind.
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS", b"3DI")
#: First bytes of files that are joined to others.
_FILES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"caff", b"riff\x2e\x91\xcf\x11")
#: Most bytes behind the samples that are taken for padding.
_PADDING = 512
#: Bytes at the end of a file in which chunks behind the samples are looked for.
_TAIL = 1 << 20


@dataclass(frozen=True)
class SampleBytes:
    """The samples of a file with a header and plain sizes.

    Attributes
    ----------
    start, stop : int
        Offsets of the first byte of the samples, and of the byte behind the last.
    announced : int
        Bytes of samples that the header announces.
    frame : int
        Bytes of one sample of all channels; 0 if the samples are compressed.
    loss : str
        See `Decoder`.
    damage : str
        Why the header cannot be believed at all; ``""`` if it can.
    head : callable
        Returns a header for a number of bytes of samples.
    following : int
        Offset of another file that was joined to this one; 0 if none was.
    """

    start: int
    stop: int
    announced: int
    frame: int
    loss: str
    damage: str
    head: Callable[[int], bytes]
    following: int = 0

    @property
    def frames(self) -> int:
        """Samples of each channel that are there, if they are not compressed."""
        return (self.stop - self.start) // self.frame if self.frame else 0


@dataclass(frozen=True)
class Chunks:
    """The chunks of a file: how their headers are written.

    Attributes
    ----------
    file : BinaryIO
    size : int
        Size of the file.
    order : "<" or ">"
    long : bool
        Whether a chunk's size has 64 bits, and no padding follows (CAF).
    """

    file: BinaryIO
    size: int
    order: Literal["<", ">"]
    long: bool = False

    def read(self, at: int, count: int) -> bytes:
        """Read at most `count` bytes at an offset."""
        if not 0 <= at < self.size:  # a place that a damaged header states
            return b""
        self.file.seek(at)
        return self.file.read(max(0, count))

    def at(self, place: int) -> tuple[bytes, int, int] | None:
        """Return name, offset of the content and size of the chunk at an offset; None at the file's end."""
        width = 12 if self.long else 8
        header = self.read(place, width)
        if len(header) < width:
            return None
        (size,) = struct.unpack(self.order + ("q" if self.long else "I"), header[4:])
        return header[:4], place + width, size

    def after(self, content: int, size: int) -> int:
        """Return the offset of the chunk behind one of odd or even size: some writers forget the padding."""
        end = content + size
        if self.long or size % 2 == 0:
            return end
        padded, bare = self.read(end + 1, 4), self.read(end, 4)
        return end if _is_name(bare) and not _is_name(padded) else end + 1

    def reach_the_end(self, place: int) -> bool:
        """Whether nothing but chunks follows an offset. The last may be cut, if its name is known."""
        for _ in range(MOST_CHUNKS):
            chunk = self.at(place)
            if chunk is None:
                return True
            name, content, size = chunk
            if not _is_name(name) or size < 0:
                return False
            if content + size > self.size:
                return name in KNOWN
            place = self.after(content, size)
        return False

    def next_file(self, end: int) -> int | None:
        """Return where another file begins that was joined to this one, whose samples end at `end`."""
        for place in (end, end + 1):
            if self.read(place, 16).startswith(_FILES):
                return place
        for place in {end, end + end % 2}:
            for _ in range(MOST_CHUNKS):
                chunk = self.at(place)
                if chunk is None or not _is_name(chunk[0]) or not 0 <= chunk[2] <= self.size - chunk[1]:
                    break
                place = self.after(chunk[1], chunk[2])
                if self.read(place, 16).startswith(_FILES):
                    return place
        return None

    def following(self, stop: int, loss: str) -> int:
        """Return `SampleBytes.following` of samples that end at `stop`, with this loss."""
        return (self.next_file(stop) or 0) if loss else 0

    def end_of_samples(self, start: int) -> int:
        """Return where samples end that no size bounds: at the file's end, or where known chunks begin."""
        first = max(start, self.size - _TAIL)
        tail = self.read(first, self.size - first)
        width, code = (12, "q") if self.long else (8, "I")
        best = self.size
        for name in KNOWN:
            at = tail.find(name)
            while at >= 0 and at + width <= len(tail):
                (size,) = struct.unpack_from(self.order + code, tail, at + 4)
                whole = 0 <= size <= len(tail) - at - width
                if whole and first + at < best and self._chain(first + at):
                    best = first + at
                at = tail.find(name, at + 1)
        return best

    def _chain(self, place: int) -> bool:
        """Whether whole chunks with known names follow an offset, and nothing behind the last."""
        for _ in range(MOST_CHUNKS):
            if self.size - place <= 1:
                return True
            chunk = self.at(place)
            if chunk is None or chunk[0] not in KNOWN or not 0 <= chunk[2] <= self.size - chunk[1]:
                return False
            place = self.after(chunk[1], chunk[2])
        return False

    def judge(
        self,
        start: int,
        announced: int,
        frame: int,
        *,
        unknown: bool,
        whole: bool | None,
        agrees: bool = False,
        header: int = 0,
    ) -> tuple[int, str]:
        """Decide where the samples end.

        Parameters
        ----------
        start : int
            Offset of the first sample.
        announced : int
            Bytes that the header announces.
        frame : int
            Bytes of one sample of all channels, or of one block of compressed samples.
        unknown : bool
            Whether the announced size is one that writers to pipes put down.
        whole : bool or None
            Whether the size of the file that the header states is right; None if it states none, or nonsense.
        agrees : bool
            Whether that size is the announced size and the header.
        header : int
            Bytes of the header, which some writers count as samples.

        Returns
        -------
        (int, str)
            The offset behind the last sample, and the loss.
        """
        there = self.size - start
        if announced == 0 and self.reach_the_end(start):
            return start, ""
        if unknown or announced == 0:
            return self.end_of_samples(start), ""
        if announced > there:
            # Whole, though the header announces more: less than a sample is missing, the size of the file
            # is right, or the size is that of the file or of all but its first eight bytes.
            mistake = not agrees and start + announced - self.size in (header, header - 8)
            if announced - there < max(2, frame) or whole or mistake:
                return self.end_of_samples(start), ""
            return self.size, truncated(announced, there)
        end = start + announced
        return self._with_more(start, end, frame, whole)

    def _with_more(self, start: int, end: int, frame: int, whole: bool | None) -> tuple[int, str]:
        """Decide where samples end that the header announces to end at `end`, before the file's end."""
        rest = self.size - end
        behind = self.read(end, 4096)
        if (following := self.next_file(end)) is not None:
            left = self.size - following
            return end, f"damaged: another file begins behind the samples, its {left} bytes are not decoded"
        if rest < max(2, frame):
            return end, ""
        places = [place for place in (end, end + end % 2) if self.reach_the_end(place)]
        if any(self.read(place, 4) in KNOWN for place in places):
            return end, ""
        if (earlier := self.end_of_samples(start)) < end:  # the size counts a part of the chunks, too
            return earlier, ""
        if places:
            return end, ""
        if behind.startswith(_TAGS) or behind[1:].startswith(_TAGS):
            return end, ""
        wrapped = rest % (1 << 32) == 0  # more than 4 GiB, in a size of 32 bits
        if whole or wrapped:
            return self.end_of_samples(start), ""
        if self._is_empty(end) or (rest <= _PADDING and whole is not None):
            return end, ""
        if whole is None:  # no size of the file, and no chunks: what follows can only be samples
            return self.end_of_samples(start), ""
        return end, (
            f"damaged: {rest} bytes follow the {end - start} bytes of samples that the header announces, and "
            "are neither chunks nor a tag"
        )

    def _is_empty(self, start: int) -> bool:
        """Whether nothing but zeros follows an offset."""
        self.file.seek(start)
        while part := self.file.read(1 << 20):
            if part.count(0) < len(part):
                return False
        return True


def truncated(announced: int, there: int) -> str:
    """Return the loss of a file that ends before its samples do."""
    return f"truncated: the header announces {announced} bytes of samples, {there} bytes are there"


def _is_name(name: bytes) -> bool:
    """Whether four bytes may be the name of a chunk."""
    return name in KNOWN or (len(name) == 4 and all(c in _NAME_BYTES for c in name))


_NAME_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _.()-")
