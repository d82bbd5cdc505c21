"""Build the views of one store, or of one volume, once its tracks were surveyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from audiospec.annotations.annotation import Labelling
from audiospec.audio.chunking import Chunking
from audiospec.audio.reading import Reading
from audiospec.engines.base import Engine
from audiospec.manifest import Manifest
from audiospec.pipeline.builder import BuildTarget, ViewBuilder, finished_view
from audiospec.pipeline.checks import require_disk_space, require_no_problems, require_rows
from audiospec.pipeline.plan import Plan
from audiospec.pipeline.progress import ProgressCallback
from audiospec.pipeline.staging import WorkFolder
from audiospec.pipeline.summary import PlannedView, planned_view, skipped_tracks
from audiospec.pipeline.survey import TrackState, survey_store
from audiospec.pipeline.targets import TargetCounts
from audiospec.specs.base import FeatureSpec
from audiospec.storage.location import absolute
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.duplicates import Duplicates, duplicates
from audiospec.stores.layout.exporting import require_holds
from audiospec.stores.layout.schema import store_attributes
from audiospec.stores.layout.skipped import NO_TARGET
from audiospec.stores.layout.tracks import Tracks
from audiospec.stores.layout.view import View


@dataclass(frozen=True)
class Building:
    """What a run does to a store, or to each of its volumes.

    Attributes
    ----------
    views : list of (FeatureSpec, Chunking)
    engine : Engine
    device : str
    backends : dict
        Feature → backend.
    reading : Reading
    strict, dry_run : bool
    progress : callable or None
    labelling : Labelling
        How rows get their targets.
    is_annotated : bool
        Whether they get them by annotations, because any track has some.
    """

    views: list[tuple[FeatureSpec, Chunking]]
    engine: Engine
    device: str
    backends: dict[str, str]
    reading: Reading
    strict: bool
    dry_run: bool
    progress: ProgressCallback | None
    labelling: Labelling
    is_annotated: bool

    def survey(self, manifest: Manifest, existing: FeatureStore | None, work: WorkFolder) -> list[TrackState]:
        """Survey tracks; see `survey_store`."""
        return survey_store(manifest, existing, work, self.views, self.engine, self.reading)

    def build(
        self, target: BuildTarget, existing: FeatureStore | None, tracks: list[TrackState], is_volume: bool
    ) -> Built:
        """Plan and compute what is missing, and publish it; after a dry run, plan only.

        Parameters
        ----------
        target : BuildTarget
            Its lock is held.
        existing : FeatureStore or None
            The store or volume as it is.
        tracks : list of TrackState
        is_volume : bool
            Whether a view without rows is no error, because other volumes have rows.
        """
        work = target.work
        labelling = self.labelling if self.is_annotated else None
        plans = [
            Plan.make(
                *view, tracks, finished_view(existing, *view), reading=self.reading, labelling=labelling
            )
            for view in self.views
        ]
        planned = [planned_view(plan, work.staging(plan.info.name)) for plan in plans]
        skipped = {plan.info.name: skipped_tracks(plan) for plan in plans}
        finished: list[View] = []
        if not self.dry_run:
            if self.strict:
                require_no_problems(tracks, skipped)
            if not is_volume:
                require_rows(plans)
            require_disk_space(target.path, planned, target.kind)
            if not target.kind.holds_targets:
                table = Tracks.from_records([track.record for track in tracks])
                require_holds(target.kind, target.path, target.attributes, table)
            builder = ViewBuilder(
                target, plans, self.engine, self.device, self.backends, self.reading, may_be_empty=is_volume
            )
            builder.compute(self.progress)
            if self.strict:
                require_no_problems(tracks, {})
            finished = builder.publish()
            plans = builder.plans
            skipped = {view.name: _without_background(view.skipped()) for view in finished}
            for view in finished:
                work.staging(view.name).clear()
        same = Duplicates()
        if not is_volume:
            records = [track.record for track in tracks]
            same = duplicates(finished[0].store.tracks if finished else Tracks.from_records(records))
        return Built(
            tracks=len(tracks),
            planned=planned,
            skipped=skipped,
            problems={track.id: track.problem for track in tracks if track.problem},
            notes={track.id: track.record.note for track in tracks if track.record.note},
            views=finished,
            duplicates=same,
            targets={plan.info.name: plan.counts for plan in plans if plan.counts is not None},
            outdated=_outdated(existing, tracks, plans),
        )


@dataclass
class Built:
    """What was done to a store, or to volumes of one.

    Attributes
    ----------
    tracks : int
    planned : list of PlannedView
        The work that there was to do, one for each view.
    skipped : dict
        View name → track id → reason why the track is too short.
    problems, notes : dict
        Track id → why it cannot be used; what is odd about it.
    views : list of View
        The finished views; empty after a dry run.
    duplicates : Duplicates
    targets : dict
        View name → how many rows have an annotation; empty if no track has one.
    outdated : set of str
        Views whose targets are of earlier annotations, because they were not among those of the run.
    volumes, unfinished_volumes : int
        See `Report`.
    """

    tracks: int = 0
    planned: list[PlannedView] = field(default_factory=list)
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    duplicates: Duplicates = field(default_factory=Duplicates)
    targets: dict[str, TargetCounts] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)
    volumes: int = 0
    unfinished_volumes: int = 0

    def add(self, other: Built) -> None:
        """Add what was done to another volume; the finished views are not kept."""
        self.volumes += 1
        self.tracks += other.tracks
        self.planned = added(self.planned, other.planned) if self.planned else other.planned
        for name, reasons in other.skipped.items():
            self.skipped.setdefault(name, {}).update(reasons)
        for name, counts in other.targets.items():
            self.targets[name] = self.targets.get(name, TargetCounts()) + counts
        self.outdated |= other.outdated
        self.problems.update(other.problems)
        self.notes.update(other.notes)


def _without_background(skipped: dict[str, str]) -> dict[str, str]:
    """Return the reasons of tracks without rows, but for those that have none by choice: they are counted."""
    return {id: reason for id, reason in skipped.items() if reason != NO_TARGET}


def _outdated(existing: FeatureStore | None, tracks: Sequence[TrackState], plans: Sequence[Plan]) -> set[str]:
    """Return the other views of the store whose tracks have other annotations than before."""
    if existing is None or plans[0].labelling is None:
        return set()
    others = set(existing.listed_view_names()) - {plan.info.name for plan in plans}
    before = existing.tracks.records() if others else ()
    # The tracks that the store had come first, in their order.
    if any(old.annotations != new.record.annotations for old, new in zip(before, tracks, strict=False)):
        return others
    return set()


def added(planned: Sequence[PlannedView], more: Sequence[PlannedView]) -> list[PlannedView]:
    """Return the work of both, view by view."""
    return [one + other for one, other in zip(planned, more, strict=True)]


def attributes_of(manifest: Manifest, labelling: Labelling) -> dict[str, object]:
    """Return the attributes of a store of a manifest's tracks."""
    return store_attributes(manifest.dataset, absolute(manifest.root), labelling)
