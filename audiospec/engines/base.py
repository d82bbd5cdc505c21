"""Engine, which runs tasks anywhere and in any order; and the registry of engines.

An engine carries tasks to workers, and results back. It never reads the plan, the store or the audio. To an
engine a task is plain JSON, of which it reads ``about`` and ``name`` only, for what people read.
"""

from __future__ import annotations

import importlib
import inspect
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM
from typing import Any, ClassVar, Self, cast

from audiospec import errors
from audiospec.errors import AudiospecError, EngineError, nearest
from audiospec.registry import Registry

#: One task in, its results out, one by one. Both are plain JSON values.
TaskFunction = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]


#: Signals that come from outside a process: from a person, or from the system for want of memory.
_FROM_OUTSIDE = frozenset({SIGKILL, SIGTERM, SIGINT, SIGHUP})


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """What an engine yields, in place of further results, for a task whose worker died over it.

    Attributes
    ----------
    task : dict
        The task, as it was given.
    how : str
        How the worker died, such as ``"killed by signal 11"``, for messages.
    signal : int
        The signal that killed it; 0 if it ended otherwise, or if the engine cannot tell.
    """

    task: dict[str, Any]
    how: str
    signal: int = 0

    @property
    def from_outside(self) -> bool:
        """Whether the signal came from outside. The task may have nothing to do with it."""
        return self.signal in _FROM_OUTSIDE


class Engine(ABC):
    """Runs a function over tasks. Tasks share nothing, so any process on any machine may run any of them.

    A subclass is one file: either in this package, with ``@engines.register``, or in another package that
    names the class as an entry point of the group ``audiospec.engines``. Its tests inherit `EngineContract`
    of `audiospec.testing.engines`.

    Parameters
    ----------
    workers : int or None
        Number of tasks that may run at once. None: the engine decides. If an engine needs anything else, such
        as the address of a scheduler, it takes keyword arguments with defaults, so that any engine can be
        made from its name and a number of workers.

    Raises
    ------
    EngineError
        The engine cannot have that number of workers.
    """

    #: Whether tasks may run on other machines, which may not see the files that this one sees.
    is_remote: ClassVar[bool] = False

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def __enter__(self) -> Self:
        """Begin a block of several runs; an engine may keep its workers from one to the next."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the block, and the workers that were kept."""
        return

    def prepare(self, function: str) -> None:
        """Start workers in the background, because tasks for a function will follow in this block.

        An engine whose workers are quick to start does nothing.

        Parameters
        ----------
        function : str
            As for `run`.
        """
        return

    def pieces_per_task(self, pieces: int) -> int:
        """Return how many pieces of work, such as shards, go into one task; 1, unless a task has its price.

        Parameters
        ----------
        pieces : int
            How many there are.
        """
        return 1

    @contextmanager
    def requiring(self, function: str, task: dict[str, Any]) -> Iterator[None]:
        """Have each machine run a task before those of `run`, during a block.

        An error of the task stops the work: its text goes on after the name of the machine. An engine of this
        machine does nothing.

        Parameters
        ----------
        function : str
            As for `run`.
        task : dict
            Plain JSON values.
        """
        yield

    @abstractmethod
    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any] | WorkerDied]:
        """Yield the results of all tasks as they arrive, in any order.

        Tasks are taken from the iterable as they are needed, because there may be more than memory has room
        for. Closing the iterator stops the work; what tasks have written by then stays.

        A worker may die over a task. Then the other tasks go on, and a `WorkerDied` is yielded, once, after
        those results of the task that have arrived. The engine does not try the task again: whoever gave it
        knows better how.

        Parameters
        ----------
        function : str
            ``"module:name"`` of a `TaskFunction`. It is a name so that only workers import the module.
        tasks : iterable of dict
            Plain JSON values. Two are optional: ``about`` names the files of the task in a few words, and
            ``name`` is one word for the task.

        Raises
        ------
        AudiospecError
            The error that a task raised, of the same type (see `restore_error`). It stops the work.
        EngineError
            Workers cannot be started.
        EngineLostError
            Workers on other machines do not answer any more.
        """


engines: Registry[type[Engine]] = Registry("engine", "audiospec.engines", "audiospec.engines")


def engine(name: str, workers: int | None = None, **options: Any) -> Engine:
    """Make a registered engine.

    Parameters
    ----------
    name : str
        Its name; `audiospec engines` lists them.
    workers : int or None
        Number of tasks that may run at once. None: the engine decides.
    options
        What the engine takes beside, such as the ``scheduler`` of ``"dask"``. None: its default.

    Returns
    -------
    Engine

    Raises
    ------
    RegistryError
        No engine has that name.
    EngineError
        The engine cannot have that number of workers, has no such option, or is not installed in full.

    Examples
    --------
    >>> audiospec.engine("dask", scheduler="tcp://10.0.0.1:8786")  # doctest: +SKIP
    """
    kind = engines[name]
    given = {option: value for option, value in options.items() if value is not None}
    taken = [parameter for parameter in inspect.signature(kind).parameters if parameter != "workers"]
    for option in given:
        if option not in taken:
            having = [other for other in engines if option in inspect.signature(engines[other]).parameters]
            hint = f'use `engine="{having[0]}"`, which has it' if having else nearest(option, taken)
            raise EngineError(f"engine {name!r} has no `{option}`", hint.removeprefix("; "))
    return kind(workers=workers, **given)


def make_engine(chosen: Engine | str | None = None, workers: int | None = None, **options: Any) -> Engine:
    """Make an engine, or return the one that is given.

    Parameters
    ----------
    chosen : Engine, str or None
        An engine, or the name of a registered one. None: ``"serial"`` if `workers` is 0, else ``"local"``.
    workers : int or None
        See `Engine`. It must be None if `chosen` is an `Engine`.
    options
        See `engine`.

    Returns
    -------
    Engine

    Raises
    ------
    RegistryError
        No engine has that name.
    EngineError
        As of `engine`.
    """
    if chosen is not None and not isinstance(chosen, str):
        if workers is not None:
            raise EngineError(
                f"`workers` must be None with an engine that exists already; got {workers}",
                f"give the number to {type(chosen).__name__}",
            )
        return chosen
    if workers is not None and workers < 0:
        raise EngineError(f"`workers` must be at least 0; got {workers}")
    if chosen is None:
        chosen = "serial" if workers == 0 else "local"
    return engine(chosen, workers, **options)


def resolve(function: str) -> TaskFunction:
    """Import the task function that ``"module:name"`` names."""
    module, _, name = function.partition(":")
    return cast(TaskFunction, getattr(importlib.import_module(module), name))


def describe_error(error: Exception) -> dict[str, str]:
    """Describe an error as plain JSON, to carry it to another process; see `restore_error`.

    Returns
    -------
    dict
        ``type``, ``reason`` and ``hint`` (see `AudiospecError`), and ``traceback``.
    """
    return {
        "type": type(error).__name__,
        "reason": error.reason if isinstance(error, AudiospecError) else str(error),
        "hint": error.hint if isinstance(error, AudiospecError) else "",
        "traceback": "".join(traceback.format_exception(error)),
    }


def restore_error(described: Mapping[str, str]) -> AudiospecError:
    """Make the error that `describe_error` described.

    Returns
    -------
    AudiospecError
        Of the same type if that is in `audiospec.errors`; else an `EngineError` with the traceback.
    """
    kind = getattr(errors, described["type"], None)
    if isinstance(kind, type) and issubclass(kind, AudiospecError):
        return kind(described["reason"], described["hint"])
    return EngineError(
        f"a worker failed with {described['type']}: {described['reason']}\n{described['traceback']}"
    )
