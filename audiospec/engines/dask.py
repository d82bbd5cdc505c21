"""dask: tasks on the machines of a Dask cluster, through its scheduler.

Dask carries a task to a machine. There a process of its own computes it, as with the engine `local`: one for
each thread of the Dask worker. So a file that crashes its decoder costs neither a Dask worker nor the tasks
beside it. Tasks and answers are JSON.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from signal import SIGKILL
from typing import TYPE_CHECKING, Any, Self

from audiospec.engines.base import Engine, WorkerDied, engines, restore_error
from audiospec.errors import EngineError
from audiospec.text import printable

if TYPE_CHECKING:
    from audiospec.engines._cluster import Answer, Cluster

#: Most pieces of work in one task; least tasks for each slot, so that all are busy to the end.
MOST_PIECES, TASKS_PER_SLOT = 8, 16
#: How a cluster is started.
_START = "`dask scheduler` on one machine, then `dask worker tcp://THAT-MACHINE:8786` on each machine"


@engines.register
class DaskEngine(Engine):
    """Runs tasks on the workers of a Dask cluster that runs already.

    All machines need the same versions of audiospec and what it computes with, also that of the scheduler,
    and have to see the audio and the store. They are asked before their first task. The results of a task
    arrive when it ends, so progress moves in steps. New workers get tasks as they join. If a machine is lost,
    Dask runs its tasks again elsewhere.

    Tasks and results are JSON, but Dask's own messages are pickled in both directions. So every member of a
    cluster can run code on every other, and on this machine: keep its ports from strangers, or use TLS, which
    Dask's own settings switch on for this engine, too.

    Parameters
    ----------
    workers : None
        A cluster has the workers that it has. Once connected, the attribute is the number of their threads,
        each of which runs a task at a time.
    scheduler : str or None
        Its address, such as ``"tcp://10.0.0.1:8786"``. None: that of Dask's configuration, such as the
        environment variable ``DASK_SCHEDULER_ADDRESS``.
    ahead : int
        Tasks that wait at the cluster for each that runs.
    timeout : float
        Most seconds to wait for the scheduler, and for its first worker.
    """

    is_remote = True

    def __init__(
        self,
        workers: int | None = None,
        *,
        scheduler: str | None = None,
        ahead: int = 2,
        timeout: float = 60.0,
    ) -> None:
        if workers is not None:
            raise EngineError(
                f"engine 'dask' has the workers of its cluster: expected no `workers`; got {workers}",
                "start more with `dask worker`",
            )
        if find_spec("distributed") is None:
            raise EngineError("engine 'dask' needs Dask: pip install 'audiospec[dask]'")
        super().__init__(None)
        self.scheduler = scheduler or _configured()
        self.ahead = ahead
        self.timeout = timeout
        self._blocks = 0
        self._required: list[tuple[str, dict[str, Any]]] = []
        self._cluster: Cluster | None = None

    def __enter__(self) -> Self:
        """Begin a block of several runs, which share one connection."""
        self._blocks += 1
        return self

    def __exit__(self, *_: object) -> None:
        """End the block, and close the connection."""
        self._blocks -= 1
        if not self._blocks and self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def prepare(self, function: str) -> None:
        """Connect to the scheduler, and wait for its first worker, if this is in a block."""
        if self._blocks:
            self._connected()

    def pieces_per_task(self, pieces: int) -> int:
        """Return up to `MOST_PIECES`, with at least `TASKS_PER_SLOT` tasks for each thread of the cluster.

        A task costs the scheduler and this process the same, however much there is to do.
        """
        with self:
            slots = max(1, self._connected().slots())
        return max(1, min(MOST_PIECES, pieces // (TASKS_PER_SLOT * slots)))

    @contextmanager
    def requiring(self, function: str, task: dict[str, Any]) -> Iterator[None]:
        """Have each worker run a task before those of `run`, also the workers that join."""
        required = function, task
        self._required.append(required)
        try:
            yield
        finally:
            self._required.remove(required)

    def _connected(self) -> Cluster:
        if self._cluster is None:
            from audiospec.engines._cluster import Cluster

            self._cluster = Cluster(self.scheduler, self.timeout)
            self.workers = self._cluster.slots()
        return self._cluster

    def run(self, function: str, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any] | WorkerDied]:
        """Yield the results of each task when it has ended, in any order, and the deaths of processes.

        Raises
        ------
        AudiospecError
            The error that a task raised, of the same type.
        EngineError
            There is no scheduler, it has no workers, or it was lost.
        """
        from audiospec.engines import _host
        from audiospec.engines._cluster import Job, new_id

        waiting = iter(tasks)
        id = new_id()
        with self:
            cluster = self._connected()
            own = (f"{_host.__name__}:require_software", {"software": _host.software()})
            header = {"id": id, "folder": os.getcwd(), "required": [own, *self._required]}
            job = Job(cluster, json.dumps(header).encode(), id)
            given: dict[int, dict[str, Any]] = {}
            try:
                while True:
                    slots = cluster.slots()
                    room = max(1, slots * (1 + self.ahead)) - len(job)
                    if room >= max(1, slots // 2) or not len(job):
                        batch = list(itertools.islice(waiting, room))
                        names = [str(task.get("name") or function.rpartition(":")[2]) for task in batch]
                        requests = [json.dumps([function, task]).encode() for task in batch]
                        if batch:
                            given.update(zip(job.submit(names, requests), batch, strict=True))
                    if not len(job):
                        return
                    cluster.require_workers()
                    for answer in job.answers():
                        yield from self._results(given.pop(answer.number), answer)
            finally:
                job.stop()

    def _results(self, task: dict[str, Any], answer: Answer) -> Iterator[dict[str, Any] | WorkerDied]:
        """Yield the results of a task, and how its process died, if it did; raise what it raised."""
        if answer.content is None:
            if answer.problem is not None:
                raise answer.problem
            yield WorkerDied(task, "all workers that ran it were lost", SIGKILL)
            return
        content = json.loads(answer.content)
        if "unfit" in content:
            unfit = restore_error(content["unfit"])
            machine = f"{answer.worker()} ({printable(content['host'])})"
            raise EngineError(f"worker {machine} {unfit.reason}", unfit.hint)
        yield from content["results"]
        if "error" in content:
            raise restore_error(content["error"])
        if "death" in content:
            yield WorkerDied(task, *content["death"])


def _configured() -> str:
    """Return the address in Dask's configuration."""
    import dask.config

    address = dask.config.get("scheduler-address", None)
    if not address:
        raise EngineError(
            "engine 'dask' needs a cluster that runs: give the address of its `scheduler`",
            f"start one with {_START}",
        )
    return str(address)
