"""Commits: shards that are written while the next are computed, where writing is mostly waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from audiospec.pipeline.filling import PendingShard, ViewFiller
from audiospec.pipeline.tasks import TaskResult

#: Full shards that may wait to be written, each of which keeps its rows in memory.
AHEAD = 1


class Commits:
    """Writes the full shards of a task, in order; in a bucket, by a thread.

    Results are of shards that are written. Leaving the block without an error waits for the rest.

    Parameters
    ----------
    in_background : bool
        Whether shards are written while the caller goes on.
    """

    def __init__(self, in_background: bool) -> None:
        self._pool = ThreadPoolExecutor(1, "commit") if in_background else None
        self._waiting: deque[Future[TaskResult]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=kind is not None)

    def add(self, view: ViewFiller, shard: PendingShard) -> Iterator[TaskResult]:
        """Write a full shard; yield the results of those that have been written meanwhile.

        Raises
        ------
        DiskFullError, StorageError
            This shard, or one before, cannot be written.
        """
        shard.is_committed = True  # the caller must not add it again
        if self._pool is None:
            yield view.commit(shard)
            return
        self._waiting.append(self._pool.submit(view.commit, shard))
        while self._waiting and (len(self._waiting) > AHEAD or self._waiting[0].done()):
            yield self._waiting.popleft().result()

    def rest(self) -> Iterator[TaskResult]:
        """Yield the results of the shards that are still being written."""
        while self._waiting:
            yield self._waiting.popleft().result()
