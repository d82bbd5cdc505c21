"""Group missing shards into tasks, so that each track is decoded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.pipeline.plan import Plan, Shard, to_samples
from audiospec.pipeline.staging import Staging, fragment
from audiospec.pipeline.tasks import (
    ExistingRow,
    RunConstants,
    Task,
    TaskRow,
    TaskShard,
    TaskTrack,
    TaskView,
)


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
                shares.append(ViewSchedule(plan, missing, staging))
        self._shares = sorted(shares, key=lambda share: -share.bytes)
        self.lead = self._shares[0].plan.info.name if self._shares else ""
        self.views = len(self._shares)
        #: Whose shards each task follows, and which; for each track, its task.
        self._groups: list[tuple[ViewSchedule, list[Shard]]] = []
        self._owner = np.full(len(plans[0].tracks), -1)
        for share in self._shares:
            for group in share.groups():
                tracks = np.concatenate([share.plan.rows["track"][shard.rows] for shard in group])
                new = tracks[self._owner[tracks] < 0]
                if len(new):
                    self._owner[new] = len(self._groups)
                    self._groups.append((share, group))
        for share in self._shares:
            share.assign(self._owner)

    def tasks(self, run: RunConstants) -> Iterator[Task]:
        """Tasks for `worker.compute`, one by one: together they would be larger than the tables of rows."""
        states = self._shares[0].plan.tracks if self._shares else []
        for task, (lead, group) in enumerate(self._groups):
            views = [share.view(task, self._owner) for share in self._shares]
            numbers = {row.track for view in views for shard in view.shards for row in shard.rows}
            if numbers:  # else others compute what is missing of its shards
                yield Task(
                    run,
                    tuple(TaskTrack(n, states[n].id, str(states[n].file)) for n in sorted(numbers)),
                    self._first(task, lead.plan, group[-1]),
                    tuple(view for view in views if view.shards),
                )

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


class ViewSchedule:
    """One view's share in a schedule: its missing shards, and who computes their rows."""

    def __init__(self, plan: Plan, missing: list[Shard], staging: Staging) -> None:
        self.plan = plan
        self.missing = missing
        self.bytes = sum(s.rows.stop - s.rows.start for s in self.missing) * plan.info.row_bytes
        self.existing = ExistingRows(plan, self.missing, staging)
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
            if self.existing.places:
                indices = range(shard.rows.start, shard.rows.stop)
                self.needed[shard.rows] = [self.existing.find(index) is None for index in indices]
            tasks = owner[self.plan.rows["track"][shard.rows]]
            needed = self.needed[shard.rows]
            tasks = np.unique(tasks[needed]) if needed.any() else tasks[:1]
            self.last[shard.number] = int(tasks[-1])
            for task in tasks.tolist():
                self.shards[task].append(shard)

    def view(self, task: int, owner: NDArray[Any]) -> TaskView:
        """This view's part of a task."""
        info = self.plan.info
        shards = tuple(self._shard(shard, task, owner) for shard in self.shards.get(task, []))
        return TaskView(info.name, info.spec, info.chunking.samples(info.spec.sample_rate), shards)

    def _shard(self, shard: Shard, task: int, owner: NDArray[Any]) -> TaskShard:
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
            last = index + 1 == len(numbers) or int(numbers[index + 1]) != number
            elsewhere = self.needed[index] and owner[number] != task
            existing = None if elsewhere else self.existing.find(index)
            staged_as = fragments[int(owner[number])] if elsewhere else ""
            rows.append(TaskRow(number, start, samples, last, existing, staged_as))
        return TaskShard(
            digest=shard.digest if whole else fragments[task],
            fragment=fragments.get(task, ""),
            capacity=self.plan.info.shard_rows if whole else len(rows),
            rows=tuple(rows),
        )


class ExistingRows:
    """Finds rows that were computed before: in the finished view, or in staged shards of another plan."""

    def __init__(self, plan: Plan, missing: Sequence[Shard], staging: Staging) -> None:
        self.plan = plan
        rate = plan.info.spec.sample_rate
        #: Track, start, samples and source of a row → where it lies.
        self.places: dict[tuple[str, int, int, int], ExistingRow] = {}
        finished = plan.finished
        if finished is not None:
            store = str(finished.store.path)
            ids = [track.id for track in plan.tracks]
            tracks = np.unique(np.concatenate([plan.rows["track"][shard.rows] for shard in missing]))
            for index in np.flatnonzero(np.isin(finished.rows["track"], tracks)).tolist():
                row = finished.rows[index]
                if index not in plan.damaged_rows:
                    key = (
                        ids[row["track"]],
                        int(to_samples(row["start"], rate)),
                        int(to_samples(row["seconds"], rate)),
                        int(row["source"]),
                    )
                    self.places[key] = ExistingRow(
                        store, finished.name, index, 0, int(row["checksum"]), int(row["source"])
                    )
        for digest, commit in staging.commits():
            for index, staged in enumerate(commit.rows):
                if staged.samples:
                    key = (staged.track, staged.start, staged.samples, staged.source)
                    self.places[key] = ExistingRow(
                        "", digest, index, commit.capacity, staged.checksum, staged.source
                    )

    def find(self, index: int) -> ExistingRow | None:
        """Where a planned row lies; None if nowhere."""
        number, start, samples, source = self.plan.rows[index].item()
        if not source:
            return None
        return self.places.get((self.plan.tracks[number].id, start, samples, source))
