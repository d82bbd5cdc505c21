"""The parent, a worker or both die at any moment, and the next run continues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

import audiospec
from audiospec.engines.base import WorkerDied
from audiospec.engines.local import LocalEngine
from audiospec.errors import EngineError, SpecError
from audiospec.pipeline.builder import ViewBuilder
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import work_folder
from audiospec.testing.audio import write_noise_folder

#: A run without a `__main__` guard, as in many scripts. The slow backend leaves time to kill it.
SCRIPT = """
import sys
import audiospec
view = audiospec.featurize("folder", data=sys.argv[1], chunk=2, store=sys.argv[2], workers=2, backend="conv")
print(len(view))
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty tracks of 6 s."""
    return write_noise_folder(tmp_path_factory.mktemp("kill") / "music", 20, 22050)


@pytest.fixture(scope="module")
def unbroken(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that was not killed."""
    store = tmp_path_factory.mktemp("unbroken") / "s.zarr"
    audiospec.featurize("folder", data=music, chunk=2, store=store, workers=0, backend="conv")
    return store


@pytest.fixture
def start_run(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `SCRIPT` over a folder of music, into a store."""

    def run(music: Path, store: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SCRIPT, str(music), str(store)]
        return start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return run


def _wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no success in {seconds} s"
        time.sleep(0.01)


def _commits(store: Path) -> list[Path]:
    return list(work_folder(store).glob("*/*.json"))


#: How a run ends, and of which store; the others take as long.
ENDS = [("parent and workers", ".h5"), ("interrupt", ".zarr")]
LONG_ENDS = [("parent", ".zarr"), ("parent", ".h5"), ("parent and workers", ".zarr"), ("interrupt", ".h5")]


@pytest.mark.parametrize(
    ("how", "suffix"), [*ENDS, *(pytest.param(*end, marks=pytest.mark.long) for end in LONG_ENDS)]
)
def test_a_killed_run_is_finished_by_the_next(
    kit: Any,
    start_run: Callable[..., subprocess.Popen[bytes]],
    music: Path,
    unbroken: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    suffix: str,
) -> None:
    store = tmp_path / f"s{suffix}"
    run = start_run(music, store)
    _wait_until(lambda: len(_commits(store)) >= 3)
    workers = psutil.Process(run.pid).children()
    assert len(workers) == 2
    if how == "interrupt":
        run.send_signal(signal.SIGINT)
    else:
        run.kill()
    if how == "parent and workers":
        for worker in workers:
            worker.kill()
    run.communicate()
    psutil.wait_procs(workers, timeout=20)
    assert not any(worker.is_running() and worker.status() != "zombie" for worker in workers)
    assert not store.exists()
    before = {file: file.stat().st_mtime_ns for file in _commits(store)}
    assert len(before) >= 3

    kept: dict[Path, int] = {}
    publish = ViewBuilder.publish

    def spy(builder: ViewBuilder) -> Any:
        kept.update({file: file.stat().st_mtime_ns for file in before})
        return publish(builder)

    monkeypatch.setattr(ViewBuilder, "publish", spy)
    audiospec.featurize("folder", data=music, chunk=2, store=store, workers=0, backend="conv")
    assert kept == before  # finished shards were not computed again
    assert kit.contents(open_store(store)) == kit.contents(open_store(unbroken))
    assert not work_folder(store).exists()


@pytest.mark.long
def test_a_killed_worker_is_replaced(
    kit: Any,
    start_run: Callable[..., subprocess.Popen[bytes]],
    music: Path,
    unbroken: Path,
    tmp_path: Path,
) -> None:
    run = start_run(music, tmp_path / "s.zarr")
    _wait_until(lambda: len(_commits(tmp_path / "s.zarr")) >= 1)
    psutil.Process(run.pid).children()[0].kill()
    out, err = run.communicate(timeout=120)
    assert (run.returncode, out.strip(), err) == (0, b"60", b"")
    assert kit.contents(open_store(tmp_path / "s.zarr")) == kit.contents(open_store(unbroken))


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Task functions in a module that workers can import."""
    (tmp_path / "killing_tasks.py").write_text(
        "import os, sys\n"
        "from audiospec.errors import SpecError\n"
        "def work(task):\n"
        "    print('noise on standard output')\n"
        "    yield {'number': task['number']}\n"
        "    if task.get('say'):\n"
        "        print(task['say'], file=sys.stderr, flush=True)\n"
        "    if task.get('exit'):\n"
        "        os._exit(task['exit'])\n"
        "    if task.get('always'):\n"
        "        sys.stderr.write('the last words\\n'); sys.stderr.flush()\n"
        "        os.kill(os.getpid(), 11)\n"
        "    if task.get('raise'):\n"
        "        raise SpecError('the message')\n"
        "    if task.get('bug'):\n"
        "        1 / 0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "killing_tasks:work"


def test_the_engine_yields_every_result(tasks: str) -> None:
    results = LocalEngine(3).run(tasks, [{"number": n} for n in range(20)])
    assert sorted(result["number"] for result in results if isinstance(result, dict)) == list(range(20))


def test_a_death_is_reported_after_what_the_task_had_yielded(tasks: str) -> None:
    work = [{"number": n, "always": n == 0} for n in range(3)]
    events = list(LocalEngine(1).run(tasks, work))
    assert events[0] == {"number": 0}
    died = events[1]
    assert isinstance(died, WorkerDied)
    assert (died.task, died.how, died.signal) == (work[0], "killed by signal 11: the last words", 11)
    assert events[2:] == [{"number": 1}, {"number": 2}]


def test_words_of_an_earlier_task_are_not_the_last(tasks: str) -> None:
    events = LocalEngine(1).run(tasks, [{"number": 0, "say": "earlier"}, {"number": 1, "exit": 3}])
    (how,) = [event.how for event in events if isinstance(event, WorkerDied)]
    assert how == "status 3: noise on standard output"


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    (tmp_path / "broken_tasks.py").write_text("import os\nos._exit(7)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EngineError, match=r"^a worker cannot start \(status 7\); 3 were tried: run with"):
        list(LocalEngine(workers).run("broken_tasks:work", [{"number": n} for n in range(5)]))


def test_a_worker_that_is_killed_while_it_starts_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_tasks.py").write_text(
        "import os, pathlib\n"
        f"flag = pathlib.Path({str(tmp_path / 'started')!r})\n"
        "if not flag.exists():\n"
        "    flag.touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "def work(task):\n"
        "    yield task\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(LocalEngine(1).run("slow_tasks:work", [{"number": 0}, {"number": 1}])) == [
        {"number": 0},
        {"number": 1},
    ]


def test_errors_of_tasks_keep_their_type(tasks: str) -> None:
    with pytest.raises(SpecError, match=r"^the message$"):
        list(LocalEngine(1).run(tasks, [{"number": 0, "raise": True}]))
    with pytest.raises(EngineError, match="ZeroDivisionError"):
        list(LocalEngine(1).run(tasks, [{"number": 0, "bug": True}]))


def test_closing_the_results_ends_the_workers(tasks: str) -> None:
    results = LocalEngine(2).run(tasks, [{"number": n} for n in range(50)])
    next(results)
    mine = [
        p for p in psutil.Process().children() if tasks in p.cmdline()
    ]  # Dask's workers are children, too
    assert mine
    results.close()  # type: ignore[attr-defined]
    _, alive = psutil.wait_procs(mine, timeout=20)
    assert not alive


_MEMORY = """
import json, resource, sys
import audiospec
from audiospec.pipeline.featurize import run
specs = {"mel": audiospec.MelSpec(), "tabular": audiospec.TabularSpec()}
pairs = [view.split("-") for view in sys.argv[3:]]
views = [(specs[name], audiospec.Chunking(seconds=float(chunk))) for name, chunk in pairs]
run("folder", data=sys.argv[1], views=views, store=sys.argv[2], workers=1)
print(json.dumps(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
"""


def _memory(folder: Path, store: Path, *views: str) -> float:
    """Peak resident memory of the worker in MB."""
    out = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(folder), str(store), *views], capture_output=True, check=True
    ).stdout
    return float(json.loads(out))


@pytest.mark.long
def test_a_worker_needs_less_than_900_mb_for_many_tracks_and_for_long_ones(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(22050 * 30)
    for folder, count in (("few", 4), ("many", 60)):
        for number in range(count):
            path = tmp_path / folder / "x" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            if number:
                os.link(tmp_path / folder / "x" / "0.wav", path)
            else:
                soundfile.write(path, noise, 22050)
    (tmp_path / "long" / "x").mkdir(parents=True)
    with soundfile.SoundFile(tmp_path / "long" / "x" / "hour.wav", "w", 22050, 2, "PCM_16") as file:
        for _ in range(120):
            file.write(np.stack([noise, noise], axis=1))
    peaks = {
        name: _memory(tmp_path / name, tmp_path / f"{name}.zarr", "mel-10")
        for name in ("few", "many", "long")
    }
    peaks["long, two views"] = _memory(tmp_path / "long", tmp_path / "two.zarr", "mel-10", "tabular-30")
    assert max(peaks.values()) < 900
    assert peaks["many"] < peaks["few"] + 100  # a full shard is 24 MB
    assert peaks["long"] < peaks["few"] + 100
    # One or two shards of each view are open, and the frontend of tables has some spectra of 30 s.
    assert peaks["long, two views"] < peaks["few"] + 250
