"""Featurize some files of a folder, and search them for duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.benchmarks.studies.judging import Found
from audiospec.doctor.duplicates import find_duplicates
from audiospec.doctor.duplicates.search import LEAST
from audiospec.manifest import Manifest, Track
from audiospec.specs.base import FeatureSpec
from audiospec.stores.layout.view import View

#: Least similarity of a search that shows how alike pairs are which are not duplicates.
LOW = 0.2


def featurize(audio: Path, files: Sequence[str], store: Path, spec: FeatureSpec, chunk: Chunking) -> View:
    """Make a store of some files; the label is the folder, the id the path.

    Parameters
    ----------
    audio : Path
    files : sequence of str
        Paths below `audio`, with forward slashes.
    store : Path
    spec : FeatureSpec
    chunk : Chunking
    """
    tracks = tuple(Track(id=file, path=file, label=PurePosixPath(file).parent.name) for file in files)
    manifest = Manifest("planted", audio, tracks)
    return audiospec.featurize(manifest, data=audio, spec=spec, chunk=chunk, store=store)


def search(view: View, least: float = LEAST) -> list[Found]:
    """Return the duplicates in a view.

    Parameters
    ----------
    view : View
    least : float
        Least similarity of a pair.
    """
    duplicates = find_duplicates(view, seed=0, least=least)
    ids = view.store.tracks["id"].astype(str).tolist()
    return [
        Found(ids[pair.first], ids[pair.second], pair.kind, pair.similarity, pair.lag_seconds)
        for pair in duplicates.pairs
    ]
