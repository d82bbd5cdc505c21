"""The progress of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["searching", "fitting", "training", "validation", "scoring"]


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """The progress of a training.

    Attributes
    ----------
    stage : "searching", "fitting", "training", "validation" or "scoring"
        ``"searching"``: models are trained on inner folds, to choose parameters; `rows` are such models.
        ``"fitting"``: the model is about to be trained, or is being trained if it has no epochs.
        ``"training"``, ``"validation"``: the two parts of an epoch. ``"scoring"``: the trained model predicts
        the rows of all sides.
    row_shape : tuple of int
        Shape of a row: columns, or mel bins and frames.
    rows, rows_total : int
        Rows that are done, and rows in all: of an epoch (its training rows, then its validation rows), or of
        the stage.
    epoch, epochs : int
        Number of the epoch, from 1, and the largest number of epochs; 0 and 0 if the model has no epochs.
        Training may stop earlier.
    resumed_after : int
        Epochs that were done before an interruption.
    seconds : float
        Seconds since the epoch, or the stage, began.
    rows_per_second : float or None
        Speed of the training in this epoch; None while it is being measured, in the first two batches.
    epoch_seconds : float or None
        Seconds that the whole epoch takes, at the speed so far.
    seconds_left : float or None
        Seconds left of the epoch, at the speed so far.
    fold, folds : int
        Number of the fold in a cross-validation, from 1, and how many there are; 0 and 0 without one.
    """

    stage: Stage
    row_shape: tuple[int, ...]
    rows: int
    rows_total: int
    epoch: int = 0
    epochs: int = 0
    resumed_after: int = 0
    seconds: float = 0.0
    rows_per_second: float | None = None
    epoch_seconds: float | None = None
    seconds_left: float | None = None
    fold: int = 0
    folds: int = 0

    @property
    def most_seconds_left(self) -> float | None:
        """Seconds left if all epochs are needed, without the scoring; None while the speed is measured."""
        if self.seconds_left is None or self.epoch_seconds is None:
            return None
        return self.seconds_left + (self.epochs - self.epoch) * self.epoch_seconds


#: Called with the progress of a training, several times a second at most.
Watch = Callable[[TrainingProgress], None]
