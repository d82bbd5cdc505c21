"""Conditions that end a run before it computes anything."""

from __future__ import annotations

import shutil
from pathlib import Path

from audiospec.errors import DatasetError, DiskFullError
from audiospec.pipeline.plan import Plan
from audiospec.pipeline.summary import PlannedView, skipped_tracks
from audiospec.pipeline.survey import TrackState
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore
from audiospec.text import too_little


def require_no_problems(tracks: list[TrackState], skipped: dict[str, dict[str, str]]) -> None:
    """Raise if any track cannot be used, or is too short for a view.

    Tracks whose file was removed do not count: their rows are kept.

    Raises
    ------
    DatasetError
    """
    reasons = {track.id: track.problem for track in tracks if track.problem and not track.kept}
    for view in skipped.values():
        reasons.update(view)
    if reasons:
        id, reason = next(iter(reasons.items()))
        raise DatasetError(
            f"{len(reasons)} of {len(tracks)} tracks cannot be used, such as {id} ({reason})",
            "fix or remove them, or run without `strict`",
        )


def require_rows(plans: list[Plan]) -> None:
    """Raise if a view would have no rows.

    Raises
    ------
    DatasetError
    """
    for plan in plans:
        if not len(plan.rows):
            # Tracks of an imported table have no path: there is no audio that could give rows.
            reasons = {track.id: track.problem for track in plan.tracks if track.record.path}
            reasons.update(skipped_tracks(plan))
            id, reason = next(iter(reasons.items()))
            raise DatasetError(
                f"none of the {len(reasons)} tracks gives a chunk of {plan.info.chunking.seconds:g} s, "
                f"such as {id} ({reason})"
            )


def require_disk_space(path: Location, planned: list[PlannedView], kind: type[FeatureStore]) -> None:
    """Raise, before any work, if the disk has no room for the result. A bucket has room for everything.

    Raises
    ------
    DiskFullError
    """
    if not isinstance(path, Path):
        return
    needed = sum(view.missing_bytes for view in planned)  # fragments are removed once their shard is written
    if ".zarr" not in kind.suffixes:  # staged shards are copied into a new file
        needed += sum(view.bytes for view in planned)
    free = shutil.disk_usage(path.absolute().parent).free
    if needed > free:
        raise DiskFullError(
            f"the disk is too full for {path}: {too_little(needed, free)}",
            "free some space, or choose a `store` on another disk",
        )
