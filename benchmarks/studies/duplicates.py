"""Duplicates: how many of those planted in real audio are found, and what else is.

Some of the tracks get a duplicate of each of eight kinds; see `benchmarks.studies.planted`. A pair that is
found is right if both files are made of one recording, or of tracks that share samples. A planted duplicate
is found if pairs join it with its source. The search runs on all files together, and on the tracks with the
duplicates of one kind alone, so that no copy is found through another. Settings:

    music        whole tracks of GTZAN, in a Zarr store of the ordinary mel feature
    bytes        every third of them, in an HDF5 store of one byte a value
    environment  every second clip of ESC-10, where several clips are of one recording
    limits       tracks of GTZAN, and stronger changes, to see where the search ends

Clips of GTZAN beside whole tracks are a second truth: their samples show which are cut from a track. So is
what Sturm's catalogue of GTZAN calls a repetition, as far as both tracks are here.

    python -m benchmarks.studies.duplicates --data ../shared/data --save benchmarks/results
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.cut_clips import clips_of_gtzan
from audiospec.benchmarks.studies.duplicates_page import markdown
from audiospec.benchmarks.studies.judging import judge
from audiospec.benchmarks.studies.planted import KINDS, LIMITS, Planted, Variant, plant, source_of
from audiospec.benchmarks.studies.result import save
from audiospec.benchmarks.studies.samples import Samples
from audiospec.benchmarks.studies.searching import LOW, featurize, search
from audiospec.specs.base import FeatureSpec

MEL, CHUNK = audiospec.MelSpec(), Chunking(seconds=10.0)
#: Tracks of any length have a row.
SHORT = Chunking(seconds=10.0, min_fill=0.0)


@dataclass(frozen=True)
class Setting:
    """Where duplicates are planted.

    Attributes
    ----------
    name, title : str
    folder : str
        Below the data; has a folder for each label.
    every : int
        1: all tracks are used; 3: every third.
    share : float
        Of the tracks that get duplicates.
    spec : FeatureSpec
    chunk : Chunking
    suffix : str
        Of the store.
    recording : callable
        Name of a track, ``LABEL/FILE`` without suffix → its recording.
    kinds : mapping
        Kind → variants of the duplicates.
    """

    name: str
    title: str
    folder: str
    every: int = 1
    share: float = 0.75
    spec: FeatureSpec = MEL
    chunk: Chunking = CHUNK
    suffix: str = ".zarr"
    recording: Callable[[str], str] = str
    kinds: Mapping[str, Sequence[Variant]] = field(default_factory=lambda: KINDS)


SETTINGS = (
    Setting("music", "GTZAN, whole tracks", "gtzan-part/genres"),
    Setting(
        "bytes",
        "GTZAN, every third track, in one byte a value and HDF5",
        "gtzan-part/genres",
        every=3,
        spec=audiospec.MelSpec(dtype="uint8"),
        suffix=".h5",
    ),
    # FOLD-RECORDING-TAKE
    Setting(
        "environment",
        "ESC-10",
        "esc10",
        every=2,
        share=0.4,
        chunk=Chunking(seconds=5.0),
        recording=lambda name: name.rpartition("-")[0],
    ),
    Setting(
        "limits",
        "GTZAN, every third track, changed more",
        "gtzan-part/genres",
        every=3,
        kinds=LIMITS,
        chunk=SHORT,
    ),
)


def run(setting: Setting, data: Path, folder: Path) -> dict[str, Any]:
    """Plant, featurize, search and judge.

    Parameters
    ----------
    setting : Setting
    data, folder : Path
        Of the real audio; a new folder for copies and stores.

    Returns
    -------
    dict
        JSON values: ``together`` and, by kind, ``alone``, as `judge` returns them; the numbers of files and
        the seconds of the search.
    """
    tracks = sorted((data / setting.folder).glob("*/*"))[:: setting.every]
    planted = plant(tracks, folder, share=setting.share, kinds=setting.kinds)
    audio = folder / "audio"
    files = sorted(path.relative_to(audio).as_posix() for path in audio.glob("*/*"))

    samples = Samples({source_of(file): audio / file for file in files if "+" not in file}, setting.recording)

    def figures(name: str, some: Sequence[str], rows: Sequence[Planted]) -> dict[str, Any]:
        store = folder / f"{name}{setting.suffix}"
        view = featurize(audio, some, store, setting.spec, setting.chunk)
        start = time.perf_counter()
        found = search(view)
        seconds = time.perf_counter() - start
        low = search(view, least=LOW) if name == "all" else []
        samples.compare([*found, *low])
        judged = judge(found, rows, samples.recording)
        judged["low"] = _brief(judge(low, rows, samples.recording)) if low else None
        return {"files": len(some), "seconds": seconds, **judged}

    alone = {}
    for kind in setting.kinds:
        rows = [row for row in planted if row.kind == kind]
        alone[kind] = figures(kind, only(files, rows), rows)
    together = figures("all", files, planted)
    return {
        "name": setting.name,
        "title": setting.title,
        "variants": _variants(setting.kinds, planted, alone),
        "undeclared": samples.undeclared,
        "together": together,
        "alone": alone,
    }


def only(files: Sequence[str], rows: Sequence[Planted]) -> list[str]:
    """Return the tracks and the files of some planted pairs; a track that was cut for a pair is left out."""
    cut = {source_of(row.first) for row in rows if "+" in row.first}
    tracks = {file for file in files if "+" not in file and source_of(file) not in cut}
    return sorted(tracks | {file for row in rows for file in (row.first, row.second)})


def _brief(judged: dict[str, Any]) -> dict[str, Any]:
    """Return what a search with a lower threshold is judged by."""
    return {"least": LOW, **{name: judged[name] for name in ("found", "pairs", "right", "wrong")}}


def _variants(
    kinds: Mapping[str, Sequence[Variant]], planted: Sequence[Planted], alone: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return how many duplicates of each strength were planted, and found alone."""
    missed = {second for figures in alone.values() for _, second, _ in figures["missed"]}
    rows = []
    for kind in alone:
        for strength in (variant.strength for variant in kinds[kind]):
            some = [row for row in planted if (row.kind, row.strength) == (kind, strength)]
            if some:
                found = sum(row.second not in missed for row in some)
                rows.append({"kind": kind, "strength": strength, "planted": len(some), "found": found})
    return rows


def main() -> None:
    """Plant, search, print the page and save the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--save", type=Path, help="folder for duplicates.json and duplicates.md")
    parser.add_argument("--settings", default=",".join(setting.name for setting in SETTINGS))
    options = parser.parse_args()
    start = time.perf_counter()
    settings = []
    with tempfile.TemporaryDirectory() as folder:
        for setting in SETTINGS:
            if setting.name in options.settings.split(","):
                settings.append(run(setting, options.data, Path(folder) / setting.name))
                print(f"{setting.name}: {time.perf_counter() - start:.0f} s", flush=True)
        clips = clips_of_gtzan(options.data, Path(folder))
    figures = {"settings": settings, "clips": clips, "seconds": time.perf_counter() - start}
    text = markdown(figures)
    print(text)
    if options.save:
        print(f"saved to {save('duplicates', figures, options.save, page=text)}")


if __name__ == "__main__":
    main()
