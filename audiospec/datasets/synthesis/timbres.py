"""Timbres: six sources of sound, each an instrument of a scene that plays events of varying pitch and length.

All is computed in float64: what differs between machines, such as the last bit of a sine, is far too small to
change a sample once it is rounded to 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

RATE = 22050
"""Sample rate in Hz."""

Samples = npt.NDArray[np.float64]

_TOP = 0.45 * RATE  # highest frequency of a partial in Hz
_VOWELS = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840))  # first two formants in Hz


class Timbre(Protocol):
    """A source of sound; its instance is the source in one scene.

    Attributes
    ----------
    weight : float
        How often it sounds, relative to the others.
    seconds : tuple of float
        Shortest and longest event.
    """

    weight: ClassVar[float]
    seconds: ClassVar[tuple[float, float]]

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw what all events of a scene share."""

    def play(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return one event of shape (samples,) at any level; its pitch and course vary."""


def _time(samples: int) -> Samples:
    return np.arange(samples) / RATE


def _tone(hertz: Samples | float, samples: int) -> Samples:
    """Return the phase in radians of a tone whose frequency may change, of shape (samples,)."""
    if isinstance(hertz, float):
        return 2 * np.pi * hertz * _time(samples)
    phase: Samples = 2 * np.pi / RATE * np.cumsum(hertz)
    return phase


class Alarm:
    """Two tones in turn, hollow and steady."""

    weight: ClassVar[float] = 0.9
    seconds: ClassVar[tuple[float, float]] = (0.8, 2.5)

    def __init__(self, rng: np.random.Generator) -> None:
        self.hertz, self.interval = rng.uniform(750, 1250), rng.uniform(1.15, 1.5)
        self.speed = rng.uniform(2.0, 5.0)

    def play(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return one event, its pitch within a tenth of the scene's."""
        low = self.hertz * rng.uniform(0.9, 1.1)
        second = np.floor(_time(samples) * 2 * self.speed) % 2
        phase = _tone(low * np.where(second == 1, self.interval, 1.0), samples)
        return np.sin(phase) + np.sin(3 * phase) / 3 + np.sin(5 * phase) / 5


class Bark:
    """A short burst that falls in pitch, rough, loudest at its start."""

    weight: ClassVar[float] = 1.2
    seconds: ClassVar[tuple[float, float]] = (0.3, 0.6)

    def __init__(self, rng: np.random.Generator) -> None:
        self.hertz, self.formant = rng.uniform(250, 500), rng.uniform(700, 1400)
        self.rough = rng.uniform(0.2, 0.6)

    def play(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return one event, its pitch within a fifth of the scene's."""
        share = np.linspace(0, 1, samples)
        hertz = self.hertz * rng.uniform(0.8, 1.2) * (1.25 - 0.5 * share)
        phase = _tone(hertz, samples)
        sound = np.zeros(samples)
        for number in range(1, 13):
            distance = np.log2(number * hertz / self.formant)
            sound += np.exp(-((distance / 0.8) ** 2)) * np.sin(number * phase)
        rough = 1 + self.rough * rng.standard_normal(samples)
        return sound * rough * np.exp(-2.5 * share)


class Chirp:
    """Whistled sweeps at a high pitch, one to three of them."""

    weight: ClassVar[float] = 1.2
    seconds: ClassVar[tuple[float, float]] = (0.4, 1.0)

    def __init__(self, rng: np.random.Generator) -> None:
        self.hertz, self.ratio = rng.uniform(2200, 4200), rng.uniform(1.25, 1.9)
        self.falls = bool(rng.random() < 0.5)

    def play(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return one event, its pitch within a tenth of the scene's."""
        sweeps = int(rng.integers(1, 4))
        share = np.arange(samples) * sweeps / samples % 1
        rise = 1 - share if self.falls else share
        phase = _tone(self.hertz * rng.uniform(0.9, 1.1) * self.ratio**rise, samples)
        return np.sin(phase) * (0.15 + np.sin(np.pi * share))


class Clicks:
    """A train of clicks, each a resonance of a few milliseconds; the last ends the event."""

    weight: ClassVar[float] = 0.9
    seconds: ClassVar[tuple[float, float]] = (0.5, 2.0)

    def __init__(self, rng: np.random.Generator) -> None:
        self.hertz, self.speed = rng.uniform(1500, 4500), rng.uniform(7, 14)

    def play(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return one event, its speed within a fifth of the scene's."""
        count = min(samples, round(0.03 * RATE))
        time = _time(count)
        click = np.exp(-time / 0.004) * (
            np.sin(2 * np.pi * self.hertz * time) + 0.5 * rng.standard_normal(count)
        )
        clicks = max(2, round(samples / RATE * self.speed * rng.uniform(0.8, 1.2)))
        sound = np.zeros(samples)
        for first in np.linspace(0, samples - count, clicks).astype(int):
            sound[first : first + count] += click
        return sound


class Hum:
    """A low drone of many partials that beats slowly."""

    weight: ClassVar[float] = 0.8
    seconds: ClassVar[tuple[float, float]] = (1.0, 3.5)

    def __init__(self, rng: np.random.Generator) -> None:
        self.hertz, self.beat = rng.uniform(70, 140), rng.uniform(1.5, 5.0)
        self.partials = rng.lognormal(0.0, 0.4, 10) / np.arange(1, 11) ** 0.7

    def play(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return one event, its pitch within a tenth of the scene's."""
        phase = _tone(float(self.hertz * rng.uniform(0.9, 1.1)), samples)
        sound = np.zeros(samples)
        for number, level in enumerate(self.partials, 1):
            sound += level * np.sin(number * phase + rng.uniform(0, 2 * np.pi))
        return sound * (1 + 0.4 * np.sin(_tone(float(self.beat), samples)))


class Voice:
    """Syllables: a pitch that wanders, with the formants of one vowel after the other."""

    weight: ClassVar[float] = 1.1
    seconds: ClassVar[tuple[float, float]] = (0.6, 2.0)

    def __init__(self, rng: np.random.Generator) -> None:
        self.hertz, self.throat = rng.uniform(110, 230), rng.uniform(0.9, 1.2)
        self.speed = rng.uniform(3.0, 5.0)

    def play(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return one event, its pitch within a tenth of the speaker's."""
        time = _time(samples)
        syllables = max(1, round(samples / RATE * self.speed))
        share = np.arange(samples) * syllables / samples
        vowels = np.array(_VOWELS)[rng.integers(len(_VOWELS), size=syllables + 1)] * self.throat
        middles = np.arange(syllables + 1)
        formants = [np.interp(share, middles, vowels[:, number]) for number in (0, 1)]
        wander = 1 + 0.08 * np.sin(2 * np.pi * rng.uniform(0.4, 1.2) * time + rng.uniform(0, 2 * np.pi))
        hertz = self.hertz * rng.uniform(0.9, 1.1) * wander
        phase = _tone(hertz, samples)
        sound = np.zeros(samples)
        for number in range(1, int(min(_TOP, 3500) / self.hertz)):
            level = sum(
                gain * np.exp(-(((number * hertz - formant) / width) ** 2))
                for gain, formant, width in ((1.0, formants[0], 130.0), (0.6, formants[1], 180.0))
            )
            sound += (level + 0.02) * np.sin(number * phase)
        return sound * (0.25 + np.sin(np.pi * (share % 1)))


TIMBRES: Mapping[str, type[Timbre]] = MappingProxyType(
    {"alarm": Alarm, "bark": Bark, "chirp": Chirp, "clicks": Clicks, "hum": Hum, "voice": Voice}
)
"""The classes of events by label."""
