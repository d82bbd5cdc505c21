"""Engine: runs tasks, anywhere and in any order."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, cast

#: One task in, its results out, one by one. Both are plain JSON values.
TaskFunction = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]


class Engine(Protocol):
    """Runs a function over tasks. Tasks share nothing, so any process may run any of them."""

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks as they come.

        Closing the iterator ends the work; what a task has written by then stays.

        Parameters
        ----------
        function : str
            ``"module:name"`` of a `TaskFunction`. A name, so that only workers import what it needs.
        tasks : iterable of dict

        Raises
        ------
        AudiospecError
            What a task raised, under its own type.
        EngineError
            Workers died.
        """
        ...


def resolve(function: str) -> TaskFunction:
    """The task function that ``"module:name"`` names."""
    module, _, name = function.partition(":")
    return cast(TaskFunction, getattr(importlib.import_module(module), name))
