"""Probe, decode, mix and resample audio files, as a stream: memory does not grow with the file.

`decoders.choose` finds the decoder of a file by its content. soxr resamples at its high quality setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soxr

from audiospec.audio.decoders.base import Decoder
from audiospec.audio.decoders.choose import open_decoder
from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.info import AudioInfo
from audiospec.audio.quality import Meter, Quality
from audiospec.audio.reading import STRICT, Reading
from audiospec.audio.rules import Channels, Signal, check_header, loudest_channel, picked, silence
from audiospec.audio.source import SourceFile
from audiospec.audio.waves import Wave, mix_to_mono, pad_or_trim
from audiospec.errors import AudioError
from audiospec.storage.location import Url, location

#: Most frames decoded at a time: 24 s at 44.1 kHz, 4 MiB a channel.
BLOCK_FRAMES = 1 << 20
#: Most frames resampled at a time: they stay in a core's own cache, which takes a quarter less time.
PIECE_FRAMES = 1 << 16
_NOTHING = np.zeros(0, np.float32)


def probe(file: Path | SourceFile, reading: Reading = STRICT) -> AudioInfo:
    """Read a file's header, and compare it with the file's size.

    Parameters
    ----------
    file : Path or SourceFile
        An audio file.
    reading : Reading
        What to do with a file of which a part is missing.

    Raises
    ------
    AudioError
        The file cannot be decoded: it is missing, empty, without samples, truncated or not audio.
    """
    source = SourceFile(file) if isinstance(file, Path) else file
    with _named(), open_decoder(source) as decoder:
        _check(decoder, reading)
        return decoder.info


class Recording:
    """One audio file, to be read in a single pass: its content hash, and its samples as a stream.

    Parameters
    ----------
    file : Path or SourceFile
        An audio file.
    reading : Reading
        What to do with a file that is truncated, damaged or silent.
    measured : bool
        Whether to measure the quality of the sound.

    Attributes
    ----------
    hash : str
        XXH3-128 of the file's bytes, 32 hexadecimal digits.
    info : AudioInfo or None
        What was decoded; None until the last block has been. If files of several rates were joined, the rate
        is that of the first, and the others are counted as resampled to it.
    note : str
        What is odd about a file that is used nevertheless: that it is truncated, damaged or silent. ``""`` if
        nothing is, and until the last block has been decoded.
    quality : Quality or None
        What was measured of all channels; None until the last block has been decoded, or if nothing is
        measured.

    Raises
    ------
    AudioError
        The file cannot be read.
    """

    def __init__(self, file: Path | SourceFile, reading: Reading = STRICT, *, measured: bool = False) -> None:
        self.reading = reading
        self.measured = measured
        self.quality: Quality | None = None
        self.info: AudioInfo | None = None
        self.note = ""
        self.source = SourceFile(file) if isinstance(file, Path) else file
        self.hash = self.source.content_hash()

    def waves(self, sample_rate: int, channel: str = "mix") -> Iterator[Wave]:
        """Decode, mix to mono or pick a channel, and resample.

        Parameters
        ----------
        sample_rate : int
            Rate of the blocks in Hz.
        channel : str
            ``"mix"`` (the mean of the channels) or one of the others that `FeatureSpec` names.

        Yields
        ------
        ndarray, shape (n,), float32
            Consecutive blocks, full scale at ±1.

        Raises
        ------
        AudioError
            The file cannot be used: it is damaged, truncated, not finite, out of range, silent or without
            samples, or lacks the channel.
        """
        for (wave,) in self.streams([(sample_rate, channel)]):
            yield wave

    def streams(self, wanted: Sequence[tuple[int, str]]) -> Iterator[tuple[Wave, ...]]:
        """Do the same as `waves` for several rates and channels at once: the file is decoded once for all.

        If a loudest channel is wanted of a file with several, it is decoded twice: first to find it.

        Parameters
        ----------
        wanted : sequence of (int, str)
            Sample rate (Hz) and channel.

        Yields
        ------
        tuple of ndarray, each of shape (n,), float32
            The next block of each; their lengths differ, and may be 0.
        """
        with _named():
            yield from self._streams(wanted)

    def _streams(self, wanted: Sequence[tuple[int, str]]) -> Iterator[tuple[Wave, ...]]:
        with open_decoder(self.source) as decoder:
            _check(decoder, self.reading)
            info = decoder.info
            # Keep blocks small if there are many channels or if a low rate is raised.
            highest = max(rate for rate, _ in wanted) // info.sample_rate
            most = max(1, BLOCK_FRAMES // max(1, info.channels // 8, highest))
            names = list(dict.fromkeys(channel for _, channel in wanted))
            loudest = self._loudest(most) if info.channels > 1 and "loudest" in names else 0
            signals = [Signal(channel) for channel in names]
            resamplers = [_resampler(info.sample_rate, rate) for rate, _ in wanted]
            frames = 0
            mixed = Channels() if info.channels > 1 else None
            meter = Meter() if self.measured else None
            for blocks in _signals(decoder, signals, most, loudest, mixed, meter):
                for signal, block in zip(signals, blocks, strict=True):
                    signal.check(block, frames, info.sample_rate)
                frames += len(blocks[0])
                yield tuple(
                    _resampled(resampler, blocks[names.index(channel)])
                    for resampler, (_, channel) in zip(resamplers, wanted, strict=True)
                )
            self._end(decoder, signals, frames, mixed)
            self.info = AudioInfo(info.sample_rate, info.channels, frames)
            self.quality = None if meter is None else meter.result()
        yield tuple(_resampled(resampler, _NOTHING, last=True) for resampler in resamplers)

    def whole(self, sample_rate: int, channel: str = "mix") -> Wave:
        """Do the same as `waves`, and return all of it in one array (samples,)."""
        parts = [wave for wave in self.waves(sample_rate, channel) if len(wave)]
        assert self.info is not None
        wave = parts[0] if len(parts) == 1 else np.concatenate([_NOTHING, *parts])
        return pad_or_trim(wave, self.info.samples(sample_rate))

    def _end(self, decoder: Decoder, signals: Sequence[Signal], frames: int, mixed: Channels | None) -> None:
        """Decide about a file that has been decoded: use it, with a note if need be, or raise."""
        if decoder.loss and (self.reading.truncated != "keep" or not frames):
            raise AudioError(decoder.loss)
        if not frames:
            raise AudioError("no audio: the file has 0 samples")
        notes = [decoder.loss] if decoder.loss else []
        for signal in signals:
            if signal.is_silent(frames):
                error = silence(signal, frames, mixed if signal.channel == "mix" else None)
                if not self.reading.keep_silent:
                    raise error
                notes.append(error.reason)
        self.note = "; ".join(dict.fromkeys(notes))

    def _loudest(self, most: int) -> int:
        """Return the number of the channel with the most energy in the whole file."""
        sums = [np.zeros((3, 1))]
        with open_decoder(self.source) as decoder:
            for block in decoder.blocks(min(most, 1 << 16)):
                samples = block.samples.astype(np.float64)
                if block.samples.dtype == np.int16:
                    samples /= 32768
                with np.errstate(over="ignore", invalid="ignore"):  # such a file is refused in the next pass
                    squares = np.einsum("ij,ij->j", samples, samples)
                sums.append(np.stack([np.full(len(squares), len(samples)), samples.sum(axis=0), squares]))
        return loudest_channel(sums)


@contextmanager
def _named() -> Iterator[None]:
    """Turn any other error of a decoder into one of this file, so that it costs this file only."""
    try:
        yield
    except (AudioError, MemoryError):
        raise
    except OSError as error:
        raise AudioError(f"not readable: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise AudioError(f"not decodable: its decoder failed ({type(error).__name__}: {reason})") from error


def _check(decoder: Decoder, reading: Reading) -> None:
    """Raise if a file that has been opened cannot be used, as far as that is known already."""
    if decoder.loss and (reading.truncated != "keep" or not decoder.info.frames):
        raise AudioError(decoder.loss)
    if decoder.info.frames == 0:
        raise AudioError("no audio: the file has 0 samples")
    check_header(decoder.info)


def _signals(
    decoder: Decoder,
    signals: Sequence[Signal],
    most: int,
    loudest: int,
    mixed: Channels | None,
    meter: Meter | None,
) -> Iterator[list[Wave]]:
    """Yield the next block of each signal, at the rate of the file's first part."""
    rate = decoder.info.sample_rate
    part_rate = rate
    joints: list[soxr.ResampleStream | None] = [None] * len(signals)
    for block in decoder.blocks(most):
        if block.sample_rate != part_rate:  # another file begins, which was joined to the one before
            if part_rate != rate and len((ends := _ends(joints))[0]):
                yield ends
            part_rate = block.sample_rate
            check_header(AudioInfo(part_rate, block.samples.shape[1], 1))
            joints = [_resampler(part_rate, rate) for _ in signals]
        waves = []
        for signal in signals:
            number = picked(signal.channel, block.samples.shape[1], loudest)
            if number is None:
                waves.append(mix_to_mono(block.samples))
            else:
                waves.append(mix_to_mono(block.samples[:, number : number + 1]))
        if part_rate != rate:
            waves = [_resampled(joint, wave) for joint, wave in zip(joints, waves, strict=True)]
        if len(waves[0]):
            yield waves
        # By now the caller has checked the block. Few files get here: this takes longer than to mix it.
        if mixed is not None and any(signal.channel == "mix" and signal.is_flat for signal in signals):
            mixed.add(block.samples)
        if meter is not None:
            is_converted = block.samples.shape[1] == 1 and part_rate == rate
            meter.add(waves[0][:, np.newaxis] if is_converted else block.samples, block.sample_rate)
    if part_rate != rate and len((ends := _ends(joints))[0]):
        yield ends


def _ends(joints: Sequence[soxr.ResampleStream | None]) -> list[Wave]:
    """Return what resamplers still hold back, at the end of a part."""
    return [_resampled(joint, _NOTHING, last=True) for joint in joints]


def _resampler(rate: int, target: int) -> soxr.ResampleStream | None:
    """Return what resamples a stream; None if there is nothing to do."""
    return None if rate == target else soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")


def _resampled(resampler: soxr.ResampleStream | None, wave: Wave, last: bool = False) -> Wave:
    if resampler is None:
        return wave
    pieces: list[Wave] = [
        resampler.resample_chunk(wave[first : first + PIECE_FRAMES])
        for first in range(0, len(wave) - PIECE_FRAMES, PIECE_FRAMES)
    ]
    pieces.append(resampler.resample_chunk(wave[PIECE_FRAMES * len(pieces) :], last=last))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def load(
    path: Path | Url | str, sample_rate: int = 22050, *, channel: str = "mix", reading: Reading = STRICT
) -> Wave:
    """Decode a whole file to mono.

    Parameters
    ----------
    path : path or Url
        An audio file of a disk, or its URL in a bucket.
    sample_rate : int
        Hz of the result.
    channel : str
        ``"mix"`` (the mean of the channels) or one of the others that `FeatureSpec` names.
    reading : Reading
        What to do with a file that is truncated, damaged or silent.

    Returns
    -------
    ndarray, shape (samples,), float32
        Full scale at ±1.

    Raises
    ------
    AudioError
        See `probe` and `Recording.waves`.
    StorageError
        A bucket does not answer, or refuses.
    """
    with open_source(AudioFile(location(path))) as source:
        return Recording(source, reading).whole(sample_rate, channel)
