"""serial: tasks one after another, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from audiospec.engines.base import TaskFunction


class SerialEngine:
    """Runs tasks in this process: for debugging, and where processes cannot be started."""

    def run(
        self, function: TaskFunction, tasks: Iterable[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks, in order."""
        for task in tasks:
            yield from function(task)
