"""How far presets are from the implementations that they are held to, on real audio.

Each preset's frontend, by the backend that it has on this machine, and its reference compute the same clips:
one track of each genre of GTZAN's shared part, one clip of each class of ESC-10, and spoken digits of each
speaker, at most 5 s each, resampled to the preset's rate and filled with silence to whole seconds. The
largest difference of any value of any clip is written down. On logarithmic scales float32 leaves few digits
far below a chunk's peak, so there are two figures: of values within 80 dB of the peak, which the preset's
test bounds, and of all values. The third is of all values, with the frontend in float64, as it shows the
rounding of the reference alone.

    python -m benchmarks.studies.presets --save benchmarks/results
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from audiospec.benchmarks.result_tables import table
from audiospec.benchmarks.studies.preset_references import REFERENCES
from audiospec.benchmarks.studies.result import save
from audiospec.features.base import frontend
from audiospec.machine import versions
from audiospec.specs.presets.base import is_share, presets, reference, spec
from audiospec.testing.presets import largest_difference

#: Seconds of a clip.
SECONDS = 5


def clips(data: Path) -> Iterator[tuple[str, NDArray[np.float32], int]]:
    """Yield name, samples (mono) and rate of each clip.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan-part``, ``esc10`` and ``fsdd``.
    """
    folders = [*sorted((data / "gtzan-part/genres").iterdir()), *sorted((data / "esc10").glob("* - *"))]
    files = [sorted(folder.iterdir())[0] for folder in folders]
    digits: dict[str, Path] = {}
    for number, file in enumerate(sorted((data / "fsdd/recordings").glob("*_0.wav"))):
        digits.setdefault(file.stem.split("_")[1] + str(number % 2), file)
    for file in (*files, *digits.values()):
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
        yield str(file.relative_to(data)), sound[: SECONDS * rate].mean(1), rate


def measure(name: str, sounds: list[tuple[str, NDArray[np.float32], int]]) -> dict[str, Any]:
    """Return the largest differences of a preset from its reference.

    Parameters
    ----------
    name : str
    sounds : list of (name, samples, rate)
    """
    chosen, held, where = spec(name), reference(name), REFERENCES[name]
    assert held is not None
    module = frontend(chosen)
    exact = frontend(chosen, backend="fft").double()
    largest = {"in_range": 0.0, "all": 0.0, "all_float64": 0.0}
    clip = ""
    for label, sound, rate in sounds:
        wave = soxr.resample(sound, rate, chosen.sample_rate)
        seconds = math.ceil(len(wave) / chosen.sample_rate)
        wave = np.pad(wave, (0, seconds * chosen.sample_rate - len(wave))).astype(np.float32)
        expected = where.compute(wave)
        row = module(torch.from_numpy(wave)).numpy()
        row64 = exact(torch.from_numpy(wave).double()).numpy()
        found = {
            "in_range": largest_difference(chosen, row, expected),
            "all": largest_difference(chosen, row, expected, math.inf),
            "all_float64": largest_difference(chosen, row64, expected, math.inf),
        }
        if found["in_range"] >= largest["in_range"]:
            clip = label
        largest = {key: max(value, found[key]) for key, value in largest.items()}
    return {
        "preset": name,
        "reference": held.name,
        "package": where.package,
        "version": versions([where.package]).get(where.package, ""),
        "unit": "of the largest value" if is_share(chosen) else chosen.unit,
        "backend": module.backend,
        "bound": held.within,
        "clip": clip,
        **largest,
    }


def markdown(figures: dict[str, Any]) -> str:
    """Return the results as a page.

    Parameters
    ----------
    figures : dict
        What ``presets.json`` has.
    """
    rows = [
        (
            f"`{one['preset']}`",
            f"{one['reference']} ({one['package']} {one['version']})",
            f"{one['in_range']:.1e} {one['unit']}".strip(),
            f"{one['bound']:g}",
            f"{one['all']:.1e}",
            f"{one['all_float64']:.1e}",
            one["backend"],
        )
        for one in figures["presets"]
    ]
    head = ("preset", "reference", "largest difference", "bound", "of all values", "in float64", "backend")
    return "\n".join(
        [
            "# Presets against their references",
            "",
            "`python -m benchmarks.studies.presets --save benchmarks/results`; date, machine, versions:",
            f"`presets.json`. {figures['clips']} clips of real audio.",
            "",
            "- *largest difference*: on a logarithmic scale, of values within 80 dB of a chunk's peak. The",
            "  preset's test holds it below *bound*.",
            "- *of all values*: also further down, where float32 has few digits left.",
            "- *in float64*: of all values, with audiospec in float64, so that the rounding of the reference",
            "  is left.",
            "",
            table(head, rows),
            "",
        ]
    )


def main() -> None:
    """Compare every preset, print the table and save it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--save", type=Path, help="folder for presets.json and presets.md")
    options = parser.parse_args()
    sounds = list(clips(options.data))
    figures = {
        "clips": len(sounds),
        "seconds": SECONDS,
        "presets": [measure(name, sounds) for name in presets],
    }
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('presets', figures, options.save, page=text)}")


if __name__ == "__main__":
    main()
