"""Quality: what is measured of the sound of a track while it is decoded.

All channels are measured at the file's own rate, before they are mixed and resampled. Samples are taken in
frames of 50 ms, counted from the start of the file: the blocks in which they arrive change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from audiospec.audio.frame_levels import FULL_SCALE, frame_levels, no_clipping
from audiospec.audio.waves import mix_to_mono

#: Frames a second, and the least and most samples of a frame.
FRAMES_A_SECOND, LEAST_SAMPLES, MOST_SAMPLES = 20, 32, 1 << 14
#: Samples that are converted from integers at a time: they stay in a core's own cache.
PIECE = 1 << 16
#: Frames whose sums are kept before they are added up: 200 s.
KEPT_SUMS = 4096
#: Most frames whose spectra are averaged, and how many are transformed at a time.
MOST_SPECTRA, AT_A_TIME = 64, 16
#: Bins whose median is compared with the noise of rounding to 16 bits, twice as many as a single tone has;
#: and how far above that it must be: 10 dB.
MEDIAN_BINS, ABOVE_ROUNDING = 19, 10.0
#: Mean square of the error of rounding to 16 bits.
ROUNDING = 2.0**-30 / 12
#: No level is stated to be lower (dBFS).
LOWEST = -150.0
#: Levels of frames are counted in steps of 0.25 dB from here on, about that of rounding to 16 bits, up to the
#: loudest that a file may be.
FAINTEST, STEPS_PER_DB, STEPS = -101.0, 4, 540
#: Percentiles of the levels of frames that are taken for the noise and for the sound, and the fewest frames.
NOISE, SOUND, LEAST_FRAMES = 10, 95, 10
#: Share of a channel's peak below which its extreme of the other sign is no place where it is clipped.
LEAST_EXTREME = 0.25
#: A channel is dead if its power is below this share of that of the loudest: -60 dB.
DEAD = 1e-6


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured of a track; the defaults mean that nothing was.

    Attributes
    ----------
    samples_hash : str
        XXH3-128 of the number of channels and the decoded samples as float32, 32 hexadecimal digits. Copies
        in another lossless format, or with other tags, have the same.
    peak : float
        Largest sample of any channel (dBFS; full scale is 0).
    level : float
        Root mean square of all channels (dBFS; a full-scale sine has -3.01). -150 at least, as `peak`.
    clipped : float
        Share (0 to 1) of samples in runs of three or more at full scale (32767/32768 to 1), or at the
        largest or smallest value of the channel, if the sample before the run differs by more than 1/64 of
        that, and than 4 steps of 16 bits: a slow wave is flat at its crest, too. An extreme below a quarter
        of the opposite one does not count: it may be silence. Runs end with a frame.
    dc : float
        Mean of the channel whose mean is farthest from 0, as a share of full scale (-1 to 1).
    digital_silence : float
        Share (0 to 1) of the track in frames in which all channels are constant.
    bandwidth : float
        Highest frequency (Hz) at which there is sound: where the median of 19 bins (about 800 Hz) of the mean
        spectrum of up to 64 frames, evenly spaced, is 10 dB above the noise of rounding to 16 bits. A single
        high tone does not count. NaN if the track is shorter than a frame.
    snr : float
        Estimate of the ratio of sound to noise (dB): the 95th percentile of the levels of frames over the
        10th, to 0.25 dB; noise below that of rounding to 16 bits counts as that. It is low, too, if the sound
        itself is steady. Constant frames at the ends do not count. NaN if there are fewer than ten others.
    channel_correlation : float
        Lowest correlation of the first channel with another (-1 to 1). NaN with one channel, or if a channel
        is constant.
    dead_channels : float
        Number of channels that are constant, or 60 dB below the loudest.
    """

    samples_hash: str = ""
    peak: float = math.nan
    level: float = math.nan
    clipped: float = math.nan
    dc: float = math.nan
    digital_silence: float = math.nan
    bandwidth: float = math.nan
    snr: float = math.nan
    channel_correlation: float = math.nan
    dead_channels: float = math.nan

    def columns(self) -> dict[str, Any]:
        """Return column → value, as a track table has them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_json(self) -> list[Any]:
        """Return the values in order; JSON has no NaN, so it becomes None."""
        values = self.columns().values()
        return [None if isinstance(value, float) and math.isnan(value) else value for value in values]

    @classmethod
    def from_json(cls, values: list[Any]) -> Quality:
        """Read what `to_json` returned."""
        hash, *numbers = values
        return cls(hash, *(math.nan if number is None else number for number in numbers))


#: Column → value of a track that was not measured.
UNMEASURED: Mapping[str, Any] = Quality().columns()


class Meter:
    """Measures the sound of one track, block by block; its memory does not grow."""

    def __init__(self) -> None:
        self._hash = xxhash.xxh3_128()
        self._form = 0, 0
        self._forms = 0
        self._rate = 0
        self._length = 1
        self._rest: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._sums: list[NDArray[np.float64]] = []
        self._kept = 0
        self._totals = np.zeros((0, 5))
        self._samples: list[int] = []
        self._clipping = no_clipping(0)
        self._constant = 0
        self._levels: NDArray[np.int64] = np.zeros(STEPS, np.int64)
        self._is_heard, self._pause = False, 0
        self._spectra = _Frames()

    def add(self, samples: NDArray[Any], sample_rate: int) -> None:
        """Take the next block.

        Parameters
        ----------
        samples : ndarray, shape (n, channels), int16 or float32
            See `Block`. The number of channels, and the rate, change where files were joined.
        sample_rate : int
            Hz.
        """
        channels = samples.shape[1]
        if (sample_rate, channels) != self._form:
            self._begin(sample_rate, channels)
        if sample_rate == self._rate:
            self._spectra.expect((len(self._rest) + len(samples)) // self._length)
        step = len(samples) or 1
        if samples.dtype == np.int16:
            step = max(1, PIECE // channels // self._length) * self._length
        for first in range(0, len(samples), step):
            piece = np.ascontiguousarray(samples[first : first + step])
            if piece.dtype == np.int16:
                piece = mix_to_mono(piece.reshape(-1, 1)).reshape(piece.shape)
            self._hash.update(piece.astype("<f4", copy=False).data)
            self._take(piece)

    def _begin(self, sample_rate: int, channels: int) -> None:
        """Begin the file, or another that was joined to it."""
        self._finish_part()
        self._hash.update(channels.to_bytes(4, "little"))
        self._forms += 1
        self._rate = self._rate or sample_rate
        self._form = sample_rate, channels
        self._length = min(max(sample_rate // FRAMES_A_SECOND, LEAST_SAMPLES), MOST_SAMPLES)
        self._rest = np.zeros((0, channels), np.float32)
        missing = channels - len(self._totals)
        if missing > 0:
            self._totals = np.concatenate([self._totals, np.zeros((missing, 5))])
            self._samples += [0] * missing
            self._clipping = np.concatenate([self._clipping, no_clipping(missing)])

    def _take(self, samples: NDArray[np.float32]) -> None:
        """Measure all frames that are complete; keep the rest."""
        length = self._length
        if len(self._rest):
            needed = length - len(self._rest)
            self._rest = np.concatenate([self._rest, samples[:needed]])
            samples = samples[needed:]
            if len(self._rest) < length:
                return
            self._measure(self._rest, length)
        whole = len(samples) // length * length
        if whole:
            self._measure(samples[:whole], length)
        self._rest = samples[whole:].copy()

    def _measure(self, samples: NDArray[np.float32], length: int) -> None:
        """Measure frames of `length` samples."""
        channels = samples.shape[1]
        frames = samples.reshape(-1, length, channels)
        levels = frame_levels(frames, self._clipping[:channels])
        self._sums.append(levels)
        self._kept += len(frames)
        if self._form[0] == self._rate and length == self._length:
            self._spectra.add(frames, levels)
        if self._kept >= KEPT_SUMS:
            self._add_up(length)

    def _add_up(self, length: int) -> None:
        """Add the sums of frames of `length` samples to those of the track."""
        if not self._sums:
            return
        channels = self._sums[0].shape[1]
        sums = np.concatenate([self._totals[None, :channels], *self._sums])
        self._sums, self._kept = [], 0
        # One frame after another, however many are kept: rounded sums depend on their order.
        self._totals[:channels] = np.add.reduce(sums, axis=0)
        sums = sums[1:]
        for channel in range(channels):
            self._samples[channel] += length * len(sums)
        is_heard = np.logical_or.reduce(sums[:, :, 3] != sums[:, :, 4], axis=1)
        self._constant += length * (len(sums) - int(np.count_nonzero(is_heard)))
        if length == self._length:
            with np.errstate(invalid="ignore"):  # a channel that is not used may have any values
                power = np.add.reduce(sums[:, :, 1] - sums[:, :, 0] ** 2 / length, axis=1) / (
                    length * channels
                )
                self._count_levels(power, is_heard)

    def _count_levels(self, power: NDArray[np.float64], is_heard: NDArray[np.bool_]) -> None:
        """Count the levels of frames. Those that are constant count only between others: ends are padded."""
        levels = 10 * np.log10(np.maximum(power[is_heard], 10 ** (FAINTEST / 10)))
        steps = ((levels - FAINTEST) * STEPS_PER_DB).astype(np.int64)
        self._levels += np.bincount(np.minimum(np.maximum(steps, 0), STEPS - 1), minlength=STEPS)
        places = np.flatnonzero(is_heard)
        if not len(places):
            self._pause += len(is_heard)
            return
        if self._is_heard:
            self._levels[0] += self._pause + places[0]
        self._levels[0] += places[-1] - places[0] + 1 - len(places)
        self._is_heard = True
        self._pause = len(is_heard) - 1 - int(places[-1])

    def _finish_part(self) -> None:
        """Add up the frames of a file that has ended; the last may be shorter."""
        self._add_up(self._length)
        if rest := len(self._rest):
            self._measure(self._rest, rest)
            self._add_up(rest)
            self._rest = self._rest[:0]

    def result(self) -> Quality:
        """Return what was measured, now that all blocks were added: at least one sample."""
        self._finish_part()
        # Of a few channels: plain numbers take a tenth of the time of arrays.
        sums = self._totals.tolist()
        if not all(map(math.isfinite, (value for row in sums for value in row[:3]))):
            return Quality(self._hash.hexdigest())
        clipping = self._clipping.tolist()
        means = [row[0] / count for row, count in zip(sums, self._samples, strict=True)]
        powers = [
            0.0 if high == low else max(row[1] / count - mean**2, 0.0)
            for row, count, mean, (high, _, low, _, _) in zip(
                sums, self._samples, means, clipping, strict=True
            )
        ]
        total = sum(self._samples)
        offset: float = max(means, key=abs)
        peak = max(max(high, -low) for high, _, low, _, _ in clipping)
        return Quality(
            samples_hash=self._hash.hexdigest(),
            peak=round(_decibels(peak**2), 2),
            level=round(_decibels(sum(row[1] for row in sums) / total), 2),
            clipped=round(sum(map(_clipped, clipping)) / total, 6),
            dc=round(offset, 6) + 0.0,
            digital_silence=round(self._constant / max(self._samples), 6),
            bandwidth=self._spectra.bandwidth(self._rate),
            snr=self._snr(),
            channel_correlation=self._correlation(sums, means, powers),
            dead_channels=float(sum(power <= DEAD * max(powers) for power in powers)),
        )

    def _snr(self) -> float:
        counts = np.cumsum(self._levels)
        if counts[-1] < LEAST_FRAMES:
            return math.nan
        noise, sound = (int(np.searchsorted(counts, counts[-1] * part / 100)) for part in (NOISE, SOUND))
        return (sound - noise) / STEPS_PER_DB

    def _correlation(self, sums: list[list[float]], means: list[float], powers: list[float]) -> float:
        if len(sums) < 2 or self._forms > 1 or not all(powers):
            return math.nan
        correlations = [
            (row[2] / self._samples[0] - mean * means[0]) / math.sqrt(power * powers[0])
            for row, mean, power in zip(sums, means, powers, strict=True)
        ]
        return round(max(-1.0, min(1.0, *correlations[1:])), 6)


def _clipped(channel: list[float]) -> float:
    """Return the number of clipped samples of a channel; see `frame_levels`."""
    high, at_high, low, at_low, at_full_scale = channel
    least = max(high, -low) * LEAST_EXTREME
    for extreme, count in ((high, at_high), (-low, at_low)):
        if extreme >= least and not FULL_SCALE <= extreme <= 1:
            at_full_scale += count
    return at_full_scale


class _Frames:
    """Frames that are evenly spaced over a track, however long it becomes, for its spectrum."""

    def __init__(self) -> None:
        self._count, self._stride = 0, 1
        self._kept, self._used = np.zeros((0, 0), np.float32), 0

    def expect(self, count: int) -> None:
        """Make room for the next frames, at least `count`: of those that are kept, every other is dropped."""
        while self._count + count > MOST_SPECTRA * self._stride:
            self._stride *= 2
            left = self._kept[: self._used : 2].copy()
            self._used = len(left)
            self._kept[: self._used] = left

    def add(self, frames: NDArray[np.float32], levels: NDArray[np.float64]) -> None:
        """Take the next frames (n, samples, channels): of each that is kept, the loudest channel."""
        self.expect(len(frames))
        size = _spectrum_size(frames.shape[1])
        if not self._kept.size:
            self._kept = np.zeros((MOST_SPECTRA, size), np.float32)
        for number in range(-self._count % self._stride, len(frames), self._stride):
            loudest = int(levels[number, :, 1].argmax()) if levels.shape[1] > 1 else 0
            self._kept[self._used] = frames[number, :size, loudest]
            self._used += 1
        self._count += len(frames)

    def bandwidth(self, sample_rate: int) -> float:
        """Return the highest frequency (Hz) at which there is sound; see `Quality`."""
        if not self._used:
            return math.nan
        size = self._kept.shape[1]
        window = _window(size)
        power = np.zeros(size // 2 + 1)
        for first in range(0, self._used, AT_A_TIME):
            frames = self._kept[first : min(first + AT_A_TIME, self._used)] * window
            spectra = np.fft.rfft(frames)
            power += (spectra.real**2 + spectra.imag**2).sum(axis=0)
        noise = ROUNDING * float((window**2).sum()) * self._used
        is_above = power > ABOVE_ROUNDING * noise
        side = MEDIAN_BINS // 2
        above = np.zeros(
            len(is_above) + 2 * side + 1, np.int64
        )  # the ends count as often as the median needs
        above[1:] = np.concatenate([is_above[:1].repeat(side), is_above, is_above[-1:].repeat(side)]).cumsum()
        heard = np.flatnonzero(above[MEDIAN_BINS:] - above[:-MEDIAN_BINS] > side)
        return round(float(heard[-1]) * sample_rate / size, 1) if len(heard) else 0.0


def _spectrum_size(samples: int) -> int:
    """Return the samples of a spectrum of a frame: a power of 2, from a quarter to half of it."""
    return 1 << (samples.bit_length() - 2)


@lru_cache(maxsize=4)
def _window(size: int) -> NDArray[np.float64]:
    """Return a window with side lobes below -92 dB: Blackman-Harris with four terms (Harris 1978)."""
    turn = 2 * np.pi * np.arange(size) / size
    terms = (0.35875, -0.48829, 0.14128, -0.01168)
    parts = np.stack([term * np.cos(number * turn) for number, term in enumerate(terms)])
    window: NDArray[np.float64] = parts.sum(axis=0)
    return window


def _decibels(power: float) -> float:
    """Return a power in dBFS, `LOWEST` at least."""
    return 10 * math.log10(max(power, 10 ** (LOWEST / 10)))
