"""Decode NIST SPHERE: libsndfile takes all bytes behind the header, however many that announces.

Source: NIST's description of SPHERE headers: lines of a name, a type and a value, up to ``end_head``.
"""

from __future__ import annotations

import re

from audiospec.audio.decoders.base import cut
from audiospec.audio.decoders.sndfile import SndfileDecoder
from audiospec.audio.source import SourceFile

#: Bytes of a header.
_HEADER = 1024
_COUNT = re.compile(rb"^sample_count\s+-i\s+(\d{1,15})\s*$", re.MULTILINE)


def decode_sphere(source: SourceFile) -> SndfileDecoder:
    """Open a SPHERE file.

    Raises
    ------
    AudioError
        The file cannot be read.
    soundfile.LibsndfileError
        libsndfile does not read it: it is compressed.
    """
    with source.open() as file:
        count = _COUNT.search(file.read(_HEADER).partition(b"end_head")[0])
    decoder = SndfileDecoder(source)
    info, announced = decoder.info, int(count[1]) if count else 0
    if info.frames < announced - 1:
        decoder.loss = cut(announced / info.sample_rate, info.seconds)
    return decoder
