"""Work that goes on while the page is used: its progress, its result, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from audiospec.errors import AudiospecError

_T = TypeVar("_T")


class StoppedError(Exception):
    """The work was told to stop."""


class Background(Generic[_T]):
    """A function that runs once, in a thread of its own.

    Parameters
    ----------
    work : callable
        Called with a function that it calls with its progress, done and total; that raises `StoppedError`
        once the work is to stop.

    Attributes
    ----------
    state : str
        ``"running"``, ``"done"`` or ``"failed"``.
    message : str
        Why it failed.
    done, total : int
        Its progress.
    """

    def __init__(self, work: Callable[[Callable[[int, int], None]], _T]) -> None:
        self.state, self.message = "running", ""
        self.done, self.total = 0, 0
        self._work = work
        self._result: _T | None = None
        self._stop = threading.Event()
        # A daemon: work that does not look whether it is to stop must not keep the process from its end.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def result(self) -> _T | None:
        """What the work returned; None unless it is done."""
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work(self._tell)
            self.state = "done"
        except StoppedError:
            self.state, self.message = "failed", "stopped"
        except AudiospecError as error:
            self.state, self.message = "failed", str(error)
        except Exception as error:
            self.state, self.message = "failed", f"unexpected {type(error).__name__}: {error}"

    def _tell(self, done: int, total: int) -> None:
        if self._stop.is_set():
            raise StoppedError
        self.done, self.total = done, total

    def progress(self) -> dict[str, Any]:
        """Return state, message and progress as JSON values."""
        return {"state": self.state, "message": self.message, "done": self.done, "total": self.total}

    def wait(self) -> None:
        """Wait until the work has ended."""
        self._thread.join()

    def stop(self, seconds: float = 1.0) -> None:
        """Tell the work to stop, and wait for that long."""
        self._stop.set()
        self._thread.join(seconds)
