"""The speed of a training, and what it says about the time that an epoch takes."""

from __future__ import annotations

import time
from collections.abc import Mapping

from audiospec.zoo.progress import TrainingProgress, Watch

#: Seconds between two reports within a part of an epoch.
PAUSE = 0.25
#: The first batch, which also pays for what is set up once, gives the speed only if it takes this many
#: seconds, or if it is the only one.
LONG_BATCH = 3.0
#: A validation row is taken to cost this share of a training row until one was measured: the forward pass of
#: three passes of about equal cost (forward, and backward to the weights and to the inputs).
FORWARD = 1 / 3


class Pace:
    """Counts the rows of each epoch, measures the seconds for a row, and reports both.

    Parameters
    ----------
    rows : mapping
        Rows of the sides ``"train"`` and ``"valid"``.
    row_shape : tuple of int
    epochs : int
        Largest number of epochs.
    done : int
        Epochs that were done before.
    watch : callable
    """

    def __init__(
        self, rows: Mapping[str, int], row_shape: tuple[int, ...], epochs: int, done: int, watch: Watch
    ) -> None:
        self.rows = rows
        self.row_shape = row_shape
        self.epochs = epochs
        self.done = done
        self.watch = watch
        self.epoch = done
        #: Side → seconds for a row, of the latest epoch in which they were measured.
        self.row_seconds: dict[str, float] = {}
        self._side = "train"
        self._counts: dict[str, int] = {}
        self._epoch_began = self._side_began = self._first_ended = self._reported = 0.0
        self._first = 0

    def begin(self, side: str) -> None:
        """Start a part of an epoch; ``"train"`` starts an epoch."""
        now = time.monotonic()
        if side == "train":
            self.epoch += 1
            self._epoch_began = now
            self._counts = dict.fromkeys(self.rows, 0)
        self._side, self._side_began, self._first = side, now, 0
        self._report(now)

    def step(self, rows: int) -> None:
        """Count the rows of a batch that is done."""
        now = time.monotonic()
        side = self._side
        count = self._counts[side] = min(self._counts[side] + rows, self.rows[side])
        if not self._first:
            self._first, self._first_ended = count, now
            if side not in self.row_seconds and (
                count == self.rows[side] or now - self._side_began >= LONG_BATCH
            ):
                self.row_seconds[side] = (now - self._side_began) / count
        elif count > self._first:
            self.row_seconds[side] = (now - self._first_ended) / (count - self._first)
        if count == self.rows[side] or now - self._reported >= PAUSE:
            self._report(now)

    def _report(self, now: float) -> None:
        self._reported = now
        train = self.row_seconds.get("train")
        epoch = left = None
        if train is not None:
            cost = {"train": train, "valid": self.row_seconds.get("valid", FORWARD * train)}
            epoch = sum(cost[side] * count for side, count in self.rows.items())
            left = sum(cost[side] * (count - self._counts[side]) for side, count in self.rows.items())
        self.watch(
            TrainingProgress(
                stage="training" if self._side == "train" else "validation",
                row_shape=self.row_shape,
                rows=sum(self._counts.values()),
                rows_total=sum(self.rows.values()),
                epoch=self.epoch,
                epochs=self.epochs,
                resumed_after=self.done,
                seconds=now - self._epoch_began,
                rows_per_second=1 / train if train else None,
                epoch_seconds=epoch,
                seconds_left=left,
            )
        )
