"""Describe the machine that a result was measured on, its user, and the versions of what produced it.

This is the only module that counts cores and memory, and reads versions.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from audiospec.version import __version__


def machine(device: str = "cpu") -> dict[str, Any]:
    """Return the processor, usable cores, memory (GiB, or None), system, Python version and accelerator.

    Parameters
    ----------
    device : str
        A torch device; the accelerator is named if it is a CUDA device.
    """
    model = platform.processor() or platform.machine()
    memory = None
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024**2
    facts = {
        "processor": model,
        "cores": usable_cores(),
        "memory_gib": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    if device.startswith("cuda"):
        import torch

        facts["device"] = torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA"
    return facts


#: Instruction sets by which MKL, oneDNN, OpenBLAS, ATen and our kernels choose their code.
_CHOSEN_BY = re.compile(r"avx\w*|fma\w?|amx\w*|sve\w*|asimd\w*|bf16|i8mm")


@cache
def processor_kind(root: Path = Path("/")) -> str:
    """Return maker and instruction sets of the processor, by which libraries choose their code.

    Two machines of one kind compute the same bits with the same software, and two of different kinds may not.

    Parameters
    ----------
    root : path
        Folder that contains ``proc``.

    Returns
    -------
    str
        Such as ``"GenuineIntel avx avx2 fma"``; where the system does not tell, the name of the architecture.
    """
    parts: dict[str, str] = {}
    for line in _lines(root / "proc/cpuinfo"):
        name, _, value = line.partition(":")
        parts.setdefault(name.strip(), value.strip())  # those of the first core
    sets = parts.get("flags", parts.get("Features", "")).split()
    maker = parts.get("vendor_id", parts.get("CPU implementer", ""))
    chosen = sorted(word for word in sets if _CHOSEN_BY.fullmatch(word))
    return " ".join([maker or platform.machine(), *chosen])


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return package → version for the packages that are installed.

    The version of audiospec is read from the imported code, not from the metadata of an installation.
    """
    from importlib.metadata import PackageNotFoundError, version  # workers start without it

    installed = {}
    for name in packages:
        try:
            installed[name] = __version__ if name == "audiospec" else version(name)
        except PackageNotFoundError:
            continue
    return installed


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes of memory that this process may still take; None if the system does not report it.

    That is the least of what the machine has left and what the control groups of the process (a container, a
    job of a cluster) have left of their limits. Memory of cached files counts as available.

    Parameters
    ----------
    root : path
        Folder that contains ``proc`` and ``sys``.
    """
    available = []
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            available.append(1024 * int(line.split()[1]))
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, names = "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        path = Path(group.lstrip("/"))
        for folder in (path, *path.parents):  # a limit of an outer group holds for the inner ones
            available += _left_in_group(root / base / folder, *names)
    return min(available, default=None)


def _left_in_group(folder: Path, limit: str, usage: str, cached: str) -> list[int]:
    """Return what a control group has left of its limit; nothing if it has no limit."""
    most, used = (" ".join(_lines(folder / name)) for name in (limit, usage))
    if not (most.isdecimal() and used.isdecimal()):  # "max", or no such file
        return []
    files = [line.split()[1] for line in _lines(folder / "memory.stat") if line.split()[0] == cached]
    return [max(0, int(most) - int(used) + sum(map(int, files)))]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def user_name() -> str:
    """Return the name of the user of this process; ``""`` if it has none, as in a container."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
