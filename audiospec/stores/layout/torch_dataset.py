"""A view as a `torch.utils.data.Dataset`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from audiospec.stores.layout.encoding import EncodedRows, LabelledRows


class ReadRows(LabelledRows, Protocol):
    """The part of a view that `ViewDataset` uses."""

    def read(self, rows: list[int]) -> NDArray[Any]:
        """Read rows by number."""


class ViewDataset(Dataset[tuple[Tensor, Any]]):
    """Rows of a view as pairs (features float32 of shape row_shape, target).

    The target is a class number; if rows have several labels, a float32 tensor with 1 for each class that the
    row has; or a number (float32, NaN for a row without).

    Parameters
    ----------
    view : View
        Each process that reads opens it again.
    """

    def __init__(self, view: ReadRows) -> None:
        self.view = view
        self._targets = EncodedRows(view)
        self.classes = self._targets.classes

    def __len__(self) -> int:
        return len(self.view)

    def __getitem__(self, row: int) -> tuple[Tensor, Any]:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> list[tuple[Tensor, Any]]:
        """Return a batch of rows from one read; a `DataLoader` calls this."""
        features = torch.from_numpy(self.view.read(rows)).float()
        return list(zip(features, as_items(self._targets.of(np.asarray(rows, np.int64))), strict=True))


def as_items(targets: NDArray[Any]) -> list[Any]:
    """Return targets as items of a dataset: whole numbers, or tensors."""
    return targets.tolist() if targets.dtype.kind == "i" else list(torch.from_numpy(targets))
