"""Batches of a view, read ahead of the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from audiospec.stores.layout.read_ahead import map_ahead
from audiospec.zoo.base import Rows

#: Rows of a side that take at most this many bytes are read once and stay on the device; else, by batch.
IN_MEMORY = 2 << 30
#: Batches that are read ahead if the rows are not in memory.
AHEAD = 4


class Batches:
    """Batches (rows, targets) of a side on this process's device; several processes share each batch.

    Parameters
    ----------
    rows : Rows
    batch : int
        Largest number of rows in a batch, over all processes.
    fabric : Fabric
    wrap : bool
        What fills a batch that does not divide evenly among the processes: its first rows again (True), or
        rows without a target, which do not count in the loss (False).
    """

    def __init__(self, rows: Rows, batch: int, fabric: Fabric, *, wrap: bool) -> None:
        self.rows = rows
        self.batch = batch
        self.fabric = fabric
        self.wrap = wrap
        one_hot = np.eye(len(rows.classes), dtype=np.float32)
        # The last target, which index -1 selects, is that of a row that does not count.
        self.targets = torch.from_numpy(np.concatenate([one_hot[rows.targets], 0 * one_hot[:1]]))
        self.in_memory: Tensor | None = None
        if len(rows) * rows.view.info.read_bytes <= IN_MEMORY:
            self.in_memory = torch.from_numpy(rows.view.read(rows.numbers)).to(fabric.device)

    def __len__(self) -> int:
        return len(self.rows)

    def inorder(self, order: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of the rows in this order; their sizes differ by at most one row."""
        batches = [self._share(batch) for batch in np.array_split(order, -(-len(order) // self.batch))]
        if self.in_memory is not None:
            yield from map(self._batch, batches)
        else:
            yield from map_ahead(self._batch, batches, AHEAD)

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
