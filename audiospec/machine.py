"""Describe the machine that a result was measured on, and the versions of the software that produced it.

This is the only module that counts cores and reads versions.
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


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return package → version for the packages that are installed.

    The version of audiospec is read from the imported code, not from the metadata of an installation.
    """
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
