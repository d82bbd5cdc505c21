"""What `train` shows while it trains: progress on stderr, or events as JSON, and warnings of the library."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from audiospec.cli._options import with_options
from audiospec.cli._progress import Step
from audiospec.cli._text import by, clock, count, emit
from audiospec.text import printable

if TYPE_CHECKING:
    from audiospec.zoo.progress import TrainingProgress

#: Seconds between two JSON events of one part of an epoch.
_PAUSE = 1.0


class Training:
    """Shows the progress of one training.

    Parameters
    ----------
    title : str
        Name of the training.
    step : Step
        Where progress is shown.
    json : bool
        Whether to print JSON events on stdout instead.
    about : object
        Values that are in each event, such as the split and the seed.
    """

    def __init__(self, title: str, step: Step, *, json: bool, **about: object) -> None:
        self.title = title
        self.step = step
        self.json = json
        self.about = about
        self.now: TrainingProgress | None = None
        self.announced = False
        self.emitted = 0.0

    def watch(self, now: TrainingProgress) -> None:
        """Show the progress."""
        before, self.now = self.now, now
        title = f"{self.title}, fold {now.fold} of {now.folds}" if now.fold else self.title
        if self.json:
            self._emit(now, before)
        elif now.stage == "searching":
            done = f"{now.rows}/{now.rows_total} models trained"
            self.step(title, now.rows, now.rows_total, done, part="search")
        elif now.stage == "fitting":
            self.step(title, 0, max(1, now.epochs), f"fitting {_rows(now)}", now=True)
        elif now.stage == "scoring":
            done = f"{now.rows}/{now.rows_total} rows predicted"
            self.step(title, now.rows, now.rows_total, done, part="scores")
        elif now.epoch_seconds is None:
            resumed = f"resumed after epoch {now.resumed_after}, " if now.resumed_after else ""
            first = before is None or before.stage == "fitting"
            self.step(
                *(title, now.epoch - 1, now.epochs, f"{resumed}measuring the speed"),
                now=first and bool(resumed),
            )
        else:
            if not self.announced:
                self.announced = True
                self.step(title, now.epoch - 1, now.epochs, _announcement(now), now=True)
            self.step(title, now.rows, now.rows_total, _pace(now), part=f"epoch {now.epoch} of {now.epochs}")

    def epoch(self, entry: Mapping[str, float]) -> None:
        """Show the scores of an epoch; those of epochs before an interruption are not shown again."""
        from audiospec.zoo.training import epoch_in_words

        if self.now is None or self.now.epoch != entry["epoch"]:
            return
        if self.json:
            emit("epoch", **self.about, **entry)
            return
        title = f"{self.title}, fold {self.now.fold} of {self.now.folds}" if self.now.fold else self.title
        self.step(title, entry["epoch"], self.now.epochs, epoch_in_words(entry, self.now.epochs), now=True)

    def _emit(self, now: TrainingProgress, before: TrainingProgress | None) -> None:
        """Print the progress as an event, at intervals, and where a stage begins or ends."""
        moment = time.monotonic()
        known = before is not None and (before.stage, before.epoch_seconds is None) == (
            now.stage,
            now.epoch_seconds is None,
        )
        if known and now.rows < now.rows_total and moment - self.emitted < _PAUSE:
            return
        self.emitted = moment
        values = dataclasses.asdict(now)
        emit("progress", **self.about, **values, most_seconds_left=now.most_seconds_left)


def _rows(now: TrainingProgress) -> str:
    if len(now.row_shape) == 1:
        each = "sample" if now.epochs else "column"  # what has epochs is a network, which reads waves
        return f"{count(now.rows_total, 'row')} of {count(now.row_shape[0], each)}"
    return f"{count(now.rows_total, 'row')} of {by(now.row_shape)}"


def _announcement(now: TrainingProgress) -> str:
    """Return what an epoch, and the most epochs, will take."""
    assert now.epoch_seconds is not None
    left = now.epochs - now.epoch + 1
    all_epochs = f", {left} epochs at most {clock(left * now.epoch_seconds)}" if left > 1 else ""
    return f"an epoch takes about {clock(now.epoch_seconds)}{all_epochs}"


def _pace(now: TrainingProgress) -> str:
    """Return the progress within an epoch."""
    assert now.rows_per_second is not None
    assert now.seconds_left is not None
    assert now.most_seconds_left is not None
    return (
        f"{now.rows}/{now.rows_total} rows, {now.rows_per_second:.3g} rows/s, "
        f"{clock(now.seconds_left)} left, all at most {clock(now.most_seconds_left)}"
    )


@contextmanager
def warnings_shown(options: Mapping[str, str], *, json: bool) -> Iterator[None]:
    """Show the library's warnings while the block runs: as lines on stderr, or as events of JSON."""

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = with_options(record.getMessage(), options)
            if json:
                emit("warning", message=message)
            else:
                print(f"warning: {printable(message)}", file=sys.stderr, flush=True)

    logger, handler = logging.getLogger("audiospec"), Shown(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
