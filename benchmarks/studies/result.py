"""Save a result with the command, date, machine and versions that it was made with."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

from audiospec.machine import machine, versions

#: Packages whose versions affect the results.
_PACKAGES = (
    "audiospec",
    "torch",
    "numpy",
    "scipy",
    "librosa",
    "numba",
    "nnaudio2",
    "soundfile",
    "av",
    "soxr",
    "zarr",
    "h5py",
    "lightning",
    "scikit-learn",
    "torchvision",
    "torchaudio",
    "transformers",
    "kaldi-native-fbank",
    "cleanlab",
    "opensmile",
    "musicnn",
)


def save(name: str, figures: dict[str, Any], folder: Path, file: str = "", page: str = "") -> Path:
    """Write figures, with the command, date, machine and versions, to a JSON file, and a page beside it.

    Parameters
    ----------
    name : str
        The study, as in ``python -m benchmarks.studies.NAME``.
    figures : dict
        The results; JSON values.
    folder : Path
    file : str
        Name of the files without their suffixes; empty: `name`.
    page : str
        The results as Markdown; empty: there is no page.

    Returns
    -------
    Path
        The JSON file.
    """
    result = with_origin("python -m benchmarks.studies." + " ".join([name, *sys.argv[1:]]), figures)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file or name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    if page:
        path.with_suffix(".md").write_text(page, encoding="utf-8")
    return path


def with_origin(command: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures with the command, date, machine and versions that they were made with."""
    return {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(_PACKAGES),
        "figures": figures,
    }
