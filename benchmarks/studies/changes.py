"""Changes that make a duplicate of a wave: level, rate, cuts, shifts, loops, a remaster.

Each function here returns a `Change`. Waves are mono, float64, with full scale at 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float64]
#: (wave, rate in Hz, generator) → the copy, and the sample of the wave that the copy begins at.
Change: TypeAlias = Callable[[Samples, int, np.random.Generator], tuple[Samples, int]]

#: Seconds that a shifted copy starts later, and the largest share of the track.
LAGS, MOST_LAG = (0.37, 5.0), 1 / 6


def draw_lag(samples: int, rate: int, rng: np.random.Generator) -> int:
    """Draw how many samples later a copy starts: `LAGS` seconds, but at most `MOST_LAG` of the wave."""
    least, most = (min(round(seconds * rate), int(MOST_LAG * samples)) for seconds in LAGS)
    return int(rng.integers(least, most + 1))


def same() -> Change:
    """Return the wave as it is; only the file's format changes."""
    return lambda wave, rate, rng: (wave, 0)


def gain(decibels: float) -> Change:
    """Change the level."""
    return lambda wave, rate, rng: (wave * 10 ** (decibels / 20), 0)


def clipped(decibels: float) -> Change:
    """Raise the level until the peak is so many dB above full scale, then clip."""

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        peak = max(float(np.abs(wave).max()), 1e-9)
        return np.clip(wave * (10 ** (decibels / 20) / peak), -1, 1), 0

    return change


def resampled(to: int) -> Change:
    """Resample to a rate in Hz; a lower one removes the frequencies above its half."""
    return lambda wave, rate, rng: (soxr.resample(wave, rate, to), 0)


def trimmed(start: float, end: float) -> Change:
    """Keep the part between two shares of the wave."""

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        first = round(start * len(wave))
        return wave[first : round(end * len(wave))], first

    return change


def shifted_into_noise() -> Change:
    """Start later, and fill the end with noise, 20 dB below the wave's level."""

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        lag = draw_lag(len(wave), rate, rng)
        level = 0.1 * float(np.sqrt(np.square(wave).mean()))
        return np.concatenate([wave[lag:], level * rng.standard_normal(lag)]), lag

    return change


def shifted_onward() -> Change:
    """Start later and end later: a wave without its last `MOST_LAG`, but for what precedes the start."""

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        lag = draw_lag(len(wave), rate, rng)
        return wave[lag:][: first_part(len(wave))], lag

    return change


def first_part(samples: int) -> int:
    """Return the length of the file that is compared with one shifted onward."""
    return samples - int(MOST_LAG * samples)


def shifted_far(share: float) -> Change:
    """Start later by a share of the wave, and fill the end with noise, 20 dB below the wave's level."""

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        lag = round(share * len(wave))
        level = 0.1 * float(np.sqrt(np.square(wave).mean()))
        return np.concatenate([wave[lag:], level * rng.standard_normal(lag)]), lag

    return change


def noisy(decibels: float) -> Change:
    """Add white noise, so many dB above the wave's level."""

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        level = float(np.sqrt(np.square(wave).mean())) * 10 ** (decibels / 20)
        copy = wave + level * rng.standard_normal(len(wave))
        return copy / max(1.0, float(np.abs(copy).max())), 0

    return change


def faster(percent: float) -> Change:
    """Play faster: time is shorter, pitch is higher."""
    return lambda wave, rate, rng: (soxr.resample(wave, rate * (1 + percent / 100), rate), 0)


def looped(seconds: float) -> Change:
    """Repeat a part of so many seconds, at most two fifths of the wave, until the wave's length."""

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        length = min(round(seconds * rate), 2 * len(wave) // 5)
        start = int(rng.integers(len(wave) - length))
        return np.resize(wave[start : start + length], len(wave)), start

    return change


def remastered(tilt: float, ratio: float, noise: float) -> Change:
    """Tilt the spectrum, compress loud parts, add noise.

    Parameters
    ----------
    tilt : float
        dB per octave, 0 dB at 1 kHz; constant below 60 Hz and above 8 kHz.
    ratio : float
        Of the compressor, above 12 dB below the wave's level over 50 ms.
    noise : float
        White noise relative to the wave's level, in dB.
    """

    def change(wave: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
        frequencies = np.clip(np.fft.rfftfreq(len(wave), 1 / rate), 60, 8000)
        weights = 10 ** (tilt * np.log2(frequencies / 1000) / 20)
        tilted = np.fft.irfft(np.fft.rfft(wave) * weights, len(wave))
        level = np.sqrt(np.square(wave).mean())
        window = round(0.05 * rate)
        sums = np.pad(np.square(tilted), (window // 2, window - window // 2), mode="edge").cumsum()
        power = (sums[window:] - sums[:-window]) / window
        louder = np.maximum(np.sqrt(np.maximum(power, 0)) / max(level * 10 ** (-12 / 20), 1e-9), 1)
        copy = tilted * louder ** (1 / ratio - 1)
        copy *= level / max(np.sqrt(np.square(copy).mean()), 1e-9)
        copy += level * 10 ** (noise / 20) * rng.standard_normal(len(copy))
        return copy / max(1.0, float(np.abs(copy).max())), 0

    return change
