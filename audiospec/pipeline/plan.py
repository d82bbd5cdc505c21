"""Plan a view: from the tracks to its rows, its shards, and the shards that are missing.

A plan is a pure function of what is known of the tracks. Computing changes that: a file turns out to be
damaged, or longer than its header says. Then the view is planned again and the missing shards are computed,
until none is missing. Resuming a killed run, adding tracks and replacing a file all take this one path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Labelling
from audiospec.annotations.table import RowTargets
from audiospec.audio.chunking import Chunking
from audiospec.audio.info import AudioInfo
from audiospec.audio.reading import STRICT, Reading
from audiospec.digests import digest, source_bits
from audiospec.pipeline.staging import Staging
from audiospec.pipeline.survey import TrackState
from audiospec.pipeline.targets import TargetCounts, TargetTable
from audiospec.specs.base import FeatureSpec
from audiospec.stores.layout.info import ViewInfo, most_rows
from audiospec.stores.layout.schema import ROW_DTYPE
from audiospec.stores.layout.view import View

#: A view that could be fewer shards is cut into about this many, so that several workers have work.
TARGET_SHARDS = 16

#: Planned rows: number of the track in the table; start and length in samples, at the spec's rate; first 64
#: bits of the file's content hash (0: not known yet).
PLAN_DTYPE = np.dtype([("track", "<i4"), ("start", "<i8"), ("samples", "<i8"), ("source", "<u8")])


@dataclass(frozen=True)
class Shard:
    """One shard of a plan: its number, its rows, and the digest that it is staged under."""

    number: int
    rows: slice
    digest: str


@dataclass(frozen=True)
class Plan:
    """The rows and shards of a view.

    Attributes
    ----------
    info : ViewInfo
    rows : ndarray of PLAN_DTYPE, shape (n_rows,)
    tracks : list of TrackState
        The track table: what is known of each track.
    finished : View or None
        The finished view of the same name, whose rows need not be computed again.
    damaged_rows : frozenset of int
        Rows of `finished` that are damaged.
    reading : Reading
        What the run does with truncated and silent files.
    labelling : Labelling or None
        Which chunks are rows, and what they are to be predicted as. None: all chunks are rows, with the
        labels of their tracks.
    targets : RowTargets or None
        Of the rows, if there is a labelling.
    counts : TargetCounts or None
        How many rows have an annotation, if there is a labelling.
    """

    info: ViewInfo
    rows: NDArray[Any]
    tracks: list[TrackState]
    finished: View | None
    damaged_rows: frozenset[int]
    reading: Reading = STRICT
    labelling: Labelling | None = None
    targets: RowTargets | None = None
    counts: TargetCounts | None = None

    @classmethod
    def make(
        cls,
        spec: FeatureSpec,
        chunking: Chunking,
        tracks: list[TrackState],
        finished: View | None = None,
        damaged_rows: frozenset[int] = frozenset(),
        reading: Reading = STRICT,
        labelling: Labelling | None = None,
    ) -> Plan:
        """Plan the rows of all tracks, in the order of the table.

        Raises
        ------
        DatasetError
            The target is single, and a chunk has two labels.
        """
        rate = spec.sample_rate
        parts = []
        table = None if labelling is None else TargetTable(labelling)
        for number, track in enumerate(tracks):
            if track.kept:
                part = _finished_rows(finished, number, rate)
                if table is not None:
                    part = table.add(track.record, part, track.record.seconds, rate, keeps_all=True)
            elif track.info is not None:
                part = _planned_rows(spec, chunking, track, track.info, table)
            else:
                continue
            part["track"] = number
            parts.append(part)
        rows = np.concatenate(parts) if parts else np.zeros(0, PLAN_DTYPE)
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=1)
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=_shard_rows(rows, info))
        plan = cls(info, rows, tracks, finished, damaged_rows, reading, labelling)
        return plan if table is None else replace(plan, targets=table.targets(), counts=table.counts)

    def replan(self) -> Plan:
        """Plan the view again, from what is known of the tracks now."""
        return Plan.make(
            self.info.spec,
            self.info.chunking,
            self.tracks,
            self.finished,
            self.damaged_rows,
            self.reading,
            self.labelling,
        )

    @cached_property
    def shards(self) -> list[Shard]:
        """The shards of the view, in order."""
        step = self.info.shard_rows
        shards = []
        for number, first in enumerate(range(0, len(self.rows), step)):
            rows = slice(first, min(first + step, len(self.rows)))
            shards.append(Shard(number, rows, self._digest(rows)))
        return shards

    def _digest(self, rows: slice) -> str:
        """Return the digest of what a shard has to contain: chunks of files in their present state."""
        part = self.rows[rows]
        tracks = []
        for number in np.unique(part["track"]):
            record = self.tracks[number].record
            chunks = part[part["track"] == number][["start", "samples"]].tolist()
            tracks.append([record.id, record.size, record.modified, chunks])
        # Another reading has other shards: a track that it refuses has rows of zeros in those.
        reading = [] if self.reading == STRICT else [self.reading.to_json()]
        return digest([self.info.shard_rows, tracks, *reading])[:32]

    def is_finished(self, shard: Shard) -> bool:
        """Whether the finished view has this shard with the same rows, none of them damaged."""
        finished, step = self.finished, self.info.shard_rows
        if finished is None or finished.info.shard_rows != step:
            return False
        if min(shard.rows.start + step, len(finished)) != shard.rows.stop:  # a last shard may differ
            return False
        if not self.damaged_rows.isdisjoint(range(shard.rows.start, shard.rows.stop)):
            return False
        new, rate = self.rows[shard.rows], self.info.spec.sample_rate
        rows = finished.rows[shard.rows]
        return bool(
            (new["source"] != 0).all()
            and (new["track"] == rows["track"]).all()
            and (new["source"] == rows["source"]).all()
            and (new["start"] == to_samples(rows["start"], rate)).all()
            and (new["samples"] == to_samples(rows["seconds"], rate)).all()
        )

    def missing(self, staging: Staging) -> list[Shard]:
        """Return the shards that are neither in the finished view nor in the work folder."""
        staged = staging.commits()
        return [shard for shard in self.shards if not self.is_finished(shard) and shard.digest not in staged]

    def row_table(self, staging: Staging) -> NDArray[Any]:
        """Return the row table of the view, a ROW_DTYPE array, once no shard is missing."""
        table = np.zeros(len(self.rows), ROW_DTYPE)
        table["track"] = self.rows["track"]
        table["start"] = self.rows["start"] / self.info.spec.sample_rate
        table["seconds"] = self.rows["samples"] / self.info.spec.sample_rate
        staged = staging.commits()
        for shard in self.shards:
            if self.is_finished(shard):
                assert self.finished is not None
                for column in ("checksum", "source"):
                    table[column][shard.rows] = self.finished.rows[column][shard.rows]
            else:
                commit = staged[shard.digest]
                table["checksum"][shard.rows] = [row.checksum for row in commit.rows]
                table["source"][shard.rows] = [row.source for row in commit.rows]
        return table


def _planned_rows(
    spec: FeatureSpec, chunking: Chunking, track: TrackState, info: AudioInfo, table: TargetTable | None
) -> NDArray[Any]:
    """Return the rows of a track, and add their targets to the table.

    A length that is a guess or a claim gets one row, as if the track were long enough. Decoding measures it,
    and the next plan uses that. So does a track whose annotations give no row, if its header is right.
    """
    rate = spec.sample_rate
    samples = info.samples(rate)
    source = source_bits(track.record.hash)
    first = np.zeros(1, PLAN_DTYPE)
    first["samples"], first["source"] = max(1, min(samples, chunking.samples(rate))), source
    if track.is_estimated:
        return first if table is None else table.add_unmeasured(track.record, first)
    starts, lengths = chunking.places(samples, rate, spec.least_samples)
    part = np.zeros(len(starts), PLAN_DTYPE)
    part["start"], part["samples"], part["source"] = starts, lengths, source
    if table is None:
        return part
    part = table.add(track.record, part, info.seconds, rate, keeps_all=False)
    if not len(part) and not track.record.hash and table.annotations(track.record):
        return table.add_unmeasured(track.record, first)
    return part


def _finished_rows(finished: View | None, track: int, rate: int) -> NDArray[Any]:
    """Return the rows of a track in the finished view, as planned rows."""
    if finished is None:
        return np.zeros(0, PLAN_DTYPE)
    rows = finished.rows[finished.rows["track"] == track]
    part = np.zeros(len(rows), PLAN_DTYPE)
    part["start"] = to_samples(rows["start"], rate)
    part["samples"] = to_samples(rows["seconds"], rate)
    part["source"] = rows["source"]
    return part


def to_samples(seconds: NDArray[Any], rate: int) -> NDArray[np.int64]:
    """Convert seconds to samples, to the nearest."""
    samples: NDArray[np.int64] = np.rint(seconds * rate).astype(np.int64)
    return samples


def _shard_rows(rows: NDArray[Any], info: ViewInfo) -> int:
    """Choose the rows of a shard.

    Bytes and `TARGET_SHARDS` limit it; within that, shards end where tracks end if most tracks have equally
    many rows.
    """
    if not len(rows):
        return 1
    most = most_rows(info)
    limit = max(1, min(most, math.ceil(len(rows) / TARGET_SHARDS)))
    _, counts = np.unique(rows["track"], return_counts=True)
    usual = int(np.bincount(counts).argmax())  # the most frequent number of rows
    if usual > most:
        return limit
    return max(usual, limit // usual * usual)
