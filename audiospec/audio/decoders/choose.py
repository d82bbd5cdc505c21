"""Choose the decoder of a file, by its content."""

from __future__ import annotations

import soundfile

from audiospec.audio.decoders.base import Decoder
from audiospec.audio.decoders.chunked import CHUNKED, decode_chunked, find_samples
from audiospec.audio.decoders.flac import decode_flac
from audiospec.audio.decoders.mp3 import decode_mp3
from audiospec.audio.decoders.ogg import decode_ogg
from audiospec.audio.decoders.raw import decode_with_pyav
from audiospec.audio.decoders.sizes import truncated
from audiospec.audio.decoders.sndfile import SndfileDecoder, one_line
from audiospec.audio.decoders.sphere import decode_sphere
from audiospec.audio.decoders.voc import decode_voc
from audiospec.audio.sniff import HEAD_BYTES, container_of
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError


def open_decoder(source: SourceFile) -> Decoder:
    """Open a file with the decoder for its content, whatever its name is.

    Raises
    ------
    AudioError
        The file cannot be read, or no decoder knows its content.
    """
    container, start = _content(source)
    found = find_samples(source, container) if container in CHUNKED else None
    try:
        if container in CHUNKED:
            return decode_chunked(source, found)
        if container == "flac":
            return decode_flac(source, start)
        if container == "mp3":
            return decode_mp3(source)
        if container == "ogg":
            return decode_ogg(source)
        if container == "voc" and (voc := decode_voc(source)) is not None:
            return voc
        if container == "sphere":
            return decode_sphere(source)
        return _other(source)
    except soundfile.LibsndfileError as error:
        # Of a file whose header makes no sense, FFmpeg would decode any part as if it were all.
        if container in CHUNKED and found is None:
            raise AudioError(f"not decodable: {one_line(error.error_string)}") from error
        decoder = decode_with_pyav(source, one_line(error.error_string))
        if found is not None and found.loss:
            decoder.loss = found.loss
        return decoder


def _other(source: SourceFile) -> SndfileDecoder:
    """Open a file of a rare format with libsndfile."""
    decoder = SndfileDecoder(source)
    if missing := decoder.bytes_missing:
        decoder.loss = truncated(*missing)
    return decoder


def _content(source: SourceFile) -> tuple[str, int]:
    """Return the container of a file, and where it begins: a FLAC file may begin with ID3 tags."""
    with source.open() as file:
        head = file.read(HEAD_BYTES)
        start, behind = 0, head
        while behind.startswith(b"ID3") and len(behind) >= 10:
            # The tag's length is four groups of seven bits; a footer repeats its ten bytes.
            length = sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(behind[6:10]))
            start += 10 + length + (10 if behind[5] & 16 else 0)
            file.seek(start)
            behind = file.read(HEAD_BYTES)
    if start and container_of(behind) == "flac":
        return "flac", start
    return container_of(head), 0
