"""threads: runs tasks in threads of this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from audiospec.engines.base import Engine, engines, resolve
from audiospec.errors import EngineError


@engines.register
class ThreadEngine(Engine):
    """Runs tasks in threads.

    Parameters
    ----------
    workers : int or None
        Threads, at least 1. None: two.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise EngineError(f"engine 'threads' needs at least 1 worker; got {workers}")
        super().__init__(2 if workers is None else workers)

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks as they arrive."""
        call, waiting = resolve(function), iter(tasks)
        running: set[Future[tuple[list[dict[str, Any]], Exception | None]]] = set()

        def work(task: dict[str, Any]) -> tuple[list[dict[str, Any]], Exception | None]:
            results: list[dict[str, Any]] = []
            try:
                results.extend(call(task))
            except Exception as error:
                return results, error
            return results, None

        with ThreadPoolExecutor(self.workers) as pool:  # its end waits for the tasks that have begun
            while True:
                # A task is taken when there is room for it: there may be more than memory can hold.
                for task in itertools.islice(waiting, self.workers - len(running)):
                    running.add(pool.submit(work, task))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for finished, error in (future.result() for future in done):
                    yield from finished
                    if error is not None:
                        raise error
