"""A committed result: what was measured, by which command, when, on what."""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: Packages whose versions bear on the figures.
_PACKAGES = (
    "audiospec",
    "torch",
    "numpy",
    "scipy",
    "librosa",
    "numba",
    "nnaudio2",
    "soundfile",
    "soxr",
    "zarr",
    "h5py",
)


def machine() -> dict[str, Any]:
    """Processor, usable cores, memory, system."""
    model = platform.processor() or platform.machine()
    memory = None
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024**2
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def save(name: str, figures: dict[str, Any], folder: Path) -> Path:
    """Write figures, with the command and all that bears on them, to ``FOLDER/NAME.json``."""
    result = {
        "command": "python -m benchmarks." + " ".join([name, *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "figures": figures,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
