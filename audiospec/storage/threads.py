"""Threads that wait for a bucket: requests take milliseconds of waiting and microseconds of work.

They are daemons, unlike those of `concurrent.futures`, so that a request which is tried again for minutes
does not keep an interpreter from ending. The thread that calls works too: a function of `map` may call `map`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

#: Requests at a time in one process.
THREADS = 32


class _Job(Generic[_T, _R]):
    """One call of `map`: the items that are left, and what is known of the others."""

    def __init__(self, function: Callable[[_T], _R], items: list[_T]) -> None:
        self._function = function
        self._items: Iterator[tuple[int, _T]] = iter(enumerate(items))
        self._results: dict[int, _R] = {}
        self._changed = threading.Condition()
        self._running = 0
        self._error: BaseException | None = None

    def work(self) -> None:
        """Compute items until none is left, or one has failed."""
        while True:
            with self._changed:
                item = next(self._items, None) if self._error is None else None
                if item is None:
                    return
                self._running += 1
            error: BaseException | None = None
            try:
                result = self._function(item[1])
            except BaseException as raised:  # also what is no Exception: `results` raises it
                error = raised
            with self._changed:
                self._running -= 1
                if error is None:
                    self._results[item[0]] = result
                elif self._error is None:
                    self._error = error
                self._changed.notify_all()

    def results(self) -> list[_R]:
        """Wait for the items that other threads compute; return all results in order."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running)
        if self._error is not None:
            raise self._error
        return [self._results[number] for number in range(len(self._results))]


class Pool:
    """At most `THREADS` threads, started when they are needed."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job[object, object]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0

    def map(self, function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        """Call a function for each item in many threads, and return the results in order.

        The first exception is raised; items that have not begun by then are left out.
        """
        items = list(items)
        if len(items) < 2:
            return [function(item) for item in items]
        job = _Job(function, items)
        helpers = min(len(items), THREADS) - 1
        with self._lock:
            while self._threads < helpers:
                self._threads += 1
                threading.Thread(target=self._serve, name="audiospec-bucket", daemon=True).start()
        for _ in range(helpers):
            self._jobs.put(job)  # type: ignore[arg-type] # a job keeps its own types
        job.work()
        return job.results()

    def _serve(self) -> None:
        while True:
            self._jobs.get().work()


#: The threads of this process.
POOL = Pool()
