"""Walk through the frames of an MPEG audio file: its streams, its tags, and the place where it is damaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from audiospec.audio.decoders.mpeg_frames import (
    MARKS,
    MOST_BYTES,
    Kind,
    Tag,
    failed_checksums,
    first_swallowing,
    lengths_of,
    parse,
    tag_of,
)
from audiospec.audio.decoders.tags import tags_end
from audiospec.audio.decoders.window import BLOCK, FileWindow

#: Frames in a row that make the beginning of a stream, unless a tag does.
_ENOUGH = 4
#: Most bytes before the first frame, beside tags, that are passed over.
_MOST_JUNK = 1 << 16
#: Most bytes behind the last frame, beside tags and zeros, that are passed over.
_MOST_REST = 64


@dataclass
class Stream:
    """Frames of one kind, one after the other.

    Attributes
    ----------
    kind : Kind
    tag : Tag or None
        What the frame before them states.
    first : int
        Byte at which the stream begins, the frame with the tag included.
    ranges : list of (int, int)
        The bytes of the file that hold the frames, without that of the tag and without tags between them.
    frames : int
        Number of frames.
    """

    kind: Kind
    tag: Tag | None
    first: int
    ranges: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0

    @property
    def size(self) -> int:
        """Bytes of the stream, as a tag counts them."""
        return self.ranges[-1][1] - self.first if self.ranges else 0


@dataclass
class Walk:
    """What is in an MPEG audio file.

    Attributes
    ----------
    streams : list of Stream
        Empty if the file holds no MPEG audio.
    damage : str
        What is wrong behind the last of these frames; ``""``: nothing is.
    cut : bool
        Whether a part of one more frame ends the file.
    """

    streams: list[Stream] = field(default_factory=list)
    damage: str = ""
    cut: bool = False


def walk(file: BinaryIO, size: int) -> Walk:
    """Walk through a file of MPEG audio of `size` bytes."""
    return _Walker(file, size).run()


class _Walker(FileWindow):
    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file, size)
        self.result = Walk()
        self.last_frame = 0

    def run(self) -> Walk:
        at = self.begin()
        while at is not None:
            stream = self.result.streams[-1]
            end = self.frames(stream, at)
            at = None if self.result.damage else self.after(stream, end)
        return self.result

    # --- where a stream begins ---

    def begin(self) -> int | None:
        """Open the first stream; return where its frames begin."""
        behind_tags = self.skip_zeros(tags_end(self.get, 0, self.size))
        at = self.opens(behind_tags)
        if at is not None:
            return at
        # A tag may state a wrong size, so that frames begin inside of it.
        first = self.search(10 if behind_tags else 0, behind_tags + _MOST_JUNK)
        if first is None:
            return None
        if first > behind_tags and self.was_frame(behind_tags, first):
            self.opens(first)
            self.result.damage = f"the frame at byte {behind_tags} has a wrong header"
            return None
        return self.opens(first)

    def search(self, at: int, end: int) -> int | None:
        """Return the first place from `at` to `end` where a stream begins; None if none does."""
        end = min(end, self.size)
        while at < end:
            self.load(at, 2 * MOST_BYTES)
            found = self.data.find(b"\xff", at - self.base)
            if found < 0:
                at = self.base + len(self.data)
                continue
            at = self.base + found
            if self.chain(at) is not None:
                return at
            at += 1
        return None

    def was_frame(self, at: int, following: int) -> bool:
        """Whether a frame began at `at`, so that one lost bit in a header makes a stream begin later."""
        expected = parse(self.get(following, 4))
        header = self.get(at, 4)
        found = parse(header)
        if found and expected and found[0] == expected[0]:
            return True
        for bit in range(32):
            found = parse((int.from_bytes(header) ^ 1 << bit).to_bytes(4))
            if found and expected and found[0] == expected[0] and found[1] == following - at:
                return True
        return False

    def opens(self, at: int) -> int | None:
        """Begin the stream at `at`; return where its frames begin; None if there is no stream."""
        kind = self.chain(at)
        if kind is None:
            return None
        found = parse(self.get(at, 4), kind.free_bytes)
        tag = tag_of(self.get(at, found[1]), kind) if found else None
        self.result.streams.append(Stream(kind, tag, at))
        return at + found[1] if found and tag else at

    def chain(self, at: int) -> Kind | None:
        """Return the kind of the frames at `at`; None unless a tag or several frames are there."""
        head = self.get(at, 4)
        found, free = parse(head), 0
        if found is None:
            free = self.free_bytes(at)
            found = parse(head, free) if free else None
        if found is None:
            return None
        kind, length = found
        tagged = tag_of(self.get(at, length), kind)
        for count in range(1, _ENOUGH):
            at += length
            following = parse(self.get(at, 4), free)
            if tagged:
                # Some encoders leave the checksum out of the frame of the tag alone.
                alike = following and following[0]._replace(checked=kind.checked) == kind
                return following[0] if following and alike else kind
            if following is None or following[0] != kind:
                # A file may consist of very few frames.
                few = not self.result.streams and self.skip_zeros(at) >= self.size
                return kind if few and (count > 1 or at <= self.size) else None
            length = following[1]
        return kind

    def free_bytes(self, at: int) -> int:
        """Return the length without padding of the frame of free bitrate at `at`; 0 if there is none."""
        data = self.get(at, MOST_BYTES + 4)
        if len(data) < 4 or not parse(data[:4], 1):
            return 0
        padding = (data[2] >> 1 & 1) * (4 if data[1] >> 1 & 3 == 3 else 1)
        following = 3
        while (following := data.find(data[:2], following + 1)) > 0:
            if len(data) > following + 3 and data[following + 2] & 0xFC == data[2] & 0xFC:
                return following - padding
        return 0

    # --- through a stream ---

    def frames(self, stream: Stream, at: int) -> int:
        """Walk through the frames of a stream from `at` on; return where they end."""
        kind = stream.kind
        lengths, mono, begin = lengths_of(kind), kind.channels == 1, at
        mark = 4 + kind.side_bytes  # where a tag stands, if a frame holds one
        mark_end, may_tag, second_mark = mark + 4, kind.layer == 3, mark != 36
        ended = False
        while not ended:
            self.load(at, 2 * MOST_BYTES)
            base, data, starts = self.base, self.data, list[int]()
            ended = base + len(data) >= self.size
            place, stop = at - base, len(data) - (3 if ended else MOST_BYTES)
            # To search the block once is far less work than to look into each frame.
            may_tag_here = may_tag and any(data.find(each, place) >= 0 for each in MARKS)
            while place < stop:
                length = lengths.get(data[place : place + 3])
                if length is None or (data[place + 3] >= 0xC0) != mono:
                    ended = True
                    break
                if (
                    may_tag_here
                    and (
                        data[place + mark : place + mark_end] in MARKS
                        or (second_mark and data[place + 36 : place + 40] in MARKS)
                        or (kind.checked and data[place + mark + 2 : place + mark_end + 2] in MARKS)
                    )
                    and self.is_tag(base + place, kind)
                ):
                    ended = True
                    break
                starts.append(place)
                place += length
            if starts and base + place > self.size:  # players take a part of a frame for none
                place = starts.pop()
                self.result.cut = True
            at = base + self.checked(stream, starts, place, lengths)
            if starts:
                self.last_frame = base + starts[-1]
            ended = ended or bool(self.result.damage)
        if at > begin:
            stream.ranges.append((begin, at))
        return at

    def checked(self, stream: Stream, starts: list[int], end: int, lengths: dict[bytes, int]) -> int:
        """Count frames up to the first that is damaged; return where they end in `data`."""
        failed = failed_checksums(self.data, starts, stream.kind)
        # There are encoders that write wrong checksums into every frame.
        sure = 0 < failed.sum() <= len(starts) / 2
        first = int(failed.argmax()) if sure else len(starts)
        what = "a wrong checksum"
        swallowing = first_swallowing(self.data, starts, end, lengths)
        if swallowing < first:
            first, what = swallowing, "a wrong header"
        stream.frames += first
        if first == len(starts):
            return end
        self.result.damage = f"the frame at byte {self.base + starts[first]} has {what}"
        return starts[first]

    def is_tag(self, at: int, kind: Kind) -> bool:
        """Whether the frame at `at` holds a tag."""
        found = parse(self.get(at, 4), kind.free_bytes)
        return bool(found and tag_of(self.get(at, found[1]), found[0]))

    # --- between streams ---

    def after(self, stream: Stream, end: int) -> int | None:
        """Return where frames go on behind those of `stream`, which end at `end`; None if they do not."""
        at = tags_end(self.get, end, self.size)
        if self.result.cut or at >= self.size:
            if not self.result.cut:
                return None
            joined = self.joined(end + 4, self.size)
            self.result.cut = joined is None
            if self.result.cut and self.is_wrong_end(stream, end):
                self.result.damage = f"the frame at byte {end} has a wrong header"
            return joined
        inside = at > end and not self.is_complete(stream) and self.chain(at) == stream.kind
        if inside and not self.is_tag(at, stream.kind):  # a tag inside of a stream
            return at
        opened = self.opens(at)
        if opened is None and (rest := self.skip_zeros(at)) > at:
            opened = self.opens_with_tag(rest)
        if opened is not None:
            return opened
        if at == end and stream.frames and (joined := self.joined(self.last_frame + 4, end)):
            # The last frame is the beginning of one: another file was joined to a file that was cut.
            stream.frames -= 1
            begin = stream.ranges.pop()[0]
            if self.last_frame > begin:
                stream.ranges.append((begin, self.last_frame))
            return joined
        rest = self.skip_zeros(at)
        ending = self.get(rest, _MOST_REST + 1)
        if len(ending) > _MOST_REST or parse(ending[:4], stream.kind.free_bytes):
            self.result.damage = f"what begins at byte {at} is no frame"
        return None

    def is_wrong_end(self, stream: Stream, end: int) -> bool:
        """Whether what seems to be a part of a frame, from `end` on, is a frame with a wrong length."""
        if stream.tag and stream.tag.size and stream.tag.size <= self.size - stream.first:
            return True  # nothing was cut
        lengths = lengths_of(stream.kind)
        data = self.get(end, self.size - end)
        place = data.find(b"\xff", 3)
        while place >= 0:
            at = place
            while length := lengths.get(data[at : at + 3]):
                at += length
                if at == len(data):
                    return True
            place = data.find(b"\xff", place + 1)
        return False

    def is_complete(self, stream: Stream) -> bool:
        """Whether a stream's tag counts just the frames that were found."""
        return bool(stream.tag and stream.tag.frames == stream.frames)

    def joined(self, start: int, end: int) -> int | None:
        """Open the stream that a tag begins between two places; return where its frames begin."""
        data = self.get(start, end - start)
        places = [data.find(b"ID3"), *_marked_places(data)]
        for place in sorted(place for place in places if place >= 0):
            opened = self.opens_with_tag(start + place)
            if opened is not None:
                return opened
        return None

    def opens_with_tag(self, at: int) -> int | None:
        """Begin the stream at `at` if a tag begins it; return where its frames begin."""
        behind = tags_end(self.get, at, self.size)
        found = parse(self.get(behind, 4))
        tagged = bool(found and self.is_tag(behind, found[0]))
        return self.opens(behind) if behind > at or tagged else None

    def skip_zeros(self, at: int) -> int:
        """Return the place of the next byte from `at` on that is not zero, or the end."""
        while at < self.size:
            part = self.get(at, BLOCK)
            zeros = len(part) - len(part.lstrip(b"\0"))
            at += zeros
            if zeros < len(part):
                break
        return min(at, self.size)


def _marked_places(data: bytes) -> list[int]:
    """Return the places in `data` where frames begin that have a tag, whatever their kind."""
    places = []
    for mark in MARKS:
        at = data.find(mark)
        while at >= 0:
            places += [at - offset for offset in (13, 15, 21, 23, 36, 38) if at >= offset]
            at = data.find(mark, at + 1)
    return places
