"""Mixtures of the study of several labels: two classes at equal energy, and no source on two sides."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec.benchmarks.studies.labels import PEAK, USES, Mixture, mix, mixtures, write
from audiospec.datasets.csv import Csv
from audiospec.manifest import Track


def tracks() -> list[Track]:
    """Three folds of five classes; every second recording has two clips."""
    made = []
    for fold in "123":
        for number in range(30):
            label, recording = "abcde"[number % 5], f"{fold}{number // 2 * 2 + number % 5 * 100}"
            made.append(
                Track(id=f"{fold}-{number:02}", path="x.wav", label=label, group=recording, fold=fold)
            )
            if number % 2:
                made.append(
                    Track(id=f"{fold}-{number:02}b", path="x.wav", label=label, group=recording, fold=fold)
                )
    return made


def test_no_recording_is_in_two_groups_and_no_group_in_two_folds() -> None:
    chosen = mixtures(tracks())
    group_of: dict[tuple[str, str], set[str]] = {}
    folds: dict[str, set[str]] = {}
    for one in chosen:
        for clip in (one.first, one.second):
            group_of.setdefault((clip.label, clip.group), set()).add(one.group)
            folds.setdefault(one.group, set()).add(clip.fold)
    assert all(len(groups) == 1 for groups in group_of.values())
    assert all(len(of) == 1 for of in folds.values())
    assert {fold for of in folds.values() for fold in of} == {"1", "2", "3"}


def test_clips_are_of_different_classes_and_used_a_few_times() -> None:
    chosen = mixtures(tracks())
    uses = Counter(clip.id for one in chosen for clip in (one.first, one.second))
    assert all(one.first.label != one.second.label for one in chosen)
    assert len({one.name for one in chosen}) == len(chosen)
    assert max(uses.values()) == USES
    assert len(uses) > 0.9 * len(tracks())


def test_the_seed_and_not_the_order_decides() -> None:
    assert mixtures(tracks()) == mixtures(tracks()[::-1])
    assert mixtures(tracks()) != mixtures(tracks(), seed=1)


def test_both_sounds_have_the_same_energy() -> None:
    rng = np.random.default_rng(0)
    first, second = 0.5 * rng.standard_normal(8000), np.zeros(6000)
    second[100:200] = 1e-3
    total = mix(first, second)
    assert np.abs(total).max() == pytest.approx(PEAK)
    scale = (total @ np.pad(second, (0, 2000)) - 0) / np.square(second).sum()
    rest = total - scale * np.pad(second, (0, 2000))
    # Taking the second sound out leaves the first, at the energy that the second has.
    assert np.square(scale * second).sum() == pytest.approx(np.square(rest).sum(), rel=0.1)


def test_the_table_is_read_with_both_labels(tmp_path: Path) -> None:
    for name, frequency in (("1", 300), ("2", 900)):
        wave = np.sin(2 * np.pi * frequency * np.arange(8000) / 8000)
        soundfile.write(tmp_path / f"{name}.wav", np.stack([wave, wave], 1), 8000)
    first, second = (
        Track(id=f"1-{name}-A", path=f"{name}.wav", label=f"Class {name}", group=name, fold="1")
        for name in "12"
    )
    table = write([Mixture(first, second, "1-00")], tmp_path, tmp_path / "out")
    with table.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row == {"path": "1-1-A+1-2-A.wav", "label": "Class 1;Class 2", "fold": "1", "group": "1-00"}
    (track,) = Csv(table, target="multi-label").manifest()
    assert [one.label for one in track.annotations] == ["Class 1", "Class 2"]
    assert (track.fold, track.group) == ("1", "1-00")
    sound, rate = soundfile.read(table.parent / track.path)
    spectrum = np.abs(np.fft.rfft(sound))
    assert rate == 8000
    assert spectrum[300] == pytest.approx(spectrum[900], rel=0.01)
