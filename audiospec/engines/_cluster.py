"""The connection to a Dask cluster, and the tasks on it; each failure is an `EngineError`."""

from __future__ import annotations

import functools
import logging
import queue
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audiospec.engines._host import SAME_SOFTWARE
from audiospec.engines._slot import call, is_here, stop
from audiospec.errors import EngineError, EngineLostError
from audiospec.text import printable

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
    problem : EngineError or None
        Why Dask has given it up; None if too many workers died over it.
    worker : callable
        Returns the address of the worker that has the answer, while the next one is not taken.
    """

    number: int
    content: bytes | None
    problem: EngineError | None
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
        self.is_lost = False
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
        self._require_audiospec()

    def _connected(self) -> Client:
        from distributed import Client
        from distributed.security import Security

        if self.address.startswith("tls:"):
            arguments = Security().get_connection_args("client")
            if arguments["ssl_context"] is None:
                raise EngineError(
                    f"{self.address} needs TLS, for which no certificate is set",
                    "set Dask's distributed.comm.tls, as for the scheduler",
                )
        deadline = time.monotonic() + self.timeout
        while True:
            attempt = min(_ATTEMPT, max(0.1, deadline - time.monotonic()))
            try:
                return Client(self.address, timeout=attempt, set_as_default=False, name="audiospec")
            except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
                if isinstance(error, OSError) and time.monotonic() < deadline:
                    continue
                raise EngineError(
                    f"no Dask scheduler answers at {self.address} ({_one_line(error)})",
                    "start one with `dask scheduler`, or check the address",
                ) from error

    def _require_audiospec(self) -> None:
        """Raise if a worker has no audiospec: Dask would end each such worker over its first task."""
        with self.failures():
            answers = self.client.run(is_here, on_error="return")
        for address, answer in answers.items():
            if isinstance(answer, Exception) and "ModuleNotFoundError" in repr(answer):
                self.close()
                raise EngineError(f"worker {_host(address)} has no audiospec", SAME_SOFTWARE)

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError, CancelledError, TimeoutError):
            self.client.close(timeout=_CLOSING)
        for logger, level in self._silenced.items():
            logger.setLevel(level)

    def slots(self) -> int:
        """Return how many tasks the workers can run at once now."""
        if self.is_lost or self.client.status != "running":
            raise self.lost()
        if time.monotonic() - self._counted > _OFTEN:
            with self.failures():
                scheduler: Any = self.client.scheduler
                threads = self.client.sync(scheduler.ncores, callback_timeout=self.timeout)
            self._slots, self._counted = sum(threads.values()), time.monotonic()
        return self._slots

    def fetch(self, futures: Sequence[Future[bytes]]) -> list[bytes]:
        """Return the results of tasks that have finished; Dask runs those again that are lost meanwhile."""
        gather = functools.partial(self.client.gather, futures, asynchronous=True)
        while True:
            try:
                with self.failures():
                    contents: list[bytes] = self.client.sync(gather, callback_timeout=self.timeout)
                return contents
            except EngineLostError as error:
                if not isinstance(error.__cause__, TimeoutError):
                    raise
                self.is_lost, self._counted = False, 0.0
                self.slots()  # raises if the scheduler does not answer either

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
        """Return the error for a scheduler that does not answer any more, and remember that."""
        self.is_lost = True
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
        finished = [future for future in futures if future.status == "finished"]
        contents = dict(zip(finished, self._cluster.fetch(finished), strict=True)) if finished else {}
        for future in futures:
            if future.status == "cancelled":
                raise self._cluster.lost()
            if future not in contents and future.status != "error":
                future.add_done_callback(self._done.put)  # its worker was lost: Dask runs it again
                continue
            problem = None if future in contents else _problem(future)
            where = functools.partial(self._worker, future)
            number, began = self._running.pop(future)
            self._seconds += 0.1 * (time.monotonic() - began - self._seconds)
            yield Answer(number, contents.get(future), problem, where)
            future.release()

    def _worker(self, future: Any) -> str:
        """Return the address of the worker that holds a result, without scheme and port."""
        with self._cluster.failures():
            (addresses,) = self._cluster.client.who_has([future]).values()
        return _host(addresses[0]) if addresses else "that was lost"

    def stop(self) -> None:
        """Stop the tasks that have not ended, and wait until they have."""
        running, self._running = list(self._running), {}
        if not running:
            return
        client = self._cluster.client
        if self._cluster.is_lost or client.status != "running":
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


def _problem(future: Any) -> EngineError | None:
    """Return the error for a task that Dask has given up; None if too many of its workers died."""
    from distributed.scheduler import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        return None
    if "deserialization of the task graph" in str(error):
        return EngineError("the scheduler cannot read tasks, as where it has no audiospec", SAME_SOFTWARE)
    return EngineError(f"the cluster cannot run tasks ({_one_line(error)})")


def _host(address: str) -> str:
    """Return the host of an address such as ``"tcp://10.0.0.7:40123"``."""
    return address.rpartition("/")[2].rpartition(":")[0]


def _silenced() -> dict[logging.Logger, int]:
    """Silence Dask, which prints what is reported here as one error; return loggers and their levels."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core")]
    levels = {logger: logger.level for logger in loggers}
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    return levels


def _one_line(error: BaseException) -> str:
    """Return the type of an error and the first line of its message."""
    return printable(f"{type(error).__name__}: {error}".partition("\n")[0])
