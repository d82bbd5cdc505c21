"""The worker process of `LocalEngine`: reads tasks as lines of JSON, and writes results in the same form."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import Any, TextIO

from audiospec.engines.base import describe_error, resolve
from audiospec.limits import make_expendable


def main() -> None:
    """Run the tasks that arrive on standard input: lines of a function's name and its task.

    The last argument names a function whose module is imported first.
    """
    make_expendable()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get between the results
    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_tasks, args=(tasks,), daemon=True).start()
    try:
        resolve(sys.argv[2])
    except Exception as error:
        _write(out, {"error": describe_error(error)})
        return
    _write(out, {"ready": True})
    while True:
        name, task = json.loads(tasks.get())
        try:
            for result in resolve(name)(task):
                _write(out, {"result": result})
        except Exception as error:
            _write(out, {"error": describe_error(error)})
        else:
            _write(out, {"done": True})


def _write(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _read_tasks(tasks: queue.Queue[str]) -> None:
    """Queue the tasks, and end the process at once when the parent has ended."""
    try:
        for line in sys.stdin:
            tasks.put(line)
    finally:  # without this thread no task would ever arrive
        os._exit(1)
