"""What a run does for engines whose machines are elsewhere, and when they differ."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec.engines.serial import SerialEngine
from audiospec.errors import EngineError
from audiospec.pipeline import filling
from audiospec.pipeline.repair import repair
from audiospec.pipeline.sight import in_sight, look
from audiospec.stores.layout.lock import work_folder


class Remote(SerialEngine):
    """Says that it is elsewhere; `pieces` shards make a task."""

    is_remote = True

    def __init__(self, pieces: int = 1) -> None:
        super().__init__()
        self.pieces = pieces
        self.tasks: list[dict[str, Any]] = []
        self.required: list[dict[str, Any]] = []

    def pieces_per_task(self, pieces: int) -> int:
        return self.pieces

    @contextmanager
    def requiring(self, function: str, task: dict[str, Any]) -> Iterator[None]:
        self.required.append(task)
        assert list(super().run(function, [task])) == []
        yield
        with pytest.raises(EngineError, match="does not see"):  # the token is removed at the end
            list(super().run(function, [{**task, "work": [task["work"][0], "sight-none"]}]))

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in tasks:
            if "views" in task:
                self.tasks.append(task)
            yield from super().run(function, [task])


def files(store: Path) -> dict[Path, bytes]:
    return {file.relative_to(store): file.read_bytes() for file in store.rglob("*") if file.is_file()}


def shards(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [shard for task in tasks for view in task["views"] for shard in view["shards"]]


@pytest.fixture
def long_music(kit: Any, tmp_path: Path) -> Path:
    """Forty tracks of several lengths, so that many shards have rows of tracks of others."""
    for number in range(40):
        kit.write_track(tmp_path / "long", "ab"[number % 2], number, seconds=1.6 + 0.5 * (number % 3))
    return tmp_path / "long"


def test_several_shards_make_a_task(kit: Any, long_music: Path, tmp_path: Path) -> None:
    """With fewer fragments, and the same bytes."""
    engines = [Remote(1), Remote(8)]
    for number, engine in enumerate(engines):
        audiospec.featurize(
            "folder",
            data=long_music,
            spec=kit.spec,
            chunk=kit.chunking,
            store=tmp_path / f"{number}.zarr",
            engine=engine,
        )
    one, eight = (engine.tasks for engine in engines)
    assert len(one) > 10
    assert len(eight) == -(
        -len({shard["digest"] for shard in shards(one) if "-" not in shard["digest"]}) // 8
    )
    fragments = [sum("-" in shard["digest"] for shard in shards(tasks)) for tasks in (one, eight)]
    assert fragments[0] > 5 * fragments[1]
    assert files(tmp_path / "0.zarr") == files(tmp_path / "1.zarr")
    name = audiospec.open_store(tmp_path / "0.zarr").view().name
    assert all(task["name"].startswith(f"{name}-") for task in one)
    assert len({task["name"] for task in one}) == len(one)


def test_machines_see_the_audio_and_the_work_folder(kit: Any, music: Path, tmp_path: Path) -> None:
    """They are asked by absolute paths, in each run that computes, and nothing is left behind."""
    engine = Remote()
    work = work_folder(tmp_path / "s.zarr")
    work.mkdir()
    (work / "sight-of-a-killed-run").write_text("")
    audiospec.featurize(
        "folder", data=music, spec=kit.spec, chunk=kit.chunking, store=tmp_path / "s.zarr", engine=engine
    )
    (task,) = engine.required
    assert Path(task["audio"][0]).is_absolute()
    assert task["work"][0] == str(work)
    assert not work.exists()


def test_a_repair_asks_them_too(kit: Any, music: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    audiospec.featurize("folder", data=music, spec=kit.spec, chunk=kit.chunking, store=path, workers=0)
    before = audiospec.open_store(path).view().read()
    view = audiospec.open_store(path).view()
    file = view.shard_file(1)
    content = bytearray(file.read_bytes())
    content[7] ^= 1
    file.write_bytes(content)
    view = audiospec.open_store(path).view()
    damaged = view.damaged().tolist()
    assert damaged
    engine = Remote()
    repair(audiospec.open_store(path), {view.name: damaged}, engine=engine)
    assert len(engine.required) == 1
    assert np.array_equal(audiospec.open_store(path).view().read(), before)


def test_what_a_machine_does_not_see_is_said(tmp_path: Path) -> None:
    audio, work = tmp_path / "a.wav", tmp_path / "work"
    audio.write_bytes(b"RIFF")
    work.mkdir()
    manifest = audiospec.Manifest("mine", tmp_path, (audiospec.Track(id="a", path="a.wav", label="x"),))
    engine = Remote()
    with in_sight(engine, manifest, work):
        (task,) = engine.required
        token = task["work"][1]
        place, checksum = task["audio"]
        cases = {
            f"does not see {tmp_path / 'none'}": {"audio": [str(tmp_path / "none" / "a.wav"), checksum]},
            f"sees another {audio}": {"audio": [place, checksum + 1]},
            f"does not see {tmp_path / 'other'}": {"work": [str(tmp_path / "other"), token]},
        }
        for reason, wrong in cases.items():
            with pytest.raises(EngineError) as caught:
                list(look({**task, **wrong}))
            assert caught.value.reason == reason
            assert caught.value.hint.startswith("put audio and store where all machines see them")
        (work / token).write_text("another")
        with pytest.raises(EngineError, match=f"sees another {work}"):
            list(look(task))
        (work / token).write_text(token)
    assert list(work.iterdir()) == []


def test_kinds_of_processor_are_recorded_if_they_are_mixed(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"data": music, "spec": kit.spec, "chunk": kit.chunking, "workers": 0}
    plain = audiospec.featurize("folder", store=tmp_path / "one.zarr", **settings)
    assert "processors" not in plain.info.made
    assert caplog.records == []
    kinds = itertools.cycle(["old avx2", "new avx512f"])
    monkeypatch.setattr(filling, "processor_kind", lambda: next(kinds))
    with caplog.at_level(logging.WARNING, "audiospec"):
        mixed = audiospec.featurize("folder", store=tmp_path / "two.zarr", **settings)
    assert mixed.info.made == {**plain.info.made, "processors": ["new avx512f", "old avx2"]}
    (record,) = caplog.records
    assert "computed on 2 kinds of processor (new avx512f; old avx2)" in record.getMessage()
