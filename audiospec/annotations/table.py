"""Tables of annotations: those of a store, and the targets of a view's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.annotation import Annotation
from audiospec.errors import StoreError


class _Table:
    """Columns of one length."""

    def _check(self, what: str, columns: Sequence[str]) -> None:
        lengths = {name: len(getattr(self, name)) for name in columns}
        if len(set(lengths.values())) > 1:
            raise StoreError(
                f"the columns of {what} differ in length ({lengths}): it is damaged",
                "restore a complete copy, or remove the store and featurize again",
            )


@dataclass(frozen=True, eq=False)
class Annotations(_Table):
    """The annotations of a store's tracks, sorted by track, start, end and label.

    Attributes
    ----------
    track : ndarray of int32, shape (n,)
        Row number in the track table.
    start, end : ndarray of float64, shape (n,)
        Seconds from the start of the track; an infinite end is that of the track.
    label : ndarray of str objects, shape (n,)
        ``""`` for a value.
    value : ndarray of float64, shape (n,)
        NaN for a label.
    column : ndarray of str objects, shape (n,)
        Column of the dataset that the label or value is from.

    Raises
    ------
    StoreError
        The columns differ in length.
    """

    track: NDArray[np.int32]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    label: NDArray[Any]
    value: NDArray[np.float64]
    column: NDArray[Any]

    def __post_init__(self) -> None:
        self._check("the table of annotations", [field.name for field in fields(self)])

    @classmethod
    def from_tracks(cls, tracks: Sequence[Sequence[Annotation]]) -> Annotations:
        """Return the table of the annotations of each track, in the order of the track table."""
        rows = [
            (number, annotation)
            for number, of_track in enumerate(tracks)
            for annotation in sorted(of_track, key=lambda one: (one.start, one.end, one.label, one.column))
        ]
        annotations = [annotation for _, annotation in rows]
        return cls(
            np.array([number for number, _ in rows], np.int32),
            np.array([annotation.start for annotation in annotations], np.float64),
            np.array([annotation.end for annotation in annotations], np.float64),
            np.array([annotation.label for annotation in annotations], object),
            np.array([np.nan if one.value is None else one.value for one in annotations], np.float64),
            np.array([annotation.column for annotation in annotations], object),
        )

    def __len__(self) -> int:
        return len(self.track)

    def of(self, track: int) -> tuple[Annotation, ...]:
        """Return the annotations of a track, by its row number in the track table."""
        first, stop = np.searchsorted(self.track, [track, track + 1])
        return tuple(
            Annotation(
                start=start, end=end, label=label, value=None if np.isnan(value) else value, column=column
            )
            for start, end, label, value, column in zip(
                *(
                    getattr(self, name)[first:stop].tolist()
                    for name in ("start", "end", "label", "value", "column")
                ),
                strict=True,
            )
        )


@dataclass(frozen=True, eq=False)
class RowTargets(_Table):
    """What the rows of a view are to be predicted as: a sparse table, sorted by row and label.

    Attributes
    ----------
    row : ndarray of int64, shape (n,)
        Row number in the view.
    label : ndarray of int32, shape (n,)
        Index into `names`; 0 for numbers.
    share : ndarray of float64, shape (n,)
        Share of the row's audio that the label's annotations cover, 0 to 1.
    value : ndarray of float64, shape (n,)
        The row's number; NaN for labels.
    names : tuple of str
        Labels, sorted; for numbers, the name of their column.

    Raises
    ------
    StoreError
        The columns differ in length, or a label has no name.
    """

    row: NDArray[np.int64]
    label: NDArray[np.int32]
    share: NDArray[np.float64]
    value: NDArray[np.float64]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        self._check("a table of targets", ("row", "label", "share", "value"))
        if len(self.label) and not 0 <= self.label.min() <= self.label.max() < len(self.names):
            raise StoreError(
                "a table of targets has labels without a name: it is damaged",
                "restore a complete copy, or remove the store and featurize again",
            )

    def __len__(self) -> int:
        return len(self.row)

    def indicators(self, rows: NDArray[np.int64], count: int, classes: Sequence[str]) -> NDArray[np.bool_]:
        """Return whether each of some rows has each of some labels.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
            Row numbers; may repeat.
        count : int
            Number of rows of the view.
        classes : sequence of str
            Labels; one that no row has is False everywhere.

        Returns
        -------
        ndarray of bool, shape (n, classes)
        """
        table = np.zeros((count, len(classes) + 1), bool)
        place = {name: number for number, name in enumerate(classes)}
        columns = np.array([place.get(name, len(classes)) for name in self.names], np.int64)
        if len(self):
            table[self.row, columns[self.label]] = True
        chosen: NDArray[np.bool_] = table[rows, : len(classes)]
        return chosen

    def numbers(self, rows: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        """Return the numbers of some rows, NaN for a row without one; for the parameters see `indicators`."""
        values = np.full(count, np.nan)
        values[self.row] = self.value
        chosen: NDArray[np.float64] = values[rows]
        return chosen
