"""Load the compiled extension, where it was built."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def library() -> Any:
    """Return the extension module; None if it was not built."""
    try:
        return importlib.import_module("audiospec.compiled.native")
    except ImportError:
        return None


def reason_missing() -> str:
    """Return why there is no extension; ``""`` if there is one."""
    return "" if library() is not None else "the compiled extension was not built"


def instruction_set() -> str:
    """Return the instruction set that was chosen on this machine, such as ``"avx2"``."""
    return str(library().instruction_set())
