"""Scenes: a place with its background and its sources, and recordings of what happens there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiospec.datasets.synthesis.timbres import RATE, TIMBRES, Samples

_FADE = round(0.003 * RATE)  # samples over which an event fades in and out
_GAP = round(0.3 * RATE)  # least pause between two events of one label
_EVENTS_PER_SECOND = 0.45
_TRIES = 30  # draws for each event, until one fits beside the others
_LEVELS = (0.0, 20.0)  # lowest and highest level of an event above the background, in dB
_PEAK = 0.9


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a recording.

    Attributes
    ----------
    start, stop : int
        Its first sample, and the first one after it.
    label : str
        One of `TIMBRES`.
    length : int
        Samples that it lasts if the recording does not end before.
    decibels : float
        Level above the background, as in `Scene`.
    """

    start: int
    stop: int
    label: str
    length: int
    decibels: float


class Scene:
    """A place: the colour of its background, and one source of sound for each label.

    The level of an event above the background is that of both after the filter that makes the background
    white: it determines how well the event is heard, and a sum of powers in bands that it does not occupy
    would not.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws what all its recordings share.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.slope = rng.uniform(-6.0, 0.0)  # dB an octave
        self.bumps = rng.uniform(100.0, 6000.0, 3), rng.uniform(-5.0, 8.0, 3)
        self.level = rng.uniform(-46.0, -32.0)
        self.sources = {label: timbre(rng) for label, timbre in TIMBRES.items()}

    def record(self, samples: int, events: Sequence[Event], rng: np.random.Generator) -> Samples:
        """Make a recording of the background and what happens.

        Returns
        -------
        ndarray of float64, shape (samples,)
            From -1 to 1. An event adds nothing before its first sample and after its last.
        """
        level = 10 ** ((self.level + rng.uniform(-3.0, 3.0)) / 20)
        sound = level * self._background(samples, rng)
        fade = np.sin(np.pi / 2 * (np.arange(_FADE) + 0.5) / _FADE) ** 2
        for event in events:
            played = self.sources[event.label].play(event.length, rng)
            played[:_FADE] *= fade
            played[-_FADE:] *= fade[::-1]
            gain = level * 10 ** (event.decibels / 20) / self._loudness(played)
            sound[event.start : event.stop] += gain * played[: event.stop - event.start]
        peak = float(np.abs(sound).max())
        return sound * (_PEAK / peak) if peak > _PEAK else sound

    def _background(self, samples: int, rng: np.random.Generator) -> Samples:
        """Return noise of the scene's colour, of level 1, that rises and falls slowly by a few dB."""
        size = 1 << (samples - 1).bit_length()
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * self._colour(size), size)[:samples]
        time = np.arange(samples) / RATE
        swell = np.zeros(samples)
        for _ in range(2):
            swell += rng.uniform(0.0, 2.0) * np.sin(
                2 * np.pi * rng.uniform(0.05, 0.4) * time + rng.uniform(0.0, 2 * np.pi)
            )
        swelled: Samples = noise * 10 ** (swell / 20)
        return swelled

    def _colour(self, size: int) -> Samples:
        """Return the background's amplitudes at the frequencies of a real FFT; their mean square is 1."""
        octave = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / RATE), 40.0) / 1000.0)
        decibels = self.slope * octave
        for hertz, gain in zip(*self.bumps, strict=True):
            decibels += gain * np.exp(-((octave - np.log2(hertz / 1000.0)) ** 2) / 0.3)
        colour = 10 ** (decibels / 20)
        scaled: Samples = colour / np.sqrt((colour**2).mean())
        return scaled

    def _loudness(self, sound: Samples) -> float:
        """Return the RMS of a sound after the filter that makes the background white."""
        size = 1 << (len(sound) - 1).bit_length()
        spectrum = np.fft.rfft(sound, size) / self._colour(size)
        return float(np.sqrt(2 * (np.abs(spectrum) ** 2).sum() / size / len(sound)))


def plan(
    samples: int, rng: np.random.Generator, *, is_quiet: bool = False, is_cut: bool = False
) -> list[Event]:
    """Draw what happens in a recording.

    Parameters
    ----------
    samples : int
        Length of the recording.
    rng : numpy.random.Generator
    is_quiet : bool
        Whether nothing happens.
    is_cut : bool
        Whether the recording ends during an event.

    Returns
    -------
    list of Event
        Sorted by start; at least one unless nothing happens. At most two sound at once, and they differ
        in label.
    """
    events: list[Event] = []
    if is_quiet:
        return events
    count = 1 + int(rng.poisson(_EVENTS_PER_SECOND * samples / RATE))
    for number in range(count):
        for _ in range(_TRIES):
            event = _drawn(samples, rng, is_cut=is_cut and number == 0)
            if event is not None and _fits(event, events):
                events.append(event)
                break
    return sorted(events, key=lambda event: (event.start, event.label))


def _drawn(samples: int, rng: np.random.Generator, *, is_cut: bool) -> Event | None:
    """Draw an event, half of which is after the end of the recording if it is cut; None if it is too long."""
    weights = np.array([timbre.weight for timbre in TIMBRES.values()])
    label = list(TIMBRES)[int(rng.choice(len(TIMBRES), p=weights / weights.sum()))]
    length = round(rng.uniform(*TIMBRES[label].seconds) * RATE)
    decibels = rng.uniform(*_LEVELS)
    if is_cut:
        return Event(samples - length // 2, samples, label, length, decibels)
    if length > samples:
        return None
    start = int(rng.integers(samples - length + 1))
    return Event(start, start + length, label, length, decibels)


def _fits(event: Event, events: list[Event]) -> bool:
    """Whether an event overlaps at most one other, and is clear of those of its label."""
    overlapping = [other for other in events if other.start < event.stop and event.start < other.stop]
    near = [
        other
        for other in events
        if other.label == event.label and other.start < event.stop + _GAP and event.start < other.stop + _GAP
    ]
    return len(overlapping) < 2 and not near
