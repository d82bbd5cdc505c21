"""Decode WAV, W64, AIFF, AU and CAF: by descriptor if their sizes are right, else with a corrected header."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import soundfile

from audiospec.audio.decoders.aiff import aiff_samples, au_samples, caf_samples
from audiospec.audio.decoders.base import cut, with_rest
from audiospec.audio.decoders.riff import w64_samples, wav_samples
from audiospec.audio.decoders.sizes import SampleBytes, truncated
from audiospec.audio.decoders.sndfile import SndfileDecoder
from audiospec.audio.decoders.view import FileView
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError

#: Container → function that finds its samples.
_FIND: dict[str, Callable[[BinaryIO, int], SampleBytes | None]] = {
    "wav": wav_samples,
    "w64": w64_samples,
    "aiff": aiff_samples,
    "au": au_samples,
    "caf": caf_samples,
}
#: Containers whose headers are checked here.
CHUNKED = frozenset(_FIND)


def find_samples(source: SourceFile, container: str) -> SampleBytes | None:
    """Return where the samples of a file are; None if its header is not understood.

    Raises
    ------
    AudioError
        The file cannot be read, or its header contradicts itself.
    """
    with source.open() as file:
        found = _FIND[container](file, source.size)
    if found is not None and found.damage:
        raise AudioError(found.damage)
    return found


def decode_chunked(source: SourceFile, found: SampleBytes | None) -> SndfileDecoder:
    """Open a file of one of the containers in `CHUNKED` with libsndfile.

    Parameters
    ----------
    source : SourceFile
    found : SampleBytes or None
        From `find_samples`.

    Raises
    ------
    AudioError
        The file cannot be read.
    soundfile.LibsndfileError
        libsndfile does not read this encoding.
    """
    decoder = _opened(source, found)
    if found is not None and found.loss and found.frame:
        # Sizes in bytes are of little use to a reader.
        rate = decoder.info.sample_rate
        there = found.frames / rate
        is_cut = found.loss.startswith("truncated")
        decoder.loss = (
            cut(found.announced / found.frame / rate, there) if is_cut else with_rest(found.loss, there)
        )
    return decoder


def _opened(source: SourceFile, found: SampleBytes | None) -> SndfileDecoder:
    if found is None:
        decoder = SndfileDecoder(source)
        if missing := decoder.bytes_missing:
            decoder.loss = truncated(*missing)
        return decoder
    size = found.stop - found.start
    right = size == found.announced
    try:
        decoder = SndfileDecoder(source, loss=found.loss)
    except soundfile.LibsndfileError:
        if not size:
            raise
    else:
        if decoder.info.frames == found.frames if found.frame else right or bool(found.loss):
            return decoder
        decoder.close()

    def corrected(file: BinaryIO) -> FileView:
        return FileView(found.head(size), file, [(found.start, found.stop)])

    return SndfileDecoder(source, corrected, loss=found.loss)
