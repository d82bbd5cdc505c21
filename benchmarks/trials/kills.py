"""Kills: jobs that die at any moment, and are done again: the result is that of a job that was not killed."""

from __future__ import annotations

import random
import shutil
import time
from typing import Any

from audiospec.benchmarks.trials.job_lane import JobLane
from audiospec.benchmarks.trials.jobs import STORE_JOBS, TRAINING, Job
from audiospec.benchmarks.trials.trial import Record

#: Of ten trials, seven kill a serial run, two a training, one a run with workers.
_TURNS = ("serial",) * 7 + ("train",) * 2 + ("workers",)
#: Seconds in which a run with two workers may be killed: they take two to start.
_WITH_WORKERS = (0.2, 6.0)


class KillLane(JobLane):
    """Kills jobs, once or twice."""

    def _disturb(self, number: int) -> Record:
        draw = random.Random(f"{self._series.seed} kill {number}")
        choices = [(turn, job) for turn in _TURNS for job in _jobs(turn)]
        choices = [one for one in choices if self._series.only in _group(*one)]
        turn, job = draw.choice(choices)
        place = self._folder / "place"
        request = {"job": job, "base": str(self._folder), "place": str(place)}
        usual = self._undisturbed(job)
        began = time.monotonic()
        said: list[str] = []
        outcome, detail, end = "", "", {}
        try:
            self._ask(60, do="start", **request)
            for _ in range(draw.choice((1, 1, 2))):
                how = _how(turn, usual, draw)
                said.append(", ".join(f"{name} {value}" for name, value in how.items()))
                end = self._ask(self._series.seconds, do="attempt", **request, **how)
                # A run goes on without a worker that died.
                fine = ("finished",) if how.get("victim") == "worker" else ("finished", "killed")
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
            "reason": end["end"],
            "detail": detail,
            "seconds": round(time.monotonic() - began, 2),
        }


def _jobs(turn: str) -> tuple[Job, ...]:
    # As often as each of the six jobs of stores.
    return (TRAINING,) * len(STORE_JOBS) if turn == "train" else STORE_JOBS


def _group(turn: str, job: Job) -> str:
    return "training" if turn == "train" else f"{turn}, {' '.join(job)}"


def _how(turn: str, usual: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Draw whom to kill, and when."""
    if turn == "workers":
        victim = draw.choice(("parent", "worker", "group"))
        return {"workers": 2, "victim": victim, "seconds": round(draw.uniform(*_WITH_WORKERS), 3)}
    if draw.random() < 0.6:
        return {"operation": draw.randrange(1, usual["operations"] + 1)}
    return {"seconds": round(draw.uniform(0.001, 1.1 * usual["seconds"]), 4)}
