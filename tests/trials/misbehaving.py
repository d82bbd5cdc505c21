"""What a child process may do with a request; small, so that its memory is that of the request."""

from __future__ import annotations

import os
import signal
import time
from typing import Any


def misbehave(request: dict[str, Any]) -> dict[str, Any]:
    """Hang, die, fail, use memory, or answer."""
    if request["how"] == "hang":
        time.sleep(60)
    if request["how"] == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if request["how"] == "fail":
        raise ValueError("a fault of the harness")
    return {"size": len(bytearray(300 << 20)) if request["how"] == "grow" else 0}
