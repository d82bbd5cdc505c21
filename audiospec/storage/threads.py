"""Threads that wait for a bucket: requests take milliseconds of waiting and microseconds of work.

They are daemons, unlike those of `concurrent.futures`: a request that waits for minutes does not keep an
interpreter from ending. The main thread sends no request itself: obstore does not notice Ctrl-C.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

#: Requests at a time in one process.
THREADS = 32
#: A thread that waits looks up at least so often, s: a signal that comes just before a wait does not end it.
_LONGEST_WAIT = 0.5


class _Job(Generic[_T, _R]):
    """One call of `map`: the items that are left, and what is known of the others."""

    def __init__(self, function: Callable[[_T], _R], items: list[_T]) -> None:
        self._function = function
        self._items: Iterator[tuple[int, _T]] = iter(enumerate(items))
        self._count = len(items)
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
            try:
                while not self._changed.wait_for(self._is_over, _LONGEST_WAIT):
                    pass
            except BaseException as error:  # Ctrl-C
                self._error = error
                raise
        if self._error is not None:
            raise self._error
        return [self._results[number] for number in range(self._count)]

    def _is_over(self) -> bool:
        return not self._running and (self._error is not None or len(self._results) == self._count)


class Pool:
    """Threads that are started when they are needed.

    Parameters
    ----------
    most : int
        How many.
    """

    def __init__(self, most: int = THREADS) -> None:
        self._most = most
        self._jobs: SimpleQueue[_Job[Any, Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0

    def map(self, function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        """Call a function for each item in many threads, and return the results in order.

        The first exception is raised; items that have not begun by then are left out. A function may itself
        call `map`: a thread of the pool computes items of its own call, and so never waits for a free one.
        """
        items = list(items)
        if len(items) < 2:
            return [function(item) for item in items]
        job = _Job(function, items)
        if is_main():
            self._start(job, min(len(items), self._most))
        else:
            self._start(job, min(len(items), self._most) - 1)
            job.work()
        return job.results()

    def call(self, function: Callable[[], _R]) -> _R:
        """Call a function in a thread of the pool, while this one can be interrupted."""
        job: _Job[None, _R] = _Job(lambda _: function(), [None])
        self._start(job, 1)
        return job.results()[0]

    def _start(self, job: _Job[Any, Any], threads: int) -> None:
        with self._lock:
            while self._threads < threads:
                self._threads += 1
                threading.Thread(target=self._serve, name="audiospec-bucket", daemon=True).start()
        for _ in range(threads):
            self._jobs.put(job)

    def _serve(self) -> None:
        while True:
            self._jobs.get().work()


def is_main() -> bool:
    """Whether this is the thread that Ctrl-C interrupts."""
    return threading.current_thread() is threading.main_thread()


#: The threads of this process, and the one that sends the requests of the main thread.
POOL = Pool()
_substitute = Pool(1)


def interruptible(function: Callable[[], _R]) -> _R:
    """Call a function that Ctrl-C cannot interrupt in another thread, if this is the main one."""
    global _substitute
    if not is_main():
        return function()
    try:
        return _substitute.call(function)
    except KeyboardInterrupt:
        _substitute = Pool(1)  # the thread of the other may wait for minutes
        raise
