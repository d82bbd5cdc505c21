"""The errors of audiospec: one root, one child for each part, each also a built-in error.

A message is one line: what was expected, what was found, and what to do. It names parameters of the library
in backticks, such as `store` or `workers=0`. The command line replaces them with its options and exits with
status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AudiospecError(Exception):
    """Root of every error that audiospec raises on purpose.

    Parameters
    ----------
    reason : str
        What was expected and what was found, in one line without a full stop.
    hint : str
        What to do about it, in lower case; ``""`` if nothing can be done.

    Attributes
    ----------
    reason, hint : str
        As given. The error's text is both, joined by a colon.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(f"{reason}: {hint}" if hint else reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.reason}: {self.hint}" if self.hint else self.reason

    def __reduce__(self) -> tuple[type[AudiospecError], tuple[str, str]]:
        return type(self), (self.reason, self.hint)


class SpecError(AudiospecError, ValueError):
    """A spec or a chunking has an invalid value."""


class RegistryError(AudiospecError, LookupError):
    """A name is not registered, or is registered twice."""


class DatasetError(AudiospecError, ValueError):
    """A dataset cannot be found, downloaded or parsed."""


class AudioError(AudiospecError, ValueError):
    """An audio file cannot be decoded, or contains no usable audio."""


class StoreError(AudiospecError, ValueError):
    """A feature store cannot be read or written, or does not contain what was requested."""


class RowIndexError(StoreError, IndexError):
    """A row number is out of range for the view."""


class StoreBusyError(StoreError, BlockingIOError):
    """Another run is writing to the store."""


class DiskFullError(StoreError, OSError):
    """The disk has too little space for the data to be written."""


class StorageError(AudiospecError, RuntimeError):
    """A bucket does not answer, refuses a request, or cannot be used; what is in it is as it was.

    It is neither a `StoreError` nor an `OSError`, which may mean damage that can be repaired.
    """


class SplitError(AudiospecError, ValueError):
    """A view cannot be split as requested."""


class ModelError(AudiospecError, ValueError):
    """A model cannot be created, trained or used as requested."""


class RunError(AudiospecError, ValueError):
    """A run's folder is missing, incomplete or modified."""


class HubError(AudiospecError, RuntimeError):
    """A hub of models does not answer, refuses a request, or has no such run."""


class NotCheckedError(AudiospecError, ValueError):
    """A check of a store's health lacks what it looks at."""


class BenchmarkError(AudiospecError, RuntimeError):
    """A benchmark suite failed, or its contenders did not do the same work."""


class EngineError(AudiospecError, RuntimeError):
    """Workers could not be started, or a task failed; the shards that were finished are kept."""


class EngineLostError(EngineError):
    """The workers, or the scheduler that leads to them, do not answer any more; the run can be resumed."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'gtzan'?"``, or ``""`` if no choice is similar.

    Parameters
    ----------
    name : str
        The requested name.
    choices : iterable of str
        The names that exist.
    """
    by_lower = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return f"; did you mean {by_lower[matches[0]]!r}?" if matches else ""
