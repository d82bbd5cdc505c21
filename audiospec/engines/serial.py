"""serial: tasks one after another, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from audiospec.engines.base import Engine, engines, resolve
from audiospec.errors import EngineError


@engines.register
class SerialEngine(Engine):
    """Runs tasks in this process: for debugging, and for systems where processes cannot be started.

    Parameters
    ----------
    workers : 0 or None
        There are no worker processes.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers:
            raise EngineError(
                f"engine 'serial' has no workers: expected 0 or None; got {workers}", 'use `engine="local"`'
            )
        super().__init__(0)

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks, in order.

        Errors of other types than audiospec's are not wrapped, so that a debugger stops where they occur.
        """
        call = resolve(function)
        for task in tasks:
            yield from call(task)
