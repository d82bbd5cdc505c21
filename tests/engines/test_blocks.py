"""Workers of the local engine that serve several runs in one block."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiospec.engines.local import LocalEngine

TASKS = """
import os

def pid(task):
    yield {"pid": os.getpid()}

def other(task):
    yield {"pid": os.getpid()}
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "block_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "block_tasks:pid"


def pids(results: Iterator[Any]) -> set[int]:
    return {result["pid"] for result in results}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    # Until all its threads have ended; whoever started it may still ask how.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_a_block_keeps_its_workers(tasks: str) -> None:
    engine = LocalEngine(1)
    with engine:
        first = pids(engine.run(tasks, [{}, {}]))
        assert len(first) == 1
        assert pids(engine.run("block_tasks:other", [{}])) == first
        with engine:  # an inner block does not end them
            assert pids(engine.run(tasks, [{}])) == first
        assert pids(engine.run(tasks, [{}])) == first
        assert all(map(is_alive, first))
    assert not any(map(is_alive, first))
    assert pids(engine.run(tasks, [{}])).isdisjoint(first)


def test_prepared_workers_get_the_tasks(tasks: str) -> None:
    engine = LocalEngine(2)
    engine.prepare(tasks)
    assert engine._idle == []  # outside a block nothing would stop them
    with engine:
        engine.prepare(tasks)
        engine.prepare(tasks)
        prepared = {worker._process.pid for worker in engine._idle}
        assert len(prepared) == 2
        assert pids(engine.run(tasks, [{}] * 20)) <= prepared
    assert not any(map(is_alive, prepared))


def test_a_worker_that_died_while_it_waited_is_replaced(tasks: str) -> None:
    with LocalEngine(1) as engine:
        (first,) = pids(engine.run(tasks, [{}]))
        end(first)
        (second,) = pids(engine.run(tasks, [{}]))
        assert second != first
        engine._idle.pop().stop()
        engine.prepare(tasks)
        end(engine._idle[0]._process.pid)  # perhaps before it was ready
        assert len(pids(engine.run(tasks, [{}, {}]))) == 1


def test_an_error_ends_the_workers_of_its_run(tasks: str) -> None:
    with LocalEngine(1) as engine:
        (first,) = pids(engine.run(tasks, [{}]))
        results = engine.run(tasks, [{} for _ in range(100)])
        next(results)
        results.close()
        assert not is_alive(first)
        (second,) = pids(engine.run(tasks, [{}]))
        assert second != first
