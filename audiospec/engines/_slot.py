"""What each thread of a cluster's worker runs: tasks that were sent to it, in a process of the thread's own.

It knows nothing of the cluster. Runs, tasks and answers are JSON as bytes, so that nothing is unpickled.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from audiospec.engines.base import WorkerDied, describe_error
from audiospec.engines.local import LocalEngine
from audiospec.errors import AudiospecError

#: Seconds after which a process without a task ends: it holds memory.
IDLE = 300.0
#: Runs that are remembered: those that were stopped, and those for which this machine was found fit.
MOST_RUNS = 1000


class _Slot(threading.local):
    """The process of one thread. It serves all runs, one after another, and any function."""

    def __init__(self) -> None:
        self.engine = LocalEngine(1)
        self.engine.__enter__()  # its process waits for the next task, until this process ends


_slot = _Slot()
_lock = threading.Lock()
#: Engine of each thread that runs a task now → id of the run; of the others → when the last task ended.
_busy: dict[LocalEngine, str] = {}
_idle: dict[LocalEngine, float] = {}
_stopped: dict[str, None] = {}
_fit: dict[bytes, None] = {}
_fitness = threading.Lock()


def call(run: bytes, request: bytes) -> bytes:
    """Run one task.

    Parameters
    ----------
    run : bytes
        JSON object, the same for all tasks of a run: ``id``; ``folder``, the caller's current folder; and
        ``required``, a list of functions and tasks that must succeed once in this process before any other.
    request : bytes
        JSON list of the function's name and the task.

    Returns
    -------
    bytes
        JSON object: ``results``, a list of all results; and ``error``, from `describe_error`; ``unfit``, the
        same for an error of a required task; ``death``, how the process died and the signal; or ``stopped``.
        ``host`` is this machine's name.
    """
    header = json.loads(run)
    engine, id = _slot.engine, header["id"]
    results: list[Any] = []
    answer: dict[str, Any] = {"results": results, "host": socket.gethostname()}
    with _lock:
        if id in _stopped:
            return json.dumps({**answer, "stopped": True}).encode()
        _busy[engine] = id
        _idle.pop(engine, None)
    try:
        function, task = json.loads(request)
        answer |= _unfit(engine, run, header) or _run(engine, header, function, task, results.append)
    finally:
        with _lock:
            del _busy[engine]
            _idle[engine] = time.monotonic()
            _sweeper()
    return json.dumps(answer).encode()


@cache
def _sweeper() -> None:
    """Start the thread that ends processes without tasks."""
    threading.Thread(target=_sweep, daemon=True).start()


def _sweep() -> None:
    while True:
        time.sleep(IDLE / 4)
        with _lock:
            for engine, since in list(_idle.items()):
                if time.monotonic() - since > IDLE:
                    engine.__exit__()  # the end of a block ends the process; its next task starts another
                    engine.__enter__()
                    del _idle[engine]


def is_here() -> bool:
    """Return True, where audiospec is installed."""
    return True


def stop(run: str) -> int:
    """Kill the processes of the tasks of a run, and refuse those that follow; return how many there were."""
    with _lock:
        _remember(_stopped, run)
        engines = [engine for engine, id in _busy.items() if id == run]
        for engine in engines:
            engine.interrupt()
    return len(engines)


def _unfit(engine: LocalEngine, run: bytes, header: dict[str, Any]) -> dict[str, Any]:
    """Run the required tasks, unless they have succeeded here; return why they have not."""
    with _fitness:
        if run not in _fit:
            for function, task in header["required"]:
                ended = _run(engine, header, function, task, lambda _: None)
                if ended:
                    return {"unfit": ended["error"]} if "error" in ended else ended
            _remember(_fit, run)
    return {}


def _run(
    engine: LocalEngine,
    header: dict[str, Any],
    function: str,
    task: dict[str, Any],
    emit: Callable[[Any], None],
) -> dict[str, Any]:
    """Run a task; return how it ended, if not well."""
    place = {"folder": header["folder"], "function": function, "task": task}
    try:
        for value in engine.run("audiospec.engines._host:run_in_folder", [place]):
            if isinstance(value, WorkerDied):
                return {"death": [value.how, value.signal]}
            emit(value)
    except AudiospecError as error:
        return {"error": describe_error(error)}
    return {}


def _remember(memory: dict[Any, None], key: object) -> None:
    memory[key] = None
    while len(memory) > MOST_RUNS:
        del memory[next(iter(memory))]
