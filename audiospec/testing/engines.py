"""EngineContract: tests of what every engine must do, to be inherited.

The tests of an engine are one class::

    class TestMine(EngineContract):
        name = "mine"

        @pytest.fixture
        def engine(self):
            ...  # only if the engine needs more than a number of workers
"""

from __future__ import annotations

import inspect
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from audiospec import errors
from audiospec.engines.base import Engine, WorkerDied, engines
from audiospec.errors import EngineError

WORK = "audiospec.testing.engines:work"
#: More tasks than any engine should take before the results are read.
MANY = 10_000
#: Most tasks that an engine of two workers may take ahead of the results that are read.
AHEAD = 200


def work(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function that does what its task says; it touches a file in the task's folder, if it has one."""
    if task.get("folder"):
        (Path(task["folder"]) / str(task["number"])).touch()
        time.sleep(task.get("sleep", 0.01))
    for part in range(task.get("results", 1)):
        yield {"number": task.get("number"), "part": part, "value": task.get("value")}
    if task.get("raise"):
        raise getattr(errors, task["raise"])(task["message"])
    if task.get("bug"):
        raise ZeroDivisionError("a bug")
    if task.get("die"):
        os._exit(3)
    if task.get("kill_parent"):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)  # the end of the parent ends this process


class EngineContract:
    """Tests that every engine passes.

    Attributes
    ----------
    name : str
        The engine's name in the registry.
    has_workers : bool
        Whether tasks run in other processes, which can die.
    """

    name: ClassVar[str]
    has_workers: ClassVar[bool] = True

    @pytest.fixture
    def engine(self) -> Engine:
        """Return the engine, with two workers if it has workers."""
        return engines[self.name](workers=2 if self.has_workers else None)

    def test_is_registered(self, engine: Engine) -> None:
        """The registry has it under its name, which is the module's name in `audiospec.engines`."""
        assert engines[self.name] is type(engine)
        assert isinstance(engine, Engine)
        assert engines.summary(self.name)
        package, _, module = type(engine).__module__.rpartition(".")
        if package == engines.package:
            assert module.replace("_", "-") == self.name

    def test_is_made_from_a_number_of_workers_alone(self, engine: Engine) -> None:
        """Every other parameter of its constructor has a default."""
        parameters = inspect.signature(type(engine)).parameters
        assert list(parameters)[:1] == ["workers"]
        assert all(p.default is not p.empty for p in parameters.values() if p.kind is not p.VAR_KEYWORD)

    def test_an_impossible_number_of_workers(self) -> None:
        """The constructor refuses it."""
        with pytest.raises(EngineError, match="got -1"):
            engines[self.name](workers=-1)

    def test_every_result_arrives(self, engine: Engine) -> None:
        """In any order. A task may have no results, or several."""
        tasks = [{"number": number, "results": number % 4} for number in range(25)]
        results = Counter((r["number"], r["part"]) for r in _results(engine, WORK, iter(tasks)))
        assert results == Counter((task["number"], part) for task in tasks for part in range(task["results"]))

    def test_no_tasks(self, engine: Engine) -> None:
        """There are no results."""
        assert list(_results(engine, WORK, [])) == []
        assert list(_results(engine, WORK, iter(()))) == []

    def test_it_can_run_again(self, engine: Engine) -> None:
        """One engine runs several functions, one after another."""
        for function in (WORK, "audiospec.testing.engines:other_work", WORK):
            numbers = [result["number"] for result in _results(engine, function, [{"number": 1}])]
            assert numbers == [-1 if "other" in function else 1]

    def test_it_runs_within_a_block(self, engine: Engine) -> None:
        """Several times, prepared or not, also after an error; and after the block."""
        with engine:
            engine.prepare(WORK)
            for function in (WORK, "audiospec.testing.engines:other_work", WORK):
                tasks = [{"number": number} for number in range(1, 5)]
                numbers = sorted(abs(result["number"]) for result in _results(engine, function, tasks))
                assert numbers == [1, 2, 3, 4]
            with pytest.raises(errors.SpecError, match=r"^no$"):
                list(_results(engine, WORK, [{"number": 0, "raise": "SpecError", "message": "no"}]))
            assert [result["number"] for result in _results(engine, WORK, [{"number": 7}])] == [7]
        assert [result["number"] for result in _results(engine, WORK, [{"number": 8}])] == [8]

    def test_values_arrive_unchanged(self, engine: Engine) -> None:
        """All types of JSON, and file names that are not UTF-8."""
        value = {
            "text": 'ü ☃ 🎵 \udc80 "\n\\',
            "numbers": [2**64 - 1, -(2**63), 0.1 + 0.2, 1e300, True, False, None],
            "nested": [[], {}, [{"": [1]}]],
            "long": "x" * 200_000,
        }
        (result,) = _results(engine, WORK, [{"number": 0, "value": value}])
        assert result["value"] == value
        assert [type(n) for n in result["value"]["numbers"]] == [type(n) for n in value["numbers"]]

    def test_tasks_are_taken_as_they_are_needed(self, engine: Engine) -> None:
        """There may be more tasks than memory has room for."""
        taken = itertools.count()
        results = _results(engine, WORK, ({"number": next(taken)} for _ in range(MANY)))
        for _ in range(3):
            next(results)
        _close(results)
        assert next(taken) < AHEAD

    @pytest.mark.parametrize("kind", ["SpecError", "AudioError", "DiskFullError", "AudiospecError"])
    def test_errors_keep_their_type(self, engine: Engine, kind: str) -> None:
        """And their message, even if it has several lines."""
        message = "expected ü, got \udc80:\ndo that"
        with pytest.raises(getattr(errors, kind)) as caught:
            list(_results(engine, WORK, [{"number": 0, "raise": kind, "message": message}]))
        assert type(caught.value) is getattr(errors, kind)
        assert str(caught.value) == message

    def test_a_bug_is_reported(self, engine: Engine) -> None:
        """Any other error arrives as it is, or as an `EngineError` with its type, message and traceback."""
        with pytest.raises((EngineError, ZeroDivisionError)) as caught:
            list(_results(engine, WORK, [{"number": 0, "bug": True}]))
        text = f"{type(caught.value).__name__}: {caught.value}"
        assert "ZeroDivisionError: a bug" in text
        if isinstance(caught.value, EngineError):
            assert "Traceback" in text
            assert "in work" in text

    def test_a_task_that_raises_stops_the_work(self, engine: Engine, tmp_path: Path) -> None:
        """Its results arrive first. After the error no task runs."""
        taken = itertools.count()
        bad = {"number": MANY, "raise": "SpecError", "message": "no", "results": 2}
        good = ({"number": next(taken), "folder": str(tmp_path)} for _ in range(MANY))
        results = _results(engine, WORK, itertools.chain([bad], good))
        counts: Counter[int] = Counter()
        with pytest.raises(errors.SpecError, match=r"^no$"):
            counts.update(result["number"] for result in results)
        assert counts[MANY] == 2
        assert list(results) == []
        self._assert_no_task_runs(tmp_path)
        assert next(taken) < AHEAD

    def test_closing_the_results_stops_the_work(self, engine: Engine, tmp_path: Path) -> None:
        """What tasks have written by then stays."""
        taken = itertools.count()
        results = _results(
            engine, WORK, ({"number": next(taken), "folder": str(tmp_path)} for _ in range(MANY))
        )
        first = next(results)["number"]
        _close(results)
        assert (tmp_path / str(first)).exists()
        self._assert_no_task_runs(tmp_path)
        assert next(taken) < AHEAD

    def _assert_no_task_runs(self, folder: Path) -> None:
        before = len(list(folder.iterdir()))
        time.sleep(0.3)
        assert len(list(folder.iterdir())) == before

    def test_a_worker_that_dies_is_reported(self, engine: Engine, tmp_path: Path) -> None:
        """Once, with its task, and after those of its results that arrive; the others' arrive once."""
        if not self.has_workers:
            pytest.skip(f"engine {self.name} has no workers")
        tasks: list[dict[str, Any]] = [{"number": number, "value": "ü \udc80"} for number in range(8)]
        tasks[3].update(die=True)
        events = list(engine.run(WORK, map(dict, tasks)))
        (died,) = [event for event in events if isinstance(event, WorkerDied)]
        assert died.task == tasks[3]
        assert "3" in died.how  # its exit status
        assert died.how.isprintable()
        counts = Counter(event["number"] for event in events if isinstance(event, dict))
        assert {number: count for number, count in counts.items() if number != 3} == dict.fromkeys(
            (0, 1, 2, 4, 5, 6, 7), 1
        )
        assert counts[3] <= 1
        later = events[events.index(died) :]
        assert not any(event["number"] == 3 for event in later if isinstance(event, dict))

    def test_any_number_of_workers_may_die(self, engine: Engine, tmp_path: Path) -> None:
        """The engine goes on; it does not try a task again."""
        if not self.has_workers:
            pytest.skip(f"engine {self.name} has no workers")
        tasks = [{"number": n, "die": n < 7, "folder": str(tmp_path)} for n in range(9)]
        events = list(engine.run(WORK, tasks))
        died = [event.task["number"] for event in events if isinstance(event, WorkerDied)]
        assert sorted(died) == list(range(7))
        assert {event["number"] for event in events if isinstance(event, dict)} >= {7, 8}

    def test_a_function_that_cannot_be_imported(self, engine: Engine) -> None:
        """It is an error that names the module, not a death of each worker."""
        with pytest.raises((EngineError, ImportError), match="no_such_module"):
            list(_results(engine, "audiospec.testing.no_such_module:work", [{"number": 0}]))

    def test_stores_are_equal_to_the_byte(self, engine: Engine, tmp_path: Path) -> None:
        """A run on this engine writes the same files as one on `serial`; one audio file is damaged."""
        from audiospec.audio.chunking import Chunking
        from audiospec.manifest import Manifest, Track
        from audiospec.pipeline.featurize import run
        from audiospec.specs.mel import MelSpec

        tracks = _write_tracks(tmp_path / "audio", Track)
        manifest = Manifest("contract", tmp_path / "audio", tracks)
        spec = MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
        views = [(spec, Chunking(seconds=0.5)), (spec, Chunking(seconds=0.7, hop=0.3))]
        contents = []
        for name, chosen in (("serial", engines["serial"]()), ("tested", engine)):
            report = run(manifest, views=views, store=tmp_path / name / "s.zarr", engine=chosen)
            assert list(report.problems) == ["4"]
            store = tmp_path / name / "s.zarr"
            files = sorted(file for file in store.rglob("*") if file.is_file())
            contents.append({file.relative_to(store): file.read_bytes() for file in files})
        assert len(contents[0]) > 20
        assert contents[0] == contents[1]


def other_work(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function that differs from `work`."""
    yield {"number": -task["number"]}


def process(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function that says which process runs it, after a hundredth of a second."""
    time.sleep(0.01)
    yield {"process": os.getpid()}


def _results(engine: Engine, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the results of tasks over which no worker dies."""
    results = engine.run(function, tasks)
    try:
        for result in results:
            assert isinstance(result, dict)
            yield result
    finally:
        _close(results)


def _close(results: Iterator[Any]) -> None:
    """Close the generator, which stops the work."""
    results.close()  # type: ignore[attr-defined]


def _write_tracks(folder: Path, track: type[Any]) -> tuple[Any, ...]:
    """Write ten tracks of noise of several lengths; the fifth cannot be decoded."""
    import soundfile

    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(10):
        noise = 0.1 * random.standard_normal(8000 + 3000 * (number % 4))
        soundfile.write(folder / f"{number}.wav", noise, 8000)
    (folder / "4.wav").write_bytes(b"no audio at all")
    return tuple(track(id=str(n), path=f"{n}.wav", label="ab"[n % 2]) for n in range(10))
