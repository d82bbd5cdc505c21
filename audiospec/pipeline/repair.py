"""Repair a store: compute damaged rows again from the audio that they were computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from audiospec.audio.fetched import AudioFile, open_source
from audiospec.audio.reading import Reading
from audiospec.engines.base import Engine, make_engine
from audiospec.errors import AudioError, DatasetError, StoreError
from audiospec.manifest import Manifest, Track
from audiospec.pipeline.builder import BuildTarget, ViewBuilder
from audiospec.pipeline.plan import Plan
from audiospec.pipeline.progress import ProgressCallback
from audiospec.pipeline.sight import in_sight
from audiospec.pipeline.staging import WorkFolder
from audiospec.pipeline.survey import survey_store
from audiospec.specs.table import TableSpec
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.lock import locked
from audiospec.stores.layout.schema import TrackRecord
from audiospec.stores.volumes.store import VolumeStore

#: Tracks that have rows were accepted, truncated or silent as their notes say they are; their files are the
#: same.
_AS_BEFORE = Reading(truncated="keep", keep_silent=True)


def repair(
    store: FeatureStore,
    damaged: Mapping[str, Sequence[int]],
    *,
    workers: int | None = None,
    engine: Engine | str | None = None,
    progress: ProgressCallback | None = None,
) -> None:
    """Compute damaged rows again, from the audio in the folder that the store was computed from.

    Parameters
    ----------
    store : FeatureStore
        Open it again afterwards: this object shows what it was.
    damaged : mapping
        View name → row numbers, from `View.damaged`.
    workers : int or None
        Processes. None: one for each usable core. 0: no process but this one.
    engine : Engine, str or None
        Where tasks run; see `featurize`.
    progress : callable or None
        Called with a `Progress` before the first shard and after each.

    Raises
    ------
    DatasetError
        A file that is needed cannot be read, or has changed.
    StoreError
        A damaged view was imported from a table.

    Examples
    --------
    >>> store = audiospec.open_store("gtzan.zarr")  # doctest: +SKIP
    >>> damaged = {view.name: view.damaged().tolist() for view in store.views()}  # doctest: +SKIP
    >>> audiospec.repair(store, {name: rows for name, rows in damaged.items() if rows})  # doctest: +SKIP
    """
    engine = make_engine(engine, workers)
    if isinstance(store, VolumeStore):
        for volume, part in store.by_volume(damaged).items():
            repair(store.volume(volume), part, engine=engine, progress=progress)
        return
    for name in damaged:
        view = store.view(name)
        if isinstance(view.spec, TableSpec):
            raise StoreError(
                f"cannot repair: view {name} was imported from {view.info.made.get('table', 'a table')}, "
                "not computed from audio",
                "import the table again with `audiospec table import`",
            )
    with engine, locked(store.path) as place:
        store.recover(store.path, place)
        work = WorkFolder(place)
        for name, rows in damaged.items():
            view = store.view(name)
            records = list(store.tracks.records())
            needed = sorted(set(view.rows["track"][np.asarray(rows, np.int64)].tolist()))
            _require_same_audio(store, needed)
            manifest = Manifest(store.dataset, store.root, tuple(_track(records[n]) for n in needed))
            views = [(view.spec, view.chunking)]
            with in_sight(engine, manifest, work.place):
                tracks = survey_store(manifest, store, work, views, engine, _AS_BEFORE)
                for track, record in zip(tracks, records, strict=True):
                    if track.kept:  # the survey did not look for its file: keep what is known
                        track.record = record
                since = type(store)(store.path).version
                target = BuildTarget(type(store), store.path, work, store.store_attributes(), since)
                numbers = frozenset(int(row) for row in rows)
                labelling = None if view.targets is None else store.labelling
                plan = Plan.make(view.spec, view.chunking, tracks, view, numbers, _AS_BEFORE, labelling)
                made = view.info.made
                backends = {view.spec.feature: made["backend"]}
                builder = ViewBuilder(target, [plan], engine, made["device"], backends, _AS_BEFORE)
                builder.compute(progress)
            builder.publish()
            work.staging(name).clear()


def _track(record: TrackRecord) -> Track:
    """Return the track that a record was made from."""
    return Track(
        id=record.id,
        path=record.path,
        label=record.label,
        group=record.group,
        fold=record.fold,
        cluster=record.cluster,
        annotations=record.annotations,
        columns=record.columns,
    )


def _require_same_audio(store: FeatureStore, needed: Sequence[int]) -> None:
    """Raise if a track's file is missing, or is not the one that its rows were computed from."""
    for number in needed:
        file = store.root / str(store.tracks["path"][number])
        try:
            with open_source(AudioFile(file)) as source:
                same = source.content_hash() == store.tracks["hash"][number]
        except AudioError as error:
            raise DatasetError(
                f"cannot repair: {file} is {error.reason}",
                f"put the audio back into {store.root}, or run `audiospec featurize {store.dataset} "
                "--data FOLDER` with the folder that it is in now",
            ) from error
        if not same:
            raise DatasetError(
                f"cannot repair: {file} has changed since its features were computed",
                "run `audiospec featurize` again",
            )
