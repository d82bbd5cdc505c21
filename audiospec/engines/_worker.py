"""The worker process of `LocalEngine`: tasks in as lines of JSON, results out so."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import Any, TextIO

from audiospec.engines.base import describe_error, resolve


def main() -> None:
    """Run the function named by the last argument over the tasks that come on standard input."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get between the results
    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    function = resolve(sys.argv[2])
    while True:
        task = json.loads(tasks.get())
        try:
            for result in function(task):
                _say(out, {"result": result})
        except Exception as error:
            _say(out, {"error": describe_error(error)})
        else:
            _say(out, {"done": True})


def _say(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _listen(tasks: queue.Queue[str]) -> None:
    """Queue the tasks; end the process at once when the parent is gone."""
    for line in sys.stdin:
        tasks.put(line)
    os._exit(1)
