"""Planning: from the tracks to the rows of a view, to shards, to the shards that are missing.

A plan is a pure function of what is known of the tracks. Work changes what is known (a file turns out to be
damaged, or longer than its header says); then the plan is made again and what is missing is computed,
until nothing is. Resuming a killed run, adding tracks, changing a file: all are the same step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio import AudioInfo, content_hash, probe
from audiospec.chunking import Chunking
from audiospec.errors import AudioError
from audiospec.manifest import Manifest
from audiospec.spec import FeatureSpec, digest
from audiospec.staging import Fact, Staging
from audiospec.stores.base import ROW_DTYPE, View, ViewInfo, source_bits

#: A shard is at most this many bytes of rows (or one row) …
SHARD_BYTES = 24 << 20
#: … and at most this part of a view, so that a small job has work for several workers.
SHARD_PART = 16

#: Planned rows: the track's place in the table, start and samples at the spec's rate, source (0: unknown).
PLAN_DTYPE = np.dtype([("track", "<i4"), ("start", "<i8"), ("samples", "<i8"), ("source", "<u8")])

REMOVED = "removed: the file is no longer in the dataset; its rows are kept"


@dataclass(slots=True)
class Known:
    """What is known of a track: a record of the track table, and its audio's length.

    Attributes
    ----------
    record : dict
        Columns of the track table.
    file : Path
        The audio file.
    info : AudioInfo or None
        None if there is a problem.
    """

    record: dict[str, Any]
    file: Path
    info: AudioInfo | None

    @property
    def id(self) -> str:
        """The track's id."""
        return str(self.record["id"])

    @property
    def removed(self) -> bool:
        """Whether the dataset no longer has the track."""
        return bool(self.record["problem"] == REMOVED)

    def learn(self, fact: Fact) -> None:
        """Take over what decoding told."""
        self.info = None if fact.problem else AudioInfo(fact.sample_rate, fact.channels, fact.frames)
        self.record.update(
            hash=fact.hash,
            seconds=fact.frames / fact.sample_rate if fact.sample_rate else 0.0,
            sample_rate=fact.sample_rate,
            channels=fact.channels,
            problem=fact.problem,
            size=fact.size,
            modified=fact.modified,
        )


def survey(manifest: Manifest, before: Sequence[dict[str, Any]], facts: Mapping[str, Fact]) -> list[Known]:
    """Look at every file of a manifest, and compare it with what was known before.

    Parameters
    ----------
    manifest : Manifest
    before : sequence of dict
        The store's track table. Its order is kept; new tracks come after.
    facts : mapping of str to Fact
        What unfinished work has told, by track id.

    Returns
    -------
    list of Known
        The new track table. A file whose size and modification time are as before is taken to be the same;
        otherwise its content hash decides.
    """
    in_manifest = {track.id: track for track in manifest}
    known: list[Known] = []
    for record in before:
        track = in_manifest.pop(record["id"], None)
        if track is None:
            record = {**record, "problem": record["problem"] or REMOVED}
            info = AudioInfo(record["sample_rate"], record["channels"], _frames(record))
            known.append(Known(record, manifest.root / record["path"], info))
        else:
            same = {"path": track.path, "label": track.label, "group": track.group, "fold": track.fold}
            known.append(_look(manifest.file(track), {**record, **same}, facts.get(track.id)))
    for track in in_manifest.values():
        record = {
            "id": track.id,
            "path": track.path,
            "label": track.label,
            "group": track.group,
            "fold": track.fold,
            "hash": "",
            "seconds": 0.0,
            "sample_rate": 0,
            "channels": 0,
            "problem": "",
            "size": -1,
            "modified": -1,
        }
        known.append(_look(manifest.file(track), record, facts.get(track.id)))
    return known


def _look(file: Path, record: dict[str, Any], fact: Fact | None) -> Known:
    """What is known of one track, after a look at its file."""
    known = Known(record, file, None)
    if record["problem"] == REMOVED:  # it is back
        record["problem"] = ""
    if fact is not None and (not record["hash"] or record["hash"] != fact.hash):
        known.learn(fact)
    try:
        # A name that is not text in UTF-8 cannot be kept in a table.
        record["path"].encode()
    except UnicodeEncodeError:
        record["path"] = record["path"].encode("utf-8", "backslashreplace").decode()
        record.update(hash="", problem="not readable: the file's name is not UTF-8, rename it")
        return known
    try:
        stat = file.stat()
        same = (record["size"], record["modified"]) == (stat.st_size, stat.st_mtime_ns)
        if record["hash"] and not same:
            same = record["size"] == stat.st_size and content_hash(file) == record["hash"]
    except OSError as error:
        record.update(hash="", problem=f"not readable: {error.strerror}")
        return known
    record.update(size=stat.st_size, modified=stat.st_mtime_ns)
    if record["hash"] and same:  # decoded before: what is known is final
        if not record["problem"]:
            known.info = AudioInfo(record["sample_rate"], record["channels"], _frames(record))
        return known
    record.update(hash="", problem="", seconds=0.0, sample_rate=0, channels=0)
    try:
        known.info = probe(file)
        record.update(
            seconds=known.info.seconds,
            sample_rate=known.info.sample_rate,
            channels=known.info.channels,
        )
    except AudioError as error:
        record["problem"] = str(error)
    return known


def _frames(record: Mapping[str, Any]) -> int:
    return round(float(record["seconds"]) * int(record["sample_rate"]))


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
    known : list of Known
        The track table.
    old : View or None
        The finished view of the same name, whose rows need not be computed again.
    distrusted : frozenset of int
        Rows of `old` that are damaged.
    """

    info: ViewInfo
    rows: NDArray[Any]
    known: list[Known]
    old: View | None
    distrusted: frozenset[int]

    @classmethod
    def make(
        cls,
        spec: FeatureSpec,
        chunking: Chunking,
        known: list[Known],
        old: View | None = None,
        distrusted: frozenset[int] = frozenset(),
    ) -> Plan:
        """Lay out the rows of all tracks, in the order of the table."""
        rate = spec.sample_rate
        parts = []
        for number, track in enumerate(known):
            if track.removed:
                part = _old_rows(old, number, rate)
            elif track.info is not None:
                chunks = chunking.chunks(track.info.samples(rate), rate)
                part = np.zeros(len(chunks), PLAN_DTYPE)
                if chunks:
                    part["start"], part["samples"] = np.array(chunks).T
                part["source"] = source_bits(track.record["hash"])
            else:
                continue
            part["track"] = number
            parts.append(part)
        rows = np.concatenate(parts) if parts else np.zeros(0, PLAN_DTYPE)
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=1)
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=_shard_rows(rows, info.row_bytes))
        return cls(info, rows, known, old, distrusted)

    @cached_property
    def shards(self) -> list[Shard]:
        """All shards."""
        step = self.info.shard_rows
        found = []
        for number, first in enumerate(range(0, len(self.rows), step)):
            rows = slice(first, min(first + step, len(self.rows)))
            found.append(Shard(number, rows, self._digest(rows)))
        return found

    def _digest(self, rows: slice) -> str:
        """Digest of what a shard is to hold: files as they are now, and places in them."""
        part = self.rows[rows]
        tracks = []
        for number in np.unique(part["track"]):
            record = self.known[number].record
            chunks = part[part["track"] == number][["start", "samples"]].tolist()
            tracks.append([record["id"], record["size"], record["modified"], chunks])
        return digest([self.info.shard_rows, tracks])[:32]

    def is_old(self, shard: Shard) -> bool:
        """Whether the finished view holds this very shard."""
        old, step = self.old, self.info.shard_rows
        if old is None or old.info.shard_rows != step:
            return False
        if min(shard.rows.start + step, len(old)) != shard.rows.stop:  # it holds other rows
            return False
        if not self.distrusted.isdisjoint(range(shard.rows.start, shard.rows.stop)):
            return False
        new, rate = self.rows[shard.rows], self.info.spec.sample_rate
        rows = old.rows[shard.rows]
        return bool(
            (new["source"] != 0).all()
            and (new["track"] == rows["track"]).all()
            and (new["source"] == rows["source"]).all()
            and (new["start"] == _samples(rows["start"], rate)).all()
            and (new["samples"] == _samples(rows["seconds"], rate)).all()
        )

    def missing(self, staging: Staging) -> list[Shard]:
        """The shards that neither the finished view nor the work folder holds."""
        return [s for s in self.shards if not self.is_old(s) and staging.get(s.digest) is None]

    def tasks(self, missing: Sequence[Shard], staging: Staging) -> Iterator[dict[str, Any]]:
        """Shard tasks for `compute.compute`: what is missing, cut where a worker can start.

        A task may hold several shards: a track that runs through more than two is decoded once, as a
        stream, not once for each of them.
        """
        finder = _Finder(self, missing, staging)
        groups: list[list[Shard]] = []
        for shard in missing:
            first = int(self.rows[shard.rows]["track"][0])
            begins = int(np.searchsorted(self.rows["track"], first))
            previous = groups[-1][-1] if groups else None
            long = begins < shard.rows.start - self.info.shard_rows
            if previous is not None and long and previous.rows.stop > begins:
                groups[-1].append(shard)
            else:
                groups.append([shard])
        # One by one, as they are asked for: together they would be larger than the table of rows.
        for group in groups:
            yield self._task(group, finder)

    def _task(self, group: list[Shard], finder: _Finder) -> dict[str, Any]:
        tracks: dict[int, dict[str, Any]] = {}
        shards = []
        for shard in group:
            rows = []
            for index in range(shard.rows.start, shard.rows.stop):
                number, start, samples, _ = self.rows[index].item()
                if number not in tracks:
                    tracks[number] = {"id": self.known[number].id, "file": str(self.known[number].file)}
                last = index + 1 == len(self.rows) or int(self.rows["track"][index + 1]) != number
                rows.append([number, start, samples, last, finder.find(index)])
            shards.append({"digest": shard.digest, "rows": rows})
        return {
            "spec": self.info.spec.to_dict(),
            "length": self.info.chunking.samples(self.info.spec.sample_rate),
            "capacity": self.info.shard_rows,
            "tracks": {str(number): track for number, track in tracks.items()},
            "shards": shards,
        }

    def row_table(self, staging: Staging) -> NDArray[Any]:
        """The finished row table; every shard is in the work folder or in the finished view."""
        table = np.zeros(len(self.rows), ROW_DTYPE)
        table["track"] = self.rows["track"]
        table["start"] = self.rows["start"] / self.info.spec.sample_rate
        table["seconds"] = self.rows["samples"] / self.info.spec.sample_rate
        for shard in self.shards:
            if self.is_old(shard):
                assert self.old is not None
                for column in ("checksum", "source"):
                    table[column][shard.rows] = self.old.rows[column][shard.rows]
            else:
                commit = staging.get(shard.digest)
                assert commit is not None
                table["checksum"][shard.rows] = [row.checksum for row in commit.rows]
                table["source"][shard.rows] = [row.source for row in commit.rows]
        return table


class _Finder:
    """Finds rows that were computed before: in the finished view, or in staged shards of another plan."""

    def __init__(self, plan: Plan, missing: Sequence[Shard], staging: Staging) -> None:
        self.plan = plan
        rate = plan.info.spec.sample_rate
        self.places: dict[tuple[str, int, int, int], list[Any]] = {}
        if plan.old is not None and missing:
            ids = [track.id for track in plan.known]
            tracks = np.unique(np.concatenate([plan.rows["track"][shard.rows] for shard in missing]))
            for index in np.flatnonzero(np.isin(plan.old.rows["track"], tracks)).tolist():
                row = plan.old.rows[index]
                if index not in plan.distrusted:
                    key = (
                        ids[row["track"]],
                        int(_samples(row["start"], rate)),
                        int(_samples(row["seconds"], rate)),
                        int(row["source"]),
                    )
                    store = str(plan.old.store.path)
                    self.places[key] = [store, plan.old.name, index, 0, int(row["checksum"]), key[3]]
        for digest_, commit in staging.commits():
            for index, staged in enumerate(commit.rows):
                if staged.samples:
                    key = (staged.track, staged.start, staged.samples, staged.source)
                    place = ["", digest_, index, commit.capacity, staged.checksum, staged.source]
                    self.places[key] = place

    def find(self, index: int) -> list[Any] | None:
        """Where a planned row lies.

        Store (``""``: staged), view or digest, number in it, capacity of the staged shard, checksum, source.
        """
        number, start, samples, source = self.plan.rows[index].item()
        if not source:
            return None
        return self.places.get((self.plan.known[number].id, start, samples, source))


def _old_rows(old: View | None, track: int, rate: int) -> NDArray[Any]:
    """The rows that a removed track has in the finished view."""
    if old is None:
        return np.zeros(0, PLAN_DTYPE)
    rows = old.rows[old.rows["track"] == track]
    part = np.zeros(len(rows), PLAN_DTYPE)
    part["start"] = _samples(rows["start"], rate)
    part["samples"] = _samples(rows["seconds"], rate)
    part["source"] = rows["source"]
    return part


def _samples(seconds: NDArray[Any], rate: int) -> NDArray[np.int64]:
    samples: NDArray[np.int64] = np.rint(seconds * rate).astype(np.int64)
    return samples


def _shard_rows(rows: NDArray[Any], row_bytes: int) -> int:
    """Rows in a shard: bounded in bytes and in share of the view; whole tracks where they are alike."""
    if not len(rows):
        return 1
    limit = max(1, min(SHARD_BYTES // row_bytes, math.ceil(len(rows) / SHARD_PART)))
    _, counts = np.unique(rows["track"], return_counts=True)
    usual = int(np.bincount(counts).argmax())  # rows that most tracks have
    if usual * row_bytes > SHARD_BYTES:
        return limit
    return max(usual, limit // usual * usual)
