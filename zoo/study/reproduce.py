"""Reproduction: run the study again, cell by cell, each next to the study's figure.

    tables → store → baselines × splits × seeds → cells
    audio → store → networks × chunks × splits × seeds → cells → songs

Stores and runs are kept in one folder: an interrupted call is resumed, and finished work is not repeated.
Cells whose data is missing are not run and state why; the others are run. The plan lists the cells before
the first one is run, with an estimate of the time left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.datasets.gtzan import GENRES
from audiospec.datasets.own.search import not_found
from audiospec.errors import DatasetError, ModelError, nearest
from audiospec.specs.mel import MelSpec
from audiospec.zoo.base import models as registry
from audiospec.zoo.study.baselines import table_works
from audiospec.zoo.study.cells import Cell
from audiospec.zoo.study.figures import (
    CHUNKS,
    MODELS,
    require_study,
)
from audiospec.zoo.study.networks import (
    computed_sources,
    deep_models,
    deep_settings,
    deep_works,
    planned_sources,
)
from audiospec.zoo.study.plan import Plan, Planner, Watch
from audiospec.zoo.study.request import StudyProgress, StudyRequest, Work
from audiospec.zoo.study.songs import find_songs, songs_cell
from audiospec.zoo.study.times import Times
from audiospec.zoo.study.training import train_work


def reproduce(
    study: str = "gtzan",
    *,
    tables: Path | str | None = None,
    data: Path | str | None = None,
    songs: Path | str | None = None,
    out: Path | str = "reproduce-gtzan",
    seeds: int = 10,
    network_seeds: int = 1,
    chunks: Sequence[float] = CHUNKS,
    models: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    spec: MelSpec | None = None,
    workers: int | None = None,
    progress: StudyProgress | None = None,
    watch: Watch | None = None,
) -> Iterator[Cell]:
    """Run a study again, on the data that is given.

    Repeating a call resumes it where it was interrupted; finished runs are reused.

    Parameters
    ----------
    study : str
        One of `audiospec.zoo.study.figures.STUDIES`.
    tables : path or None
        Folder with ``features_30_sec.csv`` and ``features_3_sec.csv``, or parts of them in files whose names
        begin with ``features_30_sec`` and ``features_3_sec``.
    data : path or None
        Folder with GTZAN's audio, as the dataset ``gtzan`` expects it.
    songs : path or None
        Folder with other songs; a song's genre is given by the name of a folder, or of its file.
    out : path
        Folder for stores and runs; created if it does not exist.
    seeds : int
        Number of splits of each table, seeds 0 to `seeds` - 1; at least 1.
    network_seeds : int
        Number of trainings of each network, each on another split, with the seeds from 0; at least 1.
    chunks : sequence of float
        Seconds of the networks' chunks.
    models : sequence of str or None
        Some of `audiospec.zoo.study.figures.MODELS`. None: all.
    classes : sequence of str or None
        Some of GTZAN's genres. None: all.
    settings : mapping or None
        Parameters of the networks' training that differ from the study's.
    weights : str or None
        Initial weights of a pretrained network, in place of those that it would download.
    spec : MelSpec or None
        The networks' features. None: the study's.
    workers : int or None
        Number of processes that compute features. None: one per usable core. 0: only this process.
    progress : callable or None
        Called with the progress; see `StudyProgress`.
    watch : callable or None
        Called with the plan before anything is run, and again after each run, when its estimate of the time
        left is better. See `Plan`.

    Returns
    -------
    iterator of Cell
        Each as soon as it is finished; a cell that could not be run states why in `missing`.

    Raises
    ------
    RegistryError
        The study is unknown.
    AudiospecError
        The data is not what it should be, or an argument has an impossible value. Finished work is kept.
    """
    request = _request(
        study,
        tables=tables,
        data=data,
        songs=songs,
        out=out,
        seeds=seeds,
        network_seeds=network_seeds,
        chunks=chunks,
        models=models,
        classes=classes,
        settings=settings,
        weights=weights,
        spec=spec,
        workers=workers,
        progress=progress,
    )
    return _cells(request, watch)


def plan_study(study: str = "gtzan", **arguments: Any) -> Plan:
    """Return the plan of a study, and run nothing; nothing is written into its folder.

    Parameters
    ----------
    study, arguments
        Those of `reproduce`, without `watch`.

    Returns
    -------
    Plan

    Raises
    ------
    RegistryError, AudiospecError
        As `reproduce`.
    """
    request = _request(study, **arguments)
    with TemporaryDirectory() as folder:
        works = list(table_works(request, Path(folder)))
        audio = _audio(request)
        sources, tracks = planned_sources(request, audio) if audio is not None else (None, 0)
        return Planner(request, Times(request.out)).plan([*works, *deep_works(request, sources)], tracks)


def _request(
    study: str,
    *,
    tables: Path | str | None = None,
    data: Path | str | None = None,
    songs: Path | str | None = None,
    out: Path | str = "reproduce-gtzan",
    seeds: int = 10,
    network_seeds: int = 1,
    chunks: Sequence[float] = CHUNKS,
    models: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    spec: MelSpec | None = None,
    workers: int | None = None,
    progress: StudyProgress | None = None,
) -> StudyRequest:
    """Check the arguments of `reproduce`."""
    require_study(study)
    request = StudyRequest(
        tables=None if tables is None else _folder(tables, "tables"),
        data=None if data is None else _folder(data, "audio"),
        songs=None if songs is None else find_songs(_folder(songs, "songs")),
        out=Path(out),
        seeds=seeds,
        network_seeds=network_seeds,
        chunks=tuple(dict.fromkeys(map(float, chunks))),
        models=_select(models, MODELS, "model of the study"),
        classes=_select(classes, GENRES, "genre of GTZAN"),
        settings=dict(settings or {}),
        weights=weights,
        spec=spec or MelSpec(),
        workers=workers,
        progress=progress or (lambda *_: None),
    )
    for name, value in (("seeds", seeds), ("network_seeds", network_seeds)):
        if value < 1:
            raise ModelError(f"`{name}` must be at least 1; got {value}")
    for chunk in request.chunks:
        request.spec.row_shape(
            Chunking(seconds=chunk).samples(request.spec.sample_rate)
        )  # raises if too short
    if request.data is not None:
        for model in deep_models(request):  # fail now, not after hours of work
            registry[model].Settings.replace_in(deep_settings(request, model), f"model {model!r}")
    return request


def _folder(path: Path | str, content: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"expected a folder of {content}: {not_found(folder)}")
    return folder


def _select(names: Sequence[str] | None, choices: Sequence[str], noun: str) -> tuple[str, ...]:
    """Return the requested choices, in the order of `choices`; all if `names` is None."""
    for name in names or ():
        if name not in choices:
            raise ModelError(
                f"no {noun} is called {name!r}{nearest(name, choices)} (there are: {', '.join(choices)})"
            )
    return tuple(name for name in choices if names is None or name in names)


def _audio(request: StudyRequest) -> Path | None:
    """Return the folder of the audio, if a network is requested."""
    return request.data if deep_models(request) else None


def _cells(request: StudyRequest, watch: Watch | None) -> Iterator[Cell]:
    times = Times(request.out)
    planner = Planner(request, times)
    works = list(table_works(request, request.out))
    audio = _audio(request)
    deep: list[Work] = []

    def show(tracks: int = 0) -> None:
        if watch is not None:
            watch(planner.plan([*works, *deep], tracks))

    planned, tracks = planned_sources(request, audio) if audio is not None else (None, 0)
    deep = list(deep_works(request, planned))
    show(tracks)
    for work in works:
        yield train_work(request, work, times, lambda: show(tracks))[0]
    if audio is not None:
        deep = list(deep_works(request, computed_sources(request, audio)))
    for work in deep:
        cell, runs = train_work(request, work, times, show)
        yield cell
        yield songs_cell(request, cell, runs[0] if runs else None)
