"""Predictions of a run's rows and the tracks of its split: ``predictions.csv`` and ``tracks.csv``.

They make a score checkable: by whom it was earned, row by row, and what the model had learnt from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.splits.leaks import Known
from audiospec.zoo.splits.split import known_tracks

if TYPE_CHECKING:
    from audiospec.stores.layout.view import View
    from audiospec.zoo.splits.split import Split
    from audiospec.zoo.targets.base import Target

PREDICTIONS, TRACKS = "predictions.csv", "tracks.csv"
#: Side of a track in ``tracks.csv`` that is on none, because its sound is on another side.
LEFT_OUT = "left out"
_COLUMNS = ("track", "hash", "start", "side", "truth")
#: Columns that the predictions of a cross-validation have besides.
_FOLD_COLUMNS = ("repeat", "fold")


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's predictions of the rows of its split, in the order train, valid, test.

    Attributes
    ----------
    tracks, hashes : ndarray of str, shape (rows,)
        Track id and content hash (``""`` for a row of an imported table).
    starts : ndarray of float64, shape (rows,)
        Start of the chunk in its track, in seconds.
    sides : ndarray of str, shape (rows,)
        ``"train"``, ``"valid"`` or ``"test"``.
    truth : ndarray, shape (rows,) or (rows, classes)
        As `Target.encode` returns it: of one label a row, the number of the true class.
    probabilities : ndarray of float64, shape (rows, classes)
        A model's outputs: numbers, if the target is a number.
    repeats, folds : ndarray of int64, shape (rows,), or None
        Of a cross-validation, whose rows are all test rows: the repeat and the fold that each was tested in,
        from 1. None: the predictions are of one model.
    """

    tracks: NDArray[np.str_]
    hashes: NDArray[np.str_]
    starts: NDArray[np.float64]
    sides: NDArray[np.str_]
    truth: NDArray[Any]
    probabilities: NDArray[np.float64]
    repeats: NDArray[np.int64] | None = None
    folds: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.tracks)

    def of(self, side: str) -> Predictions:
        """Return the predictions of one side."""
        return self.where(self.sides == side)

    def where(self, rows: NDArray[np.bool_]) -> Predictions:
        """Return the predictions of some rows."""
        return Predictions(
            self.tracks[rows],
            self.hashes[rows],
            self.starts[rows],
            self.sides[rows],
            self.truth[rows],
            self.probabilities[rows],
            None if self.repeats is None else self.repeats[rows],
            None if self.folds is None else self.folds[rows],
        )

    def by_repeat(self) -> list[Predictions]:
        """Return the predictions of each repeat of a cross-validation; of one model, all of them."""
        if self.repeats is None:
            return [self]
        return [self.where(self.repeats == number) for number in np.unique(self.repeats)]

    def write(self, file: Path, target: Target) -> None:
        """Write the predictions as CSV; floats are written so that they are read to the bit."""
        columns = [one.tolist() for one in (self.tracks, self.hashes, self.starts, self.sides)]
        columns.append(target.texts(self.truth))
        names = list(_COLUMNS)
        if self.repeats is not None and self.folds is not None:
            columns += [self.repeats.tolist(), self.folds.tolist()]
            names += _FOLD_COLUMNS
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([*names, *(target.output_prefix + name for name in target.classes)])
            for *values, row in zip(*columns, self.probabilities, strict=True):
                writer.writerow([*values, *row.tolist()])

    @classmethod
    def read(cls, lines: Iterable[str], target: Target) -> Predictions:
        """Read what `write` wrote.

        Parameters
        ----------
        lines : iterable of str
        target : Target
            Its classes are those that the columns of outputs must have, in this order.

        Raises
        ------
        ValueError, csv.Error
            The lines are not such a table.
        """
        head, *rows = csv.reader(lines, strict=True)
        folds = _FOLD_COLUMNS if tuple(head[len(_COLUMNS) :][:2]) == _FOLD_COLUMNS else ()
        if head != [*_COLUMNS, *folds, *(target.output_prefix + name for name in target.classes)]:
            raise ValueError(f"{PREDICTIONS} has the columns {', '.join(head)[:100]}")
        if any(len(row) != len(head) for row in rows):
            raise ValueError(f"{PREDICTIONS} has rows of other lengths")
        first = len(_COLUMNS) + len(folds)
        values = np.array([row[first:] for row in rows], np.float64).reshape(len(rows), len(target.classes))
        return cls(
            np.array([row[0] for row in rows], np.str_),
            np.array([row[1] for row in rows], np.str_),
            np.array([row[2] for row in rows], np.float64),
            np.array([row[3] for row in rows], np.str_),
            target.parse([row[4] for row in rows]),
            values,
            *(
                np.array([row[len(_COLUMNS) + place] for row in rows], np.int64)
                for place in range(len(folds))
            ),
        )


class TrackOfRun(NamedTuple):
    """A track of a run's split: what is known of it, its label, and its side.

    A track that has rows on several sides, as in a random split, is listed once for each.
    """

    known: Known
    label: str
    side: str


def tracks_of(view: View, view_split: Split) -> list[TrackOfRun]:
    """Return the tracks of a split, in the order of the sides and of their ids."""
    labels, known = view.store.tracks["label"], known_tracks(view.store.tracks)
    sides = {
        **{side: getattr(view_split, side) for side in ("train", "valid", "test")},
        LEFT_OUT: view_split.left_out,
    }
    listed = []
    for side, rows in sides.items():
        numbers = np.unique(view.rows["track"][rows])
        listed += sorted(TrackOfRun(known[number], str(labels[number]), side) for number in numbers.tolist())
    return listed


def write_tracks(file: Path, tracks: Sequence[TrackOfRun]) -> None:
    """Write the tracks of a run as CSV."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*Known._fields, "label", "side"])
        writer.writerows([*track.known, track.label, track.side] for track in tracks)


def read_tracks(lines: Iterable[str]) -> list[TrackOfRun]:
    """Read what `write_tracks` wrote.

    Raises
    ------
    ValueError, csv.Error
        The lines are not such a table.
    """
    head, *rows = csv.reader(lines, strict=True)
    if head != [*Known._fields, "label", "side"] or any(len(row) != len(head) for row in rows):
        raise ValueError(f"{TRACKS} is not a table of {', '.join(Known._fields)}, label and side")
    return [TrackOfRun(Known(*row[:4]), row[4], row[5]) for row in rows]
