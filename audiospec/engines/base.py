"""Engine: runs tasks, anywhere and in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

#: A module-level function: one task in, its results out, one by one. Both are plain JSON values.
TaskFunction = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]


class Engine(Protocol):
    """Runs a function over tasks. Tasks share nothing, so any process may run any of them."""

    def run(
        self, function: TaskFunction, tasks: Iterable[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks as they come.

        Closing the iterator ends the work; what a task has written by then stays.

        Parameters
        ----------
        function : callable
            Defined at the top of an importable module.
        tasks : iterable of dict

        Raises
        ------
        AudiospecError
            What a task raised, under its own type.
        EngineError
            Workers died.
        """
        ...
