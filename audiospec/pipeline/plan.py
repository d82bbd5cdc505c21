"""Planning: from the tracks to the rows of a view, to shards, to the shards that are missing, to tasks.

A plan is a pure function of what is known of the tracks. Work changes what is known (a file turns out to be
damaged, or longer than its header says); then the plan is made again and what is missing is computed,
until nothing is. Resuming a killed run, adding tracks, changing a file: all are the same step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio.chunking import Chunk, Chunking
from audiospec.digests import digest, source_bits
from audiospec.pipeline.staging import Staging
from audiospec.pipeline.survey import TrackState
from audiospec.specs.base import FeatureSpec
from audiospec.stores.layout.info import ViewInfo, most_rows
from audiospec.stores.layout.schema import ROW_DTYPE
from audiospec.stores.layout.view import View

#: … and at most this part of a view, so that a small job has work for several workers.
SHARD_PART = 16

#: Planned rows: the track's place in the table, start and samples at the spec's rate, source (0: unknown).
PLAN_DTYPE = np.dtype([("track", "<i4"), ("start", "<i8"), ("samples", "<i8"), ("source", "<u8")])


@dataclass(frozen=True)
class Shard:
    """One shard of a plan: its number, its rows, and the digest under which it is staged."""

    number: int
    rows: slice
    digest: str


@dataclass(frozen=True)
class Plan:
    """The rows and shards of a view, from what is known of the tracks.

    Attributes
    ----------
    info : ViewInfo
    rows : ndarray of PLAN_DTYPE
    tracks : list of TrackState
        The track table.
    finished : View or None
        The finished view of the same name, whose rows need not be computed again.
    damaged_rows : frozenset of int
        Rows of `finished` that are damaged.
    """

    info: ViewInfo
    rows: NDArray[Any]
    tracks: list[TrackState]
    finished: View | None
    damaged_rows: frozenset[int]

    @classmethod
    def make(
        cls,
        spec: FeatureSpec,
        chunking: Chunking,
        tracks: list[TrackState],
        finished: View | None = None,
        damaged_rows: frozenset[int] = frozenset(),
    ) -> Plan:
        """Lay out the rows of all tracks, in the order of the table."""
        rate = spec.sample_rate
        parts = []
        for number, track in enumerate(tracks):
            if track.kept:
                part = _finished_rows(finished, number, rate)
            elif track.info is not None:
                samples = track.info.samples(rate)
                chunks = chunking.chunks(samples, rate, spec.least_samples)
                if not chunks and track.is_estimated:
                    # Planned as if it were long enough; decoding tells, and the next plan knows.
                    chunks = [Chunk(0, max(1, min(samples, chunking.samples(rate))))]
                part = np.zeros(len(chunks), PLAN_DTYPE)
                if chunks:
                    part["start"], part["samples"] = np.array(chunks).T
                part["source"] = source_bits(track.record.hash)
            else:
                continue
            part["track"] = number
            parts.append(part)
        rows = np.concatenate(parts) if parts else np.zeros(0, PLAN_DTYPE)
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=1)
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=_shard_rows(rows, info))
        return cls(info, rows, tracks, finished, damaged_rows)

    def replan(self) -> Plan:
        """The same view, from what is known now."""
        return Plan.make(self.info.spec, self.info.chunking, self.tracks, self.finished, self.damaged_rows)

    @cached_property
    def shards(self) -> list[Shard]:
        """All shards."""
        step = self.info.shard_rows
        shards = []
        for number, first in enumerate(range(0, len(self.rows), step)):
            rows = slice(first, min(first + step, len(self.rows)))
            shards.append(Shard(number, rows, self._digest(rows)))
        return shards

    def _digest(self, rows: slice) -> str:
        """Digest of what a shard is to hold: files as they are now, and places in them."""
        part = self.rows[rows]
        tracks = []
        for number in np.unique(part["track"]):
            record = self.tracks[number].record
            chunks = part[part["track"] == number][["start", "samples"]].tolist()
            tracks.append([record.id, record.size, record.modified, chunks])
        return digest([self.info.shard_rows, tracks])[:32]

    def is_finished(self, shard: Shard) -> bool:
        """Whether the finished view holds this very shard."""
        finished, step = self.finished, self.info.shard_rows
        if finished is None or finished.info.shard_rows != step:
            return False
        if min(shard.rows.start + step, len(finished)) != shard.rows.stop:  # it holds other rows
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
        """The shards that neither the finished view nor the work folder holds."""
        return [s for s in self.shards if not self.is_finished(s) and staging.get(s.digest) is None]

    def row_table(self, staging: Staging) -> NDArray[Any]:
        """The finished row table; every shard is in the work folder or in the finished view."""
        table = np.zeros(len(self.rows), ROW_DTYPE)
        table["track"] = self.rows["track"]
        table["start"] = self.rows["start"] / self.info.spec.sample_rate
        table["seconds"] = self.rows["samples"] / self.info.spec.sample_rate
        for shard in self.shards:
            if self.is_finished(shard):
                assert self.finished is not None
                for column in ("checksum", "source"):
                    table[column][shard.rows] = self.finished.rows[column][shard.rows]
            else:
                commit = staging.get(shard.digest)
                assert commit is not None
                table["checksum"][shard.rows] = [row.checksum for row in commit.rows]
                table["source"][shard.rows] = [row.source for row in commit.rows]
        return table


def _finished_rows(finished: View | None, track: int, rate: int) -> NDArray[Any]:
    """The rows that a removed track has in the finished view."""
    if finished is None:
        return np.zeros(0, PLAN_DTYPE)
    rows = finished.rows[finished.rows["track"] == track]
    part = np.zeros(len(rows), PLAN_DTYPE)
    part["start"] = to_samples(rows["start"], rate)
    part["samples"] = to_samples(rows["seconds"], rate)
    part["source"] = rows["source"]
    return part


def to_samples(seconds: NDArray[Any], rate: int) -> NDArray[np.int64]:
    """Seconds as samples, to the nearest."""
    samples: NDArray[np.int64] = np.rint(seconds * rate).astype(np.int64)
    return samples


def _shard_rows(rows: NDArray[Any], info: ViewInfo) -> int:
    """Rows in a shard: bounded in bytes and in share of the view; whole tracks where they are alike."""
    if not len(rows):
        return 1
    most = most_rows(info)
    limit = max(1, min(most, math.ceil(len(rows) / SHARD_PART)))
    _, counts = np.unique(rows["track"], return_counts=True)
    usual = int(np.bincount(counts).argmax())  # rows that most tracks have
    if usual > most:
        return limit
    return max(usual, limit // usual * usual)
