"""threads: runs tasks in threads of this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from audiospec.engines.base import Engine, describe_error, engines, resolve, restore_error
from audiospec.errors import AudiospecError
from audiospec.machine import usable_cores


@engines.register
class ThreadEngine(Engine):
    """Runs tasks in threads; at most two tasks per thread are taken from the plan in advance."""

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks, in the order in which tasks finish."""
        call, waiting = resolve(function), iter(tasks)
        threads = self.workers or usable_cores()
        running: set[Future[list[dict[str, Any]]]] = set()
        with ThreadPoolExecutor(threads) as pool:
            try:
                while True:
                    while len(running) < 2 * threads and (task := next(waiting, None)) is not None:
                        running.add(pool.submit(lambda task=task: list(call(task))))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        error = future.exception()
                        if isinstance(error, AudiospecError) or not isinstance(error, Exception | None):
                            raise error
                        if error is not None:
                            raise restore_error(describe_error(error)) from error
                        yield from future.result()
            finally:
                for future in running:
                    future.cancel()
