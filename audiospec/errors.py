"""The errors of audiospec: one root, one child for each part, each also a built-in error.

A message is one line: what was expected, what was found, and what to do. It names the parameters of the
library in backticks, such as `store` or `workers=0`; the command line prints its own options in their place
and ends with status 2.
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
        What to do about it, in lower case; ``""`` if there is nothing to be done.

    Attributes
    ----------
    reason, hint : str
        As given. The error's text is both, with a colon between them.
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
    """A feature's description (spec) or a chunking has an impossible value."""


class RegistryError(AudiospecError, LookupError):
    """A name is not in a registry, or is in it twice."""


class DatasetError(AudiospecError, ValueError):
    """A dataset cannot be found, downloaded or understood."""


class AudioError(AudiospecError, ValueError):
    """An audio file cannot be decoded, or what it holds is no sound."""


class StoreError(AudiospecError, ValueError):
    """A feature store cannot be read, written or matched with what is asked of it."""


class RowIndexError(StoreError, IndexError):
    """A row number that the view does not have."""


class StoreBusyError(StoreError, BlockingIOError):
    """Another run is writing to the store."""


class DiskFullError(StoreError, OSError):
    """The disk has, or left, too little room for what is to be written."""


class SplitError(AudiospecError, ValueError):
    """A view cannot be split as asked for."""


class ModelError(AudiospecError, ValueError):
    """A model cannot be made, trained or used as asked for."""


class RunError(AudiospecError, ValueError):
    """A run's folder is not there, not whole, or not what it was."""


class BenchmarkError(AudiospecError, RuntimeError):
    """A benchmark's suite failed, or its contenders did not do equal work."""


class EngineError(AudiospecError, RuntimeError):
    """Workers died or could not be started; what they had finished is kept."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'gtzan'?"``, or an empty string if nothing is near.

    Parameters
    ----------
    name : str
        What was asked for.
    choices : iterable of str
        What there is.
    """
    plain = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), list(plain), n=1, cutoff=0.5)
    return f"; did you mean {plain[close[0]]!r}?" if close else ""
