"""Find the samples of WAV files (RIFF, RIFX, RF64, BW64, W64), whose sizes are often false."""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

from audiospec.audio.decoders.sizes import MOST_CHUNKS, Chunks, SampleBytes

#: Codes of samples that are not compressed, or are one byte each: PCM, float, A-law, µ-law, extensible.
_PLAIN = {1, 3, 6, 7, 0xFFFE}
#: Most bytes of a ``fmt`` chunk.
_MOST_FORMAT = 4096
#: Sample rates in Hz that most files have.
_USUAL_RATES = frozenset(
    (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000, 176400, 192000)
)
#: GUIDs of W64: the name of a chunk and these bytes.
_W64_GUID = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
#: Sizes from these on, up to 2^31 and 2^32, are those of writers to pipes, which do not know it.
_PLACEHOLDERS = ((1 << 31) - 4096, 1 << 31), ((1 << 32) - 4096, 1 << 32)


def wav_samples(file: BinaryIO, size: int) -> SampleBytes | None:
    """Return where the samples of a WAV file are; None if no ``fmt`` and ``data`` chunks are found.

    Parameters
    ----------
    file : BinaryIO
    size : int
        Size of the file.
    """
    file.seek(0)
    kind = file.read(4)
    chunks = Chunks(file, size, ">" if kind == b"RIFX" else "<")
    form, place, long_sizes = b"", 12, (0, 0)
    for _ in range(MOST_CHUNKS):
        chunk = chunks.at(place)
        if chunk is None:
            return None
        name, content, length = chunk
        if name == b"data":
            break
        if name == b"fmt ":
            form = chunks.read(content, min(length, _MOST_FORMAT))
        elif name == b"ds64":
            fields = chunks.read(content, 16)
            long_sizes = struct.unpack("<QQ", fields) if len(fields) == 16 else long_sizes
        place = chunks.after(content, length)
    else:
        return None
    (riff,) = struct.unpack(chunks.order + "I", chunks.read(4, 4))
    announced, unknown = length, is_placeholder(length)
    if kind in (b"RF64", b"BW64") and length == 0xFFFFFFFF:
        riff, announced = long_sizes
        unknown = announced == 0 or announced >= 1 << 62 or is_placeholder(announced)
    agrees = abs(riff + 8 - content - announced) <= 8
    whole = True if abs(riff + 8 - size) <= 8 else False if agrees else None
    stop, loss = chunks.judge(
        content,
        announced,
        _block(form, chunks.order),
        unknown=unknown,
        whole=whole,
        agrees=agrees,
        header=content,
    )
    return _sample_bytes(chunks, form, content, stop, announced, loss)


def w64_samples(file: BinaryIO, size: int) -> SampleBytes | None:
    """Return where the samples of a W64 file are; None if no ``fmt`` and ``data`` chunks are found."""
    chunks = Chunks(file, size, "<")
    (riff,) = struct.unpack("<Q", chunks.read(16, 8).ljust(8, b"\0"))
    form, place = b"", 40
    for _ in range(MOST_CHUNKS):
        header = chunks.read(place, 24)
        if len(header) < 24:
            return None
        (length,) = struct.unpack("<Q", header[16:])
        if header[:16] == b"data" + _W64_GUID:
            break
        if length < 24:
            return None
        if header[:16] == b"fmt " + _W64_GUID:
            form = chunks.read(place + 24, min(length - 24, _MOST_FORMAT))
        place += (length + 7) // 8 * 8
    else:
        return None
    announced = max(0, length - 24)
    unknown = length <= 24 or length >= 1 << 62 or is_placeholder(length)
    start, frame = place + 24, _block(form, "<")
    end = start + announced
    if (
        not unknown
        and end < size
        and (size - end < 8 or chunks.read((end + 7) // 8 * 8 + 4, 12) in (_W64_GUID, b""))
    ):
        return _sample_bytes(chunks, form, start, end, announced, "")
    stop, loss = chunks.judge(start, announced, frame, unknown=unknown, whole=abs(riff - size) <= 8)
    return _sample_bytes(chunks, form, start, stop, announced, loss)


def is_placeholder(size: int) -> bool:
    """Whether a size of 32 bits is one that writers to pipes put down."""
    return any(low <= size <= high for low, high in _PLACEHOLDERS)


def _sample_bytes(
    chunks: Chunks, form: bytes, start: int, stop: int, announced: int, loss: str
) -> SampleBytes | None:
    if len(form) < 16:
        return None
    order = chunks.order
    code, channels, _, _, block, bits = struct.unpack(order + "HHIIHH", form[:16])
    plain = code in _PLAIN and block == channels * ((bits + 7) // 8)
    damage = _contradiction(form, order)
    return SampleBytes(
        start,
        stop,
        announced,
        block if plain else 0,
        loss,
        damage,
        lambda count: _head(form, order, count),
        chunks.following(stop, loss),
    )


def _block(form: bytes, order: Literal["<", ">"]) -> int:
    """Return the bytes of one sample of all channels, or of one block of compressed samples."""
    return int(struct.unpack(order + "H", form[12:14])[0]) if len(form) >= 16 else 0


def _contradiction(form: bytes, order: Literal["<", ">"]) -> str:
    """Return what a format says twice, differently; ``""`` if nothing.

    Many writers get one of the numbers wrong. A contradiction is damage only if two of them agree against the
    one that would change the sound.
    """
    code, channels, rate, byte_rate, block, bits = struct.unpack(order + "HHIIHH", form[:16])
    needed = channels * ((bits + 7) // 8)
    if code not in (1, 3) or not (needed and block and rate):
        return ""
    padded = block == 4 * channels and bits == 24
    if block != needed and not padded and byte_rate == rate * block and block * channels != needed:
        return f"damaged: the header has {channels} channels of {bits} bits, but blocks of {block} bytes"
    stated, odd = divmod(byte_rate, block)
    if block == needed and not odd and rate not in _USUAL_RATES and stated in _USUAL_RATES:
        return (
            f"damaged: the header has a sample rate of {rate} Hz, but as many bytes a second as {stated} Hz"
        )
    return ""


def _head(form: bytes, order: Literal["<", ">"], size: int) -> bytes:
    """Return a header for `size` bytes of samples."""
    form = form + b"\0" * (len(form) % 2)
    riff = 4 + 8 + len(form) + 8 + size
    body = b"WAVEfmt " + struct.pack(order + "I", len(form)) + form
    if riff >= 1 << 32:
        sizes = struct.pack("<IQQQI", 28, riff + 36, size, 0, 0)
        return b"RF64\xff\xff\xff\xffWAVEds64" + sizes + body[4:] + b"data\xff\xff\xff\xff"
    name = b"RIFX" if order == ">" else b"RIFF"
    return name + struct.pack(order + "I", riff) + body + b"data" + struct.pack(order + "I", size)
