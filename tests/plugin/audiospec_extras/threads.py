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
        Number of threads, at least 1. None means two.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise EngineError(f"`workers` must be at least 1 with engine 'threads'; got {workers}")
        super().__init__(2 if workers is None else workers)

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks, in the order in which tasks finish."""
        call, waiting = resolve(function), iter(tasks)
        running: set[Future[tuple[list[dict[str, Any]], Exception | None]]] = set()

        def work(task: dict[str, Any]) -> tuple[list[dict[str, Any]], Exception | None]:
            results: list[dict[str, Any]] = []
            try:
                results.extend(call(task))
            except Exception as error:
                return results, error
            return results, None

        with ThreadPoolExecutor(self.workers) as pool:  # leaving the block waits for running tasks
            while True:
                # Tasks are taken one by one, because all of them may be more than memory can hold.
                for task in itertools.islice(waiting, self.workers - len(running)):
                    running.add(pool.submit(work, task))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for results, error in (future.result() for future in done):
                    yield from results
                    if error is not None:
                        raise error
