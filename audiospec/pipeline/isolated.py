"""Read a file that may crash or hang the library that reads it: in a process that may die."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiospec.engines.base import describe_error, restore_error

#: Seconds that the process may take: these, and one more for each so many bytes of the file.
_SECONDS, _BYTES_PER_SECOND = 30.0, 10_000_000
#: Bytes of memory that it may take, besides as many as the file has.
_MEMORY = 2 << 30
#: Exit status of a process that got no more memory.
_TOO_LARGE = 70
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from audiospec.pipeline.isolated import main; main(sys.argv[2], sys.argv[3], int(sys.argv[4]))"
)


def run_isolated(
    path: Path,
    function: str,
    request: dict[str, Any],
    step: Callable[[str, int, int], None] | None,
    what: str = "reading it",
) -> tuple[dict[str, Any] | None, str]:
    """Return what a function returns in another process; or None, and how that process died.

    Parameters
    ----------
    path : Path
        The file whose size sets the limits of time and memory.
    function : str
        ``"module:name"``, called with the request and with a function that passes its arguments to `step`.
    request : dict
        What to do, as JSON.
    step : callable or None
        Called as work advances.
    what : str
        What the function does, for how the process died.

    Raises
    ------
    AudiospecError
        The error that was raised in the process, of the same type.
    """
    size = path.stat().st_size
    seconds = _SECONDS + size / _BYTES_PER_SECOND
    arguments = [json.dumps(sys.path), function, json.dumps(request), str(_MEMORY + size)]
    command = [sys.executable, "-c", _START, *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                try:
                    event = json.loads(line)
                except ValueError:  # cut off by the death of the process
                    continue
                if "error" in event:
                    raise restore_error(event["error"])
                if "answer" in event:
                    return event["answer"], ""
                if step is not None:
                    step(*event["step"])
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
    if late.is_set():
        return None, f"{what} did not end in {seconds:.0f} s"
    code = process.returncode
    if code == _TOO_LARGE:
        return None, f"{what} takes more than {(_MEMORY + size) / 1e9:.1f} GB of memory"
    reason = signal.Signals(-code).name if code < 0 else f"status {code}"
    return None, f"{what} ends the process that does so ({reason})"


def main(function: str, request: str, memory: int) -> None:
    """Call a function in this process, which was started for it."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get between the lines
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def write(**event: Any) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    def step(*progress: object) -> None:
        write(step=progress)

    module, _, name = function.partition(":")
    try:
        write(answer=getattr(importlib.import_module(module), name)(json.loads(request), step))
    except MemoryError:
        os._exit(_TOO_LARGE)
    except Exception as error:
        write(error=describe_error(error))
