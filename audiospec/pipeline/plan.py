"""Planning: from the tracks to the rows of a view, to shards, to the shards that are missing, to tasks.

A plan is a pure function of what is known of the tracks. Work changes what is known (a file turns out to be
damaged, or longer than its header says); then the plan is made again and what is missing is computed,
until nothing is. Resuming a killed run, adding tracks, changing a file: all are the same step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.audio import AudioInfo, content_hash, probe
from audiospec.chunking import Chunk, Chunking
from audiospec.errors import AudioError
from audiospec.manifest import Manifest
from audiospec.spec import FeatureSpec, digest
from audiospec.staging import Fact, Staging, fragment
from audiospec.stores.base import ROW_DTYPE, View, ViewInfo, source_bits

#: A shard is at most this many bytes of rows (or one row), of a table's rows that are one chunk together …
SHARD_BYTES, TABLE_SHARD_BYTES = 24 << 20, 1 << 20
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
    kept : bool
        Whether nobody looks at its file: its rows stay what they are.
    """

    record: dict[str, Any]
    file: Path
    info: AudioInfo | None
    kept: bool = False

    @property
    def id(self) -> str:
        """The track's id."""
        return str(self.record["id"])

    @property
    def is_estimated(self) -> bool:
        """Whether its length is what a header guesses: only decoding tells."""
        return self.info is not None and not self.info.exact and not self.record["hash"]

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
            if record["path"]:  # else it came with a table: no file has ever been there
                record = {**record, "problem": record["problem"] or REMOVED}
            known.append(Known(record, manifest.root / record["path"], None, kept=True))
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
            known.info = AudioInfo.of(record)
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
            if track.kept:
                part = _old_rows(old, number, rate)
            elif track.info is not None:
                samples = track.info.samples(rate)
                chunks = chunking.chunks(samples, rate, spec.least_samples)
                if not chunks and track.is_estimated:
                    # Planned as if it were long enough; decoding tells, and the next plan knows.
                    chunks = [Chunk(0, max(1, min(samples, chunking.samples(rate))))]
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
        info = ViewInfo(spec=spec, chunking=chunking, shard_rows=_shard_rows(rows, info))
        return cls(info, rows, known, old, distrusted)

    def again(self) -> Plan:
        """The same view, from what is known now."""
        return Plan.make(self.info.spec, self.info.chunking, self.known, self.old, self.distrusted)

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


class Schedule:
    """The missing shards of all views of a run, cut into tasks so that each track is decoded once.

    Tasks follow the shards of the *lead*, the view with most bytes to write. A track belongs to the task that
    has the first of its rows, and that task computes all of its rows, in all views. (Tracks that the lead
    lacks belong to tasks that follow the next view's shards.) Where the rows of a shard are those of several
    tasks, each stages its own as a fragment, and the last task puts the shard together if the others are
    done by then; if not, it stages a fragment, too, and the next plan finds all rows.

    Parameters
    ----------
    plans : sequence of Plan
        One for each view, of the same tracks.
    work : Path
        The store's work folder.

    Attributes
    ----------
    lead : str
        Name of the lead; ``""`` if nothing is missing.
    views : int
        Views of which shards are missing.
    """

    def __init__(self, plans: Sequence[Plan], work: Path) -> None:
        shares = []
        for plan in plans:
            staging = Staging(work, plan.info.name)
            missing = plan.missing(staging)
            if missing:
                shares.append(_Share(plan, missing, staging))
        self._shares = sorted(shares, key=lambda share: -share.bytes)
        self.lead = self._shares[0].plan.info.name if self._shares else ""
        self.views = len(self._shares)
        #: Whose shards each task follows, and which; for each track, its task.
        self._groups: list[tuple[_Share, list[Shard]]] = []
        self._owner = np.full(len(plans[0].known), -1)
        for share in self._shares:
            for group in share.groups():
                tracks = np.concatenate([share.plan.rows["track"][shard.rows] for shard in group])
                new = tracks[self._owner[tracks] < 0]
                if len(new):
                    self._owner[new] = len(self._groups)
                    self._groups.append((share, group))
        for share in self._shares:
            share.assign(self._owner)

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Tasks for `compute.compute`, one by one: together they would be larger than the tables of rows."""
        for task, (lead, group) in enumerate(self._groups):
            tracks: dict[int, dict[str, str]] = {}
            views = [share.view(task, self._owner, tracks) for share in self._shares]
            if tracks:  # else others compute what is missing of its shards
                yield {
                    "tracks": {str(number): tracks[number] for number in sorted(tracks)},
                    "first": self._first(task, lead.plan, group[-1]),
                    "views": [view for view in views if view["shards"]],
                }

    def _first(self, task: int, plan: Plan, shard: Shard) -> int | None:
        """The track to begin with: one that goes on in the next task's shards, which wait for its rows."""
        stop = shard.rows.stop
        number = int(plan.rows["track"][stop - 1])
        goes_on = stop < len(plan.rows) and plan.rows["track"][stop] == number
        return number if goes_on and self._owner[number] == task else None

    def amounts(self) -> Iterator[tuple[str, str, float, int]]:
        """View and digest of each shard that tasks follow; seconds of audio and ends of tracks in it.

        A track counts in one view, whose shards its task follows.
        """
        views = np.array([self._shares.index(share) for share, _ in self._groups])
        for number, share in enumerate(self._shares):
            plan = share.plan
            for shard in share.missing:
                rows = plan.rows[shard.rows]
                counts = views[self._owner[rows["track"]]] == number
                if counts.any():
                    following = plan.rows["track"][shard.rows.start : shard.rows.stop + 1]
                    ends = np.diff(following, append=-1)[: len(rows)] != 0
                    audio = float(rows["samples"][counts].sum()) / plan.info.spec.sample_rate
                    yield plan.info.name, shard.digest, audio, int(np.count_nonzero(ends & counts))


class _Share:
    """One view's share in a schedule: its missing shards, and who computes their rows."""

    def __init__(self, plan: Plan, missing: list[Shard], staging: Staging) -> None:
        self.plan = plan
        self.missing = missing
        self.bytes = sum(s.rows.stop - s.rows.start for s in self.missing) * plan.info.row_bytes
        self.finder = _Finder(plan, self.missing, staging)
        #: For each row whether it has to be computed; for each task its shards; for each shard its last task.
        self.needed = np.zeros(len(plan.rows), bool)
        self.shards: dict[int, list[Shard]] = defaultdict(list)
        self.last: dict[int, int] = {}

    def groups(self) -> Iterator[list[Shard]]:
        """The missing shards, each alone; but with the one before if the track that ends there fills it."""
        numbers = self.plan.rows["track"]
        group: list[Shard] = []
        for shard in self.missing:
            first, last = int(numbers[shard.rows.start]), int(numbers[shard.rows.stop - 1])
            if group and not first == last == int(numbers[group[-1].rows.stop - 1]):
                yield group
                group = []
            group.append(shard)
        if group:
            yield group

    def assign(self, owner: NDArray[Any]) -> None:
        """Take note of the tasks that the tracks belong to."""
        for shard in self.missing:
            self.needed[shard.rows] = True
            if self.finder.places:
                indices = range(shard.rows.start, shard.rows.stop)
                self.needed[shard.rows] = [self.finder.find(index) is None for index in indices]
            tasks = owner[self.plan.rows["track"][shard.rows]]
            needed = self.needed[shard.rows]
            tasks = np.unique(tasks[needed]) if needed.any() else tasks[:1]
            self.last[shard.number] = int(tasks[-1])
            for task in tasks.tolist():
                self.shards[task].append(shard)

    def view(self, task: int, owner: NDArray[Any], tracks: dict[int, dict[str, str]]) -> dict[str, Any]:
        """This view's part of a task; adds the tracks of its rows to `tracks`."""
        info = self.plan.info
        return {
            "view": info.name,
            "spec": info.spec.to_dict(),
            "length": info.chunking.samples(info.spec.sample_rate),
            "shards": [self._shard(shard, task, owner, tracks) for shard in self.shards.get(task, [])],
        }

    def _shard(
        self, shard: Shard, task: int, owner: NDArray[Any], tracks: dict[int, dict[str, str]]
    ) -> dict[str, Any]:
        numbers = self.plan.rows["track"]
        indices = np.arange(shard.rows.start, shard.rows.stop)
        needed = indices[self.needed[shard.rows]]
        owners = owner[numbers[needed]]
        whole = self.last[shard.number] == task
        fragments = {}
        for other in np.unique(owners).tolist() if whole else [task]:
            own = needed[owners == other]
            fragments[other] = fragment(shard.digest, int(own[0]), int(own[-1]))
        rows = []
        for index in (indices if whole else needed[owners == task]).tolist():
            number, start, samples, _ = self.plan.rows[index].item()
            if number not in tracks:
                known = self.plan.known[number]
                tracks[number] = {"id": known.id, "file": str(known.file)}
            last = index + 1 == len(numbers) or int(numbers[index + 1]) != number
            place: list[Any] | str | None = self.finder.find(index)
            if self.needed[index] and owner[number] != task:
                place = fragments[int(owner[number])]
            rows.append([number, start, samples, last, place])
        return {
            "digest": shard.digest if whole else fragments[task],
            "fragment": fragments.get(task, ""),
            "capacity": self.plan.info.shard_rows if whole else len(rows),
            "rows": rows,
        }


class _Finder:
    """Finds rows that were computed before: in the finished view, or in staged shards of another plan."""

    def __init__(self, plan: Plan, missing: Sequence[Shard], staging: Staging) -> None:
        self.plan = plan
        rate = plan.info.spec.sample_rate
        #: Of each row: store ("": staged), view or digest, number in it, capacity of the staged shard,
        #: checksum, source.
        self.places: dict[tuple[str, int, int, int], list[Any]] = {}
        if plan.old is not None:
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
        """Where a planned row lies; None if nowhere."""
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


def most_rows(info: ViewInfo) -> int:
    """The most rows that a shard of a view may have."""
    most = TABLE_SHARD_BYTES if len(info.row_shape) == 1 else SHARD_BYTES
    return max(1, most // info.row_bytes)


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
