"""Find the samples of AIFF, AU and CAF files, whose sizes are often false."""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

from audiospec.audio.decoders.riff import is_placeholder
from audiospec.audio.decoders.sizes import MOST_CHUNKS, Chunks, SampleBytes

#: Compression types of AIFF-C that are plain samples → bytes of one; None: as many as the bits need.
_AIFC_PLAIN: dict[bytes, int | None] = {
    b"NONE": None,
    b"twos": None,
    b"sowt": None,
    b"raw ": None,
    b"in24": 3,
    b"in32": 4,
    b"fl32": 4,
    b"FL32": 4,
    b"fl64": 8,
    b"FL64": 8,
    b"ulaw": 1,
    b"ULAW": 1,
    b"alaw": 1,
    b"ALAW": 1,
}
#: Most bytes that blocks of samples are padded by.
_MOST_PADDING = 4096
#: Bytes of a sample of eight channels of eight bytes: more is hardly ever met.
_MOST_FRAME = 64
#: Encodings of AU that are plain samples → bytes of one.
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def aiff_samples(file: BinaryIO, size: int) -> SampleBytes | None:
    """Return where the samples of an AIFF or AIFF-C file are; None if they are compressed or not found."""
    chunks = Chunks(file, size, ">")
    start = chunks.read(0, 12)
    form, common, sound = start[8:12], b"", (0, 0, 0)
    place = 12
    for _ in range(MOST_CHUNKS):
        chunk = chunks.at(place)
        if chunk is None:
            break
        name, content, length = chunk
        if name == b"COMM":
            common = chunks.read(content, min(length, 4096))
        elif name == b"SSND":
            offset = int.from_bytes(chunks.read(content, 4), "big")
            sound = content + 8 + offset, length - 8 - offset, length
            if common:
                break
        place = chunks.after(content, length)
    if not sound[0] or len(common) < 18:
        return None
    channels, frames, bits = struct.unpack(">hIh", common[:8])
    width = _AIFC_PLAIN.get(common[18:22], 0) if form == b"AIFC" else None
    width = (bits + 7) // 8 if width is None else width
    frame = channels * width
    if frame <= 0:
        return None
    first, announced, length = sound
    unknown = is_placeholder(length) or length == 0 or (announced <= 0 and not chunks.reach_the_end(first))
    whole = abs(int.from_bytes(start[4:8], "big") + 8 - size) <= 8
    stop, loss = chunks.judge(first, max(0, announced), frame, unknown=unknown, whole=whole, header=first)
    needed, there = frames * frame, stop - first
    # The chunk may be longer than its samples, as blocks are aligned; but never by much, and with zeros.
    padding = there - needed
    if (
        not loss
        and needed
        and 0 < padding <= _MOST_PADDING + frame
        and not any(chunks.read(first + needed, padding))
    ):
        stop = first + needed
    damage = "" if loss else _contradiction(frames, frame, there)

    def head(count: int) -> bytes:
        described = common[:2] + struct.pack(">I", count // frame) + common[6:]
        described += b"\0" * (len(described) % 2)
        parts = b"COMM" + struct.pack(">I", len(described)) + described
        if form == b"AIFC":
            parts = b"FVER\0\0\0\4\xa2\x80\x51\x40" + parts
        body = form + parts + b"SSND" + struct.pack(">III", min(count + 8, 0xFFFFFFFF), 0, 0)
        return b"FORM" + struct.pack(">I", min(len(body) + count, 0xFFFFFFFF)) + body

    return SampleBytes(
        first, stop, max(0, announced), frame, loss, damage, head, chunks.following(stop, loss)
    )


def _contradiction(frames: int, frame: int, there: int) -> str:
    """Return how the size of a sample of all channels contradicts their number; ``""`` if it does not.

    A number alone may be wrong: the size of the chunk says more. But if the number fits samples of another
    size, or the samples of this size do not fill the chunk, the channels or bits are wrong.
    """
    if not frames:
        return ""
    other, left = divmod(there, frames)
    fits = frames > 1 and left <= 1 and 0 < other <= _MOST_FRAME and other != frame
    if is_placeholder(frames):
        possible = there % frame <= 1
    else:
        possible = not fits and frames * frame <= there + _MOST_PADDING + frame
    if possible:
        return ""
    return f"damaged: the header has {frames} samples of {frame} bytes, but {there} bytes of them"


def au_samples(file: BinaryIO, size: int) -> SampleBytes | None:
    """Return where the samples of an AU file are; None if they are compressed."""
    file.seek(0)
    header = file.read(24)
    if len(header) < 24:
        return None
    order: Literal["<", ">"] = ">" if header.startswith(b".snd") else "<"
    start, announced, encoding, _, channels = struct.unpack(order + "5I", header[4:])
    frame = _AU_BYTES.get(encoding, 0) * channels
    if not frame or start < 24 or start > size:
        return None
    chunks = Chunks(file, size, order)
    unknown = is_placeholder(announced) or announced == 0
    stop, loss = chunks.judge(start, announced, frame, unknown=unknown, whole=None, header=start)
    if unknown:
        stop = size

    def head(count: int) -> bytes:
        return header[:4] + struct.pack(order + "II", 24, min(count, 0xFFFFFFFF)) + header[12:]

    return SampleBytes(start, stop, announced, frame, loss, "", head, chunks.following(stop, loss))


def caf_samples(file: BinaryIO, size: int) -> SampleBytes | None:
    """Return where the samples of a CAF file are; None if they are compressed or not found."""
    chunks = Chunks(file, size, ">", long=True)
    place, described = 8, b""
    for _ in range(MOST_CHUNKS):
        chunk = chunks.at(place)
        if chunk is None:
            return None
        name, content, length = chunk
        if name == b"data":
            break
        if length < 0:
            return None
        if name == b"desc":
            described = chunks.read(content, 32)
        place = content + length
    else:
        return None
    if len(described) < 32 or described[8:12] not in (b"lpcm", b"ulaw", b"alaw"):
        return None
    (frame,) = struct.unpack(">I", described[16:20])
    if not frame:
        return None
    start = content + 4  # behind the edit count
    announced = length - 4
    unknown = length < 4 or length >= 1 << 62
    stop, loss = chunks.judge(start, max(0, announced), frame, unknown=unknown, whole=None, header=start)

    def head(count: int) -> bytes:
        return (
            b"caff\0\1\0\0desc"
            + struct.pack(">q", 32)
            + described
            + b"data"
            + struct.pack(">qI", count + 4, 0)
        )

    return SampleBytes(start, stop, max(0, announced), frame, loss, "", head, chunks.following(stop, loss))
