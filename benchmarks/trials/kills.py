"""Kills: jobs that die at any moment, and are done again: the result is that of a job that was not killed."""

from __future__ import annotations

import random
import shutil
import time
from typing import Any

from audiospec.benchmarks.trials.job_lane import JobLane
from audiospec.benchmarks.trials.jobs import STORE_JOBS, TRAINING, Job
from audiospec.benchmarks.trials.trial import Record

#: Of twenty trials seven kill a serial run that stages shards, seven one that publishes, four a training, and
#: two a run with workers, which costs ten times as much: each worker has to load torch.
_TURNS = ("staging", "publish") * 7 + ("training",) * 4 + ("workers",) * 2
#: Most seconds by which a kill is later than a change to a file, or than a shard of a run with workers.
_LATER = {"staging": 0.03, "publish": 0.03, "training": 0.3, "workers": 0.3}


class KillLane(JobLane):
    """Kills jobs, once or twice."""

    def _disturb(self, number: int) -> Record:
        draw = random.Random(f"{self._series.seed} kill {number}")
        only = self._series.only
        jobs = {turn: [job for job in _jobs(turn) if only in _group(turn, job)] for turn in _TURNS}
        turns = [turn for turn in _TURNS if jobs[turn]]
        turn = turns[number % len(turns)]
        job = draw.choice(jobs[turn])
        place = self._folder / "place"
        request = {"job": job, "base": str(self._folder), "place": str(place)}
        usual = self._undisturbed(job)
        began = time.monotonic()
        said: list[str] = []
        outcome, detail, victim, end = "", "", "", {}
        try:
            self._ask(60, do="start", **request)
            for _ in range(draw.choice((1, 1, 2))):
                how = _how(turn, usual, draw)
                said.append(", ".join(f"{name} {value}" for name, value in how.items()))
                end = self._ask(self._series.seconds, do="attempt", **request, **how)
                # A run goes on without a worker that died.
                victim = how.get("victim", "")
                fine = ("finished",) if victim == "worker" else ("finished", "killed")
                if end["end"] not in fine:
                    outcome, detail = "wrong", f"{end['end']}: {end['detail']}"
                    break
            if not outcome:
                outcome, detail = self._finish(job, request)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return {
            "group": _group(turn, job),
            "what": f"{_group(turn, job)}: {'; then '.join(said)}",
            "outcome": outcome,
            "reason": " ".join(filter(None, (victim, "killed" if end["killed"] else "finished before"))),
            "detail": detail,
            "seconds": round(time.monotonic() - began, 2),
        }


def _jobs(turn: str) -> tuple[Job, ...]:
    return (TRAINING,) if turn == "training" else STORE_JOBS


def _group(turn: str, job: Job) -> str:
    return turn if turn == "training" else f"{turn}, {' '.join(job)}"


def _how(turn: str, usual: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Draw whom to kill, and when: at a change to a file or once a shard is staged, or a little later."""
    later = round(draw.uniform(0.001, _LATER[turn]), 4) if draw.random() < 0.4 else 0.0
    if turn == "workers":
        victim = draw.choice(("parent", "worker", "group"))
        # Once all are staged, no worker is left; their parent publishes.
        shards = draw.randrange(usual["shards"] + (victim != "worker"))
        return {"workers": 2, "victim": victim, "shards": shards, "later": later}
    first = usual["staging"] + 1 if turn == "publish" else 1
    last = usual["staging"] if turn == "staging" else usual["operations"]
    return {"operation": draw.randrange(first, last + 1), "later": later}
