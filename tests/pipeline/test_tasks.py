"""The task format: tasks survive as JSON, and those of a plan are small."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audiospec
from audiospec.engines.base import Engine
from audiospec.engines.serial import SerialEngine
from audiospec.pipeline.featurize import run
from audiospec.pipeline.plan import Plan
from audiospec.pipeline.schedule import Schedule
from audiospec.pipeline.staging import DecodeResult, WorkFolder
from audiospec.pipeline.survey import survey
from audiospec.pipeline.tasks import (
    ExistingRow,
    RunConstants,
    Task,
    TaskResult,
    TaskRow,
    TaskShard,
    TaskTrack,
    TaskView,
    TrackBegun,
    read_result,
)
from audiospec.specs.table import TableSpec
from audiospec.stores.base import open_store

#: Any text that a file's name can be, including unpaired surrogates.
TEXT = st.text(st.characters(), max_size=9)
NUMBER = st.integers(-(2**63), 2**64 - 1)
NAME = st.text("0123456789abcdef-", min_size=1, max_size=40)
SPEC = st.sampled_from(
    [
        audiospec.MelSpec(),
        audiospec.MelSpec(fmax=7000.5, dtype="uint8"),
        audiospec.TabularSpec(),
        TableSpec(columns=("a", "ü")),
    ]
)
EXISTING = st.builds(ExistingRow, TEXT, NAME, NUMBER, NUMBER, NUMBER, NUMBER)
ROW = st.one_of(
    st.builds(TaskRow, NUMBER, NUMBER, NUMBER, st.booleans()),
    st.builds(TaskRow, NUMBER, NUMBER, NUMBER, st.booleans(), existing=EXISTING),
    st.builds(TaskRow, NUMBER, NUMBER, NUMBER, st.booleans(), fragment=NAME),
)
SHARD = st.builds(TaskShard, NAME, NAME | st.just(""), NUMBER, st.lists(ROW, max_size=4).map(tuple))
VIEW = st.builds(TaskView, TEXT, SPEC, NUMBER, st.lists(SHARD, max_size=3).map(tuple))
CONSTANTS = st.builds(RunConstants, TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=2))
TASK = st.builds(
    Task,
    NUMBER,
    CONSTANTS,
    st.lists(st.builds(TaskTrack, NUMBER, TEXT, TEXT), max_size=4).map(tuple),
    st.none() | NUMBER,
    st.lists(VIEW, max_size=2).map(tuple),
)
DECODED = st.builds(DecodeResult, TEXT, NAME, NUMBER, NUMBER, NUMBER, TEXT, NUMBER, NUMBER)
RESULT = st.builds(TaskResult, TEXT, NAME, st.lists(DECODED, max_size=3).map(tuple)) | st.builds(
    TrackBegun, NUMBER, NUMBER
)


def same(value: Any, other: Any) -> bool:
    """Whether two JSON values and their types are equal: a tuple is not a list, True is not 1."""
    if type(value) is not type(other):
        return False
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(same(value[key], other[key]) for key in value)
    if isinstance(value, list):
        return len(value) == len(other) and all(map(same, value, other))
    return bool(value == other)


def carried(value: Any) -> Any:
    """Return a value as an engine delivers it; fail if that is another value."""
    text = json.dumps(value, allow_nan=False)
    assert same(json.loads(text), value)
    return json.loads(text)


@given(TASK)
def test_a_task_is_read_as_it_was_written(task: Task) -> None:
    assert Task.from_json(carried(task.to_json())) == task


@given(RESULT)
def test_a_result_is_read_as_it_was_written(result: TaskResult | TrackBegun) -> None:
    assert read_result(carried(result.to_json())) == result


@pytest.mark.parametrize(
    ("files", "about"), [([], ""), (["a.wav"], "a.wav"), (["a.wav", "b.wav", "c.wav"], "a.wav to c.wav")]
)
def test_a_task_names_its_first_and_last_file(files: list[str], about: str) -> None:
    tracks = tuple(TaskTrack(number, f"id{number}", file) for number, file in enumerate(files))
    task = Task(0, RunConstants("work", "cpu", {}), tracks, None, ())
    assert task.to_json()["about"] == about


def test_a_plans_tasks_are_small_and_survive_as_text(kit: Any, tmp_path: Path) -> None:
    """With several views, tracks whose rows are in several tasks, and 76 rows a task."""
    tracks = []
    for number in range(60):
        path = kit.write_track(tmp_path / "music", "a", number, seconds=1.6 + 0.5 * (number % 3))
        tracks.append(audiospec.Track(id=path.stem, path=f"a/{path.name}", label="a"))
    manifest = audiospec.Manifest("mine", tmp_path / "music", tuple(tracks))
    states = survey(manifest, [], {}, SerialEngine())
    other = audiospec.Chunking(seconds=0.7, hop=0.3)
    plans = [Plan.make(kit.spec, chunking, states) for chunking in (kit.chunking, other)]
    constants = RunConstants(str(tmp_path / "s.zarr.work"), "cpu", {"mel": "conv"})
    schedule = Schedule(plans, WorkFolder(tmp_path / "s.zarr.work"))
    tasks = list(schedule.tasks(constants))
    assert len(tasks) > 10
    rows = 0
    for task in tasks:
        value = carried(task.to_json())
        assert Task.from_json(value) == task
        planned = [row for view in task.views for shard in view.shards for row in shard.rows]
        assert {row.track for row in planned} == {track.number for track in task.tracks}
        rows += len(planned)
        # The specs and the paths of the tracks; a row adds about 25 bytes.
        assert len(json.dumps(value)) < 2000 + 110 * len(task.tracks) + 70 * len(planned)
    assert rows >= sum(len(plan.rows) for plan in plans)
    assert any(row.fragment for task in tasks for view in task.views for s in view.shards for row in s.rows)


class _Carrier(Engine):
    """Carries tasks and results as text, and stops as on Ctrl-C after `results` results."""

    def __init__(self, results: int | None = None) -> None:
        super().__init__()
        self.results = results
        self.tasks: list[Task] = []

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        if not function.endswith("worker:compute"):  # it probes files
            yield from SerialEngine().run(function, tasks)
            return
        for count, result in enumerate(SerialEngine().run(function, map(self._take, tasks))):
            if count == self.results:
                raise KeyboardInterrupt
            yield carried(result)

    def _take(self, task: dict[str, Any]) -> dict[str, Any]:
        self.tasks.append(Task.from_json(carried(task)))
        return json.loads(json.dumps(task))

    def existing(self) -> list[ExistingRow]:
        """Return the rows that the tasks say exist already."""
        rows = (row for task in self.tasks for view in task.views for s in view.shards for row in s.rows)
        return [row.existing for row in rows if row.existing is not None]


def test_an_engine_gets_plain_json(kit: Any, music: Path, tmp_path: Path) -> None:
    """Also for rows that exist already, in a work folder or in a store."""
    views = [(kit.spec, kit.chunking), (audiospec.TabularSpec(sample_rate=8000), kit.chunking)]

    def call(engine: Engine) -> None:
        run("folder", data=music, views=views, store=tmp_path / "s.zarr", engine=engine, backend="conv")

    with pytest.raises(KeyboardInterrupt):
        call(_Carrier(5))
    for number in range(40):  # so many that shards get another size
        kit.write_track(music, "more", number)
    staged = _Carrier()
    call(staged)
    assert {row.store for row in staged.existing()} == {""}
    assert {task.run.backends["mel"] for task in staged.tasks} == {"conv"}
    kit.write_track(music, "ant", 1, seconds=3.1)  # moves the rows after it
    finished = _Carrier()
    call(finished)
    assert {row.store for row in finished.existing()} == {str(tmp_path / "s.zarr")}
    run("folder", data=music, views=views, store=tmp_path / "fresh.zarr", workers=0, backend="conv")
    resumed, fresh = (open_store(tmp_path / name) for name in ("s.zarr", "fresh.zarr"))
    sizes = [{view.name: view.ids.size for view in store.views()} for store in (resumed, fresh)]
    assert sizes[0] == sizes[1]
    for view in resumed.views():
        for id in ("more/039.flac", "ant/001.flac"):
            other = fresh.view(view.name)
            assert (view.read(view.rows_of(id)) == other.read(other.rows_of(id))).all()
