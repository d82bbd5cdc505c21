"""Decode AAC in ADTS, AC-3 and E-AC-3: frames are found first, then PyAV gets only frames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from audiospec.audio.decoders.base import Block, Decoder, with_rest
from audiospec.audio.decoders.joined import JoinedDecoder
from audiospec.audio.decoders.pyav import PyavDecoder
from audiospec.audio.decoders.raw_frames import KINDS, RawStream, walk_frames
from audiospec.audio.decoders.splice import Splice
from audiospec.audio.decoders.wavpack import wavpack_files
from audiospec.audio.info import AudioInfo
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError


def decode_with_pyav(source: SourceFile, reason: str = "") -> Decoder:
    """Open a file with PyAV. Of several streams of sound in a container, the first is decoded.

    Parameters
    ----------
    source : SourceFile
        The file.
    reason : str
        Why libsndfile does not read it, for messages.

    Raises
    ------
    AudioError
        The file cannot be read, is of no container of sound, or PyAV is not installed.
    """
    with source.open() as file:
        if file.read(4) == b"wvpk":
            files, loss = wavpack_files(file, source.size)
            if not loss and files != [(0, source.size)]:
                return JoinedDecoder([partial(_part, source, reason, part) for part in files])
    decoder = PyavDecoder(source, reason)
    if decoder.reader not in KINDS:
        return decoder
    decoder.close()
    return RawDecoder(source, decoder.reader)


def _part(source: SourceFile, reason: str, part: tuple[int, int]) -> PyavDecoder:
    return PyavDecoder(source, reason, Splice(source.open(), [part]).buffered)


class RawDecoder(Decoder):
    """Decodes frames that follow each other without a container; joined files one after the other.

    Parameters
    ----------
    source : SourceFile
        The file.
    kind : str
        FFmpeg's name for its reader, one of `KINDS`.
    """

    def __init__(self, source: SourceFile, kind: str) -> None:
        self._source, self._kind = source, kind
        with source.open() as file:
            walked = walk_frames(file, source.size, kind)
        self._streams = [stream for stream in walked.streams if stream.frames]
        self._damage = f"damaged: {walked.damage}" if walked.damage else ""
        if walked.is_cut and not walked.damage:
            self._damage = "truncated: the last frame is not whole"
        if not self._streams:
            raise AudioError(
                with_rest(self._damage, 0) if self._damage else "not decodable: no frames of sound were found"
            )
        with self._opened(self._streams[0]) as decoder:
            rate, channels = decoder.info.sample_rate, decoder.info.channels
        # Frames of E-AC-3 may belong together, and those of AAC may stand for twice as many samples.
        frames = sum(stream.frames for stream in self._streams) * KINDS[kind][2]
        self.info = AudioInfo(rate, channels, frames, exact=False)
        if self._damage:
            self.loss = with_rest(self._damage, self.info.seconds)

    def _opened(self, stream: RawStream) -> PyavDecoder:
        part = Splice(self._source.open(), stream.ranges).buffered
        return PyavDecoder(self._source, "", part, reader=self._kind)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all samples as float32, in blocks of 1 to `most` frames; see `Decoder.blocks`."""
        seconds, reason = 0.0, ""
        for stream in self._streams:
            frames = 0
            with self._opened(stream) as decoder:
                for block in decoder.blocks(most):
                    seconds += len(block.samples) / block.sample_rate
                    frames += len(block.samples)
                    yield block
                reason = decoder.loss
            if not reason and self._kind != "eac3" and frames < stream.frames * KINDS[self._kind][2]:
                reason = "damaged: some frames cannot be decoded"
            if reason:
                break
        reason = reason or self._damage
        if reason:
            self.loss = with_rest(reason, seconds)

    def close(self) -> None:
        """Do nothing: `blocks` opens and closes the file."""
