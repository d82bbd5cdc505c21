"""Decode with PyAV what libsndfile cannot: m4a, wma, raw AAC and AC-3, and the sound of videos."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from audiospec.audio.decoders.base import Block, Decoder, with_rest
from audiospec.audio.decoders.claims import check_claims
from audiospec.audio.decoders.sndfile import one_line
from audiospec.audio.info import AudioInfo
from audiospec.audio.source import SourceFile
from audiospec.errors import AudioError

if TYPE_CHECKING:
    from types import ModuleType

#: FFmpeg's readers that may be used: those of containers that hold their own samples. None of them opens
#: another file, as those of playlists do; none takes any text or picture for sound.
_READERS = (
    "aac,ac3,eac3,ac4,adx,aea,aiff,amr,amrnb,amrwb,ape,apc,asf,ast,au,avi,avr,bonk,brstm,caf,dsf,dss,dts,"
    "dtshd,flac,flv,iff,ircam,loas,matroska,webm,mlp,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,"
    "nistsphere,nut,ogg,oma,osq,qcp,rm,rso,shn,sox,svs,tak,truehd,tta,voc,vqf,w64,wav,wavarc,wsd,wtv,wv,xwma"
)
#: Readers whose header counts the samples of the stream of sound; others estimate the length.
_COUNTED = {"aiff", "ape", "au", "caf", "dsf", "mov", "mpc", "mpc8", "nistsphere", "tak", "tta", "w64", "wv"}
#: Readers whose header states the length of the whole; that of the sound, if nothing else is in the file.
_STATED = {"matroska", "asf", "avi", "flv", "wav"}
#: Most samples that a byte of any codec holds in each channel: silence in AAC takes six bytes a frame.
_MOST_SAMPLES = 1024
#: Samples put together to a block: frames of codecs are short.
_BLOCK_FRAMES = 1 << 16


def _pyav(reason: str) -> ModuleType:
    try:
        import av
    except ImportError:
        raise AudioError(
            f"not decodable: {reason or 'this format needs PyAV'}",
            "for m4a, wma or video, run `pip install 'audiospec[av]'`",
        ) from None
    return av


class PyavDecoder(Decoder):
    """Decodes the first stream of sound of a container.

    Parameters
    ----------
    source : SourceFile
        The file.
    reason : str
        Why libsndfile does not read it.
    stream : BinaryIO or None
        Parts of the file to be read instead of all of it; it is closed with the decoder.
    reader : str or None
        FFmpeg's name of the reader to use; None: the one that knows the first bytes.

    Attributes
    ----------
    reader : str
        FFmpeg's name of the reader that is used.
    """

    def __init__(
        self, source: SourceFile, reason: str, stream: BinaryIO | None = None, reader: str | None = None
    ) -> None:
        self._reason, self._asked = reason, reader
        self._av = _pyav(reason)
        if stream is None:
            with source.open() as file:
                self.loss = check_claims(file, source.size)
        self._file: BinaryIO = stream or source.open()
        self._claimed = bool(self.loss)
        self._container: Any = None
        try:
            self._open()
            self.info = self._announced(source.size)
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Open the container and choose its stream; AudioError if FFmpeg refuses it."""
        av = self._av
        options = {"format_whitelist": _READERS, "protocol_whitelist": ""}
        # Tags are not used, so they need not be UTF-8. PyAV accepts any bytes in them from version 19 on.
        tags = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}
        try:
            # From an open file, never by name: a name may be taken for an address, or for a pattern.
            self._container = av.open(self._file, "r", format=self._asked, options=options, **tags)
            self.reader = str(self._container.format.name)
            if not self._container.streams.audio:
                missing = AudioError("no audio: the file has no stream of sound")
                raise self._refused("") if self._claimed else missing
            self._stream = self._container.streams.audio[0]
            if self._stream.codec_context is None:
                raise self._refused("unknown codec")
            # Checksums of frames are checked, and a frame that fails is an error instead of silence.
            self._stream.codec_context.options = {"err_detect": "crccheck+explode"}
            self._stream.codec_context.thread_count = 1
            if not self._stream.rate or not self._stream.channels:
                raise self._refused("no sample rate or no channels")
        except AudioError:  # a ValueError too
            raise
        except av.error.ArgumentError as failure:
            raise self._refused("no container that holds its own sound") from failure
        except (av.error.FFmpegError, ValueError, OSError) as failure:  # OSError: a place before the file
            raise self._refused(_detail(failure)) from failure

    def _refused(self, detail: str) -> AudioError:
        if self._claimed:  # the reason is known better
            return AudioError(with_rest(self.loss, 0))
        known = f"{self._reason} (libsndfile); " if self._reason else ""
        return AudioError(f"not decodable: {known}{detail} (FFmpeg)")

    def _announced(self, size: int) -> AudioInfo:
        """Return the info of the stream; its length is an estimate, bounded by the size of the file."""
        rate = int(self._stream.rate)
        seconds = self._seconds()
        if not seconds:  # nothing states it: only decoding gives the length
            frames = sum(len(block.samples) for block in self.blocks(1 << 20))
            self._container.close()
            self._file.seek(0)
            self._open()
        else:
            frames = round(seconds * rate)
        return AudioInfo(
            rate, int(self._stream.channels), max(1, min(frames, size * _MOST_SAMPLES)), exact=False
        )

    def _seconds(self) -> float:
        """Return the length that the header states or FFmpeg estimates; 0 if neither does."""
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        return float((self._container.duration or 0) / 1e6)

    def _states(self) -> float:
        """Return the seconds that the header promises for the stream of sound alone; 0 if it does not."""
        names = set(self.reader.split(","))
        if names & _COUNTED and self._stream.duration is not None:
            return self._seconds()
        alone = len(self._container.streams) == 1
        return self._seconds() if alone and names & _STATED else 0.0

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all samples as float32, in blocks of 1 to `most` frames; see `Decoder.blocks`."""
        seconds, reason = 0.0, ""
        held: list[Any] = []
        held_rate = 0
        decoded = self._decoded()
        while True:
            try:
                samples, rate = next(decoded)
            except StopIteration as end:
                reason = end.value
                break
            shape_differs = held and (rate != held_rate or samples.shape[1] != held[0].shape[1])
            if shape_differs or sum(map(len, held)) >= min(most, _BLOCK_FRAMES):
                yield from _pieces(held, held_rate, most)
                held = []
            held_rate = rate
            held.append(samples)
            seconds += len(samples) / rate
        if held:
            yield from _pieces(held, held_rate, most)
        stated = self._states()
        # A codec's delay, and the last frame, make the stated length slightly uncertain.
        if self._claimed:
            reason = self.loss
        elif not reason and seconds < stated - max(0.1, 0.02 * stated):
            reason = f"truncated: the header announces {stated:.3f} s"
        if reason:
            self.loss = with_rest(reason, seconds)

    def _decoded(self) -> Generator[tuple[Any, int], None, str]:
        """Yield the samples (n, channels) float32 and rate of each frame; return why it ended too early."""
        av = self._av
        convert: Any = None
        shape: tuple[str, str, int] | None = None
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt and packet.size:
                    return "damaged: a packet is corrupt or cut"
                for frame in packet.decode():
                    if frame.is_corrupt:
                        return "damaged: a frame cannot be decoded"
                    if shape != (frame.format.name, frame.layout.name, frame.sample_rate):
                        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
                        # Interleaved channels, because PyAV crashes on more than eight planes.
                        convert = av.AudioResampler(format="flt")
                    for part in convert.resample(frame):
                        samples = part.to_ndarray().reshape(-1, part.layout.nb_channels)
                        if len(samples):
                            yield samples, int(part.sample_rate)
        except (av.error.FFmpegError, ValueError, OSError) as failure:
            return f"damaged: {_detail(failure)}"
        return ""

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
        self._file.close()


def _pieces(parts: list[Any], rate: int, most: int) -> Iterator[Block]:
    samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
    for first in range(0, len(samples), most):
        yield Block(samples[first : first + most], rate)


def _detail(failure: Exception) -> str:
    return one_line(getattr(failure, "strerror", None) or str(failure))
