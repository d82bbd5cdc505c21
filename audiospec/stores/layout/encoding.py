"""The targets of rows as numbers, as a loss takes them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.table import RowTargets


class LabelledRows(Protocol):
    """The part of a view that has the targets of its rows."""

    @property
    def target(self) -> str:
        """What is to be predicted of a row."""

    @property
    def targets(self) -> RowTargets | None:
        """The rows' own targets."""

    @property
    def classes(self) -> list[str]:
        """The labels that occur, sorted."""

    @property
    def labels(self) -> NDArray[Any]:
        """Label of each row."""

    def __len__(self) -> int: ...


class EncodedRows:
    """The targets of rows, encoded when they are asked for.

    Parameters
    ----------
    view : View
    """

    def __init__(self, view: LabelledRows) -> None:
        self.classes = view.classes
        self._targets = view.targets if view.target != "single" else None
        if view.target == "number":
            assert view.targets is not None
            numbers = view.targets.numbers(np.arange(len(view)), len(view))
            self._numbers: NDArray[Any] = numbers.astype(np.float32)
        elif self._targets is None:
            self._numbers = np.searchsorted(self.classes, view.labels.astype(str))
        else:
            # Rows that are not in the table have the label of their track, if it has one.
            places = {name: number for number, name in enumerate(self.classes)}
            self._numbers = np.array([places.get(label, -1) for label in view.labels.tolist()], np.int64)
            self._numbers[self._targets.row] = -1
            names = self._targets.names
            self._columns = np.array([places.get(name, -1) for name in names], np.int64)
        self._is_list = view.target not in ("single", "number")

    def of(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets of rows, by number.

        Returns
        -------
        ndarray of int64, shape (n,)
            Class numbers, for the target ``"single"``.
        ndarray of float32, shape (n,)
            Numbers, NaN for a row without, for ``"number"``.
        ndarray of float32, shape (n, classes)
            1 for a label that the row has, else 0, for several labels.
        """
        rows = np.where(rows < 0, rows + len(self._numbers), rows)  # from the end, as `View.read` has it
        own: NDArray[Any] = self._numbers[rows]
        if not self._is_list:
            return own
        assert self._targets is not None
        table = np.zeros((len(rows), len(self.classes) + 1), np.float32)  # the last column is of no label
        table[np.arange(len(rows)), own] = 1
        firsts = np.searchsorted(self._targets.row, rows)
        stops = np.searchsorted(self._targets.row, rows, "right")
        for place, (first, stop) in enumerate(zip(firsts.tolist(), stops.tolist(), strict=True)):
            table[place, self._columns[self._targets.label[first:stop]]] = 1
        return table[:, :-1]
