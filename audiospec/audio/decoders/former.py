"""Decode MP3, Ogg, and with PyAV, until each has a module of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import soundfile

from audiospec.audio.decoders.base import Block, Decoder
from audiospec.audio.decoders.sndfile import SndfileDecoder
from audiospec.audio.info import AudioInfo
from audiospec.audio.mp3 import CountedMp3, has_frame_count
from audiospec.audio.pyav import blocks_with_pyav, probe_with_pyav
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError


def decode_mp3(source: SourceFile) -> SndfileDecoder:
    """Open an MP3."""
    if has_frame_count(source.path):
        return SndfileDecoder(source)
    with source.open() as file:
        found = CountedMp3.of(file) is not None
    plain = SndfileDecoder(source, exact=False)
    if not found:
        return plain
    with plain:
        info = plain.info

    def counted(file: BinaryIO) -> CountedMp3:
        view = CountedMp3.of(file)
        assert view is not None
        return view

    decoder = SndfileDecoder(source, counted, exact=False)
    decoder.info = info
    return decoder


def decode_ogg(source: SourceFile) -> SndfileDecoder:
    """Open an Ogg file."""
    decoder = SndfileDecoder(source)
    with source.open() as file:
        # A page has at most 65307 bytes; a tag of another format may follow.
        file.seek(max(0, source.size - (1 << 17)))
        tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    complete = len(page) > 26 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    if not (complete and page[5] & 4):
        decoder.loss = "truncated: the Ogg stream has no end"
    return decoder


class PyavDecoder(Decoder):
    """Decodes with PyAV."""

    def __init__(self, source: SourceFile, error: soundfile.LibsndfileError) -> None:
        self._path, self._error = source.path, error
        self.info = probe_with_pyav(source.path, error)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield the samples."""
        try:
            for block in blocks_with_pyav(self._path, self._error):
                if not isinstance(block, AudioInfo):
                    yield Block(block, self.info.sample_rate)
        except AudioError as error:
            if error.reason.startswith("truncated"):
                self.loss = error.reason
                return
            raise

    def close(self) -> None:
        """Do nothing."""
