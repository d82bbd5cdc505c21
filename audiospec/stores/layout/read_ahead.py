"""Reading ahead of whoever uses what is read."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def map_ahead(
    function: Callable[[_T], _R], items: Iterable[_T], ahead: int, threads: int = 1
) -> Iterator[_R]:
    """Yield a function's results for the items, in order, computed by threads up to `ahead` items in advance.

    An error of the function is raised where its result would be yielded. If the iterator is closed or
    collected before its end, calls that have begun end in the background and no other begins.

    Parameters
    ----------
    function : callable
        Called with one item, by `threads` threads at once.
    items : iterable
        Taken as they are needed.
    ahead : int
        Results in memory beside the one that was yielded last, computed or in the making.
    threads : int
    """
    calls: SimpleQueue[tuple[Future[_R], _T] | None] = SimpleQueue()
    waiting: deque[Future[_R]] = deque()
    for _ in range(threads):
        # Daemons, and nobody waits for them to end: a request to a bucket may be tried again for minutes.
        threading.Thread(target=_serve, args=(function, calls), name="audiospec-ahead", daemon=True).start()
    try:
        for item in items:
            future: Future[_R] = Future()
            waiting.append(future)
            calls.put((future, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for _ in range(threads):
            calls.put(None)


def _serve(function: Callable[[_T], _R], calls: SimpleQueue[tuple[Future[_R], _T] | None]) -> None:
    """Make calls until there is a None."""
    while (call := calls.get()) is not None:
        future, item = call
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function(item))
            except BaseException as error:  # also what is no Exception: `result` raises it
                future.set_exception(error)
        del call, future, item  # the result is held by its reader alone
