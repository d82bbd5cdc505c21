"""Decode with PyAV what libsndfile cannot: m4a, wma, and the audio of videos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from audiospec.audio.decoders.sndfile import one_line
from audiospec.audio.info import AudioInfo
from audiospec.audio.waves import Wave
from audiospec.errors import AudioError

if TYPE_CHECKING:
    from types import ModuleType


#: libsndfile's error code for a damaged file of a format that it knows (SF_ERR_MALFORMED_FILE).
_MALFORMED = 3
#: Formats of FFmpeg whose header states the length; for others, FFmpeg estimates it.
_LENGTH_FORMATS = {"mov", "matroska", "asf"}


def _pyav(error: soundfile.LibsndfileError) -> ModuleType:
    """Import PyAV; AudioError with libsndfile's reason if PyAV is not installed or must not be used."""
    reason = one_line(error.error_string)
    # FFmpeg would decode the intact part of such a file as if that were all of it.
    if error.code == _MALFORMED:
        raise AudioError(f"not decodable: {reason}") from error
    try:
        import av
    except ImportError:
        raise AudioError(
            f"not decodable: {reason}", "for m4a, wma or video, run `pip install 'audiospec[av]'`"
        ) from None
    return av


@contextmanager
def _opened_with_pyav(path: Path, error: soundfile.LibsndfileError) -> Iterator[tuple[Any, Any]]:
    """Open a file with PyAV: its container and first audio stream; AudioError if FFmpeg refuses it."""
    av = _pyav(error)
    reason = one_line(error.error_string)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError("no audio: the file has no audio stream")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise AudioError(f"not decodable: {reason} (libsndfile); unknown codec (FFmpeg)")
            if not stream.rate or not stream.channels:
                raise AudioError(
                    f"not decodable: {reason} (libsndfile); no sample rate or no channels (FFmpeg)"
                )
            yield container, stream
    except AudioError:  # a ValueError too
        raise
    except (av.error.FFmpegError, ValueError) as failure:
        detail = one_line(getattr(failure, "strerror", None) or str(failure))
        raise AudioError(f"not decodable: {reason} (libsndfile); {detail} (FFmpeg)") from failure


def probe_with_pyav(path: Path, error: soundfile.LibsndfileError) -> AudioInfo:
    """Return length, sample rate and channels of a file that libsndfile refused with `error`."""
    with _opened_with_pyav(path, error) as (container, stream):
        if stream.duration is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1e6
        else:  # a raw stream: only decoding gives the length
            seconds = sum(frame.samples for frame in container.decode(stream)) / stream.rate
        frames = max(1, round(seconds * stream.rate))
        return AudioInfo(int(stream.rate), int(stream.channels), frames, exact=False)


def blocks_with_pyav(path: Path, error: soundfile.LibsndfileError) -> Iterator[AudioInfo | Wave]:
    """Yield the info, then mono blocks (n,) float32, of a file that libsndfile refused with `error`."""
    info = probe_with_pyav(path, error)
    yield info
    with _opened_with_pyav(path, error) as (container, stream):
        import av

        # Interleaved channels, because PyAV crashes on more than eight planes.
        to_float = av.AudioResampler(format="flt")
        frames = 0
        for frame in container.decode(stream):
            for part in to_float.resample(frame):
                frames += part.samples
                yield part.to_ndarray().reshape(-1, part.layout.nb_channels).astype(np.float32)
        states_length = _LENGTH_FORMATS & set(container.format.name.split(","))
        # The codec's delay makes the stated length slightly uncertain, and video may outlast the audio.
        if states_length and len(container.streams) == 1 and frames < 0.9 * info.frames:
            raise AudioError(
                f"truncated: the header announces {info.seconds:.3f} s, "
                f"{frames / info.sample_rate:.3f} s could be decoded"
            )
