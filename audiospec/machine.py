"""The machine that a result was measured on, and the versions that bear on it.

Cores are counted and versions are read here alone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from audiospec.version import __version__


def machine(device: str = "cpu") -> dict[str, Any]:
    """Processor, usable cores, memory (GiB, None if not known), system, Python's version, accelerator.

    Parameters
    ----------
    device : str
        A torch device; one that is no CPU is named.
    """
    model = platform.processor() or platform.machine()
    memory = None
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024**2
    found = {
        "processor": model,
        "cores": usable_cores(),
        "memory_gib": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    if device.startswith("cuda"):
        import torch

        found["device"] = torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA"
    return found


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed; audiospec's own is that of the code that runs."""
    found = {}
    for name in packages:
        try:
            found[name] = __version__ if name == "audiospec" else version(name)
        except PackageNotFoundError:
            continue
    return found


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
