"""What the network of the study of events is compared with: events at random, and the energy detector."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from audiospec.annotations.annotation import Annotation
from audiospec.benchmarks.studies.events import Recording, baselines, chance, common_class, oracle_class
from audiospec.testing.audio import write

LEARNT = [Annotation(start=float(n), end=n + 0.5, label="bark") for n in range(30)] + [
    Annotation(start=0.0, end=2.0, label="hum"),
    Annotation(start=5.0, end=8.0, label="hum"),
]


def recording(file: Path, truth: tuple[Annotation, ...] = (), id: str = "a") -> Recording:
    return Recording(id, id, file, 10.0, truth, LEARNT, 100.0)


def test_chance_has_the_rates_and_lengths_of_training() -> None:
    random, one = np.random.default_rng(0), recording(Path())
    events = [event for _ in range(500) for event in chance(one, ["bark", "hum"], random)]
    counts = Counter(event.label for event in events)
    assert counts["bark"] / 500 == pytest.approx(3.0, rel=0.1)
    assert counts["hum"] / 500 == pytest.approx(0.2, rel=0.4)
    lengths = {(event.label, round(event.end - event.start, 6)) for event in events}
    assert lengths == {("bark", 0.5), ("hum", 2.0), ("hum", 3.0)}
    assert min(event.start for event in events) >= 0
    assert max(event.end for event in events) <= 10
    assert np.std([event.start for event in events if event.label == "bark"]) > 2


def test_the_class_of_a_loud_stretch() -> None:
    truth = (Annotation(start=1.0, end=3.0, label="hum"), Annotation(start=2.5, end=6.0, label="bark"))
    one = recording(Path(), truth)
    loud = [(1.0, 2.8), (2.4, 6.0), (8.0, 9.0)]
    assert [event.label for event in oracle_class(one, loud)] == ["hum", "bark", "bark"]
    assert [event.label for event in common_class(one, loud)] == ["bark"] * 3
    assert [(event.start, event.end) for event in oracle_class(one, loud)] == loud


def test_the_energy_detector_with_an_oracle_knows_when(tmp_path: Path) -> None:
    """A loud tone in silence is one event: right with its class, wrong with the most common one."""
    rate = 8000
    times = np.arange(10 * rate) / rate
    wave = 0.001 * np.random.default_rng(0).standard_normal(len(times))
    wave += np.where((times > 4) & (times < 6), 0.3 * np.sin(2000 * times), 0)
    file = tmp_path / "tone.wav"
    write(file, wave.astype(np.float32), rate)
    truth = (Annotation(start=4.0, end=6.0, label="hum"),)
    tables = baselines([recording(file, truth, id) for id in "ab"], ["bark", "hum"])
    assert tables["energy, oracle class"].event_f1 == 1.0
    assert tables["energy, common class"].event_f1 == 0.0
    assert tables["chance"].event_f1 < 0.2
