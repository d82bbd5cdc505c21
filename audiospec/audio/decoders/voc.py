"""Decode VOC: its sound lies in many blocks, of which libsndfile takes the headers for samples.

Source: the format's description by Creative Labs: a header, then blocks of a type, a length of 24 bits and
content. Types: 0 end, 1 sound, 2 more sound, 3 silence, 8 properties of the next type 1, 9 sound with its
properties; others are marks and texts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from audiospec.audio.decoders.base import with_rest
from audiospec.audio.decoders.sndfile import SndfileDecoder
from audiospec.audio.decoders.view import FileView
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError

#: Codec → code of WAV and bits of a sample.
_CODECS = {0: (1, 8), 4: (1, 16), 6: (6, 8), 7: (7, 8)}
#: Most blocks that are walked.
_MOST_BLOCKS = 10_000_000


@dataclass
class _Sound:
    """The sound of a file, gathered from its blocks."""

    #: Rate in Hz, channels, codec; None until a block states them.
    form: tuple[int, int, int] | None = None
    pieces: list[tuple[int, int]] = field(default_factory=list)
    loss: str = ""

    def add(self, form: tuple[int, int, int] | None, start: int, stop: int, size: int) -> bool:
        """Add a block's bytes, and return whether to go on: not if the file ends, or another sound begins."""
        if form is not None and self.form not in (None, form):
            self.loss = "damaged: its sample rate, channels or encoding change midway"
            return False
        self.form = self.form or form
        self.pieces.append((start, min(stop, size)))
        if stop > size:
            self.loss = (
                f"truncated: the last block announces {stop - start} bytes, the file has {size - start}"
            )
        return stop < size


def decode_voc(source: SourceFile) -> SndfileDecoder | None:
    """Open a VOC file; return None if its sound is compressed.

    Raises
    ------
    AudioError
        The file cannot be read, or has pauses.
    """
    with source.open() as file:
        sound = _sound(file, source.size)
    if sound is None or sound.form is None or sound.form[2] not in _CODECS:
        return None
    rate, channels, codec = sound.form
    code, bits = _CODECS[codec]
    block = channels * bits // 8
    size = sum(stop - start for start, stop in sound.pieces)
    form = struct.pack("<HHIIHH", code, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    head = (
        b"RIFF" + struct.pack("<I", min(36 + size, 0xFFFFFFFF)) + b"WAVEfmt " + struct.pack("<I", 16) + form
    )
    head += b"data" + struct.pack("<I", min(size, 0xFFFFFFFF))
    pieces = sound.pieces
    decoder = SndfileDecoder(source, lambda file: FileView(head, file, pieces))
    decoder.loss = sound.loss and with_rest(sound.loss, decoder.info.seconds)
    return decoder


def _sound(file: BinaryIO, size: int) -> _Sound | None:
    file.seek(0)
    header = file.read(26)
    if len(header) < 26:
        raise AudioError("truncated: the file ends within its header")
    at, sound = int.from_bytes(header[20:22], "little"), _Sound()
    extended: tuple[int, int, int] | None = None
    for _ in range(_MOST_BLOCKS):
        file.seek(at)
        block = file.read(16)
        if not block or block[0] == 0:
            return sound
        if len(block) < 4:
            return sound
        content, stop = at + 4, at + 4 + int.from_bytes(block[1:4], "little")
        kind, more = block[0], True
        if kind == 1 and len(block) >= 6:
            form = extended or (1_000_000 // (256 - block[4]), 1, block[5])
            more, extended = sound.add(form, content + 2, stop, size), None
        elif kind == 2:
            more = sound.add(None, content, stop, size)
        elif kind == 8 and len(block) >= 8:
            constant, codec, mode = struct.unpack("<HBB", block[4:8])
            extended = 256_000_000 // ((mode + 1) * (65536 - constant)), mode + 1, codec
        elif kind == 9 and len(block) >= 16:
            rate, _, channels, codec = struct.unpack("<IBBH", block[4:12])
            more = sound.add((rate, channels, codec), content + 12, stop, size)
        elif kind == 3:
            raise AudioError("not decodable: pauses in VOC files are not read")
        if not more:
            return sound
        at = stop
    return sound
