"""Reading ahead of whoever uses what is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    pool = ThreadPoolExecutor(threads, thread_name_prefix="audiospec-read-ahead")
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Without waiting: a request to a bucket may be tried again for minutes.
        pool.shutdown(wait=False, cancel_futures=True)
