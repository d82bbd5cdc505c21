"""Decode Ogg (Vorbis, Opus, FLAC, Speex): every page is checked first, then each link is decoded alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import soundfile

from audiospec.audio.decoders.base import Block, Decoder, with_rest
from audiospec.audio.decoders.ogg_pages import Link, walk, with_end
from audiospec.audio.decoders.pyav import PyavDecoder
from audiospec.audio.decoders.sndfile import one_line
from audiospec.audio.decoders.splice import Part, Splice, open_parts
from audiospec.audio.info import AudioInfo
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError

#: Most samples that one packet of a codec holds in each channel, at any rate.
_MOST_SAMPLES = {"vorbis": 8192, "opus": 5760, "flac": 65535, "speex": 320 * 10}
#: Codecs that libsndfile does not decode.
_BY_PYAV = {"speex", "flac of FFmpeg"}


def decode_ogg(source: SourceFile) -> Decoder:
    """Open an Ogg file.

    Links of a chain are decoded one after the other, each with its own rate and channels. Of streams that lie
    side by side, the first one of sound is decoded.

    Parameters
    ----------
    source : SourceFile
        The file.

    Raises
    ------
    AudioError
        The file cannot be read or holds no sound that can be decoded.
    """
    with source.open() as file:
        found = walk(file, source.size)
    if not found.links:
        if found.damage:
            raise AudioError(with_rest(found.damage, 0))
        return PyavDecoder(source, "no codec that libsndfile knows")
    return OggDecoder(source, found.links, found.damage, alone=not found.others)


class OggDecoder(Decoder):
    """Decodes the links of an Ogg file, all of whose pages were checked.

    Parameters
    ----------
    source : SourceFile
        The file.
    links : list of Link
        At least one.
    damage : str
        What is wrong behind the last of their pages; ``""``: nothing.
    alone : bool
        Whether the file has no other streams.
    """

    def __init__(self, source: SourceFile, links: list[Link], damage: str, *, alone: bool) -> None:
        self._source, self._links = source, links
        self._is_plain = len(links) == 1 and alone and not damage and links[0].ranges[0][0] == 0
        self._is_plain = self._is_plain and links[0].has_end
        self._infos: list[AudioInfo] = []
        for link in links:
            try:
                self._infos.append(self._announced(link))
            except AudioError:
                # What is left of a damaged link may be less than its headers.
                if not damage or link is not links[-1]:
                    raise
        self._links = links[: len(self._infos)]
        if not self._infos:
            raise AudioError(with_rest(damage, 0))
        rate = self._infos[0].sample_rate
        seconds = sum(info.seconds for info in self._infos)
        one_rate = all(info.sample_rate == rate for info in self._infos)
        frames = sum(info.frames for info in self._infos) if one_rate else round(seconds * rate)
        exact = one_rate and all(info.exact for info in self._infos)
        self.info = AudioInfo(rate, self._infos[0].channels, frames, exact)
        if damage:
            self.loss = with_rest(damage, seconds)
        self._damage = damage

    def _announced(self, link: Link) -> AudioInfo:
        """Return the info of one link; the length that its pages state is bounded by their packets."""
        if link.codec in _BY_PYAV:
            with self._pyav(link) as decoder:
                return decoder.info
        try:
            with self._opened(link) as file:
                most = max(1, link.packets) * _MOST_SAMPLES[link.codec]
                exact = 0 < file.frames <= most
                return AudioInfo(file.samplerate, file.channels, min(max(file.frames, 0), most), exact)
        except soundfile.LibsndfileError as error:
            if link.codec == "flac":  # FFmpeg writes some that libsndfile does not read
                link.codec = "flac of FFmpeg"
                return self._announced(link)
            raise AudioError(f"not decodable: {one_line(error.error_string)}") from error

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all samples as float32, in blocks of 1 to `most` frames; see `Decoder.blocks`."""
        done = 0.0
        for link, info in zip(self._links, self._infos, strict=True):
            frames, reason = 0, ""
            try:
                if link.codec in _BY_PYAV:
                    with self._pyav(link) as decoder:
                        for block in decoder.blocks(most):
                            frames += len(block.samples)
                            yield block
                        reason = decoder.loss
                else:
                    with self._opened(link) as file:
                        while len(samples := file.read(most, "float32", always_2d=True)):
                            frames += len(samples)
                            yield Block(samples, info.sample_rate)
            except soundfile.LibsndfileError as error:
                reason = f"damaged: {one_line(error.error_string)}"
            done += frames / info.sample_rate
            if not reason and info.exact and frames < info.frames:
                reason = f"damaged: the pages announce {info.seconds:.3f} s"
            if reason:
                self.loss = with_rest(reason, done)
                return
        if self._damage:
            self.loss = with_rest(self._damage, done)

    @contextmanager
    def _opened(self, link: Link) -> Iterator[soundfile.SoundFile]:
        """Open one link with libsndfile: the file itself if it is nothing but this link."""
        with self._source.open() as file:
            parts: list[Part] = [*link.ranges]
            if link.last and not link.has_end:
                # libsndfile refuses Opus whose last page is not marked and holds more than it counts.
                begin = link.ranges[-1][0]
                file.seek(link.last.begin)
                page = with_end(file.read(link.last.end - link.last.begin))
                parts[-1:] = [(begin, link.last.begin), page] if begin < link.last.begin else [page]
            with open_parts(file, None if self._is_plain else parts) as opened:
                yield opened

    def _pyav(self, link: Link) -> PyavDecoder:
        stream = Splice(self._source.open(), link.ranges).buffered
        return PyavDecoder(self._source, "a codec that libsndfile does not know", stream)

    def close(self) -> None:
        """Do nothing: `blocks` opens and closes the file."""
