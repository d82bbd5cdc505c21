"""Conditions that end a run before it computes anything."""

from __future__ import annotations

import shutil
from pathlib import Path

from audiospec.annotations.annotation import Labelling
from audiospec.errors import DatasetError, DiskFullError, StoreError
from audiospec.pipeline.plan import Plan
from audiospec.pipeline.summary import PlannedView, skipped_tracks
from audiospec.pipeline.survey import TrackState
from audiospec.pipeline.targets import is_annotated
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.skipped import NO_TARGET
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
            hint = ""
            if plan.counts is not None and not all(reasons.values()):
                # What is not annotated is no mistake of its file: name it first.
                reasons = {id: reason or NO_TARGET for id, reason in reasons.items()}
                reasons = dict(sorted(reasons.items(), key=lambda pair: pair[1] != NO_TARGET))
                hint = 'give a smaller `min_overlap`, or rows of background with `background="keep"`'
            id, reason = next(iter(reasons.items()))
            raise DatasetError(
                f"none of the {len(reasons)} tracks gives a chunk of {plan.info.chunking.seconds:g} s, "
                f"such as {id} ({reason})",
                hint,
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


def require_same_labelling(store: FeatureStore, labelling: Labelling) -> None:
    """Raise if the rows of a store got their targets in another way.

    A store whose tracks have one label each, and no annotations, may get annotations with one label.

    Raises
    ------
    StoreError
    """
    made = store.labelling
    if made == labelling or (
        made == Labelling() and labelling.target == "single" and not is_annotated(store)
    ):
        return
    before, now = made.to_dict(), labelling.to_dict()
    differing = [name for name in before if before[name] != now[name]]
    if "class" not in (made.background, labelling.background):
        differing = [name for name in differing if name != "background_class"] or differing
    given = [name for name in differing if (name, before[name]) != ("background", "drop")]
    ways = [f"give {' and '.join(_parameter(name, before[name]) for name in given)}"] if given else []
    if len(given) < len(differing):
        ways.append("leave out `background`")
    raise StoreError(
        f"the targets of {store.path} were made with "
        f"{', '.join(f'{name} {before[name]!r}' for name in differing)}; "
        f"got {', '.join(repr(now[name]) for name in differing)}",
        f"{', '.join(ways)}, or choose another `store`",
    )


def _parameter(name: str, value: object) -> str:
    """Return a part of a labelling as the parameter that gives it."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return f"`{'label_column' if name == 'column' else name}={text}`"


def require_annotations(dataset: str, labelling: Labelling) -> None:
    """Raise if a dataset without annotations gets options that are of annotations.

    Raises
    ------
    DatasetError
    """
    usual = Labelling(target=labelling.target, column=labelling.column)
    given = [
        name
        for name in ("min_overlap", "background", "background_class")
        if getattr(usual, name) != getattr(labelling, name)
    ]
    if given:
        raise DatasetError(
            f"parameter {given[0]} is of annotations, and no track of dataset {dataset!r} has any",
            "leave it out, or read segments, several labels or numbers",
        )
