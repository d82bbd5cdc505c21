"""Decode with PyAV what libsndfile cannot: m4a, wma, and the sound of videos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundfile

from audiospec.audio.info import AudioInfo
from audiospec.audio.sndfile import one_line
from audiospec.audio.waves import Wave, mix_to_mono
from audiospec.errors import AudioError

if TYPE_CHECKING:
    from types import ModuleType


#: libsndfile's error for a file of a format that it knows, damaged (SF_ERR_MALFORMED_FILE).
_MALFORMED = 3
#: FFmpeg's formats whose header holds the length; of others it is a guess.
_MEASURED = {"mov", "matroska", "asf"}


def _pyav(error: soundfile.LibsndfileError) -> ModuleType:
    """PyAV, or an AudioError with libsndfile's reason if it is not installed or of no use."""
    reason = one_line(error.error_string)
    # FFmpeg would decode the part of such a file that is whole, as if it were all.
    if error.code == _MALFORMED:
        raise AudioError(f"not decodable: {reason}") from error
    try:
        import av
    except ImportError:
        raise AudioError(
            f"not decodable: {reason}; if it is m4a, wma or video: pip install 'audiospec[av]'"
        ) from None
    return av


@contextmanager
def _opened_with_pyav(path: Path, error: soundfile.LibsndfileError) -> Iterator[tuple[Any, Any]]:
    """PyAV's container and its first audio stream; AudioError for whatever FFmpeg does not like."""
    av = _pyav(error)
    reason = one_line(error.error_string)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError("no audio: the file has no audio stream")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise AudioError(f"not decodable: {reason}; FFmpeg knows no such codec")
            if not stream.rate or not stream.channels:
                raise AudioError(f"not decodable: {reason}; FFmpeg finds no sample rate or no channel")
            yield container, stream
    except (av.error.FFmpegError, ValueError) as problem:
        if isinstance(problem, AudioError):
            raise
        found = getattr(problem, "strerror", None) or str(problem)
        raise AudioError(f"not decodable: {reason} (libsndfile); {one_line(found)} (FFmpeg)") from problem


def probe_with_pyav(path: Path, error: soundfile.LibsndfileError) -> AudioInfo:
    """Length, sample rate and channels of a file that libsndfile refused with `error`."""
    with _opened_with_pyav(path, error) as (container, stream):
        if stream.duration is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1e6
        else:  # a raw stream: only decoding tells
            seconds = sum(frame.samples for frame in container.decode(stream)) / stream.rate
        frames = max(1, round(seconds * stream.rate))
        return AudioInfo(int(stream.rate), int(stream.channels), frames, exact=False)


def blocks_with_pyav(path: Path, error: soundfile.LibsndfileError) -> Iterator[AudioInfo | Wave]:
    """What the header says, then mono blocks, of a file that libsndfile refused with `error`."""
    info = probe_with_pyav(path, error)
    yield info
    with _opened_with_pyav(path, error) as (container, stream):
        import av

        # Channels interleaved: PyAV crashes on more than eight planes.
        to_float = av.AudioResampler(format="flt")
        frames = 0
        for frame in container.decode(stream):
            for part in to_float.resample(frame):
                frames += part.samples
                yield mix_to_mono(part.to_ndarray().reshape(-1, part.layout.nb_channels))
        measured = _MEASURED & set(container.format.name.split(","))
        # A codec's delay makes the announced length a little uncertain; a picture may outlast the sound.
        if measured and len(container.streams) == 1 and frames < 0.9 * info.frames:
            raise AudioError(
                f"truncated: its header announces {info.seconds:.3f} s, "
                f"{frames / info.sample_rate:.3f} s could be decoded"
            )
