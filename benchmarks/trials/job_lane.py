"""The lane of trials that disturb jobs: their child process, and what the jobs do undisturbed."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from audiospec.benchmarks.trials import jobs
from audiospec.benchmarks.trials.child import Child
from audiospec.benchmarks.trials.jobs import Job
from audiospec.benchmarks.trials.trial import Lane, Record, Series


class JobLane(Lane):
    """Disturbs jobs, does them again, and compares what they have made with an undisturbed job's.

    Parameters
    ----------
    series : Series
    folder : Path
    """

    def __init__(self, series: Series, folder: Path) -> None:
        self._series, self._folder = series, folder
        self._child = Child(f"{jobs.__name__}:do")
        self._found: dict[Job, dict[str, Any]] = {}

    def do(self, number: int) -> Record:
        """Disturb a job, and do it again."""
        try:
            return self._disturb(number)
        except TimeoutError as error:
            return {"group": "any", "what": f"trial {number}", "outcome": "hang", "detail": str(error)}

    @abstractmethod
    def _disturb(self, number: int) -> Record:
        """Disturb a job, and do it again; TimeoutError if it hangs."""

    def close(self) -> None:
        """End the process."""
        self._child.stop()

    def _undisturbed(self, job: Job) -> dict[str, Any]:
        """Return what a job makes, its changes to files and its seconds, if nothing disturbs it."""
        if job not in self._found:
            self._found[job] = self._ask(300, do="prepare", job=job, base=str(self._folder))
        return self._found[job]

    def _finish(self, job: Job, request: dict[str, Any]) -> tuple[str, str]:
        """Do a job to its end; return outcome and detail."""
        done = self._ask(self._series.seconds, do="finish", **request)
        if done["end"] != "finished":
            return "wrong", f"done again: {done['end']}: {done['detail']}"
        expected = self._undisturbed(job)["content"]
        if done["content"] != expected:
            return "wrong", f"done again, other content: {done['content']} instead of {expected}"
        if done["lost"]:
            return "lost", f"{len(done['lost'])} staged shards were computed again, such as {done['lost'][0]}"
        return "equal", ""

    def _ask(self, limit: float, /, **request: Any) -> dict[str, Any]:
        """Return the answer of the process.

        Raises
        ------
        TimeoutError
            There is none in time.
        """
        answer = self._child.ask(request, limit)
        if answer.end == "hang":
            raise TimeoutError(f"{request['do']} of {' '.join(request['job'])} does not end")
        if answer.end:
            raise RuntimeError(f"the process of the jobs ended: {answer.end}")
        return answer.value
