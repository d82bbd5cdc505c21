"""Batches of a view, read ahead of the model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from audiospec.storage.location import Url
from audiospec.stores.layout.read_ahead import map_ahead
from audiospec.stores.layout.shuffle import shard_order, shuffled_rows
from audiospec.zoo.base import Rows

#: Rows of a side that take at most this many bytes are read once and stay on the device; else, by batch.
IN_MEMORY = 2 << 30
#: Batches that are read ahead if the rows are not in memory.
AHEAD = 4
#: Shards of a view in a bucket among which training rows are shuffled if they are not in memory: 400 MB. Rows
#: in wholly random order would take a request each, some 70 times as many.
BUFFER = 16


class Batches:
    """Batches (rows, targets) of a side on this process's device; several processes share each batch.

    Parameters
    ----------
    rows : Rows
    batch : int
        Largest number of rows in a batch, over all processes.
    fabric : Fabric
    padding : float
        Value of the targets of a row that does not count; see `Loss.padding`.
    wrap : bool
        What fills a batch that does not divide evenly among the processes: its first rows again (True), or
        rows without a target, which do not count in the loss (False).
    """

    def __init__(self, rows: Rows, batch: int, fabric: Fabric, *, padding: float, wrap: bool) -> None:
        self.rows = rows
        self.batch = batch
        self.fabric = fabric
        self.wrap = wrap
        # The last target, which index -1 selects, is that of a row that does not count.
        dense = rows.target.dense(rows.targets)
        ignored = np.full((1, *dense.shape[1:]), padding, np.float32)
        self.targets = torch.from_numpy(np.concatenate([dense, ignored]))
        self.in_memory: Tensor | None = None
        if len(rows) * rows.view.info.read_bytes <= IN_MEMORY:
            self.in_memory = torch.from_numpy(rows.view.read(rows.numbers)).to(fabric.device)
        #: Whether training rows are read by whole shards.
        self.streams = self.in_memory is None and isinstance(rows.view.store.path, Url)

    def __len__(self) -> int:
        return len(self.rows)

    def inorder(self, order: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of the rows in this order; their sizes differ by at most one row."""
        batches = [self._share(batch) for batch in np.array_split(order, -(-len(order) // self.batch))]
        if self.in_memory is not None:
            yield from map(self._batch, batches)
        else:
            yield from map_ahead(self._batch, batches, AHEAD)

    def shuffled(self, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of the rows in a random order, which follows from the seed and the epoch.

        Their sizes differ by at most one row in each process. If the view is in a bucket, and the rows are
        not in memory, each process reads whole shards of its own, and shuffles rows among some of them.
        """
        if self.streams:
            yield from self._streamed([seed, epoch])
        else:
            yield from self.inorder(np.random.default_rng([seed, epoch]).permutation(len(self)))

    def _streamed(self, seed: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
        view, world, rank = self.rows.view, self.fabric.world_size, self.fabric.global_rank
        places = np.argsort(self.rows.numbers)
        numbers = self.rows.numbers[places]
        shards = shard_order(numbers, view.info.shard_rows, seed, rank, world)
        blocks = shuffled_rows(view.read_stored, shards, [*seed, rank, world], BUFFER)
        each = (row for block in blocks for row in zip(*block, strict=True))
        # Processes differ by one row at most. All take as many batches, of as many rows.
        last: list[tuple[np.int64, NDArray[Any]]] = []
        even, count = -(-len(self) // world), -(-len(self) // self.batch)
        for part in np.array_split(np.arange(even), count):
            batch = list(itertools.islice(each, len(part)))
            batch += (batch or last)[-1:] * (len(part) - len(batch))
            last = batch[-1:]
            chosen, values = zip(*batch, strict=True)
            index = torch.from_numpy(places[np.searchsorted(numbers, chosen)])
            rows = np.stack(values)
            rows = rows if view.spec.code is None else view.spec.code.decode(rows)
            device = self.fabric.device
            yield torch.from_numpy(rows).to(device).float(), self.targets[index].to(device)

    def _share(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process's rows of a batch; -1 is a row that does not count."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        even = -(-len(batch) // world) * world
        padded = np.full(even, -1)
        padded[: len(batch)] = batch
        return np.resize(batch, even)[rank::world] if self.wrap else padded[rank::world]

    def _batch(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        index = torch.from_numpy(chosen)
        if self.in_memory is not None:
            rows = self.in_memory[index.to(self.in_memory.device)]
        else:
            rows = torch.from_numpy(self.rows.view.read(self.rows.numbers[chosen]))
        device = self.fabric.device
        return rows.to(device, non_blocking=True).float(), self.targets[index].to(device)
