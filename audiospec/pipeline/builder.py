"""Compute the missing shards of several views, and publish the views."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiospec.audio.chunking import Chunking
from audiospec.audio.deaths import problem_of
from audiospec.audio.reading import STRICT, Reading
from audiospec.engines.base import Engine, WorkerDied
from audiospec.errors import EngineError, EngineLostError, StoreError
from audiospec.machine import versions
from audiospec.pipeline import COMPUTE
from audiospec.pipeline.checks import require_rows
from audiospec.pipeline.plan import Plan, Shard
from audiospec.pipeline.progress import ProgressCallback, ProgressCounter
from audiospec.pipeline.schedule import Schedule
from audiospec.pipeline.staging import Commit, DecodeResult, Staging, WorkFolder
from audiospec.pipeline.suspects import Suspects
from audiospec.pipeline.targets import have_same_targets
from audiospec.pipeline.tasks import RunConstants, TrackBegun, read_result
from audiospec.specs.base import FeatureSpec
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.contents import NewView, ShardSource
from audiospec.stores.layout.info import ViewInfo
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View

_log = logging.getLogger("audiospec")

#: Packages whose versions are stored with a view.
PACKAGES = ("audiospec", "torch", "numpy", "nnaudio2", "soundfile", "soxr")
#: Most rounds of planning and computing in one run. The second is usually the last: more are needed only if
#: files change meanwhile. A round in which workers died does not count: it has found suspects.
MAX_PASSES = 5
#: Most shards of a task whose store is in a bucket, and least tasks for each worker: with fewer, some would
#: wait for others at the end.
MOST_SHARDS, TASKS_PER_WORKER = 8, 4


@dataclass(frozen=True)
class BuildTarget:
    """The store that a run writes to.

    Attributes
    ----------
    kind : type of FeatureStore
        The backend.
    path : Location
        The store.
    work : WorkFolder
    attributes : dict
        The store's attributes after the run.
    since : str
        The version of the store that the plans were made from; ``""`` if there was none.
    """

    kind: type[FeatureStore]
    path: Location
    work: WorkFolder
    attributes: dict[str, Any]
    since: str


class ViewBuilder:
    """Computes several views together, and publishes them in the store."""

    def __init__(
        self,
        target: BuildTarget,
        plans: list[Plan],
        engine: Engine,
        device: str,
        backends: Mapping[str, str],
        reading: Reading = STRICT,
        *,
        may_be_empty: bool = False,
    ) -> None:
        self.target = target
        self.may_be_empty = may_be_empty
        self.plans = plans
        self.tracks = plans[0].tracks
        self.engine = engine
        self.constants = RunConstants(str(target.work.place), device, backends, reading)

    def compute(self, progress: ProgressCallback | None) -> None:
        """Plan and compute the missing shards until none is missing.

        A track whose worker dies is tried alone in the next round. If it dies again, that is its problem.
        """
        for plan in self.plans:
            self._staging(plan).drop_corrupt(plan.info.row_dtype)
        by_id = {track.id: track for track in self.tracks}
        passes, suspects = 0, Suspects()
        while (schedule := self._schedule(suspects)).lead:
            passes += not suspects.found
            if passes > MAX_PASSES:
                raise EngineError(
                    f"files of {self.target.attributes['dataset']} keep changing while they are read",
                    "run again once nothing is writing to them",
                )
            self._require_rows()
            counter = ProgressCounter(schedule)
            if progress is not None:
                progress(counter.now())
            suspects.begin_round()
            decoded: list[DecodeResult] = []
            tasks = (task.to_json() for task in schedule.tasks(self.constants))
            try:
                for value in self.engine.run(COMPUTE, tasks):
                    if isinstance(value, WorkerDied):
                        suspects.add(value)
                        continue
                    result = read_result(value)
                    if isinstance(result, TrackBegun):
                        suspects.begun(result)
                        continue
                    decoded += result.decoded
                    if counter.step(result.view, result.digest) and progress is not None:
                        progress(counter.now())
            except EngineLostError as error:
                now = counter.now()
                kept = f"{now.shards} of {now.shards_total} shards are finished and kept"
                raise EngineLostError(f"{error.reason}: {kept}", error.hint) from error
            for plan in self.plans:
                self._staging(plan).forget()
            if suspects.found:
                decoded = [*self._unreported(), *decoded]
            for decode_result in decoded:
                by_id[decode_result.id].apply(decode_result)
            for id, died in suspects.killers.items():
                by_id[id].refuse(problem_of(died, by_id[id].record.size))
            self.plans = [plan.replan() for plan in self.plans]

    def _schedule(self, suspects: Suspects) -> Schedule:
        return Schedule(self.plans, self.target.work, suspects.alone, self._shards_per_task)

    def _shards_per_task(self, missing: int) -> int:
        """Return how many neighbouring shards go into one task.

        In a bucket, several: one is written while the next is computed, but a task waits for its last.
        """
        chosen = self.engine.pieces_per_task(missing)
        if isinstance(self.target.path, Path):
            return chosen
        most = missing // (TASKS_PER_WORKER * (self.engine.workers or 1))
        return max(chosen, min(MOST_SHARDS, most))

    def _unreported(self) -> Iterator[DecodeResult]:
        """Yield results that are committed, but whose worker died before it reported them."""
        records = (track.record for track in self.tracks if not track.record.hash)
        unknown = {(record.id, record.size, record.modified) for record in records}
        allows = self.constants.reading.allows
        for plan in self.plans:
            for commit in self._staging(plan).commits().values():
                for result in commit.decoded:
                    if (result.id, result.size, result.modified) in unknown and not allows(result.problem):
                        yield result

    def _require_rows(self) -> None:
        if not self.may_be_empty:
            require_rows(self.plans)

    def _staging(self, plan: Plan) -> Staging:
        return self.target.work.staging(plan.info.name)

    def publish(self) -> list[View]:
        """Write the views and the track table into the store; return the finished views."""
        self._require_rows()
        views: list[View] = []
        since = self.target.since
        for plan in self.plans:
            if views:  # publishing the view before may have replaced the store's file
                store = self.target.kind(self.target.path)
                finished = finished_view(store, plan.info.spec, plan.info.chunking)
                plan, since = replace(plan, finished=finished), store.version
            views.append(self._publish(plan, since))
        return views

    def _publish(self, plan: Plan, since: str) -> View:
        target = self.target
        records = [track.record for track in self.tracks]
        rows = plan.row_table(self._staging(plan))
        tracks = Tracks.from_records(records)
        records = list(tracks.records())  # as the store returns them
        finished = plan.finished
        computed = [shard for shard in plan.shards if not plan.is_finished(shard)]
        if (
            finished is not None
            and not computed
            and len(finished) == len(plan.rows)
            and list(finished.store.tracks.records()) == records
            and finished.store.store_attributes() == target.attributes
            and have_same_targets(finished.targets, plan.targets)
        ):
            return finished  # nothing has changed
        info = ViewInfo(
            spec=plan.info.spec,
            chunking=plan.info.chunking,
            shard_rows=plan.info.shard_rows,
            made=self._made(plan, computed) if computed or finished is None else finished.info.made,
        )
        staged = self._staging(plan).commits()
        new = NewView(
            info, rows, lambda number: self._source(plan, plan.shards[number], staged), plan.targets
        )
        where = target.path, target.work.place
        if target.kind.has_versions:
            target.kind.publish(*where, target.attributes, tracks, new, since)
        else:
            target.kind.publish(*where, target.attributes, tracks, new)
        return target.kind(target.path).view(info.name)

    def _made(self, plan: Plan, computed: list[Shard]) -> dict[str, Any]:
        """Return what `ViewInfo.made` holds: how the shards were computed."""
        staged = self._staging(plan).commits()
        commits = [staged[shard.digest] for shard in computed]
        kinds = sorted({commit.processor for commit in commits if commit.processor})
        if len(kinds) > 1:
            _log.warning(
                "%s was computed on %d kinds of processor (%s): its rows are right, but not to the bit "
                "those of one kind",
                plan.info.name,
                len(kinds),
                "; ".join(kinds),
            )
        return {
            **({"processors": kinds} if len(kinds) > 1 else {}),
            "versions": versions((*PACKAGES, *plan.info.spec.packages)),
            "device": self.constants.device,
            "backend": commits[0].backend if commits else "",
            "parity": max((commit.parity for commit in commits), default=0.0),
        }

    def _source(self, plan: Plan, shard: Shard, staged: Mapping[str, Commit]) -> ShardSource:
        """Return the source of a shard of a plan: its staged file, or the finished view."""
        if not plan.is_finished(shard):
            staging = self._staging(plan)
            row_dtype, capacity = plan.info.row_dtype, plan.info.shard_rows
            count = shard.rows.stop - shard.rows.start
            file = staged[shard.digest].file(shard.digest)
            return ShardSource(lambda: staging.read(file, row_dtype, capacity)[:count], staging.shard(file))
        assert plan.finished is not None
        return plan.finished.source(shard.number)


def finished_view(store: FeatureStore | None, spec: FeatureSpec, chunking: Chunking) -> View | None:
    """Return the finished view of a spec and a chunking; None if the store has none.

    Raises
    ------
    StoreError
        The store has a view of that name with another spec or chunking.
    """
    name = ViewInfo(spec=spec, chunking=chunking, shard_rows=1).name
    if store is None or name not in store.view_names():
        return None
    view = store.view(name)
    if view.spec.fingerprint != spec.fingerprint or view.chunking != chunking:
        raise StoreError(
            f"view {name} of {store.path} has another spec under the same name", "choose another `store`"
        )
    return view
