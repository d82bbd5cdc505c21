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
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import soundfile
import soxr
import xxhash
from numpy.typing import NDArray

from audiospec.errors import AudioError

if TYPE_CHECKING:
    from types import ModuleType

Wave = NDArray[np.float32]

#: Frames decoded at a time, at most: 24 s at 44.1 kHz, 4 MiB a channel.
BLOCK_FRAMES = 1 << 20
#: Samples beyond this are no sound; spectra of them would exceed what float32 can hold.
LOUDEST = 1e9
#: Formats of libsndfile whose header may only estimate the length.
_ESTIMATED = {"MP3", "MPEG"}
#: How libsndfile's log says that fewer bytes follow than the header announces: WAV, AIFF, AU; W64; RF64.
_CUT = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
#: libsndfile's error for a file of a format that it knows, damaged (SF_ERR_MALFORMED_FILE).
_MALFORMED = 3
#: FFmpeg's formats whose header holds the length; of others it is a guess.
_MEASURED = {"mov", "matroska", "asf"}
#: Held while the process's standard error is redirected.
_QUIET = threading.Lock()


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

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> AudioInfo:
        """What a record of a track table says; it keeps the length in seconds."""
        frames = round(float(record["seconds"]) * int(record["sample_rate"]))
        return cls(int(record["sample_rate"]), int(record["channels"]), frames)

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
        # By number: a name's suffix tells libsndfile that any bytes are sound (.au, .snd, .gsm, .vox).
        with path.open("rb") as raw, _sound_file(raw.fileno()) as file:
            info = _header(file, path)
    except OSError as error:
        raise AudioError(f"not readable: {error.strerror}") from error
    except soundfile.LibsndfileError as error:
        info = _probe_with_pyav(path, error)
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
        XXH3-128 of the file's bytes, 32 hexadecimal digits.
    info : AudioInfo or None
        What was decoded; None until the last block is.

    Raises
    ------
    AudioError
        The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.info: AudioInfo | None = None
        try:
            status = os.stat(path)
            self._hashed = _version(status)
            # Nothing that is empty is opened: a pipe would wait for somebody to write.
            self.hash = content_hash(path) if status.st_size else xxhash.xxh3_128_hexdigest(b"")
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
            The reason why the file is no sound: damaged, truncated, not finite, out of range, silent, no
            samples.
        """
        for (wave,) in self.streams([sample_rate]):
            yield wave

    def streams(self, sample_rates: Sequence[int]) -> Iterator[tuple[Wave, ...]]:
        """As `waves`, but at several rates at once: the file is decoded once for all of them.

        Parameters
        ----------
        sample_rates : sequence of int
            Hz.

        Yields
        ------
        tuple of ndarray, each of shape (n,), float32
            For each rate its next block; their lengths differ, and may be 0.
        """
        blocks = self._blocks(max(sample_rates))
        info = next(blocks)
        assert isinstance(info, AudioInfo)
        resamplers = [
            soxr.ResampleStream(info.sample_rate, rate, 1, dtype="float32", quality="HQ")
            if rate != info.sample_rate
            else None
            for rate in sample_rates
        ]
        frames, silent = 0, True
        for block in blocks:
            assert not isinstance(block, AudioInfo)
            with np.errstate(over="ignore", invalid="ignore"):
                fine = block.dot(block) <= LOUDEST**2  # one pass; which sample it is only if it fails
            if not fine:
                finite = np.isfinite(block)
                if not finite.all():
                    at = (frames + int(np.flatnonzero(~finite)[0])) / info.sample_rate
                    raise AudioError(f"not finite: NaN or infinity at {at:.3f} s")
                peak = np.abs(block).max()
                if peak > LOUDEST:
                    raise AudioError(f"out of range: samples reach {peak:.1g}, full scale is 1")
            silent = silent and not block.any()
            frames += len(block)
            yield tuple(block if r is None else r.resample_chunk(block) for r in resamplers)
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
        end = np.zeros(0, np.float32)
        yield tuple(end if r is None else r.resample_chunk(end, last=True) for r in resamplers)

    def _blocks(self, sample_rate: int) -> Iterator[AudioInfo | Wave]:
        """First what the header says, then mono float32 blocks at the file's own rate."""
        if self._hashed.size == 0:
            raise AudioError("empty: the file has 0 bytes")
        with ExitStack() as stack:
            try:
                # By its number: libsndfile reads small pieces, each of which a Python object would answer.
                raw = stack.enter_context(self.path.open("rb"))
                if _version(os.fstat(raw.fileno())) != self._hashed:
                    raise AudioError("changed while it was read: featurize again when it is at rest")
                file = stack.enter_context(_sound_file(raw.fileno()))
                info = _header(file, self.path)
                if file.subtype == "MPEG_LAYER_III" and not info.exact:
                    counted = _Counted.of(raw)
                    file = stack.enter_context(_sound_file(counted)) if counted else file
            except OSError as error:
                raise AudioError(f"not readable: {error.strerror}") from error
            except soundfile.LibsndfileError as error:
                yield from _blocks_with_pyav(self.path, error)
                return
            yield info
            # Many channels, or a low rate that is to be raised, must not make a block large.
            count = max(1, BLOCK_FRAMES // max(1, file.channels // 8, sample_rate // file.samplerate))
            # libsndfile takes eight times as long to convert 16-bit samples to float.
            dtype = "int16" if file.subtype == "PCM_16" else "float32"
            chatty = file.format in _ESTIMATED
            frames = 0
            try:
                while True:
                    with _quiet() if chatty else nullcontext():
                        block = file.read(count, dtype=dtype, always_2d=True)
                    if not len(block):
                        break
                    frames += len(block)
                    yield _mono(block)
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"damaged: {_sentence(error.error_string)}, past sample {frames} of {info.frames}"
                ) from error


class _Counted(io.RawIOBase):
    """An MP3 stream that does not count its frames, behind a frame that counts more than there can be.

    Libsndfile stops at the length that it announces. Without a count that is a guess from the bitrate of the
    first frame; where the bitrate varies, less than half of the sound may be read.
    """

    def __init__(self, head: bytes, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._head, self._file, self._start, self._at = head, file, start, 0
        self._size = len(head) + file.seek(0, os.SEEK_END) - start

    @classmethod
    def of(cls, file: BinaryIO) -> _Counted | None:
        """Put the frame before a file's first; None if that is not where it should be."""
        start = _mp3_start(file)
        file.seek(start)
        first = file.read(4)
        if len(first) < 4 or first[0] != 0xFF or first[1] & 0xE6 != 0xE2 or first[2] & 0x0C == 0x0C:
            return None
        version, mono = first[1] >> 3 & 3, first[3] >> 6 == 3
        whole = version == 3  # MPEG-1; else 2 or 2.5, of half or a quarter of its sample rates
        rate = (44100, 48000, 32000)[first[2] >> 2 & 3] >> {3: 0, 2: 1}.get(version, 2)
        # Without CRC; at bitrate number 9, 128 or 80 kbit/s, it has room enough.
        header = bytes((0xFF, first[1] | 1, 0x90 | first[2] & 0x0C, first[3]))
        length = 144 * 128000 // rate if whole else 72 * 80000 // rate
        side = (17 if mono else 32) if whole else (9 if mono else 17)
        count = min(file.seek(0, os.SEEK_END) // 24 + 1, 1 << 30)  # the shortest frame has 24 bytes
        head = header + bytes(side) + b"Info" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
        return cls(head.ljust(length, b"\0"), file, start)

    def tell(self) -> int:
        """Return the place in head and stream."""
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to `offset`, or stay if it lies before the start."""
        place = offset + (0, self._at, self._size)[whence]
        self._at = place if place >= 0 else self._at
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""
        part = self._head[self._at :][:size]
        if len(part) < size:
            self._file.seek(self._start + max(0, self._at - len(self._head)))
            part += self._file.read(size - len(part))
        self._at += len(part)
        return part

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer of bytes."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


class _Version(NamedTuple):
    """What tells a file from another that takes its name, and from what it is once it is written to."""

    device: int
    inode: int
    size: int
    modified: int


def _version(status: os.stat_result) -> _Version:
    return _Version(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@contextmanager
def _sound_file(source: int | io.RawIOBase) -> Iterator[soundfile.SoundFile]:
    """Open a file, by number, or a stream with libsndfile."""
    with _quiet():
        file = soundfile.SoundFile(source, closefd=False)
    with file:
        yield file


def _header(file: soundfile.SoundFile, path: Path) -> AudioInfo:
    """Read what libsndfile says of an open file; AudioError if the file tells that its end is missing."""
    cut = _CUT.search(file.extra_info)
    if cut:
        announced, held = (int(number) for number in cut.groups())
        # A writer that did not know the length (a pipe) announces the largest number.
        if held < announced < 0x7FFFFF00:
            raise AudioError(f"truncated: its header announces {announced} bytes of samples, it holds {held}")
    if file.format == "OGG" and not _has_ogg_end(path):
        raise AudioError("truncated: the Ogg stream has no end")
    counted = file.format not in _ESTIMATED or _is_counted_mp3(path)
    return AudioInfo(file.samplerate, file.channels, file.frames, counted)


def _is_counted_mp3(path: Path) -> bool:
    """Whether an MP3 file's first frame carries a count of its frames (a Xing, Info or VBRI tag)."""
    with path.open("rb") as file:
        file.seek(_mp3_start(file))
        first = file.read(1024)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


def _mp3_start(file: BinaryIO) -> int:
    """Where an MP3 file's first frame is: an ID3 tag may come first."""
    file.seek(0)
    head = file.read(10)
    # The tag's length is four groups of seven bits.
    return 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:])) if head[:3] == b"ID3" else 0


def _has_ogg_end(path: Path) -> bool:
    """Whether an Ogg file's last page is whole and marked as the last of its stream."""
    with path.open("rb") as file:
        # A page has at most 65307 bytes; a foreign tag may follow.
        file.seek(max(0, path.stat().st_size - (1 << 17)))
        tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    whole = len(page) > 26 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return whole and bool(page[5] & 4)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the MP3 decoder's own notes off the terminal: what is wrong with a file is our message."""
    if sys.stderr is None:  # closed: there is no terminal
        yield
        return
    with _QUIET:
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
    recording = Recording(path)
    parts = [wave for wave in recording.waves(sample_rate) if len(wave)]
    assert recording.info is not None
    wave = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.float32), *parts])
    return fit(wave, recording.info.samples(sample_rate))


def fit(wave: Wave, samples: int) -> Wave:
    """Cut `wave` (n,), or pad its end with zeros, to exactly `samples` samples."""
    if len(wave) >= samples:
        return wave[:samples]
    return np.concatenate([wave, np.zeros(samples - len(wave), np.float32)])


def _mono(block: NDArray[Any]) -> Wave:
    """Take the mean of a block's channels: (n, channels) int16 or float32 → (n,) float32.

    Channel by channel: numpy takes ten times as long for a mean over so short an axis.
    """
    wave: Wave = block[:, 0].astype(np.float32, copy=block.shape[1] > 1)
    with np.errstate(over="ignore", invalid="ignore"):  # the sum may be infinite: the caller looks
        for channel in range(1, block.shape[1]):
            wave += block[:, channel]
    if block.shape[1] > 1:
        wave /= np.float32(block.shape[1])
    if block.dtype == np.int16:
        wave *= np.float32(1 / 32768)
    return wave


def _pyav(error: soundfile.LibsndfileError) -> ModuleType:
    """PyAV, or an AudioError with libsndfile's reason if it is not installed or of no use."""
    reason = _sentence(error.error_string)
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
    reason = _sentence(error.error_string)
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
        raise AudioError(f"not decodable: {reason} (libsndfile); {_sentence(found)} (FFmpeg)") from problem


def _probe_with_pyav(path: Path, error: soundfile.LibsndfileError) -> AudioInfo:
    with _opened_with_pyav(path, error) as (container, stream):
        if stream.duration is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1e6
        else:  # a raw stream: only decoding tells
            seconds = sum(frame.samples for frame in container.decode(stream)) / stream.rate
        frames = max(1, round(seconds * stream.rate))
        return AudioInfo(int(stream.rate), int(stream.channels), frames, exact=False)


def _blocks_with_pyav(path: Path, error: soundfile.LibsndfileError) -> Iterator[AudioInfo | Wave]:
    info = _probe_with_pyav(path, error)
    yield info
    with _opened_with_pyav(path, error) as (container, stream):
        import av

        # Channels interleaved: PyAV crashes on more than eight planes.
        to_float = av.AudioResampler(format="flt")
        frames = 0
        for frame in container.decode(stream):
            for part in to_float.resample(frame):
                frames += part.samples
                yield _mono(part.to_ndarray().reshape(-1, part.layout.nb_channels))
        measured = _MEASURED & set(container.format.name.split(","))
        # A codec's delay makes the announced length a little uncertain; a picture may outlast the sound.
        if measured and len(container.streams) == 1 and frames < 0.9 * info.frames:
            raise AudioError(
                f"truncated: its header announces {info.seconds:.3f} s, "
                f"{frames / info.sample_rate:.3f} s could be decoded"
            )


def _sentence(text: str) -> str:
    """Make a library's message a part of ours: one line, no full stop, no name of a path."""
    return " ".join(text.split()).rstrip(".").strip() or "unknown format"
