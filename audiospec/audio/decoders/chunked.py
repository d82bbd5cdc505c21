"""Decode WAV, W64, AIFF, AU and CAF: by descriptor if their sizes are right, else with a corrected header."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import BinaryIO, cast

import soundfile

from audiospec.audio.decoders.aiff import aiff_samples, au_samples, caf_samples
from audiospec.audio.decoders.base import Decoder, cut, with_rest
from audiospec.audio.decoders.joined import JoinedDecoder
from audiospec.audio.decoders.riff import w64_samples, wav_samples
from audiospec.audio.decoders.sizes import SampleBytes, truncated
from audiospec.audio.decoders.sndfile import SndfileDecoder
from audiospec.audio.decoders.view import FileView
from audiospec.audio.sniff import HEAD_BYTES, container_of
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
#: Most files that were joined.
_MOST_FILES = 100_000
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


def decode_chunked(source: SourceFile, found: SampleBytes | None) -> Decoder:
    """Open a file of one of the containers in `CHUNKED` with libsndfile.

    If other files were joined to it, all are decoded, up to one that is not understood.

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
    files = _joined(source, found) if found is not None and found.following and found.frame else []
    if len(files) > 1:
        return JoinedDecoder([partial(_worded, source, part, corrected=True) for part in files])
    return _worded(source, found)


def _joined(source: SourceFile, found: SampleBytes) -> list[SampleBytes]:
    """Return the samples of a file and of those that were joined to it."""
    files = [found]
    with source.open() as file:
        while (base := files[-1].following) and len(files) < _MOST_FILES:
            part = FileView(b"", file, [(base, source.size)])
            container = container_of(part.read(HEAD_BYTES))
            part.seek(0)
            following = None
            if container in CHUNKED:
                following = _FIND[container](cast(BinaryIO, part), source.size - base)
            if following is None or following.damage or not following.frame:
                break  # the loss of the last one tells of it
            # That another file follows is no loss of this one.
            files[-1] = replace(files[-1], loss="")
            start, stop = following.start + base, following.stop + base
            behind = following.following + base if following.following else 0
            files.append(replace(following, start=start, stop=stop, following=behind))
    return files


def _worded(source: SourceFile, found: SampleBytes | None, *, corrected: bool = False) -> SndfileDecoder:
    """Open a file, with a loss in seconds."""
    decoder = _opened(source, found, corrected=corrected)
    if found is not None and found.loss and found.frame:
        # Sizes in bytes are of little use to a reader.
        rate = decoder.info.sample_rate
        there = found.frames / rate
        is_cut = found.loss.startswith("truncated")
        decoder.loss = (
            cut(found.announced / found.frame / rate, there) if is_cut else with_rest(found.loss, there)
        )
    return decoder


def _opened(source: SourceFile, found: SampleBytes | None, *, corrected: bool) -> SndfileDecoder:
    """Open a file: by descriptor if its header is right, unless `corrected`; else with a corrected header."""
    if found is None:
        decoder = SndfileDecoder(source)
        if missing := decoder.bytes_missing:
            decoder.loss = truncated(*missing)
        return decoder
    size = found.stop - found.start
    if not corrected:
        try:
            decoder = SndfileDecoder(source, loss=found.loss)
        except soundfile.LibsndfileError:
            if not size:
                raise
        else:
            right = size == found.announced or bool(found.loss)
            if decoder.info.frames == found.frames if found.frame else right:
                return decoder
            decoder.close()

    def view(file: BinaryIO) -> FileView:
        return FileView(found.head(size), file, [(found.start, found.stop)])

    return SndfileDecoder(source, view, loss=found.loss)
