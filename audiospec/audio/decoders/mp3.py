"""Decode MPEG audio (MP3, MP2, MP1): every frame is found first, then libsndfile gets only frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import soundfile

from audiospec.audio.decoders.base import Block, Decoder, cut, with_rest
from audiospec.audio.decoders.mpeg_frames import DECODER_DELAY, tag_frame
from audiospec.audio.decoders.mpeg_walk import Stream, walk
from audiospec.audio.decoders.sndfile import one_line, silenced_stderr
from audiospec.audio.decoders.splice import Part, open_parts
from audiospec.audio.decoders.tags import tag_bytes
from audiospec.audio.info import AudioInfo
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError


def decode_mp3(source: SourceFile) -> Decoder:
    """Open a file of MPEG audio, layers I to III.

    Files that were joined are decoded one after the other, each with its own rate and channels. Then only the
    first one's delay is dropped, as FFmpeg does: each part ends with its last frame.

    Parameters
    ----------
    source : SourceFile
        The file.

    Raises
    ------
    AudioError
        The file cannot be read or holds no frames.
    """
    return Mp3Decoder(source)


class _Piece:
    """A stream, and what is trimmed of it."""

    def __init__(self, stream: Stream, *, first: bool, alone: bool) -> None:
        self.stream, self.rate = stream, stream.kind.sample_rate
        #: The tag by which the beginning is trimmed.
        self.tag = stream.tag if first and stream.tag and stream.tag.trims else None
        stated = stream.tag.frames if stream.tag else None
        # Some encoders count the frame of the tag, or not the last one.
        self.is_right = stated is None or abs(stated - stream.frames) <= 1
        #: The count of frames by which the end is trimmed. The padding was put behind the last frame that is
        #: counted: if that is another one, this end is not trimmed.
        self.trims_end = alone and self.is_right
        self.counted = stated if stated is not None and self.trims_end else stream.frames

    @property
    def samples(self) -> int:
        """How many samples libsndfile makes of the stream."""
        there = self.stream.frames * self.stream.kind.samples
        if not self.tag:
            return there
        padding = self.tag.padding if self.trims_end else 0
        end = self.counted * self.stream.kind.samples - padding + DECODER_DELAY
        return max(0, min(there, end) - self.tag.delay - DECODER_DELAY)

    def parts(self) -> tuple[list[Part], int]:
        """Return the parts of the file to decode, and how many bytes to promise behind them."""
        ranges = self.stream.ranges
        if self.tag:
            lame = self.tag.lame
            if lame and not self.trims_end:
                lame = lame[:22] + bytes((lame[22] & 0xF0, 0)) + lame[24:]
            return [tag_frame(self.stream.kind, self.counted, lame), *ranges], 0
        # Without a tag, libsndfile estimates the length from the first frame and the size, and stops there. A
        # frame may be a hundred times as large as another.
        return [*ranges], 100 * sum(end - begin for begin, end in ranges) + (1 << 20)

    @property
    def missing(self) -> float:
        """Seconds that the tag states and the stream lacks."""
        tag = self.stream.tag
        if not tag or not tag.frames or tag.frames <= self.stream.frames + 1:
            return 0.0
        # If the size is right, but for a frame, nothing is missing: the count is wrong.
        if tag.size is not None and tag.size <= self.stream.size * (1 + 1.5 / self.stream.frames):
            return 0.0
        return (tag.frames - self.stream.frames) * self.stream.kind.samples / self.rate


class Mp3Decoder(Decoder):
    """Decodes MPEG audio. The number of frames is counted; what a header states is only compared with it."""

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        with source.open() as file:
            self._walk = walk(file, source.size)
            file.seek(0)
            head = file.read(10)
            # libsndfile passes over one tag without a footer.
            length = tag_bytes(lambda at, length: head, 0, source.size) if head[:3] == b"ID3" else 0
            self._behind_id3 = length if head[5:6] < b"\x10" else -1
        streams = [stream for stream in self._walk.streams if stream.frames]
        if not streams:
            if self._walk.damage:
                raise AudioError(with_rest(f"damaged: {self._walk.damage}", 0))
            raise AudioError("not decodable: no frames of MPEG audio were found")
        alone = len(streams) == 1
        self._pieces = [_Piece(stream, first=i == 0, alone=alone) for i, stream in enumerate(streams)]
        rate = self._pieces[0].rate
        seconds = sum(piece.samples / piece.rate for piece in self._pieces)
        one_rate = all(piece.rate == rate for piece in self._pieces)
        frames = sum(piece.samples for piece in self._pieces) if one_rate else round(seconds * rate)
        self.info = AudioInfo(rate, streams[0].kind.channels, frames, exact=one_rate)
        missing = sum(piece.missing for piece in self._pieces)
        if self._walk.damage:
            self.loss = with_rest(f"damaged: {self._walk.damage}", seconds)
        elif missing:
            # One of the joined files may lack its end; that does not keep the next from being decoded.
            self.loss = cut(seconds + missing, seconds)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all samples as float32, in blocks of 1 to `most` frames; see `Decoder.blocks`."""
        done = 0.0
        for piece in self._pieces:
            frames, reason = 0, ""
            try:
                with self._opened(piece) as file:
                    if (file.samplerate, file.channels) != (piece.rate, piece.stream.kind.channels):
                        raise AudioError("not decodable: libsndfile finds other frames than there are")
                    while frames < piece.samples:
                        with silenced_stderr():  # notes of libmpg123
                            samples = file.read(min(most, piece.samples - frames), "float32", always_2d=True)
                        if not len(samples):
                            break
                        frames += len(samples)
                        yield Block(samples, piece.rate)
            except soundfile.LibsndfileError as error:
                reason = one_line(error.error_string)
            done += frames / piece.rate
            if frames < piece.samples:
                reason = reason or "some frames cannot be decoded"
                self.loss = with_rest(f"damaged: {reason}", done)
                return

    @contextmanager
    def _opened(self, piece: _Piece) -> Iterator[soundfile.SoundFile]:
        """Open one stream with libsndfile: the file itself if it is nothing but this stream."""
        with self._source.open() as file:
            parts, promised = (None, 0) if self._is_plain(piece) else piece.parts()
            with open_parts(file, parts, promised) as opened:
                yield opened

    def _is_plain(self, piece: _Piece) -> bool:
        """Whether libsndfile, given the whole file, decodes just this stream."""
        stream = piece.stream
        return bool(
            len(self._walk.streams) == 1
            and len(stream.ranges) == 1
            and not (self._walk.damage or self._walk.cut)
            and stream.first == self._behind_id3
            and piece.tag
            and piece.tag.clean
            and piece.is_right
            and piece.tag.frames is not None
            and piece.tag.frames <= stream.frames
        )

    def close(self) -> None:
        """Do nothing: `blocks` opens and closes the file."""
