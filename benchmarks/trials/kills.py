"""Kills: jobs that die at any moment, and are done again: the result is that of a job that was not killed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from audiospec.benchmarks.trials import jobs
from audiospec.benchmarks.trials.child import Child
from audiospec.benchmarks.trials.jobs import STORE_JOBS, TRAINING
from audiospec.benchmarks.trials.trial import Lane, Record, Series

#: Of twenty trials, fourteen kill a serial run, two a run with workers, four a training.
_TURNS = ("serial",) * 7 + ("train",) * 2 + ("workers",)
#: Seconds in which a run with two workers may be killed: they take two to start.
_WITH_WORKERS = (0.2, 6.0)


class KillLane(Lane):
    """Kills jobs.

    Parameters
    ----------
    series : Series
    folder : Path
    """

    def __init__(self, series: Series, folder: Path) -> None:
        self._series, self._folder = series, folder
        self._child = Child(f"{jobs.__name__}:do")
        answer = self._child.ask({"do": "prepare", "base": str(folder)}, 600)
        if answer.end:
            raise RuntimeError(f"the undisturbed jobs ended: {answer.end}")
        self._undisturbed = answer.value

    def do(self, number: int) -> Record:
        """Kill a job once or twice, do it again, and compare."""
        draw = random.Random(f"{self._series.seed} kill {number}")
        turns = [turn for turn in dict.fromkeys(_TURNS) if self._series.only in turn]
        turn = draw.choice([one for one in _TURNS if one in turns])
        job = TRAINING if turn == "train" else draw.choice(STORE_JOBS)
        place = self._folder / "place"
        request = {"job": job, "base": str(self._folder), "place": str(place)}
        self._ask({"do": "start", **request})
        record: Record = {"group": f"{turn} {' '.join(job)}", "reason": ""}
        said, outcome, detail = [], "", ""
        for _ in range(draw.choice((1, 1, 2))):
            how = self._how(turn, job, draw)
            said.append(", ".join(f"{name} {value}" for name, value in how.items()))
            end = self._ask({"do": "attempt", **request, **how})
            record["reason"] = end.get("end", "")
            outcome, detail = _attempted(end, how)
        record["what"] = f"{' '.join(job)}: {'; then '.join(said)}"
        if not outcome:
            outcome, detail = self._finish(job, request, end)
        record.update(outcome=outcome, detail=detail)
        shutil.rmtree(place, ignore_errors=True)
        return record

    def close(self) -> None:
        """End the process."""
        self._child.stop()

    def _how(self, turn: str, job: jobs.Job, draw: random.Random) -> dict[str, Any]:
        """Draw whom to kill, and when."""
        usual = self._undisturbed[" ".join(job)]
        if turn == "workers":
            victim = draw.choice(("parent", "worker", "group"))
            return {"workers": 2, "victim": victim, "seconds": round(draw.uniform(*_WITH_WORKERS), 3)}
        if draw.random() < 0.6:
            return {"operation": draw.randrange(1, usual["operations"] + 1)}
        return {"seconds": round(draw.uniform(0.001, 1.1 * usual["seconds"]), 4)}

    def _finish(self, job: jobs.Job, request: dict[str, Any], end: dict[str, Any]) -> tuple[str, str]:
        """Do the job again, and compare with one that was not killed."""
        usual = self._undisturbed[" ".join(job)]
        done = self._ask({"do": "finish", **request})
        if "hang" in done:
            return "hang", "done again, it does not end"
        if done["end"] != "finished":
            return "wrong", f"done again: {done['end']}: {done['detail']}"
        if done["content"] != usual["content"]:
            return "wrong", f"other content: {done['content']} instead of {usual['content']}"
        # The view with the most shards to compute is the one that is counted.
        kept = max(end["committed"].values(), default=0)
        if job != TRAINING and done["shards"] > usual["shards"] - kept and kept < usual["shards"]:
            return "lost", f"{done['shards']} shards computed again, {kept} of {usual['shards']} were staged"
        return "equal", ""

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of the process; ``{"hang": how}`` if there is none."""
        answer = self._child.ask(request, self._series.seconds)
        if answer.end == "hang":
            return {"hang": answer.end}
        if answer.end:
            raise RuntimeError(f"the process of the jobs ended: {answer.end}")
        return answer.value


def _attempted(end: dict[str, Any], how: dict[str, Any]) -> tuple[str, str]:
    """Return outcome and detail of an attempt that did not end as it may; two empty texts if it did."""
    if "hang" in end:
        return "hang", "the attempt does not end"
    if end["end"] in ("killed", "finished") and not (
        end["end"] == "killed" and how.get("victim") == "worker"
    ):
        return "", ""
    return "wrong", f"{end['end']}: {end['detail']}"
