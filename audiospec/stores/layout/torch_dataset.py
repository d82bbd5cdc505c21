"""A view as a `torch.utils.data.Dataset`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset


class LabelledRows(Protocol):
    """The part of a view that `ViewDataset` uses."""

    @property
    def classes(self) -> list[str]:
        """The labels that occur, sorted."""

    @property
    def labels(self) -> NDArray[Any]:
        """Label of each row."""

    def __len__(self) -> int: ...

    def read(self, rows: list[int]) -> NDArray[Any]:
        """Read rows by number."""


class ViewDataset(Dataset[tuple[Tensor, int]]):
    """Rows of a view as pairs (features float32 of shape row_shape, class number).

    Parameters
    ----------
    view : View
        Each process that reads opens it again.
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
        """Return a batch of rows from one read; a `DataLoader` calls this."""
        features = torch.from_numpy(self.view.read(rows)).float()
        return list(zip(features, self._targets[rows].tolist(), strict=True))
