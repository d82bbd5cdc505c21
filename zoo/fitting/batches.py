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
from audiospec.zoo.fitting.balance import balanced_order, sampling_weights

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
    balance : bool
        Whether `shuffled` shows rare labels as often as others, see `sampling_weights`.
    """

    def __init__(
        self, rows: Rows, batch: int, fabric: Fabric, *, padding: float, wrap: bool, balance: bool = False
    ) -> None:
        self.rows = rows
        self.weights = sampling_weights(rows.targets) if balance else None
        self.batch = batch
        self.fabric = fabric
        self.wrap = wrap
        self.padding = padding
        # As they are encoded, which for labels of frames is a quarter of what `Target.dense` returns.
        self.targets = rows.targets
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
        not in memory, each process reads whole shards of its own, and shuffles rows among some of them. Then
        a balanced epoch shows the same rows as otherwise, but in this order: a row that it shows several
        times comes within some shards of its own.
        """
        if self.weights is not None:
            order = balanced_order(self.weights, seed, epoch)
        else:
            order = np.random.default_rng([seed, epoch]).permutation(len(self))
        if self.streams:
            yield from self._streamed(order, [seed, epoch])
        else:
            yield from self.inorder(order)

    def _streamed(self, order: NDArray[np.int64], seed: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the rows of an order by whole shards: the same rows, not in that order."""
        view, world, rank = self.rows.view, self.fabric.world_size, self.fabric.global_rank
        places = np.argsort(self.rows.numbers)
        numbers = self.rows.numbers[places]
        shown = np.sort(self.rows.numbers[order])
        shards = shard_order(shown, view.info.shard_rows, seed, rank, world)
        read = view.read_stored if self.weights is None else self._read_repeated
        blocks = shuffled_rows(read, shards, [*seed, rank, world], BUFFER)
        each = (row for block in blocks for row in zip(*block, strict=True))
        # Processes differ by one row at most. All take as many batches, of as many rows.
        last: list[tuple[np.int64, NDArray[Any]]] = []
        even, count = -(-len(self) // world), -(-len(self) // self.batch)
        for part in np.array_split(np.arange(even), count):
            batch = list(itertools.islice(each, len(part)))
            batch += (batch or last)[-1:] * (len(part) - len(batch))
            last = batch[-1:]
            chosen, values = zip(*batch, strict=True)
            index = places[np.searchsorted(numbers, chosen)]
            rows = np.stack(values)
            rows = rows if view.spec.code is None else view.spec.code.decode(rows)
            device = self.fabric.device
            yield torch.from_numpy(rows).to(device).float(), self._dense(index)

    def _read_repeated(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows that may repeat; a row that repeats is in memory once."""
        once, place = np.unique(rows, return_inverse=True)
        values = self.rows.view.read_stored(once)
        repeated = np.empty(len(rows), object)
        for number, row in enumerate(place.tolist()):
            repeated[number] = values[row]
        return repeated

    def _share(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process's rows of a batch; -1 is a row that does not count."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        even = -(-len(batch) // world) * world
        padded = np.full(even, -1)
        padded[: len(batch)] = batch
        return np.resize(batch, even)[rank::world] if self.wrap else padded[rank::world]

    def _batch(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        if self.in_memory is not None:
            rows = self.in_memory[torch.from_numpy(chosen).to(self.in_memory.device)]
        else:
            rows = torch.from_numpy(self.rows.view.read(self.rows.numbers[chosen]))
        return rows.to(self.fabric.device, non_blocking=True).float(), self._dense(chosen)

    def _dense(self, chosen: NDArray[np.int64]) -> Tensor:
        """Return what outputs are trained towards, for some places among the rows; -1 does not count."""
        dense = self.rows.target.dense(self.targets[chosen])
        dense[chosen < 0] = self.padding
        return torch.from_numpy(dense).to(self.fabric.device)
