"""Featurize a dataset: dataset → manifest → plan → tasks → engine → view.

    survey the files → plan the rows → compute the missing shards → plan again → … → publish

Decoding may show that a file is damaged, or that its header was wrong; so each round of computing is followed
by another plan, until nothing is missing. `plan` explains why a run is safe to kill and cheap to repeat.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from audiospec.annotations.annotation import Background, Labelling
from audiospec.audio.chunking import Chunking
from audiospec.audio.reading import STRICT, Reading
from audiospec.datasets.base import open_dataset, store_name
from audiospec.datasets.own.search import left_out
from audiospec.engines.base import Engine, make_engine
from audiospec.errors import DatasetError, SpecError, StoreError, nearest
from audiospec.features.native.base import NATIVE, kernel_of, require_native
from audiospec.manifest import Manifest
from audiospec.pipeline.building import Building
from audiospec.pipeline.progress import ProgressCallback
from audiospec.pipeline.summary import Report
from audiospec.pipeline.targets import is_annotated
from audiospec.pipeline.trial import try_out
from audiospec.pipeline.volumes.run import VolumesRun
from audiospec.pipeline.volumes.share import Share
from audiospec.specs.base import FeatureSpec, announce, features, require
from audiospec.specs.mel import MelSpec
from audiospec.storage.location import Location, location
from audiospec.stores.base import store_class
from audiospec.stores.layout.view import View

_log = logging.getLogger("audiospec")


def featurize(
    dataset: str | Manifest,
    *,
    data: Location | str | None = None,
    options: Mapping[str, object] | None = None,
    spec: FeatureSpec | None = None,
    chunk: float | Chunking = 10.0,
    store: Location | str | None = None,
    workers: int | None = None,
    engine: Engine | str | None = None,
    device: str = "cpu",
    backend: str | None = None,
    strict: bool = False,
    reading: Reading = STRICT,
    progress: ProgressCallback | None = None,
    volume_hours: float | None = None,
    min_overlap: float = 0.5,
    background: Background = "drop",
    background_class: str = "background",
) -> View:
    """Turn a dataset's audio into a view of a feature store.

    Rows that the store has already are not computed again, and a killed run resumes where it stopped.
    Files that cannot be used are logged and recorded in the store; they do not stop the run.

    Parameters
    ----------
    dataset : str or Manifest
        The name of a registered dataset, or a manifest.
    data : path, URL or None
        Folder or file of the audio, on a disk or in a bucket. None: the data folder of this machine, where
        missing audio is downloaded if the dataset can be.
    options : mapping or None
        Options of the dataset, such as ``{"label_level": 1}`` for ``"folder"``; see the dataset's class.
    spec : FeatureSpec or None
        The features to compute. None: ``MelSpec()``.
    chunk : float or Chunking
        Length of a chunk in seconds, or a `Chunking` with hop and minimum fill.
    store : Location, str or None
        The store to make or to add to; its suffix sets the format. None: see `store_name`, in the current
        folder.
    workers : int or None
        Worker processes. None: one for each usable core. 0: compute in this process.
    engine : Engine, str or None
        Where tasks run: an engine, or the name of a registered one. None: ``"serial"`` if `workers` is 0,
        else ``"local"``.
    device : str
        The torch device that computes the features, such as ``"cuda"``.
    backend : str or None
        One of the feature's backends. None: the fastest that this machine has.
    strict : bool
        Whether a track that cannot be used is an error.
    reading : Reading
        What to do with truncated, damaged and silent files. By default they are not used.
    progress : callable or None
        Called with a `Progress` before the first shard and after each.
    volume_hours : float or None
        Hours of audio of a volume, of which a large .zarr store has several; see `run`.
    min_overlap : float
        If tracks have annotations, the share of a chunk, or of an annotation, that has to overlap for the
        chunk to have the label.
    background : "drop", "keep" or "class"
        What becomes of the chunks without an annotation, if tracks have annotations: they are no rows, rows
        without a label, or rows of the class `background_class`. The target ``"frames"`` keeps them.
    background_class : str

    Returns
    -------
    View
        The finished view, with a row for each chunk of each track, or for each that is annotated.

    Raises
    ------
    AudiospecError
        The run failed. Finished shards are kept, and the next run uses them.

    Examples
    --------
    >>> view = audiospec.featurize("gtzan", data="genres", chunk=10)  # doctest: +SKIP
    >>> view.read([0, 5, 7]).shape  # doctest: +SKIP
    (3, 192, 862)
    """
    chunking = chunk if isinstance(chunk, Chunking) else Chunking(seconds=chunk)
    report = run(
        dataset,
        data=data,
        options=options,
        views=[(spec or MelSpec(), chunking)],
        store=store,
        workers=workers,
        engine=engine,
        device=device,
        backend=backend,
        strict=strict,
        reading=reading,
        progress=progress,
        volume_hours=volume_hours,
        min_overlap=min_overlap,
        background=background,
        background_class=background_class,
    )
    if report.left_out:
        _log.warning("%s", left_out(report.left_out))
    for id, problem in report.problems.items():
        _log.warning("%s: %s", id, problem)
    for id, reason in report.skipped[report.views[0].name].items():
        _log.warning("%s: %s", id, reason)
    for id, note in report.notes.items():
        _log.warning("%s: used, though %s", id, note)
    for line in (*report.duplicates.lines(), *report.target_warnings()):
        _log.warning("%s", line)
    return report.views[0]


def run(
    dataset: str | Manifest,
    *,
    data: Location | str | None = None,
    options: Mapping[str, object] | None = None,
    views: Sequence[tuple[FeatureSpec, Chunking]],
    store: Location | str | None = None,
    workers: int | None = None,
    engine: Engine | str | None = None,
    device: str = "cpu",
    backend: str | None = None,
    strict: bool = False,
    reading: Reading = STRICT,
    dry_run: bool = False,
    progress: ProgressCallback | None = None,
    volume_hours: float | None = None,
    part: tuple[int, int] | None = None,
    min_overlap: float = 0.5,
    background: Background = "drop",
    background_class: str = "background",
) -> Report:
    """Make several views of one dataset, and decode each track once for all of them.

    `featurize` is the same for one view, which it returns.

    Parameters
    ----------
    dataset : str or Manifest
        Name in the registry of datasets, or a manifest of your own.
    data : path, URL or None
        Where the audio is. None: the machine's data folder, downloading what is missing.
    options : mapping or None
        Option of the dataset → value.
    views : sequence of (FeatureSpec, Chunking)
        At least one. They are computed together: each track is decoded once.
    store : Location, str or None
        Its suffix chooses the format. None: ``DATASET.zarr`` in the current folder; of a table, its name.
    workers : int or None
        Processes. None: one for each usable core. 0: no process but this one.
    engine : Engine, str or None
        Where tasks run: an engine, or its name in the registry of engines. None: `local`, or `serial` if
        there are to be no workers.
    device : str
        A torch device on which frontends compute, such as ``"cuda"``.
    backend : str or None
        Used for each feature whose frontend has a backend of that name; at least one must have it.
    strict : bool
        Whether a file that cannot be used is an error.
    reading : Reading
        What to do with truncated, damaged and silent files. By default they are not used.
    dry_run : bool
        Whether to plan only: nothing is downloaded, computed or written.
    progress : callable or None
        Called with a `Progress` before the first shard and after each.
    volume_hours : float or None
        Hours of audio of a volume. A .zarr store with more audio has volumes, each of which is computed and
        published by itself. None: as the store has it, or 1000.
    part : (int, int) or None
        Index from 0, and number, of processes that share the volumes of one store, as in an array job: each
        computes those volumes whose number leaves the remainder `index`. None: compute all volumes.
    min_overlap : float
    background : "drop", "keep" or "class"
    background_class : str
        How rows get their targets, if tracks have annotations; see `featurize`.

    Returns
    -------
    Report
        The views in the requested order, the tracks without rows and the reasons, and what was computed.

    Raises
    ------
    AudiospecError
        Of the kind that fits the cause; finished shards are kept.

    Examples
    --------
    >>> ten = audiospec.Chunking(seconds=10)  # doctest: +SKIP
    >>> views = [(audiospec.MelSpec(), ten), (audiospec.TabularSpec(), ten)]  # doctest: +SKIP
    >>> report = audiospec.run("gtzan", data="genres", views=views)  # doctest: +SKIP
    >>> [view.name for view in report.views]  # doctest: +SKIP
    ['mel-10s-3f9a1c', 'tabular-10s-43f6a6']
    """
    began = time.monotonic()
    views = list(dict.fromkeys(views))
    backends = _backends([spec for spec, _ in views], backend, device)
    for spec, chunking in views:
        samples = chunking.samples(spec.sample_rate)
        spec.row_shape(samples)  # raises if the chunk is too short
        if not dry_run:
            announce(spec)
            try_out(spec, samples)
    name = store_name(dataset, data) if isinstance(dataset, str) else dataset.dataset
    path = location(store) if store is not None else Path(f"{name}.zarr")
    kind = store_class(path)
    share = None if part is None else Share(*part)
    if volume_hours is not None:
        require(volume_hours > 0, "volume_hours", "more than 0", volume_hours)
    if not kind.has_volumes and not (volume_hours is None and part is None):
        raise StoreError(
            f"{path} cannot have volumes, which `volume_hours` and `part` are of", "choose a .zarr as `store`"
        )
    kind.exists(path)  # says what cannot be used, before anything is downloaded
    engine = make_engine(engine, workers)
    manifest = _manifest(dataset, data, options or {}, dry_run)
    labelling = Labelling(
        target=manifest.target,
        column=manifest.column,
        min_overlap=min_overlap,
        background=background,
        background_class=background_class,
    )
    annotated = manifest.target != "single" or is_annotated(manifest)
    building = Building(
        views, engine, device, backends, reading, strict, dry_run, progress, labelling, annotated
    )
    with engine:
        built = VolumesRun(building, kind, path, manifest, volume_hours, share).run()
    return Report(
        store=path,
        tracks=built.tracks,
        problems=built.problems,
        skipped=built.skipped,
        planned=built.planned,
        views=built.views,
        seconds=time.monotonic() - began,
        notes=built.notes,
        left_out=manifest.left_out,
        duplicates=built.duplicates,
        targets=built.targets,
        outdated=frozenset(built.outdated),
        volumes=built.volumes,
        unfinished_volumes=built.unfinished_volumes,
    )


def _manifest(
    dataset: str | Manifest, data: Location | str | None, options: Mapping[str, object], dry_run: bool
) -> Manifest:
    if isinstance(dataset, Manifest):
        if options:
            raise DatasetError(
                f"a manifest has no options; got {', '.join(options)}",
                "give the name of a dataset, or no `options`",
            )
        return dataset
    source = open_dataset(dataset, data, options)
    if dry_run and not source.is_here():
        raise DatasetError(
            f"dataset {dataset!r} is not on this machine, and a dry run downloads nothing",
            "give `data`, or run without `dry_run`",
        )
    return source.manifest()


def _backends(specs: Sequence[FeatureSpec], backend: str | None, device: str) -> dict[str, str]:
    """Feature → `backend`, for those features that have it."""
    if backend is None:  # return before the frontends, and with them torch, are imported
        return {}
    if backend == NATIVE and (compiled := [spec for spec in specs if kernel_of(spec) is not None]):
        for spec in compiled:
            require_native(spec, device)
        return {spec.feature: backend for spec in compiled}
    available = {spec.feature: features[spec.feature].backends for spec in specs}
    chosen = {name: backend for name, backends in available.items() if backend in backends}
    if not chosen:
        choices = list(dict.fromkeys(choice for backends in available.values() for choice in backends))
        named = " or ".join(repr(name) for name in available)
        raise SpecError(
            f"feature {named} has no backend {backend!r}{nearest(backend, choices)} "
            f"(it has: {', '.join(choices)})"
        )
    return chosen
