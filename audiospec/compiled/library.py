"""Whether this machine has the compiled kernels, and which instruction set they use.

The extension module `audiospec.compiled.native` is built by ``pip install`` where a C compiler is. Everything
that it computes can also be computed without it, more slowly.
"""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

NAME = "audiospec.compiled.native"


@lru_cache(maxsize=1)
def _load() -> tuple[ModuleType | None, str]:
    """Return the extension module, and why it is missing."""
    try:
        return importlib.import_module(NAME), ""
    except ImportError as error:
        return None, _reason(str(error))


def _reason(error: str) -> str:
    """Return why the extension is missing, where importing it raises `error`."""
    again = "install audiospec again"
    files = [path for path in Path(__file__).parent.glob("native.*") if path.suffix in (".so", ".pyd")]
    if not files:
        return (
            "it was not built: no C compiler worked when audiospec was installed (install one, such as gcc, "
            f"with Python's headers, and {again})"
        )
    machines = {machine for path in files if (machine := _machine(path))}
    if machines and _machine(Path(sys.executable)) not in {"", *machines}:
        return f"it was built for another kind of machine ({again} on this one)"
    return f"it does not load: {error} ({again})"


def _machine(file: Path) -> str:
    """Return which kind of processor an ELF file is for, as hexadecimal digits; `""` for other files."""
    try:
        with file.open("rb") as opened:
            header = opened.read(20)
    except OSError:
        return ""
    return (header[4:6] + header[18:20]).hex() if header[:4] == b"\x7fELF" else ""


def library() -> ModuleType | None:
    """Return the module `audiospec.compiled.native`; None where it is missing."""
    return _load()[0]


def reason_missing() -> str:
    """Return why `library` is None, in one line; ``""`` if it is not."""
    return _load()[1]


def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets of this processor that kernels are compiled for, best first.

    Returns
    -------
    tuple of str
        Of ``"avx512"``, ``"avx2"``, ``"sse"``, ``"neon"`` and ``"plain"``; empty where `library` is None.
    """
    module = library()
    return () if module is None else module.instruction_sets()
