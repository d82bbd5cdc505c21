"""What a run would do, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audiospec.pipeline.plan import Plan
from audiospec.pipeline.staging import Staging
from audiospec.stores.layout.view import View
from audiospec.stores.shards.format import is_compressed


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


def planned_view(plan: Plan, staging: Staging) -> PlannedView:
    """What a run would do for one view."""
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
        is_compressed(plan.info.row_dtype),
    )


def skipped_tracks(plan: Plan) -> dict[str, str]:
    """Track id → reason, for tracks too short to have a row in the view."""
    rate = plan.info.spec.sample_rate
    reasons = {}
    for track in plan.tracks:
        if track.info is not None and not track.problem and not track.is_estimated:
            least = plan.info.spec.least_samples
            reason = plan.info.chunking.reason_to_skip(track.info.samples(rate), rate, least)
            if reason:
                reasons[track.id] = reason
    return reasons
