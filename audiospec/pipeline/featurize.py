"""The one pipeline: dataset → manifest → plan → shard tasks → engine → view.

    survey the files → plan the rows → compute what is missing → learn → plan again → … → publish

It stops where nothing is missing. See `plan` for what makes this safe to kill and cheap to repeat.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from audiospec import __version__
from audiospec.audio import content_hash
from audiospec.chunking import Chunking
from audiospec.datasets.base import datasets
from audiospec.engines.base import Engine
from audiospec.engines.local import LocalEngine
from audiospec.engines.serial import SerialEngine
from audiospec.errors import DatasetError, DiskFullError, EngineError, SpecError, StoreError, nearest
from audiospec.manifest import Manifest, Track
from audiospec.plan import Known, Plan, Schedule, Shard, survey
from audiospec.spec import FeatureSpec, MelSpec, TableSpec, features
from audiospec.staging import Fact, Staging, locked
from audiospec.stores._files import packs
from audiospec.stores.base import (
    FeatureStore,
    NewView,
    ShardSource,
    Tracks,
    View,
    ViewInfo,
    store_attributes,
    store_class,
    work_folder,
)

#: Plans in one run. The second is usually the last; more are needed only while files change.
MOST_PASSES = 5

_log = logging.getLogger("audiospec")


@dataclass(frozen=True)
class Progress:
    """How far a run is. Several views are made together; each track counts once.

    Attributes
    ----------
    view : str
        Name of the view with most to write, such as ``"mel-10s-3f9a1c"``; ``"mel-10s-3f9a1c and 1 more"``
        if others are made with it.
    shards, shards_total : int
        Of that view: shards to compute. (Of others, those of tracks that it lacks.)
    tracks, tracks_total : int
        Tracks that end in those shards.
    audio_seconds, audio_seconds_total : float
        Seconds of audio in those shards' rows.
    seconds : float
        Time since the first task was given out.
    """

    view: str
    shards: int
    shards_total: int
    tracks: int
    tracks_total: int
    audio_seconds: float
    audio_seconds_total: float
    seconds: float

    @property
    def times_real_time(self) -> float:
        """Seconds of audio done in a second."""
        return self.audio_seconds / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left at the pace so far; None before the first shard is done."""
        if not self.audio_seconds:
            return None
        return (self.audio_seconds_total - self.audio_seconds) / self.times_real_time


@dataclass(frozen=True)
class PlannedView:
    """What a run would do for one view.

    Attributes
    ----------
    name : str
    rows, shards : int
        In the whole view.
    missing_shards : int
        Shards to compute.
    missing_audio_seconds : float
        Seconds of audio in their rows.
    bytes : int
        Size of the whole view on disk; the most that it can be, if `packed`.
    missing_bytes : int
        Bytes to be written; as `bytes`.
    packed : bool
        Whether rows are compressed.
    """

    name: str
    rows: int
    shards: int
    missing_shards: int
    missing_audio_seconds: float
    bytes: int
    missing_bytes: int
    packed: bool = False


@dataclass(frozen=True)
class Report:
    """What a run has done, or would do.

    Attributes
    ----------
    store : Path
    tracks : int
        Tracks in the store's table.
    problems : dict
        Track id → why it has no rows (or that its file is gone).
    skipped : dict
        View name → track id → why it is too short.
    planned : list of PlannedView
        What there was to do, view by view.
    views : list of View
        The finished views; empty after a dry run.
    seconds : float
        Wall-clock time of the run.
    """

    store: Path
    tracks: int
    problems: dict[str, str]
    skipped: dict[str, dict[str, str]]
    planned: list[PlannedView]
    views: list[View]
    seconds: float


ProgressCallback = Callable[[Progress], None]


def featurize(
    dataset: str | Manifest,
    *,
    data: Path | str | None = None,
    spec: FeatureSpec | None = None,
    chunk: float | Chunking = 10.0,
    store: Path | str | None = None,
    workers: int | None = None,
    device: str = "cpu",
    backend: str | None = None,
    strict: bool = False,
    progress: ProgressCallback | None = None,
) -> View:
    """Turn a dataset's audio into a view of a feature store.

    What the store holds already is not computed again; a run that was killed goes on where it stopped.
    Files that cannot be used are logged, and recorded in the store; they stop nothing.

    Parameters
    ----------
    dataset : str or Manifest
        Name in the registry of datasets, or a manifest of your own.
    data : path or None
        Where the audio lies. None: the machine's data folder, downloading what is missing.
    spec : FeatureSpec or None
        What to compute. None: ``MelSpec()``.
    chunk : float or Chunking
        Seconds of a chunk, or a `Chunking` with hop and minimal fill.
    store : path or None
        Its suffix chooses the format. None: ``DATASET.zarr`` in the current folder.
    workers : int or None
        Processes. None: one for each usable core. 0: no process but this one.
    device : str
        A torch device on which frontends compute, such as ``"cuda"``.
    backend : str or None
        One of the frontend's backends.
    strict : bool
        Whether a file that cannot be used is an error.
    progress : callable or None
        Called with a `Progress` before the first shard and after each.

    Returns
    -------
    View

    Raises
    ------
    AudiospecError
        Whatever is wrong, in one line; what was finished is kept.

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
        views=[(spec or MelSpec(), chunking)],
        store=store,
        workers=workers,
        device=device,
        backend=backend,
        strict=strict,
        progress=progress,
    )
    for id, problem in report.problems.items():
        _log.warning("%s: %s", id, problem)
    for id, reason in report.skipped[report.views[0].name].items():
        _log.warning("%s: %s", id, reason)
    return report.views[0]


def run(
    dataset: str | Manifest,
    *,
    data: Path | str | None = None,
    views: Sequence[tuple[FeatureSpec, Chunking]],
    store: Path | str | None = None,
    workers: int | None = None,
    device: str = "cpu",
    backend: str | None = None,
    strict: bool = False,
    dry_run: bool = False,
    progress: ProgressCallback | None = None,
) -> Report:
    """Make several views of one dataset, and say what was done; see `featurize`.

    Parameters
    ----------
    views : sequence of (FeatureSpec, Chunking)
        At least one. They are computed together: each track is decoded once.
    backend : str or None
        For those features whose frontend has a backend of that name; one at least must.
    dry_run : bool
        Whether only to plan.

    Returns
    -------
    Report
    """
    began = time.monotonic()
    views = list(dict.fromkeys(views))
    backends = _backends([spec.feature for spec, _ in views], backend)
    for spec, chunking in views:
        spec.row_shape(chunking.samples(spec.sample_rate))  # raises if the chunk is too short
    name = dataset if isinstance(dataset, str) else dataset.dataset
    path = Path(store) if store is not None else Path(f"{name}.zarr")
    kind = store_class(path)
    engine = _engine(workers)
    manifest = _manifest(dataset, data, dry_run)
    with _planning(path) if dry_run else locked(path) as work:
        if not dry_run:
            kind.recover(path, work)
        existing = kind(path) if path.exists() else None
        if existing is not None and existing.dataset != manifest.dataset:
            raise StoreError(
                f"{path} holds dataset {existing.dataset!r}, not {manifest.dataset!r}: choose another --store"
            )
        known = _survey(manifest, existing, work, views)
        attributes = store_attributes(manifest.dataset, manifest.root.absolute())
        plans = [Plan.make(*view, known, _old(existing, *view)) for view in views]
        planned = [_planned(plan, Staging(work, plan.info.name)) for plan in plans]
        skipped = {plan.info.name: _skipped(plan, known) for plan in plans}
        finished: list[View] = []
        if not dry_run:
            if strict:
                _refuse_problems(known, skipped)
            _refuse_nothing(plans)
            _refuse_full_disk(path, planned, kind)
            target = _Target(kind, path, work, attributes)
            builder = _Builder(target, plans, engine, device, backends)
            builder.compute(progress)
            if strict:
                _refuse_problems(known, {})
            finished = builder.publish()
            skipped = {view.name: view.skipped() for view in finished}
            for view in finished:
                Staging(work, view.name).clear()
    problems = {track.id: str(track.record["problem"]) for track in known if track.record["problem"]}
    return Report(path, len(known), problems, skipped, planned, finished, time.monotonic() - began)


def repair(
    store: FeatureStore,
    damaged: dict[str, Sequence[int]],
    *,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> None:
    """Compute damaged rows again, from the audio where it lay when the store was written.

    Parameters
    ----------
    store : FeatureStore
    damaged : dict
        View name → row numbers, from `View.damaged`.

    Raises
    ------
    DatasetError
        Audio that is needed is gone, or is not what it was.
    StoreError
        A damaged view came from a table.
    """
    for name in damaged:
        view = store.view(name)
        if isinstance(view.spec, TableSpec):
            raise StoreError(
                f"cannot repair: view {name} came from {view.info.made.get('table', 'a table')}, not from "
                "audio; import the table again with `audiospec table import`"
            )
    with locked(store.path) as work:
        store.recover(store.path, work)
        for name, rows in damaged.items():
            view = store.view(name)
            records = list(store.tracks.records())
            needed = sorted(set(view.rows["track"][np.asarray(rows, np.int64)].tolist()))
            _refuse_other_audio(store, needed)
            fields = ("id", "path", "label", "group", "fold")
            tracks = tuple(Track(**{field: records[number][field] for field in fields}) for number in needed)
            manifest = Manifest(store.dataset, store.root, tracks)
            known = _survey(manifest, store, work, [(view.spec, view.chunking)])
            for track, record in zip(known, records, strict=True):
                if track.kept:  # nothing is said of other tracks: their files may be elsewhere for now
                    track.record = record
            target = _Target(type(store), store.path, work, store.store_attributes())
            plan = Plan.make(view.spec, view.chunking, known, view, frozenset(int(row) for row in rows))
            device, backend = view.info.made["device"], view.info.made["backend"]
            builder = _Builder(target, [plan], _engine(workers), device, {view.spec.feature: backend})
            builder.compute(progress)
            builder.publish()
            Staging(work, name).clear()


@dataclass(frozen=True)
class _Target:
    """The store that is written to."""

    kind: type[FeatureStore]
    path: Path
    work: Path
    attributes: dict[str, Any]

    def open(self) -> FeatureStore | None:
        return self.kind(self.path) if self.path.exists() else None


class _Builder:
    """Computes views together and puts them into the store."""

    def __init__(
        self, target: _Target, plans: list[Plan], engine: Engine, device: str, backends: Mapping[str, str]
    ) -> None:
        self.target = target
        self.plans = plans
        self.known = plans[0].known
        self.engine = engine
        self.device = device
        self.backends = backends

    def compute(self, progress: ProgressCallback | None) -> None:
        """Compute what is missing, until nothing is."""
        for plan in self.plans:
            self._staging(plan).sift(plan.info.row_dtype)
        by_id = {track.id: track for track in self.known}
        passes = 0
        while (schedule := Schedule(self.plans, self.target.work)).lead:
            passes += 1
            if passes > MOST_PASSES:
                raise EngineError(
                    f"files of {self.target.attributes['dataset']} keep changing while they are read: run "
                    "the same command again when they are at rest"
                )
            _refuse_nothing(self.plans)
            meter = _Meter(schedule)
            if progress is not None:
                progress(meter.now())
            learnt: list[Fact] = []
            for result in self.engine.run("audiospec.compute:compute", self._tasks(schedule)):
                learnt += [Fact(**fact) for fact in result["facts"]]
                if progress is not None and meter.step(result["view"], result["digest"]):
                    progress(meter.now())
            for fact in learnt:
                by_id[fact.id].learn(fact)
            self.plans = [plan.again() for plan in self.plans]

    def _tasks(self, schedule: Schedule) -> Iterator[dict[str, Any]]:
        features = {plan.info.name: plan.info.spec.feature for plan in self.plans}
        for task in schedule.tasks():
            for view in task["views"]:
                view["backend"] = self.backends.get(features[view["view"]])
            yield {**task, "work": str(self.target.work), "device": self.device}

    def _staging(self, plan: Plan) -> Staging:
        return Staging(self.target.work, plan.info.name)

    def publish(self) -> list[View]:
        """Put the views, and the track table, into the store."""
        _refuse_nothing(self.plans)
        views: list[View] = []
        for plan in self.plans:
            if views:  # the store is another file by now, perhaps
                old = _old(self.target.open(), plan.info.spec, plan.info.chunking)
                plan = replace(plan, old=old)
            views.append(self._publish(plan))
        return views

    def _publish(self, plan: Plan) -> View:
        target = self.target
        records = [track.record for track in self.known]
        rows = plan.row_table(self._staging(plan))
        tracks = Tracks.from_records(records)
        old = plan.old
        fresh = [s for s in plan.shards if not plan.is_old(s)]
        if (
            old is not None
            and not fresh
            and len(old) == len(plan.rows)
            and list(old.store.tracks.records()) == records
            and old.store.store_attributes() == target.attributes
        ):
            return old  # nothing has changed
        info = ViewInfo(
            spec=plan.info.spec,
            chunking=plan.info.chunking,
            shard_rows=plan.info.shard_rows,
            made=self._made(plan, fresh) if fresh or old is None else old.info.made,
        )
        new = NewView(info, rows, lambda number: self._source(plan, plan.shards[number]))
        target.kind.publish(target.path, target.work, target.attributes, tracks, new)
        return target.kind(target.path).view(info.name)

    def _made(self, plan: Plan, fresh: list[Shard]) -> dict[str, Any]:
        staging = self._staging(plan)
        commits = [commit for shard in fresh if (commit := staging.get(shard.digest))]
        return {
            "versions": _versions(),
            "device": self.device,
            "backend": commits[0].backend,
            "parity": max(commit.parity for commit in commits),
        }

    def _source(self, plan: Plan, shard: Shard) -> ShardSource:
        """Where a shard of a plan lies: staged, or in the finished view."""
        if not plan.is_old(shard):
            staging = self._staging(plan)
            row, capacity = plan.info.row_dtype, plan.info.shard_rows
            count = shard.rows.stop - shard.rows.start
            file = staging.shard(shard.digest)
            return ShardSource(lambda: staging.read(shard.digest, row, capacity)[:count], file)
        assert plan.old is not None
        return plan.old.source(shard.number)


class _Meter:
    """Counts what is done of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        more = schedule.views - 1
        self.view = f"{schedule.lead} and {more} more" if more else schedule.lead
        self.left = {(view, digest): (audio, tracks) for view, digest, audio, tracks in schedule.amounts()}
        self.began = time.monotonic()
        self.shards = len(self.left)
        self.audio, self.tracks = 0.0, 0
        self.audio_total = sum(audio for audio, _ in self.left.values())
        self.tracks_total = sum(tracks for _, tracks in self.left.values())

    def step(self, view: str, digest: str) -> bool:
        """Take note of a shard that is done; whether it counts."""
        # It may be a fragment, or done before: its worker died after it, and the task ran again.
        amount = self.left.pop((view, digest), None)
        if amount is not None:
            self.audio += amount[0]
            self.tracks += amount[1]
        return amount is not None

    def now(self) -> Progress:
        return Progress(
            self.view,
            self.shards - len(self.left),
            self.shards,
            self.tracks,
            self.tracks_total,
            self.audio,
            self.audio_total,
            time.monotonic() - self.began,
        )


def _manifest(dataset: str | Manifest, data: Path | str | None, dry_run: bool) -> Manifest:
    if isinstance(dataset, Manifest):
        return dataset
    source = datasets[dataset](data)
    if dry_run and not source.is_here():
        raise DatasetError(
            f"dataset {dataset!r} is not on this machine, and a dry run brings nothing: give --data, or "
            "run without --dry-run"
        )
    return source.manifest()


def _backends(names: Sequence[str], backend: str | None) -> dict[str, str]:
    """Feature → backend, for those features that have it."""
    if backend is None:  # else nothing but workers needs the frontends, and torch
        return {}
    choices = {name: features[name].backends for name in names}
    found = {name: backend for name, own in choices.items() if backend in own}
    if not found:
        there = list(dict.fromkeys(choice for own in choices.values() for choice in own))
        who = " or ".join(repr(name) for name in choices)
        raise SpecError(
            f"feature {who} has no backend {backend!r}{nearest(backend, there)} (it has: {', '.join(there)})"
        )
    return found


def _engine(workers: int | None) -> Engine:
    count = usable_cores() if workers is None else workers
    if count < 0:
        raise EngineError(f"--workers must be at least 0; got {count}")
    return LocalEngine(count) if count else SerialEngine()


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _planning(path: Path) -> Iterator[Path]:
    """A dry run's work folder: looked into, if it is there, and not made."""
    yield work_folder(path)


def _survey(
    manifest: Manifest,
    existing: FeatureStore | None,
    work: Path,
    views: Sequence[tuple[FeatureSpec, Chunking]],
) -> list[Known]:
    before = list(existing.tracks.records()) if existing is not None else []
    facts = {}
    for spec, chunking in views:
        name = ViewInfo(spec=spec, chunking=chunking, shard_rows=1).name
        for _, commit in Staging(work, name).commits():
            facts.update({fact.id: fact for fact in commit.facts})
    return survey(manifest, before, facts)


def _old(store: FeatureStore | None, spec: FeatureSpec, chunking: Chunking) -> View | None:
    """The finished view of a spec and a chunking, if the store has it."""
    name = ViewInfo(spec=spec, chunking=chunking, shard_rows=1).name
    if store is None or name not in store.view_names():
        return None
    view = store.view(name)
    if view.spec.fingerprint != spec.fingerprint or view.chunking != chunking:
        raise StoreError(
            f"view {name} of {store.path} has another spec under the same name: choose another --store"
        )
    return view


def _planned(plan: Plan, staging: Staging) -> PlannedView:
    missing = plan.missing(staging)
    rate, size = plan.info.spec.sample_rate, plan.info.row_bytes
    rows = sum(shard.rows.stop - shard.rows.start for shard in missing)
    samples = sum(int(plan.rows["samples"][shard.rows].sum()) for shard in missing)
    return PlannedView(
        plan.info.name,
        len(plan.rows),
        len(plan.shards),
        len(missing),
        samples / rate,
        len(plan.rows) * size,
        rows * size,
        packs(plan.info.row_dtype),
    )


def _skipped(plan: Plan, known: list[Known]) -> dict[str, str]:
    rate = plan.info.spec.sample_rate
    reasons = {}
    for track in known:
        if track.info is not None and not track.record["problem"] and not track.is_estimated:
            least = plan.info.spec.least_samples
            reason = plan.info.chunking.reason_to_skip(track.info.samples(rate), rate, least)
            if reason:
                reasons[track.id] = reason
    return reasons


def _versions() -> dict[str, str]:
    names = ("torch", "numpy", "nnaudio2", "soundfile", "soxr")
    return {"audiospec": __version__, **{name: version(name) for name in names}}


def _refuse_problems(known: list[Known], skipped: dict[str, dict[str, str]]) -> None:
    """What --strict asks for."""
    problems = {track.id: track.record["problem"] for track in known if not track.kept}
    reasons = {id: problem for id, problem in problems.items() if problem}
    for view in skipped.values():
        reasons.update(view)
    if reasons:
        id, reason = next(iter(reasons.items()))
        raise DatasetError(
            f"{len(reasons)} of {len(known)} tracks cannot be used, such as {id} ({reason}): mend or "
            "remove them, or run without --strict"
        )


def _refuse_nothing(plans: list[Plan]) -> None:
    """A view without rows is no view."""
    for plan in plans:
        if not len(plan.rows):
            # Without those that came with a table: they have no audio.
            reasons = {track.id: track.record["problem"] for track in plan.known if track.record["path"]}
            reasons.update(_skipped(plan, plan.known))
            id, reason = next(iter(reasons.items()))
            raise DatasetError(
                f"none of the {len(reasons)} tracks gives a chunk of {plan.info.chunking.seconds:g} s, "
                f"such as {id} ({reason})"
            )


def _refuse_full_disk(path: Path, planned: list[PlannedView], kind: type[FeatureStore]) -> None:
    """Say so before the work begins, if its result cannot fit."""
    needed = sum(view.missing_bytes for view in planned)  # fragments go as shards are made of them
    if ".zarr" not in kind.suffixes:  # staged shards are copied into a new file
        needed += sum(view.bytes for view in planned)
    free = shutil.disk_usage(path.absolute().parent).free
    if needed > free:
        raise DiskFullError(
            f"the disk is too full: {path} needs {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free; free "
            "some space, or choose a --store on another disk"
        )


def _refuse_other_audio(store: FeatureStore, needed: Sequence[int]) -> None:
    """Repairing needs the very files that the damaged rows were computed from."""
    for number in needed:
        file = store.root / str(store.tracks["path"][number])
        try:
            same = content_hash(file) == store.tracks["hash"][number]
        except OSError as error:
            raise DatasetError(
                f"cannot repair: {file} is not readable ({error.strerror}); bring the audio back to "
                f"{store.root}, or run `audiospec featurize` with --data where it lies now"
            ) from error
        if not same:
            raise DatasetError(
                f"cannot repair: {file} has changed since its features were computed; run "
                "`audiospec featurize` again"
            )
