"""demo: complete, the same every time, and neither trivial nor impossible to classify."""

from __future__ import annotations

import wave
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from audiospec.datasets.demo import ARTISTS, RATE, STYLES, Demo
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest


def sound(manifest: Manifest, number: int) -> npt.NDArray[np.float32]:
    with wave.open(str(manifest.file(manifest.tracks[number])), "rb") as file:
        assert file.getparams()[:3] == (1, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float32) / np.float32(32768)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return Demo(tmp_path_factory.mktemp("demo"), tracks=5, seconds=2).manifest()


def test_content(small: Manifest) -> None:
    assert Counter(track.label for track in small) == dict.fromkeys(STYLES, 5)
    assert len(STYLES) == 10
    assert small.tracks[0].id == "drift.00000"
    assert {track.group for track in small if track.label == "waltz"} == {
        f"waltz-{artist}" for artist in range(ARTISTS)
    }
    assert small.tracks[0].group == small.tracks[4].group
    for number in range(len(small)):
        samples = sound(small, number)
        assert 1.5 * RATE <= len(samples) <= 2.5 * RATE
        assert 0.2 < np.abs(samples).max() < 1
        assert np.sqrt((samples**2).mean()) > 0.005


def test_same_seed_same_bytes(small: Manifest, tmp_path: Path) -> None:
    repeated = Demo(tmp_path, tracks=1, seconds=2).manifest()
    for track in repeated:
        assert repeated.file(track).read_bytes() == small.file(track).read_bytes()
    other = Demo(tmp_path, tracks=1, seconds=2, seed=1).manifest()
    assert other.root != repeated.root
    assert other.file(other.tracks[0]).read_bytes() != repeated.file(repeated.tracks[0]).read_bytes()


def test_only_missing_and_incomplete_files_are_made(tmp_path: Path) -> None:
    demo = Demo(tmp_path, tracks=1, seconds=1)
    manifest = demo.manifest()
    missing, incomplete, complete = (manifest.file(track) for track in manifest.tracks[:3])
    contents = [file.read_bytes() for file in (missing, incomplete)]
    missing.unlink()
    incomplete.write_bytes(b"RIFF")
    stamp = complete.stat().st_mtime_ns
    assert demo.manifest() == manifest
    assert [file.read_bytes() for file in (missing, incomplete)] == contents
    assert complete.stat().st_mtime_ns == stamp
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(manifest)


def test_a_stopped_run_leaves_no_incomplete_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(wave.Wave_write, "writeframes", stop)
        with pytest.raises(KeyboardInterrupt):
            Demo(tmp_path, tracks=1, seconds=1).manifest()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path))
    assert Demo(tracks=1, seconds=1).manifest().root.parent == tmp_path / "demo"


def test_full_set(small: Manifest, tmp_path: Path) -> None:
    assert Demo(tmp_path, tracks=5).validate(small) == []
    assert len(Demo(tmp_path).validate(small)) == 10


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"tracks": 0}, {"seconds": 0.5}])
def test_parameters(wrong: dict[str, int]) -> None:
    with pytest.raises(DatasetError, match=f"parameter {next(iter(wrong))} must be"):
        Demo(**wrong)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is a file"):
        Demo(tmp_path / "file").manifest()
    with pytest.raises(DatasetError, match="cannot write: Not a directory"):
        Demo(tmp_path / "file" / "below").manifest()


def test_artists_are_easier_to_recognise_than_genres(tmp_path: Path) -> None:
    """By band levels, the nearest track has the same genre more often if the artist's own tracks count."""
    manifest = Demo(tmp_path, tracks=2 * ARTISTS, seconds=3).manifest()
    bands = []
    for number in range(len(manifest)):
        samples = sound(manifest, number)[: 2 * RATE]
        power = np.abs(np.fft.rfft(samples)) ** 2
        edges = np.geomspace(60, len(power) - 1, 33).astype(int)
        level = np.log([power[a:b].mean() for a, b in pairwise(edges)])
        bands.append(level - level.mean())
    distance = np.square(np.array(bands)[:, None] - np.array(bands)).sum(-1)
    np.fill_diagonal(distance, np.inf)
    label = np.array([track.label for track in manifest])
    group = np.array([track.group for track in manifest])
    with_artist = (label[distance.argmin(1)] == label).mean()
    distance[group[:, None] == group] = np.inf
    without = (label[distance.argmin(1)] == label).mean()
    assert 0.15 < without < with_artist < 0.9
