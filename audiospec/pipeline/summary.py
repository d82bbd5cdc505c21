"""Reports: what a run would do, and what it did."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

from audiospec.errors import DatasetError
from audiospec.pipeline.plan import Plan
from audiospec.pipeline.staging import Staging
from audiospec.pipeline.targets import TargetCounts, is_beyond_the_end
from audiospec.storage.location import Location
from audiospec.stores.layout.duplicates import Duplicates
from audiospec.stores.layout.skipped import too_short
from audiospec.stores.layout.view import View
from audiospec.stores.shards.format import is_compressed


@dataclass(frozen=True)
class PlannedView:
    """The work that a run has to do for one view.

    Attributes
    ----------
    name : str
    rows, shards : int
        Rows and shards of the complete view.
    missing_shards : int
        Shards to compute.
    missing_audio_seconds : float
        Seconds of audio in their rows.
    bytes : int
        Bytes of the complete view on disk; an upper bound if `packed`.
    missing_bytes : int
        Bytes to write; an upper bound if `packed`.
    packed : bool
        Whether rows are compressed on disk.
    """

    name: str
    rows: int
    shards: int
    missing_shards: int
    missing_audio_seconds: float
    bytes: int
    missing_bytes: int
    packed: bool = False

    def __add__(self, other: PlannedView) -> PlannedView:
        """Return the work of both, for volumes of one store."""
        return PlannedView(
            self.name,
            self.rows + other.rows,
            self.shards + other.shards,
            self.missing_shards + other.missing_shards,
            self.missing_audio_seconds + other.missing_audio_seconds,
            self.bytes + other.bytes,
            self.missing_bytes + other.missing_bytes,
            self.packed,
        )


@dataclass(frozen=True)
class Report:
    """What a run did, or, after a dry run, would do.

    Attributes
    ----------
    store : Location
    tracks : int
        Tracks in the store's table.
    problems : dict
        Track id → why it cannot be used, or that its file was removed.
    skipped : dict
        View name → track id → reason why the track is too short for the view.
    planned : list of PlannedView
        The work that there was to do, one for each view.
    views : list of View
        The finished views; empty after a dry run.
    seconds : float
        Duration of the run.
    notes : dict
        Track id → what is odd about a track that is used nevertheless: truncated, damaged or silent.
    left_out : tuple of str
        Other files of the dataset's folder, which are no tracks; see `Manifest`.
    duplicates : Duplicates
        Tracks that are equal files or of one cluster, and whether their labels contradict. After a dry run,
        of the files that were decoded before.
    targets : dict
        View name → how many rows have an annotation; empty if no track has one.
    outdated : frozenset of str
        Other views of the store, whose targets are of earlier annotations.
    volumes : int
        Volumes whose tracks the report is of; 0 if the store has none.
    unfinished_volumes : int
        Volumes that other processes have not finished yet. The new volumes are part of the views once all are
        finished.
    """

    store: Location
    tracks: int
    problems: dict[str, str]
    skipped: dict[str, dict[str, str]]
    planned: list[PlannedView]
    views: list[View]
    seconds: float
    notes: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    duplicates: Duplicates = field(default_factory=Duplicates)
    targets: dict[str, TargetCounts] = field(default_factory=dict)
    outdated: frozenset[str] = frozenset()
    volumes: int = 0
    unfinished_volumes: int = 0

    def target_warnings(self) -> list[str]:
        """Return what a user must know of annotations: a line each, each once."""
        lines = [line for counts in self.targets.values() for line in counts.warnings()]
        if self.outdated:
            lines.append(
                f"{', '.join(sorted(self.outdated))} has rows and targets of earlier annotations: "
                "featurize it again, too"
            )
        return list(dict.fromkeys(lines))

    def require_annotated(self) -> None:
        """Raise if annotated tracks have no file, or end before an annotation; all else is finished and kept.

        Raises
        ------
        DatasetError
            It names the first.
        """
        wrong = {id: problem for id, problem in self.problems.items() if is_beyond_the_end(problem)}
        if wrong:
            id, problem = next(iter(wrong.items()))
            tracks = "1 track has" if len(wrong) == 1 else f"{len(wrong)} tracks have"
            what, _, _ = problem.rpartition("; ")  # without the way out, which is said once
            raise DatasetError(
                f"{tracks} annotations that are not inside the audio, such as {id} ({what})",
                "correct their times or the file, and run again; the rows of all other tracks are kept",
            )
        absent = [id for id, problem in self.problems.items() if problem.endswith(_NO_FILE)]
        if absent and self.targets:
            files = "1 listed file is" if len(absent) == 1 else f"{len(absent)} listed files are"
            raise DatasetError(
                f"{files} not there, such as {absent[0]}",
                "correct the path or remove its rows, and run again; the rows of all other tracks are kept",
            )


#: The end of the problem of a track whose file does not exist.
_NO_FILE = os.strerror(errno.ENOENT)


def planned_view(plan: Plan, staging: Staging) -> PlannedView:
    """Return the work that a run has to do for one view."""
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
    """Return track id → reason, for the tracks that are too short to have a row in the view."""
    reasons = {
        track.id: too_short(plan.info, track.info)
        for track in plan.tracks
        if track.info is not None and not track.problem and not track.is_estimated
    }
    return {id: reason for id, reason in reasons.items() if reason}
