"""Targets: which chunks of a track are rows, and what those are to be predicted as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation, Labelling
from audiospec.annotations.overlap import chunk_targets, joined
from audiospec.annotations.table import RowTargets
from audiospec.manifest import Manifest, Track
from audiospec.storage.opening import exists
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.free_columns import storable
from audiospec.stores.layout.schema import TARGETS_FORMAT, TrackRecord
from audiospec.stores.layout.volume_names import volume_place
from audiospec.stores.volumes.store import VolumeStore

#: Seconds by which an annotation may end after the audio: people round times, and decoders differ by a frame.
TOLERANCE = 0.1
#: Beginning of the problem of a track whose annotations are not those of its audio; stores contain this text.
_BEYOND = "annotated beyond the end of its audio"


def beyond_the_end(annotations: Sequence[Annotation], seconds: float) -> str:
    """Return the problem of a track of so many seconds, if an annotation is not inside; else ``""``."""
    outside = [
        one for one in annotations if 0 < seconds <= one.start or seconds + TOLERANCE < one.end < np.inf
    ]
    if not outside:
        return ""
    first = outside[0]
    end = "" if np.isinf(first.end) else f" to {first.end:g}"
    what = repr(first.label) if first.value is None else f"{first.column} {first.value:g}"
    more = f", and {len(outside) - 1} more" if len(outside) > 1 else ""
    return (
        f"{_BEYOND}, which lasts {seconds:.3f} s: {what} from {first.start:g}{end} s{more}; "
        "correct its times, or the file"
    )


def is_beyond_the_end(problem: str) -> bool:
    """Whether a problem is one that `beyond_the_end` returned."""
    return problem.startswith(_BEYOND)


def stored_annotations(track: Track) -> tuple[Annotation, ...]:
    """Return the annotations of a track as a store returns them: in order, with texts that it can hold."""
    if not track.annotations:
        return ()
    annotations = [
        one
        if one.label.isascii() and one.column.isascii()
        else replace(one, label=storable(one.label), column=storable(one.column))
        for one in track.annotations
    ]
    return tuple(
        sorted(annotations, key=lambda one: (one.start, one.end, one.label, one.column, one.value or 0.0))
    )


def have_same_targets(one: RowTargets | None, other: RowTargets | None) -> bool:
    """Whether two views of the same rows have the same targets."""
    if one is None or other is None:
        return one is other
    return one.names == other.names and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "value")
        for name in ("row", "label", "share", "value")
    )


def is_annotated(tracks: Manifest | FeatureStore | None) -> bool:
    """Whether any track of a manifest or of a store has annotations."""
    if tracks is None:
        return False
    if isinstance(tracks, Manifest):
        return any(track.annotations for track in tracks)
    if isinstance(tracks, VolumeStore):
        return any(
            exists(volume_place(tracks.path, name)) and is_annotated(tracks.volume(name))
            for name in tracks.volumes
        )
    return tracks.format >= TARGETS_FORMAT and len(tracks.tracks.annotations) > 0


@dataclass(frozen=True)
class TargetCounts:
    """How many rows of a view have an annotation, and what has none.

    Attributes
    ----------
    annotated : int
        Rows that have a label or a number by an annotation.
    background : int
        Rows that have none.
    left_out : int
        Chunks that have none, and are no rows.
    unused : int
        Annotations that give no row its label or number, because none overlaps them enough.
    bare : int
        Tracks with audio and without annotations.
    rows_of_bare : bool
        Whether those have rows.
    """

    annotated: int = 0
    background: int = 0
    left_out: int = 0
    unused: int = 0
    bare: int = 0
    rows_of_bare: bool = False

    def __add__(self, other: TargetCounts) -> TargetCounts:
        """Return the counts of both, for tracks of one view."""
        return TargetCounts(
            self.annotated + other.annotated,
            self.background + other.background,
            self.left_out + other.left_out,
            self.unused + other.unused,
            self.bare + other.bare,
            self.rows_of_bare or other.rows_of_bare,
        )

    def line(self) -> str:
        """Return how many rows are annotated and how many chunks are background, in one line."""
        rows = f"{self.annotated} row{'s' * (self.annotated != 1)} with an annotation"
        background = f", {self.background} of background" if self.background else ""
        chunks = f"{self.left_out} chunk{'s' * (self.left_out != 1)} of background"
        return f"{rows}{background}" + (f", {chunks} left out" if self.left_out else "")

    def warnings(self) -> list[str]:
        """Return what a user must know: a line each, none if all is well."""
        lines = []
        if self.bare:
            tracks = "1 track has" if self.bare == 1 else f"{self.bare} tracks have"
            out = "background" if self.rows_of_bare else 'left out (`background="keep"` makes rows of them)'
            lines.append(f"{tracks} no annotation: {out}")
        if self.unused:
            some = "1 annotation gives" if self.unused == 1 else f"{self.unused} annotations give"
            lines.append(
                f"{some} no row a target, because no chunk overlaps enough: "
                "give a smaller `min_overlap`, `hop` or `chunk`"
            )
        return lines


class TargetTable:
    """Collects the targets of the rows of a plan, track by track.

    Parameters
    ----------
    labelling : Labelling
    """

    def __init__(self, labelling: Labelling) -> None:
        self.labelling = labelling
        self.drops = labelling.background == "drop" and labelling.target != "frames"
        self.counts = TargetCounts(rows_of_bare=not self.drops)
        self._rows = 0
        self._parts: list[tuple[int, RowTargets]] = []

    def annotations(self, record: TrackRecord) -> tuple[Annotation, ...]:
        """Return the annotations of a track; its label, if it has one instead, is one of the whole track."""
        if record.annotations or not record.label or self.labelling.target == "number":
            return record.annotations
        return (Annotation(label=record.label, column=self.labelling.column),)

    def add_unmeasured(self, record: TrackRecord, rows: NDArray[Any]) -> NDArray[Any]:
        """Add rows of a track whose length is not known: they have no targets yet.

        Parameters
        ----------
        record : TrackRecord
        rows : ndarray of PLAN_DTYPE

        Returns
        -------
        ndarray of PLAN_DTYPE
            None of the rows, if the track has no annotations and background has no rows.
        """
        if self.drops and not self.annotations(record):
            rows = rows[:0]
            self.counts += TargetCounts(bare=1)
        self._rows += len(rows)
        return rows

    def add(
        self, record: TrackRecord, rows: NDArray[Any], seconds: float, rate: int, *, keeps_all: bool
    ) -> NDArray[Any]:
        """Add the rows of a track.

        Parameters
        ----------
        record : TrackRecord
        rows : ndarray of PLAN_DTYPE
            All chunks of the track.
        seconds : float
            Length of the track.
        rate : int
            Rate of the starts and samples of `rows`, in Hz.
        keeps_all : bool
            Whether all chunks are rows, because they are rows of a finished view.

        Returns
        -------
        ndarray of PLAN_DTYPE
            The chunks that are rows.

        Raises
        ------
        DatasetError
            The target is single, and a chunk has two labels.
        """
        annotations = self.annotations(record)
        starts, ends = rows["start"] / rate, (rows["start"] + rows["samples"]) / rate
        found = chunk_targets(annotations, starts, ends, seconds, self.labelling, record.id)
        is_row = np.full(len(rows), True) if keeps_all or not self.drops else ~found.is_background
        number = np.cumsum(is_row) - 1
        targets = found.targets
        if len(targets):
            self._parts.append((self._rows, replace(targets, row=number[targets.row].astype(np.int64))))
        self._rows += int(is_row.sum())
        self.counts += TargetCounts(
            annotated=int((is_row & ~found.is_background).sum()),
            background=int((is_row & found.is_background).sum()),
            left_out=int((~is_row).sum()),
            unused=found.unused,
            bare=int(not annotations),
        )
        return rows[is_row]

    def targets(self) -> RowTargets:
        """Return the targets of all rows that were added."""
        return joined(self._parts)
