"""A view as a `torch.utils.data.Dataset`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset


class LabelledRows(Protocol):
    """What a dataset needs of a view."""

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""

    @property
    def labels(self) -> NDArray[Any]:
        """Label of each row."""

    def __len__(self) -> int: ...

    def read(self, rows: list[int]) -> NDArray[Any]:
        """Rows by number."""


class ViewDataset(Dataset[tuple[Tensor, int]]):
    """Rows of a view as (features float32 of shape row_shape, class number).

    Parameters
    ----------
    view : View
        Opened again by each process that reads.
    """

    def __init__(self, view: LabelledRows) -> None:
        self.view = view
        self.classes = view.classes
        self._targets = np.searchsorted(self.classes, view.labels.astype(str))

    def __len__(self) -> int:
        return len(self.view)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> list[tuple[Tensor, int]]:
        """A batch of rows by one read; a `DataLoader` calls this."""
        features = torch.from_numpy(self.view.read(rows)).float()
        return list(zip(features, self._targets[rows].tolist(), strict=True))
