"""Files that kill or hang their decoder cost themselves only."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiospec.audio.fetched import AudioFile
from audiospec.audio.info import AudioInfo
from audiospec.audio.isolated import decode_files
from audiospec.audio.looking import UnknownFile, look_at
from audiospec.audio.recording import load, probe
from audiospec.digests import content_hash
from audiospec.engines.base import WorkerDied
from audiospec.engines.local import LocalEngine
from audiospec.errors import AudioError, DatasetError
from audiospec.limits import Limits
from audiospec.pipeline.featurize import run
from audiospec.pipeline.summary import Report
from audiospec.pipeline.suspects import Suspects
from audiospec.pipeline.tasks import TrackBegun
from audiospec.storage.opening import open_folder
from audiospec.stores.base import open_store
from audiospec.testing.buckets import bucket

RATE = 8000
#: Number of frames of a file → what libsndfile does with it when it is opened, or when it is decoded.
#: Python imports this module first in every process that is started, as no real file is known that kills its
#: decoder in all versions of libsndfile.
SITE = """
import ctypes, os, pathlib, sys, time
try:
    import numpy, soundfile, audiospec.audio.guard
except ImportError:  # another Python
    pass
else:
    audiospec.audio.guard.STEP_SECONDS = 3.0

    LOG = pathlib.Path(os.environ["KILLER_LOG"])

    def spin():
        while True:
            pass

    def fill():
        parts = []
        while True:
            parts.append(numpy.empty(1 << 24))

    def once():
        if LOG.read_text().count("ONCE") == 1:
            os.kill(os.getpid(), 9)

    def wait_with_the_lock():
        ctypes.PyDLL(None).sleep(600)

    KINDS = {
        "SEGFAULT": lambda: os.kill(os.getpid(), 11),
        "EXIT": lambda: os._exit(0),
        "ABORT": os.abort,
        "SPIN": spin,
        "HOLD": wait_with_the_lock,
        "FILL": fill,
        "KILL": lambda: os.kill(os.getpid(), 9),
        "ONCE": once,
    }

    def killing(method, first):
        def call(self, *args, **kwargs):
            result = method(self, *args, **kwargs)
            if 0 <= self.frames - first < len(KINDS):
                name = list(KINDS)[self.frames - first]
                with LOG.open("a") as log:
                    log.write(name + "\\n")
                KINDS[name]()
            return result
        return call

    soundfile.SoundFile.__init__ = killing(soundfile.SoundFile.__init__, 9100)
    soundfile.SoundFile.read = killing(soundfile.SoundFile.read, 9200)
"""
NAMES = ("SEGFAULT", "EXIT", "ABORT", "SPIN", "HOLD", "FILL", "KILL", "ONCE")
OPENED, DECODED = 9100, 9200
#: What happens → the beginning of the problem that is stored.
PROBLEMS = {
    "SEGFAULT": "its decoder died: killed by signal 11 (audiospec",
    "EXIT": "its decoder died: status 0 (audiospec",
    "ABORT": "its decoder died: killed by signal 6 (audiospec",
    "SPIN": "its decoder hangs: no progress in 3 s (audiospec",
    "HOLD": "its decoder hangs: no progress in 3 s (audiospec",
    "FILL": "not decodable: its decoder asks for more memory than a file may take (768 MiB)",
    "KILL": "its worker died 3 times: killed by signal 9, as by the system for want of memory",
}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make processes that are started die over files of certain lengths; return the list of what happened."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    path = [str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    monkeypatch.setenv("KILLER_LOG", str(tmp_path / "log"))
    monkeypatch.setattr("audiospec.audio.guard.STEP_SECONDS", 3.0)
    (tmp_path / "log").touch()
    return tmp_path / "log"


def _happened(log: Path) -> Counter[str]:
    """Count what has happened since the last call."""
    names = log.read_text().split()
    log.write_text("")
    return Counter(names)


def _write_killer(folder: Path, name: str, first: int) -> str:
    """Write a file with what happens as its name; return its id."""
    _write(folder, name, first + NAMES.index(name))
    return f"x/{name}.wav"


def _write(folder: Path, name: str, frames: int) -> Path:
    path = folder / "x" / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(frames).standard_normal(frames), RATE)
    return path


def _run(kit: Any, music: Path, store: Path, **options: Any) -> Report:
    return run(
        "folder", data=music, views=[(kit.spec, kit.chunking)], store=store, **{"workers": 2, **options}
    )


@pytest.mark.parametrize("first", [OPENED, pytest.param(DECODED, marks=pytest.mark.long)])
def test_each_killer_costs_itself_only(kit: Any, log: Path, tmp_path: Path, first: int) -> None:
    music = tmp_path / "music"
    for number in range(12):
        _write(music, f"F{number:02d}", 9000 + number)
    _run(kit, music, tmp_path / "good.zarr", workers=0)
    files = {_write_killer(music, name, first): name for name in PROBLEMS}
    report = _run(kit, music, tmp_path / "s.zarr")
    assert set(report.problems) == set(files)
    for id, name in files.items():
        assert report.problems[id].startswith(PROBLEMS[name])
    happened = _happened(log)
    assert set(happened) == set(files.values())
    if first == DECODED:
        assert happened == Counter(dict.fromkeys(PROBLEMS, 2)) + Counter(FILL=-1, KILL=2)
    store, good = open_store(tmp_path / "s.zarr"), open_store(tmp_path / "good.zarr")
    assert store.tracks.problems == report.problems
    for view, expected in zip(store.views(), good.views(), strict=True):
        assert view.ids.tolist() == expected.ids.tolist()
        assert view.read().tobytes() == expected.read().tobytes()

    # The next run tries only that one again which may have been killed from outside, and nothing that it has
    # no room for; a file that was touched, and one that was replaced.
    os.utime(music / "x" / "SEGFAULT.wav", (1, 1))
    _write(music, "EXIT", 9050)
    report = _run(kit, music, tmp_path / "s.zarr")
    assert set(report.problems) == set(files) - {"x/EXIT.wav"}
    assert report.problems["x/SEGFAULT.wav"].startswith(PROBLEMS["SEGFAULT"])
    again = {"SEGFAULT", "KILL"} | ({"FILL"} if first == OPENED else set())
    assert set(_happened(log)) == again
    assert dict(open_store(tmp_path / "s.zarr").tracks.problems) == report.problems


@pytest.mark.parametrize("first", [OPENED, pytest.param(DECODED, marks=pytest.mark.long)])
def test_objects_that_kill_have_the_problems_of_files(
    kit: Any, log: Path, tmp_path: Path, first: int
) -> None:
    """Fetching the next objects meanwhile changes nothing."""
    pytest.importorskip("obstore", reason="needs obstore, the extra `cloud`")
    pytest.importorskip("moto", reason="needs moto")
    music = tmp_path / "music"
    for number in range(6):
        _write(music, f"F{number:02d}", 9000 + number)
    files = {_write_killer(music, name, first): name for name in ("SEGFAULT", "FILL", "KILL")}
    _write_killer(music, "ONCE", first)
    with bucket() as url:
        folder = open_folder(url)
        for path in music.rglob("*.wav"):
            folder.write(path.relative_to(music).as_posix(), path.read_bytes())
        report = run(
            "folder", data=url, views=[(kit.spec, kit.chunking)], store=tmp_path / "s.zarr", workers=2
        )
        assert set(report.problems) == set(files)
        for id, name in files.items():
            assert report.problems[id].startswith(PROBLEMS[name])
        # A file that ended its decoder has the hash by which it is not tried again.
        records = {record.id: record for record in open_store(tmp_path / "s.zarr").tracks.records()}
        assert records["x/SEGFAULT.wav"].hash == content_hash(music / "x" / "SEGFAULT.wav")
        _happened(log)
        report = run(
            "folder", data=url, views=[(kit.spec, kit.chunking)], store=tmp_path / "s.zarr", workers=2
        )
        assert set(report.problems) == set(files)
        assert "SEGFAULT" not in _happened(log)


def test_a_file_that_was_decoded_when_its_worker_was_killed_has_no_problem(
    kit: Any, log: Path, tmp_path: Path
) -> None:
    _write(tmp_path / "music", "good", 9000)
    _write_killer(tmp_path / "music", "ONCE", DECODED)
    report = _run(kit, tmp_path / "music", tmp_path / "s.zarr", workers=1)
    assert report.problems == {}
    assert _happened(log)["ONCE"] >= 2
    assert report.views[0].store.tracks["hash"].tolist() == [
        content_hash(tmp_path / "music" / "x" / f"{name}.wav") for name in ("ONCE", "good")
    ]


def test_any_number_of_killers(kit: Any, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round in which workers died is not one of those that end when files keep changing."""
    monkeypatch.setattr("audiospec.pipeline.builder.MAX_PASSES", 2)
    for number in range(2):
        (tmp_path / "music" / "x").mkdir(parents=True, exist_ok=True)
        os.link(_write(tmp_path, "killer", DECODED), tmp_path / "music" / "x" / f"{number}.wav")
        (tmp_path / "x" / "killer.wav").unlink()
    _write(tmp_path / "music", "good", 30000)
    report = _run(kit, tmp_path / "music", tmp_path / "s.zarr", workers=1)
    assert list(report.problems) == ["x/0.wav", "x/1.wav"]
    assert set(report.views[0].ids.tolist()) == {"x/good.wav"}


def test_strict_names_the_killer(kit: Any, log: Path, tmp_path: Path) -> None:
    _write(tmp_path / "music", "good", 9000)
    _write_killer(tmp_path / "music", "SEGFAULT", DECODED)
    with pytest.raises(
        DatasetError, match=r"such as x/SEGFAULT\.wav \(its decoder died: killed by signal 11"
    ):
        _run(kit, tmp_path / "music", tmp_path / "s.zarr", strict=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_files_are_decoded_in_processes_of_their_own(log: Path, tmp_path: Path, workers: int) -> None:
    good = [_write(tmp_path, "good", 9000), _write(tmp_path, "long", 300_000)]
    bad = {name: tmp_path / _write_killer(tmp_path, name, DECODED) for name in ("SEGFAULT", "HOLD", "KILL")}
    once = tmp_path / _write_killer(tmp_path, "ONCE", DECODED)
    files = [good[0], *bad.values(), once, tmp_path / "nowhere.wav", good[1]]
    sounds: list[Any] = []
    for file, sound in zip(files, decode_files(files, 22050, workers=workers), strict=True):
        assert sound.file == file
        try:
            sounds.append(np.concatenate(list(sound)))
            assert (sound.note, sound.info) == ("", probe(file))
        except AudioError as error:
            sounds.append(error)
    for name, sound in zip(bad, sounds[1:], strict=False):
        assert isinstance(sound, AudioError)
        assert PROBLEMS[name].startswith(str(sound))
    assert "not readable" in str(sounds[5])
    for file, sound in ((good[0], sounds[0]), (once, sounds[4]), (good[1], sounds[6])):
        assert sound.tobytes() == load(file, 22050).tobytes()


def test_headers_are_read_by_workers(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tasks, of which some die."""
    monkeypatch.setattr("audiospec.audio.looking.FILES_PER_TASK", (4, 4))
    files = [_write(tmp_path, f"{number:02d}", 9000 + number) for number in range(10)]
    files[2:2] = [tmp_path / _write_killer(tmp_path, name, OPENED) for name in ("SEGFAULT", "ABORT", "ONCE")]
    found = look_at(LocalEngine(2), [UnknownFile(AudioFile(file)) for file in files])
    problems = {
        file.stem: str(info) for file, info in zip(files, found, strict=True) if isinstance(info, AudioError)
    }
    assert problems == {
        "SEGFAULT": "its decoder died: killed by signal 11",
        "ABORT": "its decoder died: killed by signal 6",
    }
    assert [info for info in found if isinstance(info, AudioInfo)] == [
        probe(file) for file in files if file.stem not in problems
    ]


@pytest.mark.long
def test_a_dry_run_survives(kit: Any, log: Path, tmp_path: Path) -> None:
    _write(tmp_path / "music", "good", 9000)
    _write_killer(tmp_path / "music", "HOLD", OPENED)
    report = _run(kit, tmp_path / "music", tmp_path / "s.zarr", dry_run=True)
    assert list(report.problems) == ["x/HOLD.wav"]
    assert report.planned[0].rows == 2


def test_limits_hold_in_expendable_processes_only() -> None:
    with Limits(0.05, 0) as limits:
        time.sleep(0.2)
        assert len(bytes(1 << 20)) == 1 << 20
    assert limits.used > 0.15


def test_a_suspect_is_the_track_that_its_task_began_last() -> None:
    suspects = Suspects()
    task = {"number": 4, "tracks": [[n, f"id{n}", "file"] for n in range(3)]}
    suspects.begin_round()
    suspects.begun(TrackBegun(4, 0))
    suspects.begun(TrackBegun(4, 1))
    suspects.begun(TrackBegun(5, 2))
    suspects.add(WorkerDied(task, "how", 11))
    assert (suspects.alone, suspects.killers, suspects.found) == ({"id1"}, {}, True)
    suspects.begin_round()
    assert not suspects.found
    suspects.begun(TrackBegun(0, 1))
    died = WorkerDied({"number": 0, "tracks": task["tracks"]}, "how", 11)
    suspects.add(died)
    assert suspects.killers == {"id1": died}


def test_without_a_beginning_each_track_of_a_task_is_suspect() -> None:
    """As with an engine that returns a task's results at its end."""
    suspects = Suspects()
    task = {"number": 0, "tracks": [[n, f"id{n}", "file"] for n in range(3)]}
    suspects.begin_round()
    suspects.add(WorkerDied(task, "how"))
    assert suspects.alone == {"id0", "id1", "id2"}
    assert suspects.killers == {}
