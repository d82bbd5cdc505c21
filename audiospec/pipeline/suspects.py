"""Suspects: the tracks over which workers died. Each is tried alone, and named if it dies again."""

from __future__ import annotations

from collections import Counter

from audiospec.audio.deaths import is_final
from audiospec.engines.base import WorkerDied
from audiospec.pipeline.tasks import TaskTrack, TrackBegun


class Suspects:
    """The suspects of a run, over its rounds of planning and computing.

    Attributes
    ----------
    alone : set of str
        Ids of the tracks that get a task of their own from the next round on.
    killers : dict
        Id of a track that is to be named after this round → death of a worker that decoded no other.
    found : bool
        Whether a worker has died in this round.
    """

    def __init__(self) -> None:
        self.alone: set[str] = set()
        self.killers: dict[str, WorkerDied] = {}
        self.found = False
        self._begun: dict[int, int] = {}
        self._alone_now: frozenset[str] = frozenset()
        self._deaths: Counter[str] = Counter()

    def begin_round(self) -> None:
        """Begin with the tasks of another plan."""
        self.killers.clear()
        self.found = False
        self._begun.clear()
        self._alone_now = frozenset(self.alone)

    def begun(self, begun: TrackBegun) -> None:
        """Record which track a task decodes now."""
        self._begun[begun.task] = begun.track

    def add(self, died: WorkerDied) -> None:
        """Find the track over which a worker died: the last that its task has begun.

        If the engine has lost that result, any track of the task may be the one.
        """
        self.found = True
        tracks = [TaskTrack.from_json(value) for value in died.task["tracks"]]
        last = self._begun.get(died.task["number"])
        suspects = [track.id for track in tracks if track.number == last]
        if not suspects:
            ids = [track.id for track in tracks]
            suspects = [id for id in ids if id in self._alone_now] or ids
        for id in suspects:
            if id in self._alone_now:
                self._deaths[id] += 1
                if is_final(died, self._deaths[id]):
                    self.killers[id] = died
            self.alone.add(id)
