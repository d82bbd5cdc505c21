"""Group the missing shards of all views into tasks that decode each track once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.pipeline.plan import Plan, Shard, to_samples
from audiospec.pipeline.staging import Staging, WorkFolder, fragment
from audiospec.pipeline.survey import TrackState
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
    """The missing shards of all views of a run, grouped into tasks so that each track is decoded once.

    Tasks follow the shards of the *lead*, the view with the most bytes to write. A track belongs to the task
    that has the first of its rows, and that task computes all rows of the track, in all views. Tracks that
    the lead lacks belong to tasks that follow the shards of the next view. Where several tasks compute rows
    of one shard, each stages its rows as a fragment. The last of these tasks assembles the shard if the other
    fragments exist by then. If not, it stages a fragment as well, and a task of the next plan assembles them.

    Parameters
    ----------
    plans : sequence of Plan
        One for each view, all with the same tracks.
    work : WorkFolder
    alone : set of str
        Ids of tracks that get a task each, which decodes no other track: those that may kill its worker.
    per_task : callable
        Number of missing shards of the lead → number of neighbouring shards in a task. It changes the tasks,
        but neither the shards nor their bytes.

    Attributes
    ----------
    lead : str
        Name of the lead; ``""`` if nothing is missing.
    view_count : int
        Number of views with missing shards.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        work: WorkFolder,
        alone: Collection[str] = (),
        per_task: Callable[[int], int] = lambda _: 1,
    ) -> None:
        schedules = []
        for plan in plans:
            staging = work.staging(plan.info.name)
            missing = plan.missing(staging)
            if missing:
                schedules.append(ViewSchedule(plan, missing, staging))
        self._schedules = sorted(schedules, key=lambda view: -view.bytes)
        self.lead = self._schedules[0].plan.info.name if self._schedules else ""
        self.view_count = len(self._schedules)
        #: For each task, the view and the shards that it follows; for each track, its task.
        self._groups: list[tuple[ViewSchedule, list[Shard]]] = []
        self._task_of_track = np.full(len(plans[0].tracks), -1)
        # Those come first, so that the last task of a shard, which assembles it, is none of them.
        for number in [n for n, track in enumerate(plans[0].tracks) if track.id in alone]:
            for view in self._schedules:
                if group := view.shards_of(number):
                    self._task_of_track[number] = len(self._groups)
                    self._groups.append((view, group))
                    break
        joined = per_task(len(self._schedules[0].missing)) if self._schedules else 1
        for view in self._schedules:
            for group in view.groups(joined):
                tracks = np.concatenate([view.plan.rows["track"][shard.rows] for shard in group])
                unassigned = tracks[self._task_of_track[tracks] < 0]
                if len(unassigned):
                    self._task_of_track[unassigned] = len(self._groups)
                    self._groups.append((view, group))
        for view in self._schedules:
            view.assign(self._task_of_track)

    def tasks(self, run: RunConstants) -> Iterator[Task]:
        """Yield the tasks for `worker.compute`: a list of them would be larger than the row tables."""
        states = self._schedules[0].plan.tracks if self._schedules else []
        for task, (lead, group) in enumerate(self._groups):
            views = [view.task_view(task, self._task_of_track) for view in self._schedules]
            numbers = {row.track for view in views for shard in view.shards for row in shard.rows}
            if numbers:  # if there are none, other tasks compute the missing rows of its shards
                yield Task(
                    task,
                    run,
                    tuple(_task_track(n, states[n]) for n in sorted(numbers)),
                    self._first_track(task, lead.plan, group[-1]),
                    tuple(view for view in views if view.shards),
                )

    def _first_track(self, task: int, plan: Plan, shard: Shard) -> int | None:
        """Return the track to decode first: one that continues in a shard of the next task, which waits."""
        stop = shard.rows.stop
        number = int(plan.rows["track"][stop - 1])
        continues = stop < len(plan.rows) and plan.rows["track"][stop] == number
        return number if continues and self._task_of_track[number] == task else None

    def shard_amounts(self) -> Iterator[tuple[str, str, float, int]]:
        """Yield the view's name, digest, seconds of audio and number of tracks of each shard that counts.

        A track counts only in the view whose shards its task follows, and in the shard in which it ends.
        """
        views = np.array([self._schedules.index(view) for view, _ in self._groups])
        for number, view in enumerate(self._schedules):
            plan = view.plan
            for shard in view.missing:
                rows = plan.rows[shard.rows]
                counts = views[self._task_of_track[rows["track"]]] == number
                if counts.any():
                    following = plan.rows["track"][shard.rows.start : shard.rows.stop + 1]
                    ends = np.diff(following, append=-1)[: len(rows)] != 0
                    audio = float(rows["samples"][counts].sum()) / plan.info.spec.sample_rate
                    yield plan.info.name, shard.digest, audio, int(np.count_nonzero(ends & counts))


class ViewSchedule:
    """The missing shards of one view, and the tasks that compute their rows.

    Attributes
    ----------
    bytes : int
        Bytes of the rows of the missing shards.
    needed : ndarray of bool, shape (n_rows,)
        Whether a row has to be computed.
    shards : dict
        Task number → shards that it fills.
    last_task : dict
        Shard number → the last task that fills it.
    """

    def __init__(self, plan: Plan, missing: list[Shard], staging: Staging) -> None:
        self.plan = plan
        self.missing = missing
        self.bytes = sum(s.rows.stop - s.rows.start for s in self.missing) * plan.info.row_bytes
        self.existing = ExistingRows(plan, self.missing, staging)
        self.needed = np.zeros(len(plan.rows), bool)
        self.shards: dict[int, list[Shard]] = defaultdict(list)
        self.last_task: dict[int, int] = {}

    def groups(self, least: int = 1) -> Iterator[list[Shard]]:
        """Yield the missing shards in groups, most of them of `least` shards.

        A shard whose rows are all of one track joins the group before, if that ends with the same track.
        """
        numbers = self.plan.rows["track"]
        group: list[Shard] = []
        for shard in self.missing:
            first, last = int(numbers[shard.rows.start]), int(numbers[shard.rows.stop - 1])
            if len(group) >= least and not first == last == int(numbers[group[-1].rows.stop - 1]):
                yield group
                group = []
            group.append(shard)
        if group:
            yield group

    def shards_of(self, track: int) -> list[Shard]:
        """Return the missing shards with rows of a track."""
        numbers = self.plan.rows["track"]
        return [shard for shard in self.missing if (numbers[shard.rows] == track).any()]

    def assign(self, task_of_track: NDArray[Any]) -> None:
        """Assign the missing shards to the tasks that compute their rows.

        Parameters
        ----------
        task_of_track : ndarray of int, shape (n_tracks,)
        """
        for shard in self.missing:
            self.needed[shard.rows] = True
            if self.existing.by_key:
                indices = range(shard.rows.start, shard.rows.stop)
                self.needed[shard.rows] = [self.existing.find(index) is None for index in indices]
            tasks = task_of_track[self.plan.rows["track"][shard.rows]]
            needed = self.needed[shard.rows]
            tasks = np.unique(tasks[needed]) if needed.any() else tasks[:1]
            self.last_task[shard.number] = int(tasks[-1])
            for task in tasks.tolist():
                self.shards[task].append(shard)

    def task_view(self, task: int, task_of_track: NDArray[Any]) -> TaskView:
        """Return this view's part of a task."""
        info = self.plan.info
        shards = tuple(self._task_shard(shard, task, task_of_track) for shard in self.shards.get(task, []))
        return TaskView(info.name, info.spec, info.chunking.samples(info.spec.sample_rate), shards)

    def _task_shard(self, shard: Shard, task: int, task_of_track: NDArray[Any]) -> TaskShard:
        numbers = self.plan.rows["track"]
        indices = np.arange(shard.rows.start, shard.rows.stop)
        needed = indices[self.needed[shard.rows]]
        tasks = task_of_track[numbers[needed]]
        assembles = self.last_task[shard.number] == task  # the others stage fragments
        fragments = {}
        for contributor in np.unique(tasks).tolist() if assembles else [task]:
            computed = needed[tasks == contributor]
            fragments[contributor] = fragment(shard.digest, int(computed[0]), int(computed[-1]))
        rows = []
        for index in (indices if assembles else needed[tasks == task]).tolist():
            number, start, samples, _ = self.plan.rows[index].item()
            last = index + 1 == len(numbers) or int(numbers[index + 1]) != number
            elsewhere = self.needed[index] and task_of_track[number] != task
            existing = None if elsewhere else self.existing.find(index)
            staged_as = fragments[int(task_of_track[number])] if elsewhere else ""
            rows.append(TaskRow(number, start, samples, last, existing, staged_as))
        return TaskShard(
            digest=shard.digest if assembles else fragments[task],
            fragment=fragments.get(task, ""),
            capacity=self.plan.info.shard_rows if assembles else len(rows),
            rows=tuple(rows),
        )


class ExistingRows:
    """The rows that were computed before: in the finished view, or in staged shards of another plan."""

    def __init__(self, plan: Plan, missing: Sequence[Shard], staging: Staging) -> None:
        self.plan = plan
        rate = plan.info.spec.sample_rate
        #: Track id, start, samples and source of a row → where it is stored.
        self.by_key: dict[tuple[str, int, int, int], ExistingRow] = {}
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
                    self.by_key[key] = ExistingRow(
                        store, finished.name, index, 0, int(row["checksum"]), int(row["source"])
                    )
        for digest, commit in staging.commits().items():
            for index, staged in enumerate(commit.rows):
                if staged.samples:
                    key = (staged.track, staged.start, staged.samples, staged.source)
                    self.by_key[key] = ExistingRow(
                        "", commit.file(digest), index, commit.capacity, staged.checksum, staged.source
                    )

    def find(self, index: int) -> ExistingRow | None:
        """Return where a planned row is stored; None if it is not."""
        number, start, samples, source = self.plan.rows[index].item()
        if not source:
            return None
        return self.by_key.get((self.plan.tracks[number].id, start, samples, source))


def _task_track(number: int, state: TrackState) -> TaskTrack:
    audio = state.audio
    return TaskTrack(number, state.id, str(audio.place), audio.version, audio.size)
