"""Reproduction: the study run again, cell by cell, each beside the study's figure.

    tables → store → baselines × splits × seeds → cells
    audio → store → networks × chunks × splits → cells → songs

Stores and runs stay in one folder, so what was stopped goes on, and what is finished is not done again. Data
that is not there leaves cells that say so; the others are run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.datasets.base import not_found
from audiospec.datasets.gtzan import GENRES
from audiospec.errors import DatasetError, ModelError, nearest
from audiospec.specs.mel import MelSpec
from audiospec.zoo.base import models as registry
from audiospec.zoo.study.baselines import table_3s, table_30s
from audiospec.zoo.study.cells import Cell
from audiospec.zoo.study.figures import (
    CHUNKS,
    MODELS,
    require_study,
)
from audiospec.zoo.study.networks import deep_cells, deep_models, deep_settings
from audiospec.zoo.study.request import StudyProgress, StudyRequest
from audiospec.zoo.study.songs import find_songs


def reproduce(
    study: str = "gtzan",
    *,
    tables: Path | str | None = None,
    data: Path | str | None = None,
    songs: Path | str | None = None,
    out: Path | str = "reproduce-gtzan",
    seeds: int = 10,
    chunks: Sequence[float] = CHUNKS,
    models: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    spec: MelSpec | None = None,
    workers: int | None = None,
    told: StudyProgress | None = None,
) -> Iterator[Cell]:
    """Run a study again, on the data that there is.

    The same call goes on where it was stopped; finished runs are taken as they are.

    Parameters
    ----------
    study : str
        One of `audiospec.zoo.study.STUDIES`.
    tables : path or None
        Folder of ``features_30_sec.csv`` and ``features_3_sec.csv``, or parts of them whose names begin so.
    data : path or None
        GTZAN's audio, as the dataset ``gtzan`` takes it.
    songs : path or None
        Folder of other songs; a song's genre is that of a folder, or the one in its file's name.
    out : path
        Folder for stores and runs; made if it is not there.
    seeds : int
        Splits of each table, from seed 0 on; at least 1. Networks are trained once, with seed 0.
    chunks : sequence of float
        Seconds of the networks' chunks.
    models : sequence of str or None
        Which of `audiospec.zoo.study.MODELS`. None: all.
    classes : sequence of str or None
        Which of GTZAN's genres. None: all.
    settings : mapping or None
        Parameters of the networks' training that are not the study's.
    weights : str or None
        Weights that a pretrained network begins with, instead of those that it would download.
    spec : MelSpec or None
        The networks' features. None: the study's.
    workers : int or None
        Processes that compute features. None: one for each usable core. 0: none but this one.
    told : callable or None
        Told of what goes on.

    Returns
    -------
    iterator of Cell
        Each when it is finished; a cell that could not be run says why in `missing`.

    Raises
    ------
    RegistryError
        An unknown study.
    AudiospecError
        Data that is there and is not what it should be; an option that cannot be. What is finished is kept.
    """
    require_study(study)
    asked = StudyRequest(
        tables=None if tables is None else _folder(tables, "tables"),
        data=None if data is None else _folder(data, "audio"),
        songs=None if songs is None else find_songs(_folder(songs, "songs")),
        out=Path(out),
        seeds=seeds,
        chunks=tuple(dict.fromkeys(map(float, chunks))),
        models=_chosen(models, MODELS, "model of the study"),
        classes=_chosen(classes, GENRES, "genre of GTZAN"),
        settings=dict(settings or {}),
        weights=weights,
        spec=spec or MelSpec(),
        workers=workers,
        told=told or (lambda *_: None),
    )
    if seeds < 1:
        raise ModelError(f"expected at least 1 seed; got {seeds}")
    for chunk in asked.chunks:
        asked.spec.row_shape(Chunking(seconds=chunk).samples(asked.spec.sample_rate))  # raises if too short
    if asked.data is not None:
        for model in deep_models(asked):  # before hours of work, not after them
            registry[model].Settings.replace_in(deep_settings(asked, model), f"model {model!r}")
    return _cells(asked)


def _folder(path: Path | str, what: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"expected a folder of {what}: {not_found(folder)}")
    return folder


def _chosen(names: Sequence[str] | None, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Those of the known names that were asked for, in their own order."""
    for name in names or ():
        if name not in known:
            raise ModelError(
                f"no {what} is called {name!r}{nearest(name, known)} (there are: {', '.join(known)})"
            )
    return tuple(name for name in known if names is None or name in names)


def _cells(asked: StudyRequest) -> Iterator[Cell]:
    yield from table_30s(asked)
    yield from table_3s(asked)
    yield from deep_cells(asked)


# Tables


# Networks


# External songs


# Runs
