"""The connection to a Dask cluster, and the tasks on it; each failure is an `EngineError`."""

from __future__ import annotations

import functools
import logging
import queue
import secrets
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audiospec.engines._slot import call, stop
from audiospec.errors import EngineError, EngineLostError

if TYPE_CHECKING:
    from distributed import Client, Future

#: Seconds between counts of the slots, and most seconds that a wait for results takes.
_OFTEN = 1.0
#: Seconds in which the tasks of a run that ends early are stopped, and in which a connection is closed.
_STOPPING, _CLOSING = 10.0, 5.0
#: Time that is waited for more answers after one: a share of the time that a task takes, and at most, in s.
_LINGERING, _MOST_LINGERING = 0.02, 0.25
#: Most seconds for one attempt to connect. Later it is the time until a lost scheduler is given up.
_ATTEMPT = 10.0


@dataclass(frozen=True)
class Answer:
    """How a task has ended: with an answer of `call`, or with the loss of the workers that ran it.

    Attributes
    ----------
    number : int
        One of those that `Job.submit` returned.
    content : bytes or None
        What `call` returned; None if Dask has given the task up.
    problem : str
        Why Dask has given it up; ``""`` if too many workers died over it.
    worker : callable
        Returns the address of the worker that has the answer, while the next one is not taken.
    """

    number: int
    content: bytes | None
    problem: str
    worker: Callable[[], str]


class Cluster:
    """A connection to a scheduler.

    Raises
    ------
    EngineError
        There is no scheduler at the address, or no worker has joined it within `timeout` seconds.
    """

    def __init__(self, address: str, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        self._counted, self._slots = 0.0, 0
        self._seen = time.monotonic()
        self.client = self._connected()
        self._silenced = _silenced()
        try:
            self.client.wait_for_workers(1, timeout)
        except TimeoutError as error:
            self.close()
            raise EngineError(
                f"no worker joined {address} within {timeout:.0f} s",
                f"start some with `dask worker {address}`",
            ) from error
        except (OSError, CancelledError) as error:
            self.close()
            raise self.lost() from error

    def _connected(self) -> Client:
        from distributed import Client

        deadline = time.monotonic() + self.timeout
        while True:
            attempt = min(_ATTEMPT, max(0.1, deadline - time.monotonic()))
            try:
                return Client(self.address, timeout=attempt, set_as_default=False, name="audiospec")
            except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
                if isinstance(error, OSError) and time.monotonic() < deadline:
                    continue
                raise EngineError(
                    f"no Dask scheduler answers at {self.address} ({_last_line(error)})",
                    "start one with `dask scheduler`, or check the address",
                ) from error

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError, CancelledError, TimeoutError):
            self.client.close(timeout=_CLOSING)
        for logger, level in self._silenced.items():
            logger.setLevel(level)

    def slots(self) -> int:
        """Return how many tasks the workers can run at once now."""
        if self.client.status != "running":
            raise self.lost()
        if time.monotonic() - self._counted > _OFTEN:
            with self.failures():
                scheduler: Any = self.client.scheduler
                threads = self.client.sync(scheduler.ncores, callback_timeout=self.timeout)
            self._slots, self._counted = sum(threads.values()), time.monotonic()
        return self._slots

    def require_workers(self) -> None:
        """Raise if there has been no worker for `timeout` seconds."""
        if self.slots():
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self.timeout:
            raise EngineLostError(
                f"no worker of {self.address} is left",
                f"start some with `dask worker {self.address}`, and run the same command again",
            )

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn failures of the connection into an `EngineError`."""
        try:
            yield
        except (OSError, TimeoutError, CancelledError) as error:
            raise self.lost() from error

    def lost(self) -> EngineLostError:
        """Return the error for a scheduler that does not answer any more."""
        return EngineLostError(f"lost the scheduler {self.address}", "run the same command again")


class Job:
    """The tasks of one run on a cluster.

    Parameters
    ----------
    cluster : Cluster
    run : bytes
        What `call` takes with each task.
    id : str
        The run's id.
    """

    def __init__(self, cluster: Cluster, run: bytes, id: str) -> None:
        self._cluster, self._run, self._id = cluster, run, id
        self._count = 0
        #: Each task that has not ended → its number, and when it was submitted.
        self._running: dict[Future[bytes], tuple[int, float]] = {}
        self._done: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
        self._seconds = 0.0

    def __len__(self) -> int:
        """Return how many tasks have not ended."""
        return len(self._running)

    def submit(self, names: Sequence[str], requests: Sequence[bytes]) -> range:
        """Submit tasks; return their numbers. Many at once take a third of the time of one by one."""
        numbers = range(self._count, self._count + len(names))
        self._count = numbers.stop
        keys = [f"{name}-{self._id}-{number}" for name, number in zip(names, numbers, strict=True)]
        runs = [self._run] * len(keys)
        with self._cluster.failures():
            futures = self._cluster.client.map(call, runs, requests, key=keys, pure=False, retries=0)
        for future, number in zip(futures, numbers, strict=True):
            self._running[future] = number, time.monotonic()
            future.add_done_callback(self._done.put)
        return numbers

    def answers(self) -> Iterator[Answer]:
        """Wait for a second at most, and yield how tasks have ended, each once."""
        futures: list[Future[bytes]] = []
        with suppress(queue.Empty):
            futures.append(self._done.get(timeout=_OFTEN))
            # Answers that are fetched together cost less. No worker waits meanwhile: it has more tasks.
            time.sleep(min(_MOST_LINGERING, _LINGERING * self._seconds))
            while True:
                futures.append(self._done.get_nowait())
        if not futures:
            return
        client = self._cluster.client
        with self._cluster.failures():
            finished = [future for future in futures if future.status == "finished"]
            contents = dict(zip(finished, client.gather(finished), strict=True))
        if any(future.status in ("cancelled", "lost") for future in futures):
            raise self._cluster.lost()
        for future in futures:
            problem = "" if future in contents else _problem(future)
            where = functools.partial(self._worker, future)
            number, began = self._running.pop(future)
            self._seconds += 0.1 * (time.monotonic() - began - self._seconds)
            yield Answer(number, contents.get(future), problem, where)
            future.release()

    def _worker(self, future: Any) -> str:
        """Return the address of the worker that holds a result, without scheme and port."""
        with self._cluster.failures():
            (addresses,) = self._cluster.client.who_has([future]).values()
        return addresses[0].rpartition("/")[2].rpartition(":")[0] if addresses else "that was lost"

    def stop(self) -> None:
        """Stop the tasks that have not ended, and wait until they have."""
        running, self._running = list(self._running), {}
        if not running:
            return
        client = self._cluster.client
        if client.status != "running":
            return
        with suppress(OSError, TimeoutError, CancelledError):
            client.cancel(running, force=True)
            deadline = time.monotonic() + _STOPPING
            while client.status == "running" and time.monotonic() < deadline:
                counts = client.run(stop, self._id, on_error="return")
                if not any(count for count in counts.values() if isinstance(count, int)):
                    return
                time.sleep(0.02)


def new_id() -> str:
    """Return an id for a run, unlike that of any other on the cluster."""
    return secrets.token_hex(6)


def _problem(future: Any) -> str:
    """Return why Dask has given a task up: ``""`` if too many of its workers died."""
    from distributed.scheduler import KilledWorker

    error = future.exception()
    return "" if isinstance(error, KilledWorker) else _last_line(error)


def _silenced() -> dict[logging.Logger, int]:
    """Silence Dask, which prints what is reported here as one error; return loggers and their levels."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core")]
    levels = {logger: logger.level for logger in loggers}
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    return levels


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()
