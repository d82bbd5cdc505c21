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
#: The size of the process is read anew if it is older than this, or if other code ran for longer, in seconds.
_OLD, _OTHER_CODE = 0.1, 0.001

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
        self._before: tuple[int, int] | None = None

    def __enter__(self) -> Limits:
        self._began = time.monotonic()
        if _expendable:
            data = _size.at(self._began)
            if data:
                self._before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
                limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
                resource.setrlimit(resource.RLIMIT_DATA, (min([data + self.memory, *limits]), hard))
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _expendable:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self._before is not None:
                resource.setrlimit(resource.RLIMIT_DATA, self._before)
        _size.left = time.monotonic()
        self.used += _size.left - self._began


class _Size:
    """The bytes of this process's data, which the limit of memory is counted from.

    `left` is the time when the last step ended.
    """

    def __init__(self) -> None:
        self.left = 0.0
        self._read = 0.0
        self._bytes = 0

    def at(self, now: float) -> int:
        """Return the bytes; 0 if the system does not tell them."""
        if now - self._read > _OLD or now - self.left > _OTHER_CODE:
            self._read = now
            try:
                pages = int(Path("/proc/self/statm").read_text().split()[5])
            except (OSError, ValueError, IndexError):
                pages = 0
            self._bytes = pages * os.sysconf("SC_PAGE_SIZE")
        return self._bytes


_size = _Size()
