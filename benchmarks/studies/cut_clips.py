"""Clips of GTZAN beside whole tracks: which share sound, by their samples, and which of those are found."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

import audiospec
from audiospec.benchmarks.studies.judging import Found
from audiospec.benchmarks.studies.planted import is_sound
from audiospec.benchmarks.studies.repetitions import Overlap, overlap, repetitions
from audiospec.benchmarks.studies.searching import featurize, search
from audiospec.zoo.scores.measuring.intervals import wilson

CLIPS, TRACKS = "gtzan-clips", "gtzan-part/genres"
#: Correlation of samples from which on two sounds are one.
SAME = 0.9


def clips_of_gtzan(data: Path, folder: Path) -> dict[str, Any]:
    """Search clips and whole tracks together, and compare what is found with the samples.

    Parameters
    ----------
    data : Path
        Has both folders of GTZAN.
    folder : Path
        For the store.

    Returns
    -------
    dict
        JSON values. ``cut``: clips that are cut from a track, by their id or by the catalogue of repetitions,
        and how many of them were found; ``catalogue``: a row for each pair of the catalogue that is here;
        ``others``: pairs that were found besides, with the correlation of their samples.
    """
    clips, tracks = (
        {
            path.stem: path.relative_to(data).as_posix()
            for path in sorted((data / name).glob("*/*"))
            if is_sound(path)
        }
        for name in (CLIPS, TRACKS)
    )
    here = (clips, tracks)
    files = sorted(path for paths in here for path in paths.values())
    view = featurize(
        data,
        files,
        folder / "clips.zarr",
        audiospec.MelSpec(),
        audiospec.Chunking(seconds=3.0, min_fill=0.0),
    )
    found = {frozenset((pair.first, pair.second)): pair for pair in search(view)}
    waves = _Waves(data)
    same_id = [_row("same id", clips[id], tracks[id], found, waves) for id in sorted(clips.keys() & tracks)]
    catalogue = [
        _row(kind, first, second, found, waves)
        for (one, other), kind in sorted(repetitions().items())
        for first, second in product(*([paths[id] for paths in here if id in paths] for id in (one, other)))
    ]
    known = {frozenset((row["first"], row["second"])) for row in (*same_id, *catalogue)}
    others = [
        _row("other", pair.first, pair.second, found, waves)
        for key, pair in found.items()
        if key not in known
    ]
    cut = [row for row in (*same_id, *catalogue) if row["correlation"] >= SAME]
    hits = sum(row["found"] for row in cut)
    return {
        "clips": len(clips),
        "tracks": len(files) - len(clips),
        "same_id": len(same_id),
        "same_id_cut": sum(row["correlation"] >= SAME for row in same_id),
        "cut": len(cut),
        "found": hits,
        "recall": hits / len(cut),
        "recall_interval": wilson(hits / len(cut), len(cut)),
        "missed": [[row["first"], row["second"]] for row in cut if not row["found"]],
        "catalogue": catalogue,
        "others": sorted(others, key=lambda row: -row["correlation"]),
    }


class _Waves:
    """Sounds, read when they are first asked for."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._waves: dict[str, NDArray[np.float64]] = {}

    def overlap(self, first: str, second: str) -> Overlap:
        for path in (first, second):
            if path not in self._waves:
                self._waves[path] = soundfile.read(self._data / path)[0]
        return overlap(self._waves[first], self._waves[second])


def _row(
    kind: str, first: str, second: str, found: Mapping[frozenset[str], Found], waves: _Waves
) -> dict[str, Any]:
    """Return how a pair agrees by its samples, and whether it was found."""
    agreement = waves.overlap(first, second)
    pair = found.get(frozenset((first, second)))
    return {
        "kind": kind,
        "first": first,
        "second": second,
        "correlation": round(agreement.correlation, 4),
        "found": pair is not None,
        "similarity": None if pair is None else round(pair.similarity, 4),
    }
