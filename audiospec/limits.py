"""Limits of time and memory for foreign code, such as a decoder, which may crash, hang or ask for gigabytes.

They hold in a process that has declared itself expendable: a worker, whose parent notices its end. Elsewhere
they do nothing.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from types import TracebackType

#: Signal that ends an expendable process when time is up.
TIME_IS_UP = signal.SIGALRM
#: A limit of memory starts at what the process has, which is not read anew more often than this, in seconds.
_MEMORY_PERIOD = 0.1

_expendable = False


def make_expendable() -> None:
    """Declare that this process may be ended at any moment, because another waits for it and goes on."""
    global _expendable
    _expendable = True
    # The system ends the process by itself, even while a library holds the interpreter's lock.
    signal.signal(TIME_IS_UP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {TIME_IS_UP})


class Limits:
    """A context for one step of foreign code, which can be entered again for the next step.

    A step that takes too long ends an expendable process with the signal `TIME_IS_UP`. A step that asks for
    too much memory gets none: that is a MemoryError, or whatever the library makes of it.

    Parameters
    ----------
    seconds : float
        Most time for one step.
    memory : int
        Most bytes that the process may grow by during a step (on Linux; other systems do not tell).

    Attributes
    ----------
    used : float
        Seconds spent in all steps.
    """

    def __init__(self, seconds: float, memory: int) -> None:
        self.seconds = seconds
        self.memory = memory
        self.used = 0.0
        self._began = 0.0
        self._measured = -_MEMORY_PERIOD
        self._most = resource.RLIM_INFINITY
        self._before = resource.getrlimit(resource.RLIMIT_DATA)

    def __enter__(self) -> Limits:
        self._began = time.monotonic()
        if _expendable:
            if self._began - self._measured >= _MEMORY_PERIOD:
                self._measured, self._most = self._began, self._most_memory()
            if self._most != resource.RLIM_INFINITY:
                resource.setrlimit(resource.RLIMIT_DATA, (self._most, self._before[1]))
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _expendable:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self._most != resource.RLIM_INFINITY:
                resource.setrlimit(resource.RLIMIT_DATA, self._before)
        self.used += time.monotonic() - self._began

    def _most_memory(self) -> int:
        """Return the limit of the process's data in bytes; infinity if the system does not tell its size."""
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[5])
        except (OSError, ValueError, IndexError):
            return resource.RLIM_INFINITY
        most = pages * os.sysconf("SC_PAGE_SIZE") + self.memory
        return min([most, *(limit for limit in self._before if limit != resource.RLIM_INFINITY)])
