"""serial: tasks one after another, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from audiospec.engines.base import resolve


class SerialEngine:
    """Runs tasks in this process: for debugging, and where processes cannot be started."""

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks, in order."""
        call = resolve(function)
        for task in tasks:
            yield from call(task)
