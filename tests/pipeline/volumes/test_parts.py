"""Several processes share the volumes of one store; any of them may be killed."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec.errors import DatasetError, StoreBusyError, StoreError
from audiospec.pipeline.verify import verify
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import locked, work_folder
from audiospec.testing.audio import write_noise_folder

#: A run in a process of its own: data, store, and the part, or ``"-"``.
SCRIPT = """
import sys
import audiospec
spec = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
part = None if sys.argv[3] == "-" else tuple(map(int, sys.argv[3].split("/")))
audiospec.run("folder", data=sys.argv[1], views=[(spec, audiospec.Chunking(seconds=0.5))], store=sys.argv[2],
              workers=0, volume_hours=60 / 3600, part=part)
"""
SPEC = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
VIEWS = [(SPEC, audiospec.Chunking(seconds=0.5))]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty tracks of 6 s: six volumes of a minute."""
    return write_noise_folder(tmp_path_factory.mktemp("songs") / "music", 60, 8000)


def _digests(store: Path) -> dict[str, str]:
    """Return the digest of every file of a store."""
    return {
        str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(store.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def unbroken(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of the store of a run that was not killed."""
    store = tmp_path_factory.mktemp("unbroken") / "s.zarr"
    audiospec.run("folder", data=songs, views=VIEWS, store=store, workers=0, volume_hours=60 / 3600)
    assert open_store(store).volumes == tuple(f"{n:05d}" for n in range(6))  # type: ignore[attr-defined]
    return _digests(store)


@pytest.fixture
def start_part(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `SCRIPT`."""

    def run(music: Path, store: Path, part: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SCRIPT, str(music), str(store), part]
        return start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return run


def _finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def test_two_parts_at_once_make_the_same_store(
    songs: Path, tmp_path: Path, unbroken: dict[str, str], start_part: Callable[..., Any]
) -> None:
    store = tmp_path / "s.zarr"
    parts = [start_part(songs, store, f"{index}/2") for index in range(2)]
    for part in parts:
        _finish(part)
    assert _digests(store) == unbroken
    assert not work_folder(store).exists()


def test_a_part_is_finished_by_any_later_run(songs: Path, tmp_path: Path, unbroken: dict[str, str]) -> None:
    store = tmp_path / "s.zarr"
    options: dict[str, Any] = {"data": songs, "views": VIEWS, "store": store, "workers": 0}
    report = audiospec.run("folder", **options, volume_hours=60 / 3600, part=(1, 3))
    assert (report.volumes, report.unfinished_volumes, report.views) == (2, 4, [])
    with pytest.raises(StoreError, match="is not finished"):
        open_store(store)
    assert len(open_store(store / "volumes" / "00004").view()) == 120  # a finished volume can be read
    report = audiospec.run("folder", **options, volume_hours=60 / 3600, part=(0, 3))
    assert (report.volumes, report.unfinished_volumes) == (2, 2)
    before = {file: file.stat().st_mtime_ns for file in store.rglob("c/*/0/0")}
    report = audiospec.run("folder", **options, volume_hours=60 / 3600)
    assert (report.volumes, report.unfinished_volumes) == (6, 0)
    assert len(report.views[0]) == 6 * 120
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in before.items())
    assert _digests(store) == unbroken
    assert not work_folder(store).exists()


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_run_is_finished_by_the_same_command(
    songs: Path, tmp_path: Path, unbroken: dict[str, str], start_part: Callable[..., Any], seed: int
) -> None:
    _kill(songs, tmp_path / "s.zarr", unbroken, start_part, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 50))
def test_many_killed_runs_are_finished(
    songs: Path, tmp_path: Path, unbroken: dict[str, str], start_part: Callable[..., Any], seed: int
) -> None:
    _kill(songs, tmp_path / "s.zarr", unbroken, start_part, seed)


def _kill(
    songs: Path, store: Path, unbroken: dict[str, str], start_part: Callable[..., Any], seed: int
) -> None:
    """Kill one of two parts, or a whole run, at a random moment after it has begun; run it to its end."""
    random = np.random.default_rng(seed)
    parts = ["0/2", "1/2"] if seed % 2 else ["-"]
    running = [start_part(songs, store, part) for part in parts]
    end = time.monotonic() + 60
    while not work_folder(store).exists():
        assert time.monotonic() < end
        time.sleep(0.002)
    time.sleep(float(random.uniform(0, 0.6)))
    running[0].send_signal(signal.SIGKILL)
    running[0].communicate()
    for other in running[1:]:
        _finish(other)
    _finish(start_part(songs, store, parts[0]))
    assert _digests(store) == unbroken
    assert not work_folder(store).exists()
    assert verify(store).is_whole


def test_two_whole_runs_at_once_are_refused(songs: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    options: dict[str, Any] = {"data": songs, "views": VIEWS, "store": store, "workers": 0}
    audiospec.run("folder", **options, volume_hours=60 / 3600)
    with locked(store / "volumes" / "00003"), pytest.raises(StoreBusyError, match=r"volumes/00003"):
        audiospec.run("folder", **options)
    with locked(store), pytest.raises(StoreBusyError):
        audiospec.run("folder", **options)
    assert not work_folder(store).exists()


def test_an_unfinished_store_of_another_dataset_is_refused(songs: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    options: dict[str, Any] = {"views": VIEWS, "store": store, "workers": 0, "volume_hours": 60 / 3600}
    audiospec.run("folder", data=songs, **options, part=(1, 3))
    manifest = audiospec.Manifest("other", songs, (audiospec.Track(id="a", path="a/00.wav", label="a"),))
    with pytest.raises(StoreError, match="is of an unfinished run of dataset 'folder', not 'other'"):
        audiospec.run(manifest, **options)
    shutil.rmtree(work_folder(store) / "division")
    shutil.rmtree(store / "volumes" / "00001")
    (store / "volumes" / "00004").rename(store / "volumes" / "00000")
    with pytest.raises(StoreError, match="00000 holds dataset 'folder', not 'other'"):
        audiospec.run(manifest, **options)


def test_parts_with_nothing_to_divide_are_refused(songs: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": songs, "views": VIEWS, "workers": 0}
    with pytest.raises(DatasetError, match=r"`part` has nothing to divide: the 0\.1 h of audio fit one"):
        audiospec.run("folder", **options, store=tmp_path / "s.zarr", part=(0, 2))
    assert list(tmp_path.iterdir()) == []
    for part in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(DatasetError, match="expected `part` I/N with I from 0 to N - 1"):
            audiospec.run("folder", **options, store=tmp_path / "s.zarr", part=part)
    with pytest.raises(StoreError, match="cannot have volumes"):
        audiospec.run("folder", **options, store=tmp_path / "s.h5", part=(0, 2))
