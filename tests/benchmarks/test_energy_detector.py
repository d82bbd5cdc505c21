"""The energy detector finds bursts where they are, and nothing in a background without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from audiospec.benchmarks.studies.energy_detector import FRAME, energy_events

RATE = 16_000


def background(seconds: float, level: float = 0.01) -> npt.NDArray[np.float64]:
    return level * np.random.default_rng(0).standard_normal(round(seconds * RATE))


def burst(wave: npt.NDArray[np.float64], start: float, end: float, level: float = 0.1) -> None:
    time = np.arange(round((end - start) * RATE)) / RATE
    wave[round(start * RATE) :][: len(time)] += level * np.sin(2 * np.pi * 700 * time)


def test_bursts_are_found_where_they_are() -> None:
    wave = background(12)
    places = [(1.0, 1.5), (4.2, 6.0), (11.0, 12.0)]
    for place in places:
        burst(wave, *place)
    found = energy_events(wave, RATE)
    assert np.array(found) == pytest.approx(np.array(places), abs=FRAME)


def test_nothing_is_found_in_a_background() -> None:
    assert energy_events(background(10), RATE) == []
    assert energy_events(np.zeros(5 * RATE), RATE) == []
    assert energy_events(np.zeros(3), RATE) == []


def test_the_floor_follows_a_background_that_grows() -> None:
    wave = background(30) * 10 ** np.linspace(0, 1, 30 * RATE)  # by 20 dB in 30 s
    assert energy_events(wave, RATE) == []
    burst(wave, 20.0, 20.5, level=0.5)
    assert np.array(energy_events(wave, RATE)) == pytest.approx(np.array([(20.0, 20.5)]), abs=FRAME)


def test_short_pauses_are_bridged_and_short_events_left_out() -> None:
    wave = background(10)
    burst(wave, 2.0, 2.4)
    burst(wave, 2.5, 3.0)
    burst(wave, 7.0, 7.03)
    assert np.array(energy_events(wave, RATE)) == pytest.approx(np.array([(2.0, 3.0)]), abs=FRAME)
    assert len(energy_events(wave, RATE, gap=0.01)) == 2
    assert len(energy_events(wave, RATE, least=0.01)) == 2


def test_quiet_events_are_missed() -> None:
    wave = background(10)
    burst(wave, 4.0, 5.0, level=0.01)  # 3 dB below the background
    assert energy_events(wave, RATE) == []
    assert len(energy_events(wave, RATE, threshold=1.0)) >= 1


def test_it_finds_a_part_of_demo_events(tmp_path: Path) -> None:
    """Loud events alone: it hears no colour, so it misses what a class would show."""
    import soundfile

    from audiospec.datasets.demo_events import DemoEvents

    manifest = DemoEvents(tmp_path, tracks=8).manifest()
    found = total = 0
    for track in manifest:
        sound, rate = soundfile.read(manifest.file(track))
        events = energy_events(sound, rate)
        for one in track.annotations:
            total += 1
            found += any(abs(onset - one.start) < 0.2 for onset, _ in events)
    assert 0.15 < found / total < 0.85
