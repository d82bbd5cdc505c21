"""What a thread of a cluster's worker does with tasks, without a cluster."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiospec.engines import _slot
from audiospec.engines._slot import call, stop
from audiospec.testing.cluster import wait_for

WORK, OTHER, PROCESS = (f"audiospec.testing.engines:{name}" for name in ("work", "other_work", "process"))


@pytest.fixture(autouse=True)
def processes() -> Iterator[None]:
    """End the processes of this thread."""
    yield
    _slot._slot.engine.__exit__()
    _slot._slot.engine.__enter__()


def answer(function: str, task: dict[str, Any], run: str = "run", required: tuple[Any, ...] = ()) -> Any:
    header = {"id": run, "folder": os.getcwd(), "required": required}
    return json.loads(call(json.dumps(header).encode(), json.dumps([function, task]).encode()))


def test_one_slot_runs_several_functions() -> None:
    """Each task gets its own function, in the same process."""
    assert answer(WORK, {"number": 1})["results"][0]["number"] == 1
    assert answer(OTHER, {"number": 1})["results"] == [{"number": -1}]
    assert answer(PROCESS, {})["results"] == answer(PROCESS, {})["results"]
    assert answer(WORK, {"number": 2})["results"][0]["number"] == 2


def test_results_come_with_the_error_or_the_death_that_followed() -> None:
    done = answer(WORK, {"number": 1, "results": 2, "raise": "SpecError", "message": "no"})
    assert len(done["results"]) == 2
    assert (done["error"]["type"], done["error"]["reason"]) == ("SpecError", "no")
    done = answer(WORK, {"number": 1, "die": True})
    assert [result["number"] for result in done["results"]] in ([], [1])
    assert done["death"] == ["status 3", 0]
    assert answer(WORK, {"number": 2})["results"][0]["number"] == 2  # another process


def test_what_is_required_succeeds_once_before_the_tasks(tmp_path: Path) -> None:
    required = [[WORK, {"number": "required", "folder": str(tmp_path)}]]
    run = f"required-{tmp_path}"
    assert answer(WORK, {"number": 1}, run, required)["results"][0]["number"] == 1
    (tmp_path / "required").unlink()
    assert answer(WORK, {"number": 2}, run, required)["results"][0]["number"] == 2
    assert not (tmp_path / "required").exists()

    failing = [[WORK, {"number": 0, "raise": "EngineError", "message": "does not see it"}]]
    for _ in range(2):
        done = answer(WORK, {"number": 3, "folder": str(tmp_path)}, "failing", failing)
        assert (done["unfit"]["reason"], done["results"]) == ("does not see it", [])
    assert not (tmp_path / "3").exists()


def test_a_run_is_stopped_in_the_middle_of_a_task(tmp_path: Path) -> None:
    """Other runs are not; its later tasks are refused."""
    answers: list[Any] = []
    task = {"number": 1, "folder": str(tmp_path), "sleep": 60}
    threads = [
        threading.Thread(target=lambda run=run: answers.append((run, answer(WORK, task, run))))
        for run in (f"a-{tmp_path}", f"b-{tmp_path}")
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(_slot._busy) == 2)
    wait_for(lambda: stop(f"a-{tmp_path}") == 0)
    ((run, done),) = answers
    assert run == f"a-{tmp_path}"
    assert "death" in done
    assert answer(WORK, {"number": 2, "folder": str(tmp_path)}, run)["stopped"]
    assert not (tmp_path / "2").exists()
    wait_for(lambda: stop(f"b-{tmp_path}") == 0)
    for thread in threads:
        thread.join()


def test_a_process_without_tasks_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_slot, "IDLE", 0.2)
    _slot._sweeper.cache_clear()
    (first,) = answer(PROCESS, {})["results"]
    wait_for(lambda: not Path(f"/proc/{first['process']}").exists())
    (second,) = answer(PROCESS, {})["results"]
    assert second != first
