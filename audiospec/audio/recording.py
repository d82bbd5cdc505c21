"""Probe, decode, mix to mono and resample audio files, as a stream: memory does not grow with the file.

libsndfile (through soundfile) reads WAV, AU, AIFF, FLAC, Ogg Vorbis, Opus and MP3. PyAV, an optional
dependency, reads m4a, wma and video. soxr resamples at its high quality setting.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
import xxhash

from audiospec.audio.info import AudioInfo
from audiospec.audio.mp3 import CountedMp3
from audiospec.audio.pyav import blocks_with_pyav, probe_with_pyav
from audiospec.audio.sndfile import ESTIMATED_LENGTHS, one_line, open_sound_file, read_header, silenced_stderr
from audiospec.audio.waves import Wave, mix_to_mono, pad_or_trim
from audiospec.digests import content_hash
from audiospec.errors import AudioError

#: Most frames decoded at a time: 24 s at 44.1 kHz, 4 MiB a channel.
BLOCK_FRAMES = 1 << 20
#: Samples beyond this are not audio, and float32 could not hold their spectra.
MAX_AMPLITUDE = 1e9


def probe(path: Path) -> AudioInfo:
    """Read a file's header.

    Parameters
    ----------
    path : Path
        An audio file.

    Raises
    ------
    AudioError
        The file cannot be decoded: it is missing, empty, without samples or not audio.
    """
    try:
        if path.stat().st_size == 0:
            raise AudioError("empty: the file has 0 bytes")
        # By file descriptor: given a name ending in .au, .snd, .gsm or .vox, libsndfile takes any bytes
        # for audio.
        with path.open("rb") as raw, open_sound_file(raw.fileno()) as file:
            info = read_header(file, path)
    except OSError as error:
        raise AudioError(f"not readable: {error.strerror}") from error
    except soundfile.LibsndfileError as error:
        info = probe_with_pyav(path, error)
    if info.frames == 0:
        raise AudioError("no audio: the file has 0 samples")
    return info


class Recording:
    """One audio file, to be read in a single pass: its content hash, and its samples as a stream.

    Parameters
    ----------
    path : Path
        An audio file.

    Attributes
    ----------
    hash : str
        XXH3-128 of the file's bytes, 32 hexadecimal digits.
    info : AudioInfo or None
        What was decoded; None until the last block has been.

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
            # An empty file is not opened: it may be a pipe, which would wait for a writer.
            self.hash = content_hash(path) if status.st_size else xxhash.xxh3_128_hexdigest(b"")
        except OSError as error:
            raise AudioError(f"not readable: {error.strerror}") from error

    def waves(self, sample_rate: int) -> Iterator[Wave]:
        """Decode, mix to mono (the mean of the channels) and resample.

        Parameters
        ----------
        sample_rate : int
            Rate of the blocks in Hz.

        Yields
        ------
        ndarray, shape (n,), float32
            Consecutive blocks, full scale at ±1.

        Raises
        ------
        AudioError
            The file cannot be used: it is damaged, truncated, not finite, out of range, silent or without
            samples.
        """
        for (wave,) in self.streams([sample_rate]):
            yield wave

    def streams(self, sample_rates: Sequence[int]) -> Iterator[tuple[Wave, ...]]:
        """Do the same as `waves` at several rates at once: the file is decoded once for all of them.

        Parameters
        ----------
        sample_rates : sequence of int
            Hz.

        Yields
        ------
        tuple of ndarray, each of shape (n,), float32
            The next block at each rate; their lengths differ, and may be 0.
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
                # One pass over the samples. The offending sample is only looked for if this fails.
                within_range = block.dot(block) <= MAX_AMPLITUDE**2
            if not within_range:
                finite = np.isfinite(block)
                if not finite.all():
                    at = (frames + int(np.flatnonzero(~finite)[0])) / info.sample_rate
                    raise AudioError(f"not finite: NaN or infinity at {at:.3f} s")
                peak = np.abs(block).max()
                if peak > MAX_AMPLITUDE:
                    raise AudioError(f"out of range: samples reach {peak:.1g}, full scale is 1")
            silent = silent and not block.any()
            frames += len(block)
            yield tuple(block if r is None else r.resample_chunk(block) for r in resamplers)
        if frames == 0:
            raise AudioError("no audio: the file has 0 samples")
        if info.exact and frames < info.frames:
            raise AudioError(
                f"truncated: the header announces {info.seconds:.3f} s, "
                f"{frames / info.sample_rate:.3f} s could be decoded"
            )
        if silent:
            raise AudioError(f"silent: all {frames} samples are zero")
        self.info = AudioInfo(info.sample_rate, info.channels, frames)
        end = np.zeros(0, np.float32)
        yield tuple(end if r is None else r.resample_chunk(end, last=True) for r in resamplers)

    def _blocks(self, sample_rate: int) -> Iterator[AudioInfo | Wave]:
        """Yield the info in the header, then mono blocks (n,) float32 at the file's rate."""
        if self._hashed.size == 0:
            raise AudioError("empty: the file has 0 bytes")
        with ExitStack() as stack:
            try:
                # By file descriptor: libsndfile reads in small pieces, and a Python file object would be
                # called for each.
                raw = stack.enter_context(self.path.open("rb"))
                if _version(os.fstat(raw.fileno())) != self._hashed:
                    raise AudioError(
                        "changed while it was read", "featurize again once nothing is writing to it"
                    )
                file = stack.enter_context(open_sound_file(raw.fileno()))
                info = read_header(file, self.path)
                if file.subtype == "MPEG_LAYER_III" and not info.exact:
                    counted = CountedMp3.of(raw)
                    file = stack.enter_context(open_sound_file(counted)) if counted else file
            except OSError as error:
                raise AudioError(f"not readable: {error.strerror}") from error
            except soundfile.LibsndfileError as error:
                yield from blocks_with_pyav(self.path, error)
                return
            yield info
            # Keep blocks small if there are many channels or if a low rate is raised.
            count = max(1, BLOCK_FRAMES // max(1, file.channels // 8, sample_rate // file.samplerate))
            # 16-bit samples are converted to float here: libsndfile takes eight times as long for it.
            dtype = "int16" if file.subtype == "PCM_16" else "float32"
            prints_notes = file.format in ESTIMATED_LENGTHS
            frames = 0
            try:
                while True:
                    with silenced_stderr() if prints_notes else nullcontext():
                        block = file.read(count, dtype=dtype, always_2d=True)
                    if not len(block):
                        break
                    frames += len(block)
                    yield mix_to_mono(block)
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"damaged: {one_line(error.error_string)}, past sample {frames} of {info.frames}"
                ) from error


class _Version(NamedTuple):
    """Properties of a file that change if it is replaced or written to."""

    device: int
    inode: int
    size: int
    modified: int


def _version(status: os.stat_result) -> _Version:
    return _Version(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


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
    return pad_or_trim(wave, recording.info.samples(sample_rate))
