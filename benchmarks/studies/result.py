"""A committed result: what was measured, by which command, when, on what."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

from audiospec.machine import machine, versions

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
    "lightning",
    "scikit-learn",
    "torchvision",
)


def save(name: str, figures: dict[str, Any], folder: Path, file: str = "") -> Path:
    """Write figures, with the command and all that bears on them, to ``FOLDER/FILE.json`` (or NAME.json)."""
    result = {
        "command": "python -m benchmarks.studies." + " ".join([name, *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(_PACKAGES),
        "figures": figures,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file or name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
