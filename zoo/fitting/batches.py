"""Batches of a view, read ahead of the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from audiospec.zoo.base import Rows

#: Rows of a side up to so many bytes are read once and stay on the device; more are read batch by batch.
IN_MEMORY = 2 << 30
#: Batches that are read before they are needed, where rows are not in memory.
AHEAD = 4


class Batches:
    """Batches (rows, targets) of a side on this process's device; several processes share each batch."""

    def __init__(self, rows: Rows, batch: int, fabric: Fabric, *, wrap: bool) -> None:
        self.rows = rows
        self.batch = batch
        self.fabric = fabric
        #: Whether rows come twice, or rows that do not count are added, where processes do not share evenly.
        self.wrap = wrap
        classes = np.eye(len(rows.classes), dtype=np.float32)
        self.targets = torch.from_numpy(np.concatenate([classes[rows.targets], 0 * classes[:1]]))
        self.kept: Tensor | None = None
        if len(rows) * rows.view.info.read_bytes <= IN_MEMORY:
            self.kept = torch.from_numpy(rows.view.read(rows.numbers)).to(fabric.device)

    def __len__(self) -> int:
        return len(self.rows)

    def inorder(self, order: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of rows in that order, of equal size but for one row."""
        parts = [self._mine(part) for part in np.array_split(order, -(-len(order) // self.batch))]
        if self.kept is not None:
            yield from map(self._batch, parts)
        else:
            yield from _ahead(self._batch, parts)

    def _mine(self, part: NDArray[np.int64]) -> NDArray[np.int64]:
        """What this process has of a batch; -1 is a row that does not count."""
        world, rank = self.fabric.world_size, self.fabric.global_rank
        even = -(-len(part) // world) * world
        padded = np.full(even, -1)
        padded[: len(part)] = part
        return np.resize(part, even)[rank::world] if self.wrap else padded[rank::world]

    def _batch(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        index = torch.from_numpy(chosen)
        if self.kept is not None:
            rows = self.kept[index.to(self.kept.device)]
        else:
            rows = torch.from_numpy(self.rows.view.read(self.rows.numbers[chosen]))
        device = self.fabric.device
        return rows.to(device, non_blocking=True).float(), self.targets[index].to(device)


def _ahead(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """What a function makes of items, computed by a thread before it is asked for."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Any] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()
