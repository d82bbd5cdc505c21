"""Child: a process that answers requests one after another, and may hang, grow or die over any of them."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiospec.engines.base import resolve
from audiospec.engines.local import ENVIRONMENT

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child made of a request.

    Attributes
    ----------
    value : dict
        What its function returned; empty if it did not.
    end : str
        ``""`` if it answered, ``"hang"`` if it did not in time, else how the process ended.
    seconds : float
        Seconds until then.
    memory : int
        Peak resident memory of the process in bytes during the request.
    """

    value: dict[str, Any]
    end: str
    seconds: float
    memory: int


class Child:
    """A process that calls one function for each request. It starts with the first, and again after its end.

    Parameters
    ----------
    function : str
        ``"module:name"``; takes and returns a dict of JSON values.
    address_space : int
        Most bytes of address space that the process may have, so that it does not take the machine's memory;
        0: no limit.
    """

    def __init__(self, function: str, address_space: int = 0) -> None:
        self._function, self._space = function, address_space
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting = b""

    def ask(self, request: dict[str, Any], seconds: float) -> Answer:
        """Send a request; return the answer, or how the process ended.

        Parameters
        ----------
        request : dict
            JSON values.
        seconds : float
            After these the process is killed.

        Raises
        ------
        RuntimeError
            The function raised an error, which is a fault of the trial itself.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        began = time.monotonic()
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        line = self._line(began + seconds)
        taken = time.monotonic() - began
        if line is None:
            return self._ended(taken, taken >= seconds)
        reply = json.loads(line)
        if "fault" in reply:
            raise RuntimeError(f"{self._function} failed over {request}:\n{reply['fault']}")
        return Answer(reply["value"], "", taken, reply["memory"])

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._ended(0.0, True)

    def _start(self) -> subprocess.Popen[bytes]:
        self._waiting = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._function, str(self._space)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,  # so that what it starts ends with it
        )
        # What importing takes is not a request's.
        if self._line(time.monotonic() + 120) is None:
            raise RuntimeError(f"a process for {self._function} did not start")
        return self._process

    def _line(self, until: float) -> bytes | None:
        """Return the next line that the process writes; None if it ended, or did not write one in time."""
        assert self._process is not None
        assert self._process.stdout is not None
        stream = self._process.stdout.fileno()
        while b"\n" not in self._waiting:
            left = until - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                return None
            part = os.read(stream, 1 << 16)
            if not part:
                return None
            self._waiting += part
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line

    def _ended(self, seconds: float, hangs: bool) -> Answer:
        """Take leave of the process, and of those that it has started."""
        process, self._process = self._process, None
        assert process is not None
        if hangs:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        _, status, usage = os.wait4(process.pid, 0)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        process.returncode = code
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        how = "hang" if hangs else f"signal {-code}" if code < 0 else f"exit status {code}"
        return Answer({}, how, seconds, usage.ru_maxrss * 1024)


def main() -> None:
    """Answer the requests on standard input with the function that the first argument names."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    space = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    function = resolve(sys.argv[1])
    if space:
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        _forget_peak()
        try:
            reply = {"value": function(request), "memory": _peak()}
        except Exception as error:
            reply = {"fault": "".join(traceback.format_exception(error))}
        print(json.dumps(reply), file=out, flush=True)


def _forget_peak() -> None:
    """Set the peak of the resident memory to its present value, where the system can."""
    with suppress(OSError):
        _CLEAR.write_text("5")


def _peak() -> int:
    """Return the peak resident memory of this process, and that of a child if it was larger, in bytes."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(OSError):
        text = _STATUS.read_text()
        own = int(text.partition("VmHWM:")[2].split()[0])
    return own * 1024


if __name__ == "__main__":
    main()
