"""Whether this machine has the compiled kernels, and which instruction set they use.

The extension module `audiospec.compiled.native` is built by ``pip install`` where a C compiler is. Everything
that it computes can also be computed without it, more slowly.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType


@lru_cache(maxsize=1)
def _load() -> tuple[ModuleType | None, str]:
    """Return the extension module, and why it is missing."""
    try:
        return importlib.import_module("audiospec.compiled.native"), ""
    except ModuleNotFoundError:
        return None, (
            "it was not built: no C compiler was found when audiospec was installed (install one, such as "
            "gcc, and install audiospec again)"
        )
    except ImportError as error:  # built for another machine, or another Python
        return None, f"it does not load: {error}"


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
