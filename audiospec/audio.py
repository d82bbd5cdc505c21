"""Audio in: probe, decode, mix to mono, resample; as a stream, so that memory never grows with a file.

libsndfile (through soundfile) reads WAV, AU, AIFF, FLAC, Ogg Vorbis, Opus and MP3. PyAV, an extra, reads
the rest (m4a, wma, video). soxr resamples at its high quality.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr
import xxhash
from numpy.typing import NDArray

from audiospec.errors import AudioError

if TYPE_CHECKING:
    from types import ModuleType

Wave = NDArray[np.float32]

#: Frames decoded at a time: 24 s at 44.1 kHz, 4 MiB a channel.
BLOCK_FRAMES = 1 << 20
#: Files up to this many bytes are read once, then hashed and decoded from memory.
WHOLE_FILE_BYTES = 64 << 20
#: Formats of libsndfile whose header may only estimate the length.
_ESTIMATED = {"MP3", "MPEG"}
#: How libsndfile's log says that fewer bytes of samples follow than the header announces.
_CUT = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file's header says.

    Attributes
    ----------
    sample_rate : int
        Hz.
    channels : int
    frames : int
        Samples in each channel.
    exact : bool
        Whether `frames` is a count; else it is an estimate, and only decoding tells.
    """

    sample_rate: int
    channels: int
    frames: int
    exact: bool = True

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate

    def samples(self, sample_rate: int) -> int:
        """Length in samples once it is resampled to `sample_rate` (Hz), to the nearest sample."""
        return (self.frames * sample_rate + self.sample_rate // 2) // self.sample_rate


def probe(path: Path) -> AudioInfo:
    """Read a file's header.

    Parameters
    ----------
    path : Path
        An audio file.

    Raises
    ------
    AudioError
        The reason why there is nothing to decode: missing, empty, no samples, not audio.
    """
    try:
        if path.stat().st_size == 0:
            raise AudioError("empty: the file has 0 bytes")
    except OSError as error:
        raise AudioError(f"not readable: {error.strerror}") from error
    try:
        with _quiet(), soundfile.SoundFile(str(path)) as file:
            info = _header(file, path)
    except soundfile.LibsndfileError as error:
        info = _probe_with_pyav(path, error.error_string)
    if info.frames == 0:
        raise AudioError("no audio: the file has 0 samples")
    return info


class Recording:
    """One audio file, opened for a single pass: its content hash, and its samples as a stream.

    Parameters
    ----------
    path : Path
        An audio file.

    Attributes
    ----------
    hash : str
        XXH3-128 of the file's bytes, 32 hexadecimal digits. A small file is read once, for this and for
        decoding.

    Raises
    ------
    AudioError
        The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes: bytes | None = None
        try:
            if path.stat().st_size <= WHOLE_FILE_BYTES:
                self._bytes = path.read_bytes()
                self.hash = xxhash.xxh3_128_hexdigest(self._bytes)
            else:
                self.hash = content_hash(path)
        except OSError as error:
            raise AudioError(f"not readable: {error.strerror}") from error

    def waves(self, sample_rate: int) -> Iterator[Wave]:
        """Decode, mix to mono (the mean of the channels) and resample.

        Parameters
        ----------
        sample_rate : int
            Hz of what is yielded.

        Yields
        ------
        ndarray, shape (n,), float32
            Consecutive blocks, full scale at ±1.

        Raises
        ------
        AudioError
            The reason why the file is no sound: damaged, truncated, not finite, silent, no samples.
        """
        blocks = self._blocks()
        info = next(blocks)
        assert isinstance(info, AudioInfo)
        resampler = None
        if info.sample_rate != sample_rate:
            resampler = soxr.ResampleStream(
                info.sample_rate, sample_rate, 1, dtype="float32", quality="HQ"
            )
        frames, silent, finite = 0, True, True
        for block in blocks:
            assert not isinstance(block, AudioInfo)
            if finite and not np.isfinite(block.dot(block)):  # one pass; exact positions only if it fails
                finite = bool(np.isfinite(block).all())
                if not finite:
                    at = (frames + int(np.flatnonzero(~np.isfinite(block))[0])) / info.sample_rate
                    raise AudioError(f"not finite: NaN or infinity at {at:.3f} s")
            silent = silent and not block.any()
            frames += len(block)
            yield block if resampler is None else resampler.resample_chunk(block)
        if frames == 0:
            raise AudioError("no audio: the file has 0 samples")
        if info.exact and frames < info.frames:
            raise AudioError(
                f"truncated: its header announces {info.seconds:.3f} s, "
                f"{frames / info.sample_rate:.3f} s could be decoded"
            )
        if silent:
            raise AudioError(f"silent: all {frames} samples are zero")
        self.info = AudioInfo(info.sample_rate, info.channels, frames)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)

    def _blocks(self) -> Iterator[AudioInfo | Wave]:
        """First what the header says, then mono float32 blocks at the file's own rate."""
        source = str(self.path) if self._bytes is None else io.BytesIO(self._bytes)
        try:
            file = soundfile.SoundFile(source)
        except soundfile.LibsndfileError as error:
            yield from _blocks_with_pyav(self.path, error.error_string)
            return
        with file:
            yield _header(file, self.path)
            # libsndfile takes eight times as long to convert 16-bit samples to float.
            dtype = "int16" if file.subtype == "PCM_16" else "float32"
            frames = 0
            try:
                while len(block := file.read(BLOCK_FRAMES, dtype=dtype, always_2d=True)):
                    frames += len(block)
                    yield _mono(block)
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"damaged: {_sentence(error.error_string)}, past sample {frames} of {file.frames}"
                ) from error


def _header(file: soundfile.SoundFile, path: Path) -> AudioInfo:
    """What libsndfile says of an open file; AudioError if its own log tells that the end is missing."""
    cut = _CUT.search(file.extra_info)
    if cut:
        announced, held = (int(number) for number in cut.groups())
        # A writer that did not know the length (a pipe) announces the largest number.
        if held < announced < 0x7FFFFF00:
            raise AudioError(
                f"truncated: its header announces {announced} bytes of samples, it holds {held}"
            )
    if "lacks an end-of-stream bit" in file.extra_info:
        raise AudioError("truncated: the Ogg stream has no end")
    counted = file.format not in _ESTIMATED or _is_counted_mp3(path)
    return AudioInfo(file.samplerate, file.channels, file.frames, counted)


def _is_counted_mp3(path: Path) -> bool:
    """Whether an MP3 file's first frame carries a count of its frames (a Xing, Info or VBRI tag)."""
    with path.open("rb") as file:
        head = file.read(10)
        # An ID3 tag may come first; its length is four groups of seven bits.
        skip = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
        file.seek(skip if head[:3] == b"ID3" else 0)
        first = file.read(1024)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the MP3 decoder's own notes off the terminal: what is wrong with a file is our message."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def content_hash(path: Path) -> str:
    """XXH3-128 of a file's bytes (32 hexadecimal digits), read as a stream.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        # file_digest accepts any object with update(); xxhash's has one.
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def load(path: Path | str, sample_rate: int = 22050) -> Wave:
    """Decode a whole file to mono.

    Parameters
    ----------
    path : path
        An audio file.
    sample_rate : int
        Hz of the result.

    Returns
    -------
    ndarray, shape (samples,), float32
        Full scale at ±1.

    Raises
    ------
    AudioError
        See `probe` and `Recording.waves`.
    """
    path = Path(path)
    probe(path)
    recording = Recording(path)
    wave = np.concatenate(list(recording.waves(sample_rate)))
    return fit(wave, recording.info.samples(sample_rate))


def fit(wave: Wave, samples: int) -> Wave:
    """Cut `wave` (n,), or pad its end with zeros, to exactly `samples` samples."""
    if len(wave) >= samples:
        return wave[:samples]
    return np.concatenate([wave, np.zeros(samples - len(wave), np.float32)])


def _mono(block: NDArray[Any]) -> Wave:
    """The mean of a block's channels: (n, channels) int16 or float32 → (n,) float32."""
    if block.shape[1] > 1:
        wave = block.mean(axis=1, dtype=np.float32)
    else:
        wave = block[:, 0].astype(np.float32, copy=False)
    if block.dtype == np.int16:
        wave *= np.float32(1 / 32768)
    return wave


def _pyav(path: Path, reason: str) -> ModuleType:
    """PyAV, or an AudioError with libsndfile's reason if it is not installed."""
    try:
        import av
    except ImportError:
        raise AudioError(
            f"not decodable: {_sentence(reason)}; if it is m4a, wma or video: pip install 'audiospec[av]'"
        ) from None
    return av


@contextmanager
def _opened_with_pyav(path: Path, reason: str) -> Iterator[tuple[Any, Any]]:
    """PyAV's container and its first audio stream; AudioError for whatever FFmpeg does not like."""
    av = _pyav(path, reason)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError("no audio: the file has no audio stream")
            yield container, container.streams.audio[0]
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(
            f"not decodable: {_sentence(reason)} (libsndfile); {_sentence(error.strerror or str(error))} (FFmpeg)"
        ) from error


def _probe_with_pyav(path: Path, reason: str) -> AudioInfo:
    with _opened_with_pyav(path, reason) as (container, stream):
        rate = stream.rate
        if not rate:
            raise AudioError(f"not decodable: {_sentence(reason)}; FFmpeg finds no sample rate")
        if stream.duration is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1e6
        else:  # a raw stream: only decoding tells
            seconds = sum(frame.samples for frame in container.decode(stream)) / rate
        return AudioInfo(int(rate), int(stream.channels), max(1, round(seconds * rate)), exact=False)


def _blocks_with_pyav(path: Path, reason: str) -> Iterator[AudioInfo | Wave]:
    yield _probe_with_pyav(path, reason)
    with _opened_with_pyav(path, reason) as (container, stream):
        import av

        to_float = av.AudioResampler(format="fltp")
        for frame in container.decode(stream):
            for part in to_float.resample(frame):
                yield _mono(part.to_ndarray().T)


def _sentence(text: str) -> str:
    """A library's message as a part of ours: one line, no full stop, no name of a path."""
    return " ".join(text.split()).rstrip(".").strip() or "unknown format"
