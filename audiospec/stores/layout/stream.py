"""A view as a `torch.utils.data.IterableDataset`, which reads whole shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import IterableDataset, get_worker_info

from audiospec.errors import RowIndexError, StoreError
from audiospec.storage.location import Location, local, location
from audiospec.stores.layout.encoding import EncodedRows, LabelledRows
from audiospec.stores.layout.row_numbers import RowChoice, row_numbers
from audiospec.stores.layout.shard_cache import CachedView, ShardCache
from audiospec.stores.layout.shuffle import shard_order, shuffled_rows
from audiospec.stores.layout.torch_dataset import as_items


class StreamedView(CachedView, LabelledRows, Protocol):
    """The part of a view that `ViewStream` uses."""


class ViewStream(IterableDataset[tuple[Tensor, Any]]):
    """Rows of a view as pairs (features float32 of shape row_shape, target), read shard by shard.

    Targets are those of `ViewDataset`.

    One request reads a whole shard, some 70 rows of 10 s, so this is what to train from a bucket with; the
    next shards are read while rows of the present ones are given out. In a bucket, loader workers must not
    be forked: ``DataLoader(…, multiprocessing_context="forkserver")``.

    Over all ranks and loader workers each row comes exactly once in an epoch; none is dropped or repeated.
    Ranks differ by one row at most, so one may have more batches than another, see `fewest_batches`.
    The order follows from the seed, the epoch, and the numbers of ranks and workers. Call `set_epoch` before
    each epoch, or all have the same order.

    Parameters
    ----------
    view : View
        Each process that reads opens it again.
    seed : int
        At least 0; the same on all ranks.
    epoch : int
        The first epoch, at least 0.
    rows : slice, sequence of int, boolean mask, or None
        The rows to give out, each once, such as a split's training rows. Shards with none of them are not
        read. None: all.
    buffer : int
        Shards among which rows are shuffled, at least 1. In each loader worker, memory holds these and three
        more, as they are stored, of at most 24 MiB each.
    rank, world : int or None
        Which of how many processes this one is. None: as torch.distributed says, if it is initialised; else
        the only one.

    cache : path or None
        A folder of this machine for the shards, which are read once from the bucket, and from there in the
        next epochs; see `ShardCache`. It needs room for all rows, not compressed. None: no cache.

    Attributes
    ----------
    classes : list of str
        The labels of the view, sorted; class numbers are indices into it.
    rank, world : int

    Raises
    ------
    RowIndexError
        The view does not have such a row, or a row is chosen twice.
    StoreError
        A number is out of range. While reading: see `View.read`.
    StorageError
        The cache is in a bucket. While reading: the bucket does not answer.
    """

    def __init__(
        self,
        view: StreamedView,
        seed: int = 0,
        *,
        epoch: int = 0,
        rows: RowChoice = None,
        buffer: int = 8,
        rank: int | None = None,
        world: int | None = None,
        cache: Location | str | None = None,
    ) -> None:
        if rank is None and world is None:
            ready = distributed.is_available() and distributed.is_initialized()
            rank, world = (distributed.get_rank(), distributed.get_world_size()) if ready else (0, 1)
        if rank is None or world is None or not 0 <= rank < world:
            raise StoreError(f"`rank` must be from 0 to `world` - 1; got rank {rank} of {world}")
        for name, value, least in (("seed", seed, 0), ("epoch", epoch, 0), ("buffer", buffer, 1)):
            if value < least:
                raise StoreError(f"`{name}` must be at least {least}; got {value}")
        self.view = view
        self.cache = None if cache is None else ShardCache(view, local(location(cache), "a cache of shards"))
        self._targets = EncodedRows(view)
        self.classes = self._targets.classes
        self.seed = seed
        self.buffer = buffer
        self.rank, self.world = rank, world
        self.numbers = np.sort(row_numbers(rows, len(view), view.name).reshape(-1))
        repeated = self.numbers[1:][np.diff(self.numbers) == 0]
        if len(repeated):
            raise RowIndexError(f"a stream gives each row once; `rows` has row {repeated[0]} more than once")
        # Loader workers that persist have copies of this object; the epoch is in memory that all share.
        self._epoch = torch.tensor(epoch)
        self._share_epoch()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._share_epoch()

    def _share_epoch(self) -> None:
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration reads."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration reads; loader workers that persist are told, too.

        Parameters
        ----------
        epoch : int
            At least 0. Each epoch has its own order.
        """
        if epoch < 0:
            raise StoreError(f"`epoch` must be at least 0; got {epoch}")
        self._epoch.fill_(epoch)

    @property
    def rank_rows(self) -> int:
        """Number of rows of this rank; ranks differ by one row at most."""
        return self._part_rows(self.rank, self.world)

    def fewest_batches(self, batch_size: int, num_workers: int = 0, *, drop_last: bool = False) -> int:
        """Return the number of batches that a loader yields on every rank, whichever has the fewest.

        Ranks whose rows differ by one may differ by some batches. Where all have to take as many steps, as
        under DistributedDataParallel, let each take this many.

        Parameters
        ----------
        batch_size, num_workers, drop_last
            As given to the `DataLoader`.
        """
        workers = max(1, num_workers)
        return min(
            sum(
                self._part_rows(rank * workers + worker, self.world * workers) // batch_size
                if drop_last
                else -(-self._part_rows(rank * workers + worker, self.world * workers) // batch_size)
                for worker in range(workers)
            )
            for rank in range(self.world)
        )

    def _part_rows(self, part: int, parts: int) -> int:
        """Return the number of rows of a part, as `shard_order` cuts them."""
        count = len(self.numbers)
        return count * (part + 1) // parts - count * part // parts

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        return self._items([self.seed, self.epoch])  # not the epoch of when the first item is taken

    def _items(self, seed: list[int]) -> Iterator[tuple[Tensor, Any]]:
        worker = get_worker_info()
        workers = 1 if worker is None else worker.num_workers
        part = self.rank * workers + (0 if worker is None else worker.id)
        parts = self.world * workers
        shards = shard_order(self.numbers, self.view.info.shard_rows, seed, part, parts)
        code = self.view.info.spec.code
        read = self.view.read_stored if self.cache is None else self.cache.read
        for numbers, rows in shuffled_rows(read, shards, [*seed, part, parts], self.buffer):
            for row, target in zip(rows, as_items(self._targets.of(numbers)), strict=True):
                if code is None:
                    yield torch.from_numpy(row).to(torch.float32, copy=True), target
                else:
                    yield torch.from_numpy(code.decode(row)), target
