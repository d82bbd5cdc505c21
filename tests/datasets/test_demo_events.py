"""demo-events: complete, the same every time, its truth exact to the sample, and groups that matter."""

from __future__ import annotations

import csv
import hashlib
import wave
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.datasets.base import open_dataset
from audiospec.datasets.demo_events import CUT, LISTING, QUIET, RECORDINGS, DemoEvents
from audiospec.datasets.synthesis.scenes import Event, Scene, plan
from audiospec.datasets.synthesis.timbres import RATE, TIMBRES
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest


def sound(manifest: Manifest, number: int) -> npt.NDArray[np.float64]:
    with wave.open(str(manifest.file(manifest.tracks[number])), "rb") as file:
        assert file.getparams()[:3] == (1, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples / 32768


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return DemoEvents(tmp_path_factory.mktemp("events"), tracks=6, seconds=5).manifest()


def test_content(small: Manifest) -> None:
    assert [track.id for track in small][:2] == ["scene-00000.0", "scene-00000.1"]
    assert Counter(track.group for track in small) == {"scene-00000": RECORDINGS, "scene-00001": 2}
    assert small.target == "frames"
    assert {*small.labels} <= {*TIMBRES}
    for number, track in enumerate(small):
        samples = sound(small, number)
        assert len(samples) == 5 * RATE
        assert np.sqrt((samples**2).mean()) > 0.001
        assert np.abs(samples).max() < 0.95
        assert bool(track.annotations) is (number != QUIET)
        for annotation in track.annotations:
            for second in (annotation.start, annotation.end):
                assert second * RATE == pytest.approx(round(second * RATE), abs=1e-6)
    assert max(annotation.end for annotation in small.tracks[CUT].annotations) == 5
    ends = [one.end for number, track in enumerate(small) if number != CUT for one in track.annotations]
    assert max(ends) <= 5


def test_the_same_bytes_on_every_machine(small: Manifest) -> None:
    """The digest was the same with and without the vector instructions of the processor."""
    digest = hashlib.sha256(small.file(small.tracks[0]).read_bytes())
    digest.update((Path(str(small.root)) / LISTING).read_bytes())
    assert digest.hexdigest() == "a5761e862a2c3e2b9ee66e62ab4856853ae7c9664b55a827fbf1b7b5fc41cbc2"


def test_a_smaller_set_is_the_beginning_of_a_larger(small: Manifest, tmp_path: Path) -> None:
    fewer = DemoEvents(tmp_path, tracks=2, seconds=5).manifest()
    assert fewer.tracks == small.tracks[:2]
    assert fewer.file(fewer.tracks[1]).read_bytes() == small.file(small.tracks[1]).read_bytes()
    other = DemoEvents(tmp_path, tracks=2, seconds=5, seed=1).manifest()
    assert other.root != fewer.root
    assert other.tracks[0].annotations != fewer.tracks[0].annotations


@given(st.integers(0, 1000), st.integers(4, 30), st.booleans())
def test_plans(seed: int, seconds: int, is_cut: bool) -> None:
    events = plan(seconds * RATE, np.random.default_rng(seed), is_cut=is_cut)
    assert events
    assert [event.start for event in events] == sorted(event.start for event in events)
    for event in events:
        assert 0 <= event.start < event.stop <= seconds * RATE
        low, high = TIMBRES[event.label].seconds
        assert low - 1e-3 <= event.length / RATE <= high + 1e-3
    cut = [event for event in events if event.length != event.stop - event.start]
    assert len(cut) == is_cut
    assert all(event.stop == seconds * RATE for event in cut)
    for one, other in combinations(events, 2):
        if one.label == other.label:
            assert other.start - one.stop > 0.29 * RATE
    for place in (event.start for event in events):
        assert sum(event.start <= place < event.stop for event in events) <= 2


@pytest.mark.parametrize("label", TIMBRES)
def test_the_truth_is_exact(label: str) -> None:
    """An event changes its own samples alone: the first and the last of them, and none outside."""
    rng = np.random.default_rng(3)
    scene = Scene(rng)
    length = round(TIMBRES[label].seconds[0] * RATE)
    event = Event(20_000, 20_000 + length, label, length, 10.0)
    with_event, without = (
        scene.record(3 * RATE, events, np.random.default_rng(5)) for events in ([event], [])
    )
    changed = np.flatnonzero(with_event != without)
    assert 0 <= changed[0] - event.start < 5
    assert 0 <= event.stop - 1 - changed[-1] < 5
    rms = np.sqrt(((with_event - without)[event.start : event.stop] ** 2).mean())
    assert rms > 0.1 * np.sqrt((without**2).mean())


def test_levels_are_those_of_the_plan() -> None:
    """In a white background, the level of an event is that of its samples."""
    scene = Scene(np.random.default_rng(0))
    scene.slope, scene.bumps = 0.0, (scene.bumps[0], np.zeros(3))
    length = RATE
    sounds = [
        scene.record(
            4 * RATE,
            [Event(RATE, RATE + length, "voice", length, decibels)],
            np.random.default_rng(1),
        )
        for decibels in (0.0, 10.0)
    ]
    background = scene.record(4 * RATE, [], np.random.default_rng(1))
    for decibels, heard in zip((0.0, 10.0), sounds, strict=True):
        power = ((heard - background)[RATE : 2 * RATE] ** 2).mean() / (background**2).mean()
        assert 10 * np.log10(power) == pytest.approx(decibels, abs=2.5)  # the background swells


def test_the_listing_beside_the_audio(small: Manifest) -> None:
    with open(Path(str(small.root)) / LISTING, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["path", "start", "end", "label", "group"]
    empty = [row for row in rows if not row["label"]]
    quiet = small.tracks[QUIET]
    assert empty == [{"path": quiet.path, "start": "", "end": "", "label": "", "group": quiet.group}]
    rows = [row for row in rows if row["label"]]
    listed = {
        (row["path"], float(row["start"]), float(row["end"]), row["label"], row["group"]) for row in rows
    }
    assert listed == {
        (track.path, one.start, one.end, one.label, track.group)
        for track in small
        for one in track.annotations
    }
    assert len(rows) == len(listed)


def test_the_dataset_csv_reads_the_same_from_the_listing(small: Manifest) -> None:
    listed = open_dataset("csv", small.root / LISTING, {"target": "frames"}).manifest()
    assert listed.target == small.target
    assert [(track.path, track.annotations, track.group) for track in listed] == [
        (track.path, track.annotations, track.group) for track in small
    ]


def test_only_missing_and_incomplete_files_are_made(tmp_path: Path) -> None:
    dataset = DemoEvents(tmp_path, tracks=3, seconds=4)
    manifest = dataset.manifest()
    missing, incomplete, complete = (manifest.file(track) for track in manifest.tracks)
    contents = [file.read_bytes() for file in (missing, incomplete)]
    missing.unlink()
    incomplete.write_bytes(b"RIFF")
    listing = dataset.root / LISTING
    listing.write_text("path\n")
    stamp = complete.stat().st_mtime_ns
    assert dataset.manifest() == manifest
    assert [file.read_bytes() for file in (missing, incomplete)] == contents
    assert complete.stat().st_mtime_ns == stamp
    lines = [max(1, len(track.annotations)) for track in manifest]
    assert len(listing.read_text().splitlines()) == 1 + sum(lines)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(manifest) + 1


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path))
    dataset = DemoEvents(tracks=1, seconds=4)
    assert not dataset.is_here()
    assert dataset.manifest().root.parent == tmp_path / "demo-events"
    assert dataset.is_here()


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"tracks": 0}, {"seconds": 3.9}])
def test_parameters(wrong: dict[str, int]) -> None:
    with pytest.raises(DatasetError, match=f"parameter {next(iter(wrong))} must be"):
        DemoEvents(**wrong)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"'demo-events' expects a folder to write to at .* is a file"):
        DemoEvents(tmp_path / "file").manifest()


def test_sources_differ_more_between_scenes_than_within() -> None:
    """By its spectrum, an event is nearest to one of its own scene more often than chance."""
    spectra, scenes = [], []
    for number in range(6):
        scene = Scene(np.random.default_rng(number))
        for take in range(4):
            played = scene.sources["alarm"].play(RATE, np.random.default_rng([number, take]))
            power = np.abs(np.fft.rfft(played)) ** 2
            edges = np.geomspace(100, len(power) - 1, 60).astype(int)
            spectra.append(np.log([power[a:b].mean() for a, b in pairwise(edges)]))
            scenes.append(number)
    distance = np.square(np.array(spectra)[:, None] - np.array(spectra)).sum(-1)
    np.fill_diagonal(distance, np.inf)
    assert (np.array(scenes)[distance.argmin(1)] == scenes).mean() > 0.4  # chance: 3 of 23
