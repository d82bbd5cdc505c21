"""Decode FLAC: its header may be false, but each frame has a number and checksums of its own.

Source: RFC 9639, sections 8.2 (streaminfo) and 9 (frame structure).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.decoders.base import Block, Decoder, cut, with_rest
from audiospec.audio.decoders.sndfile import SndfileDecoder, as_float
from audiospec.audio.decoders.view import FileView
from audiospec.audio.info import AudioInfo
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError

#: How a stream begins: the marker, and the header of a streaminfo block, which may be the last block.
_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
#: Bytes of marker and streaminfo.
_HEADER = 42
#: Bytes at the end of a file in which its last frame is looked for. The first is enough for most frames; none
#: has more than the last.
_TAILS = (1 << 16, 1 << 20, 1 << 24)
#: Most metadata blocks that are skipped to find the first frame.
_MOST_BLOCKS = 10_000
#: Bytes in which a frame begins, if frames are not very long.
_PROBE = 1 << 16
#: Most places in a tail that are tried as the beginning of the last frame.
_MOST_TRIALS = 64
#: Most bytes of a frame's header.
_MOST_HEADER = 16
#: Samples of each channel in a byte above which a length is not believed unless the last frame proves it:
#: digital silence takes some 14 bytes a frame of 4096.
_FRAMES_A_BYTE = 300
_RATES = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
_BITS = (0, 8, 12, 0, 16, 20, 24, 32)


@dataclass(frozen=True)
class FrameHeader:
    """The header of a frame, whose checksum is right.

    Attributes
    ----------
    sample_rate, channels, bits : int
        0 for a sample rate or depth that is that of the streaminfo.
    start, samples : int
        Number of its first sample, and how many it has. `start` is the frame's number if `counts_frames`.
    counts_frames : bool
        Whether all frames but the last have one length, and are numbered.
    """

    sample_rate: int
    channels: int
    bits: int
    start: int
    samples: int
    counts_frames: bool

    def agrees(self, other: FrameHeader) -> bool:
        """Whether it may be a frame of the same stream."""
        mine = self.sample_rate, self.channels, self.bits, self.counts_frames
        return mine == (other.sample_rate, other.channels, other.bits, other.counts_frames)

    def end(self, block: int) -> int:
        """Return the number of the sample behind the frame, if frames of the stream have `block` samples."""
        return (self.start * block if self.counts_frames else self.start) + self.samples


@dataclass(frozen=True)
class StreamInfo:
    """The streaminfo block of a stream: claims."""

    block: int
    sample_rate: int
    channels: int
    bits: int
    total: int
    md5: bytes
    raw: bytes

    @classmethod
    def of(cls, header: bytes) -> StreamInfo:
        """Read the first `_HEADER` bytes of a stream."""
        packed = int.from_bytes(header[18:26], "big")
        return cls(
            block=int.from_bytes(header[8:10], "big"),
            sample_rate=packed >> 44,
            channels=(packed >> 41 & 7) + 1,
            bits=(packed >> 36 & 31) + 1,
            total=packed & (1 << 36) - 1,
            md5=header[26:42],
            raw=header,
        )

    def corrected(self, total: int, frame: FrameHeader | None) -> bytes:
        """Return the header with `total` samples and the properties that a frame states."""
        rate, channels, bits = self.sample_rate, self.channels, self.bits
        if frame is not None:
            rate, channels, bits = frame.sample_rate or rate, frame.channels, frame.bits or bits
        packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | (total & (1 << 36) - 1)
        return self.raw[:18] + packed.to_bytes(8, "big") + self.raw[26:]


class FlacStream(Decoder):
    """Decodes one FLAC stream, from `start` to `stop` of a file."""

    def __init__(self, source: SourceFile, start: int, stop: int) -> None:
        with source.open() as file:
            header = _read(file, start, _HEADER)
            if len(header) < _HEADER:
                raise AudioError("truncated: the file ends within its header")
            stream = StreamInfo.of(header)
            first, at = _first_frame(file, start, stop)
            #: Number of samples that the last frame proves; None if the file does not end with a whole frame.
            self._proven = _end(file, at, stop, stream, first)
            #: Whether frames of this stream are all over the file, in order, up to the last one announced.
            self.fills = self._proven == stream.total and _is_in_order(file, at, stop, first)
        self._stream, self._bytes = stream, stop - start
        self._bits = (first.bits if first is not None else 0) or stream.bits
        #: Whether the samples are compared with an MD5. libsndfile's samples of other widths, which it seldom
        #: reads, are not those that the MD5 counts.
        self.has_md5 = any(stream.md5) and self._bits in (8, 16, 24)
        head = stream.corrected(self._proven or stream.total, first)
        view = None
        if head != header or start or stop != source.size:

            def view(file: BinaryIO) -> FileView:
                return FileView(head, file, [(start + _HEADER, stop)])

        self._decoder = SndfileDecoder(source, view)
        info = self._decoder.info
        most = _FRAMES_A_BYTE * self._bytes
        frames = min(stream.total or most, most) if self._proven is None else self._proven
        self.info = AudioInfo(info.sample_rate, info.channels, frames, self._proven is not None)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all samples, and compare them with their MD5 and their announced number."""
        decoder, frames = self._decoder, 0
        digest = hashlib.md5(usedforsecurity=False) if self.has_md5 else None
        for samples in decoder.read(most, "int16" if self._bits == 16 else "int32"):
            frames += len(samples)
            if digest is not None:
                digest.update(_packed(samples, self._bits))
            samples = samples if self._bits == 16 else as_float(samples, self._bits)
            yield Block(samples, self.info.sample_rate)
        same = None if digest is None else digest.digest() == self._stream.md5
        # If the last frame is not whole, the decoder stops there; anywhere else, the file is damaged.
        cut = self._loss(frames, same) if self._proven is None or not decoder.loss else ""
        self.loss = cut or decoder.loss

    def _loss(self, frames: int, same: bool | None) -> str:
        """Return what is wrong with `frames` samples; `same`: whether their MD5 is right, None if unknown."""
        if same:
            return ""
        proven, total, rate = self._proven, self._stream.total, self.info.sample_rate
        # A total that no file of this size can hold is false; any other is believed.
        believed = total if total <= _FRAMES_A_BYTE * self._bytes else 0
        needed = max(believed, proven or 0)
        if frames < needed:
            return cut(needed / rate, frames / rate)
        if proven is None and not believed:
            return with_rest("truncated: the last frame is not whole", frames / rate)
        if same is not None:
            return with_rest("damaged: the samples do not have the MD5 that the header states", frames / rate)
        return ""

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()


class FlacDecoder(Decoder):
    """Decodes a FLAC file, or several that were joined end to end."""

    def __init__(self, source: SourceFile, start: int) -> None:
        with source.open() as file:
            tag = source.size >= 128 and _read(file, source.size - 128, 3) == b"TAG"
        self._source, self._start, self._stop = source, start, source.size - (128 if tag else 0)
        self._first = FlacStream(source, start, self._stop)
        self.info = self._first.info
        if self.info.exact and not self._first.fills and len(self._starts()) > 1:
            self.info = replace(self.info, exact=False)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield the samples of each stream."""
        # Searching takes a twentieth of the time of decoding. A stream that fills the file is the only one:
        # if there were another in its middle, its MD5 would be wrong.
        alone = self._first.fills and self._first.has_md5
        starts = [self._start] if alone else self._starts()
        if len(starts) < 2:
            yield from self._first.blocks(most)
            self.loss = self._first.loss
            return
        for number, place in enumerate(zip(starts, [*starts[1:], self._stop], strict=True), 1):
            with FlacStream(self._source, *place) as part:
                yield from part.blocks(most)
            if part.loss:
                kind, _, rest = part.loss.partition(": ")
                self.loss = f"{kind}: in file {number} of {len(starts)} that were joined: {rest}"
                return

    def _starts(self) -> list[int]:
        """Return where streams begin: all of the file is searched."""
        with self._source.open() as file:
            return _stream_starts(file, self._start, self._stop)

    def close(self) -> None:
        """Close the file."""
        self._first.close()


def decode_flac(source: SourceFile, start: int = 0) -> FlacDecoder:
    """Open a FLAC file.

    Parameters
    ----------
    source : SourceFile
    start : int
        Where the stream begins: behind tags.

    Raises
    ------
    AudioError
        The file cannot be decoded.
    soundfile.LibsndfileError
        libsndfile does not read it, as with 12, 20 or 32 bits.
    """
    return FlacDecoder(source, start)


def _stream_starts(file: BinaryIO, start: int, stop: int) -> list[int]:
    """Return where streams begin in a file, from `start` on."""
    starts, at, kept = [start], start + 4, b""
    file.seek(at)
    while at < stop and (part := file.read(min(1 << 20, stop - at))):
        text = kept + part
        found = text.find(b"fLaC")
        while found >= 0:
            if text[found : found + 8] in _STARTS:
                starts.append(at - len(kept) + found)
            found = text.find(b"fLaC", found + 4)
        at, kept = at + len(part), text[-7:]
    return sorted(set(starts))


def _first_frame(file: BinaryIO, start: int, stop: int) -> tuple[FrameHeader | None, int]:
    """Return the header of a stream's first frame, None if it is not right, and its offset."""
    at = start + 4
    for _ in range(_MOST_BLOCKS):
        header = _read(file, at, 4)
        if len(header) < 4 or header[0] & 127 == 127:
            return None, start + _HEADER
        at += 4 + int.from_bytes(header[1:], "big")
        if header[0] & 128 or at >= stop:
            break
    return _frame(_read(file, at, _MOST_HEADER)), at


def _end(
    file: BinaryIO, first_at: int, stop: int, stream: StreamInfo, first: FrameHeader | None
) -> int | None:
    """Return the number of samples that a stream's last frame proves; None if that is not whole."""
    block = first.samples if first is not None else stream.block
    for window in _TAILS:
        at = max(first_at, stop - window)
        tail = _read(file, at, stop - at)
        place, trials = len(tail), 0
        while trials < _MOST_TRIALS and (place := tail.rfind(b"\xff", 0, place)) >= 0:
            if place + 1 < len(tail) and tail[place + 1] & 0xFE == 0xF8:
                trials += 1
                frame = _frame(tail[place : place + _MOST_HEADER])
                if frame is None or (first is not None and not frame.agrees(first)):
                    continue
                end = frame.end(block)
                if end == stream.total or _crc16(tail[place:]) == 0:
                    return end
        if at == first_at or trials == _MOST_TRIALS:
            return None
    return None


def _is_in_order(file: BinaryIO, first_at: int, stop: int, first: FrameHeader | None) -> bool:
    """Whether frames of one stream, with rising numbers, are found at some places between two offsets.

    Where another stream was joined, numbers begin again, be it as long as the first or not.
    """
    if first is None or stop - first_at < 3 * _PROBE:
        return False
    numbers = [_number(_read(file, first_at + (stop - first_at) * i // 4, _PROBE), first) for i in (1, 2, 3)]
    return -1 < numbers[0] < numbers[1] < numbers[2]


def _number(part: bytes, first: FrameHeader) -> int:
    """Return the number of the first frame of a stream that begins in a part of a file; -1 if none does."""
    place = -1
    while (place := part.find(b"\xff", place + 1)) >= 0:
        frame = _frame(part[place : place + _MOST_HEADER])
        if frame is not None and frame.agrees(first):
            return frame.start
    return -1


def _frame(header: bytes) -> FrameHeader | None:
    """Read the header of a frame; None if there is none, or its checksum is wrong."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xFE != 0xF8 or header[3] & 1:
        return None
    size, rate, layout, depth = header[2] >> 4, header[2] & 15, header[3] >> 4, header[3] >> 1 & 7
    lead = header[4]
    more = 0 if lead < 0x80 else 7 - (lead ^ 0xFF).bit_length()  # bytes of the number behind the first
    if not size or rate == 15 or layout > 10 or depth == 3 or more > 6 or 0x80 <= lead < 0xC0:
        return None
    number = lead if not more else lead & (0x3F >> more)
    for byte in header[5 : 5 + more]:
        number = number << 6 | byte & 0x3F
    at = 5 + more
    size_bytes = {6: 1, 7: 2}.get(size, 0)
    rate_bytes = {12: 1, 13: 2, 14: 2}.get(rate, 0)
    end = at + size_bytes + rate_bytes
    if len(header) <= end or _crc8(header[: end + 1]):
        return None
    samples = int.from_bytes(header[at : at + size_bytes], "big") + 1
    if not size_bytes:
        samples = 192 if size == 1 else 576 << size - 2 if size < 6 else 256 << size - 8
    stated = int.from_bytes(header[at + size_bytes : end], "big")
    hertz = _RATES[rate] if rate < 12 else stated * {12: 1000, 13: 1, 14: 10}[rate]
    channels = layout + 1 if layout < 8 else 2
    return FrameHeader(hertz, channels, _BITS[depth], number, samples, header[1] == 0xF8)


def _table(polynomial: int, bits: int) -> list[int]:
    """Return the table of a CRC that is computed byte by byte, the highest bit first."""
    top, mask, table = 1 << bits - 1, (1 << bits) - 1, []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
        table.append(value)
    return table


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def _crc16(data: bytes) -> int:
    """Return the CRC of a frame; 0 for a whole frame with its own CRC at the end."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ _CRC16[value >> 8 ^ byte]
    return value


def _packed(samples: NDArray[Any], bits: int) -> bytes | memoryview:
    """Return samples as FLAC's MD5 counts them: little-endian, in as few whole bytes as they need."""
    if bits == 16:
        return samples.astype("<i2", copy=False).data.cast("B")
    # Samples of whole bytes, at the upper end of the 32 bits.
    width, words = bits // 8, np.ascontiguousarray(samples, "<i4")
    return np.ndarray(words.size, f"V{width}", words.data, 4 - width, (4,)).tobytes()


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(max(0, count))  # what a damaged header leaves may be negative
