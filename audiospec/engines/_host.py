"""Task functions that a cluster's worker runs in a slot's process: what a task from another machine needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from audiospec.compiled.library import library
from audiospec.engines.base import resolve
from audiospec.errors import EngineError
from audiospec.machine import versions

#: Packages whose versions have to be the same on all machines, because they compute what is stored.
PACKAGES = ("audiospec", "torch", "numpy", "soxr", "soundfile")

#: What to do where software differs.
SAME_SOFTWARE = "install the same versions (pip install -c constraints.txt 'audiospec[dask]')"


def software() -> dict[str, str]:
    """Return package → version of what has to be the same; ``"none"`` for what is missing."""
    from soundfile import __libsndfile_version__

    found = dict.fromkeys(PACKAGES, "none") | versions(PACKAGES)
    kernels = "none" if library() is None else found["audiospec"]
    return found | {"libsndfile": __libsndfile_version__, "compiled kernels": kernels}


def require_software(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: compare the software of this machine with that of the caller.

    Parameters
    ----------
    task : dict
        ``software``, from the caller's `software`.

    Raises
    ------
    EngineError
        It differs. The text goes on after the name of a machine.
    """
    here, there = software(), task["software"]
    for name, version in there.items():
        if here.get(name) != version:
            raise EngineError(
                f"has {name} {here.get(name)}, this machine {version}",
                SAME_SOFTWARE,
            )
    yield from ()


def run_in_folder(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Task function: run another one, in the caller's current folder, to which its paths may be relative.

    Parameters
    ----------
    task : dict
        ``folder``; ``function`` and ``task``, as for `Engine.run`.
    """
    try:
        os.chdir(task["folder"])
    except OSError:  # nothing is relative to it, or a required task says that this machine does not see it
        os.chdir("/")
    yield from resolve(task["function"])(task["task"])
