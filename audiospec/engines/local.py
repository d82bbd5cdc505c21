"""local: tasks in processes of this machine, one thread each.

Workers are plain child processes that read tasks, and write results, as lines of JSON. Unlike those of
multiprocessing, they never import the caller's main script, so a script needs no ``__main__`` guard; and
they end by themselves as soon as the pipe to their parent closes, however the parent ended.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from signal import SIGKILL
from typing import Any, Self, TypeAlias

from audiospec.engines.base import Engine, WorkerDied, engines, restore_error
from audiospec.errors import EngineError
from audiospec.limits import TIME_IS_UP
from audiospec.machine import usable_cores
from audiospec.text import printable

#: Environment variables of a worker.
ENVIRONMENT = {
    # One thread for each worker: more would compete for the same cores.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # By default glibc returns freed blocks of a megabyte to the system and gets them back page by page. A
    # frontend's arrays are that large; keeping the blocks makes it a quarter faster.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
#: Processes that are started for one task before an error says that they cannot start; and if the last was
#: killed from outside.
MOST_STARTS, MOST_KILLED_STARTS = 3, 20
#: Most workers that are started before it is known how many tasks there are.
MOST_PREPARED = 2
#: Bytes of results that a worker may have written and that are not read yet; then it waits. Audio would
#: pile up as fast as it is decoded.
MOST_UNREAD = 4 << 20
#: Characters of the last line that a dead worker wrote to its standard error.
MOST_LAST_WORDS = 200
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from audiospec.engines._worker_process import main; main()"
)


@engines.register
class LocalEngine(Engine):
    """Runs tasks in processes of this machine.

    A worker that dies is replaced. Workers end with the run, or with the ``with`` block that it is in, so
    that the next run in it finds them; in any case when this process ends.

    Parameters
    ----------
    workers : int or None
        Number of processes, at least 1. None: one for each usable core.
    """

    workers: int

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise EngineError(
                f"engine 'local' needs at least 1 worker; got {workers}",
                'use `engine="serial"`, which has none',
            )
        super().__init__(usable_cores() if workers is None else workers)
        self._blocks = 0
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []
        self._is_interrupted = False

    def __enter__(self) -> Self:
        """Begin a block of several runs, which share workers."""
        self._blocks += 1
        return self

    def __exit__(self, *_: object) -> None:
        """End the block, and its workers with it."""
        self._blocks -= 1
        while self._idle and not self._blocks:
            self._idle.pop().stop()

    def prepare(self, function: str) -> None:
        """Start up to `MOST_PREPARED` workers in the background, if this is in a block."""
        if self._blocks:
            for _ in range(min(self.workers, MOST_PREPARED) - len(self._idle)):
                self._idle.append(_Worker(function))

    def interrupt(self) -> None:
        """Kill the workers of the run that another thread reads; it yields the deaths of their tasks."""
        self._is_interrupted = True
        for worker in tuple(self._busy):
            worker.kill()

    def _worker(self, function: str, events: _Events) -> _Worker:
        """Return a worker without a task, whose results are put into `events`."""
        while self._idle:
            worker = self._idle.pop(0)
            if worker.attach(events):
                return worker
            worker.stop()
        worker = _Worker(function)
        worker.attach(events)
        return worker

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any] | WorkerDied]:
        """Yield the results of all tasks as they arrive, in any order, and the deaths of workers.

        Raises
        ------
        AudiospecError
            The error that a task raised, of the same type.
        EngineError
            A worker died several times before it had begun.
        """
        waiting = iter(tasks)
        events: _Events = queue.Queue()
        workers: list[_Worker] = []
        self._busy, self._is_interrupted = workers, False
        keep = False
        try:
            for task in itertools.islice(waiting, self.workers):
                workers.append(self._worker(function, events))
                workers[-1].give(function, task)
            while any(worker.task is not None for worker in workers):
                worker, event = events.get()
                worker.has_read(event)
                if event is None:
                    workers.remove(worker)
                    died = worker.end()
                    successor = waiting
                    # If its task did not begin, it is not the cause.
                    if not (worker.ready or died is None or self._is_interrupted):
                        if worker.starts >= (MOST_KILLED_STARTS if died.from_outside else MOST_STARTS):
                            raise _start_error(died.how, worker.starts)
                        successor, died = iter([died.task]), None
                    for task in itertools.islice(successor, 1):
                        workers.append(self._worker(function, events))
                        workers[-1].starts += 0 if worker.ready else worker.starts
                        workers[-1].give(function, task)
                    if died is not None:
                        yield died
                elif "error" in event:
                    raise restore_error(event["error"])
                elif "result" in event:
                    yield event["result"]
                elif "ready" in event:
                    worker.ready = True
                else:
                    worker.task = None
                    for task in itertools.islice(waiting, 1):
                        worker.give(function, task)
            keep = self._blocks > 0
        finally:
            for worker in workers:
                if keep:
                    worker.detach()
                    self._idle.append(worker)
                else:
                    worker.stop()


#: What workers have written; None when a process has ended.
_Events: TypeAlias = "queue.Queue[tuple[_Worker, dict[str, Any] | None]]"


def _start_error(how: str, starts: int) -> EngineError:
    """Return the error for processes that died before they could begin."""
    return EngineError(
        f"a worker cannot start ({how}); {starts} were tried", "run with `workers=0` to see more"
    )


class _Worker:
    """A child process, the thread that reads its results, and its task.

    `starts` counts the processes that were started for the task, until one was `ready`.
    """

    def __init__(self, function: str) -> None:
        self.task: dict[str, Any] | None = None
        self.ready = False
        self.starts = 1
        self._events: _Events = queue.Queue()
        self._has_ended = False
        self._lock = threading.Lock()
        # Bytes of each event that is not read yet, all of them together, and whether they matter no more.
        self._unread: deque[int] = deque()
        self._held = 0
        self._room = threading.Condition()
        self._is_stopped = False
        # What decoders print is kept out of sight, but its last line is shown if the worker dies.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._stderr_start = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path), function],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **ENVIRONMENT},
            # Ctrl-C must reach the parent only, which then stops its workers.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_results, daemon=True)
        self._reader.start()

    def attach(self, events: _Events) -> bool:
        """Put what the process has written, and will write, into a run's queue; False if it has ended."""
        if self._process.poll() is not None:
            self._reader.join()  # what it wrote says whether it was ready when it died
        with self._lock:
            written = []
            while not self._events.empty():
                written.append(self._events.get())
            self.ready |= any(event is not None and "ready" in event for _, event in written)
            if self.ready and (self._has_ended or self._process.poll() is not None):
                return False
            for pair in written:
                events.put(pair)
            self._events = events
        return True

    def detach(self) -> None:
        """Keep what the process writes until the next run."""
        with self._lock:
            self._events = queue.Queue()

    def give(self, function: str, task: dict[str, Any]) -> None:
        """Send a task."""
        self.task = task
        self._stderr_start = os.fstat(self._stderr.fileno()).st_size
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # if it has died, the reader reports that
            self._process.stdin.write(json.dumps([function, task]).encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """Kill the process, from any thread."""
        self._process.kill()

    def has_read(self, event: dict[str, Any] | None) -> None:
        """Make room for further events, now that one has been read."""
        if event is not None:
            with self._room:
                self._held -= self._unread.popleft()
                self._room.notify()

    def stop(self) -> None:
        """Kill the process; what it has committed stays."""
        self._process.kill()
        self._process.wait()
        with self._room:
            self._is_stopped = True
            self._room.notify()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()

    def end(self) -> WorkerDied | None:
        """Stop a process that has died; return how, unless it had no task."""
        code = self._process.wait()
        signal = max(0, -code)
        how = f"killed by signal {signal}" if signal else f"status {code}"
        if signal == SIGKILL:
            how += ", as by the system for want of memory"
        if signal == TIME_IS_UP:
            how = "no progress in the time allowed"
        self._stderr.seek(max(self._stderr_start, self._stderr.seek(0, os.SEEK_END) - 4096))
        last = self._stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        how = f"{how}: {printable(last[:MOST_LAST_WORDS])}" if last else how
        self.stop()
        return WorkerDied(self.task, how, signal) if self.task is not None else None

    def _read_results(self) -> None:
        """Queue the results; None when the process has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:  # the process died in the middle of a line
                break
            with self._room:
                self._room.wait_for(lambda: self._is_stopped or self._held <= MOST_UNREAD)
                self._unread.append(len(line))
                self._held += len(line)
            with self._lock:
                self._events.put((self, event))
        with self._lock:
            self._has_ended = True
            self._events.put((self, None))
