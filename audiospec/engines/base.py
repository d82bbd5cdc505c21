"""Engine: runs tasks, anywhere and in any order; the registry of engines.

An engine moves tasks to where they are computed, and results back. It never reads the plan, the store or the
audio: all it knows of a task is plain JSON, of which it looks at ``about`` alone, for its messages.
"""

from __future__ import annotations

import importlib
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from audiospec import errors
from audiospec.errors import AudiospecError, EngineError
from audiospec.registry import Registry

#: One task in, its results out, one by one. Both are plain JSON values.
TaskFunction = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]


class Engine(ABC):
    """Runs a function over tasks. Tasks share nothing, so any process on any machine may run any of them.

    A subclass is one file of this package under ``@engines.register``, or of another package that names it
    as an entry point of the group ``audiospec.engines``. `audiospec.testing.engines` has the contract
    that it inherits.

    Parameters
    ----------
    workers : int or None
        How many tasks may run at once. None: as many as the engine finds room for. An engine takes what
        else it needs, such as a scheduler's address, as keyword arguments with defaults; so any engine can
        be made from its name and a number of workers.

    Raises
    ------
    EngineError
        The engine cannot have so many workers.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    @abstractmethod
    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of all tasks as they come, in any order.

        Tasks are taken from the iterable as they are needed: there may be more than memory has room for.
        A task whose worker dies may be run again, so a result may come twice. Closing the iterator ends the
        work; what a task has written by then stays.

        Parameters
        ----------
        function : str
            ``"module:name"`` of a `TaskFunction`. A name, so that only workers import what it needs.
        tasks : iterable of dict
            Plain JSON values. ``about``, if a task has it, says in a few words what it works on.

        Raises
        ------
        AudiospecError
            What a task raised, under its own type (see `restore_error`). It ends the work.
        EngineError
            Workers died.
        """


engines: Registry[type[Engine]] = Registry("engine", "audiospec.engines", "audiospec.engines")


def make_engine(engine: Engine | str | None = None, workers: int | None = None) -> Engine:
    """The engine that is asked for.

    Parameters
    ----------
    engine : Engine, str or None
        An engine, the name of one, or None: `serial` if there are to be no workers, else `local`.
    workers : int or None
        See `Engine`; for an engine that is not made yet.

    Raises
    ------
    RegistryError
        No engine has that name.
    EngineError
        The engine cannot have so many workers.
    """
    if engine is not None and not isinstance(engine, str):
        if workers is not None:
            raise EngineError(
                f"workers={workers} has no effect on an engine that is made already: expected None; give the "
                f"number to {type(engine).__name__}"
            )
        return engine
    if workers is not None and workers < 0:
        raise EngineError(f"`workers` must be at least 0; got {workers}")
    if engine is None:
        engine = "serial" if workers == 0 else "local"
    return engines[engine](workers=workers)


def resolve(function: str) -> TaskFunction:
    """The task function that ``"module:name"`` names."""
    module, _, name = function.partition(":")
    return cast(TaskFunction, getattr(importlib.import_module(module), name))


def describe_error(error: Exception) -> dict[str, str]:
    """An error as plain JSON, to be carried from where it was raised; see `restore_error`.

    Returns
    -------
    dict
        ``type``, ``message`` and ``traceback``.
    """
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def restore_error(described: Mapping[str, str]) -> AudiospecError:
    """The error that `describe_error` described.

    Returns
    -------
    AudiospecError
        Of its own type if that is one of `audiospec.errors`; else an `EngineError` that has its traceback.
    """
    kind = getattr(errors, described["type"], None)
    if isinstance(kind, type) and issubclass(kind, AudiospecError):
        return kind(described["message"])
    return EngineError(
        f"a worker failed with {described['type']}: {described['message']}\n{described['traceback']}"
    )
