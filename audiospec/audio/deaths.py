"""What is said, and remembered, of a file whose decoder died."""

from __future__ import annotations

from audiospec.audio.guard import step_seconds
from audiospec.engines.base import WorkerDied
from audiospec.limits import TIME_IS_UP
from audiospec.version import __version__

#: Deaths of a file's own worker, by a signal from outside, until the file is named.
OUTSIDE_TRIES = 3
_DIED, _HANGS = "its decoder died: ", "its decoder hangs: "
_END = f" (audiospec {__version__} tries it again once the file is touched)"


def is_final(died: WorkerDied, deaths: int) -> bool:
    """Whether a file is to be named, now that `deaths` workers died that had no other file."""
    return deaths >= (OUTSIDE_TRIES if died.from_outside else 1)


def problem_of(died: WorkerDied, size: int) -> str:
    """Return the problem of a file of `size` bytes that is to be named."""
    if died.from_outside:
        return f"its worker died {OUTSIDE_TRIES} times: {died.how}"
    if died.signal == TIME_IS_UP:
        return f"{_HANGS}no progress in {step_seconds(size):.0f} s"
    return _DIED + died.how


def remembered(problem: str) -> str:
    """Return the problem as a track table keeps it: the file is not tried again in each run."""
    return problem + _END


def is_death(problem: str) -> bool:
    """Whether a problem says that the file, and nothing from outside, ended its decoder."""
    return problem.startswith((_DIED, _HANGS))


def is_remembered(problem: str) -> bool:
    """Whether a problem in a track table says that this version does not try the file again."""
    return is_death(problem) and problem.endswith(_END)
