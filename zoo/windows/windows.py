"""Predict windows and events of files: one row a window, or labelled stretches."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.formats.base import Event
from audiospec.audio.reading import STRICT, Reading
from audiospec.datasets.own.search import expand, left_out
from audiospec.errors import ModelError
from audiospec.storage.location import Location, location
from audiospec.zoo.events.finding import EventFinder
from audiospec.zoo.events.rules import EventRules
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.base import Target
from audiospec.zoo.windows.averaging import Averager
from audiospec.zoo.windows.outputs import FileEnd, Predictor, WindowBlock

_log = logging.getLogger("audiospec")


class Window(NamedTuple):
    """A stretch of a file, and what the model says of it.

    Attributes
    ----------
    file : Location
    start, end : float
        Seconds from the start of the file.
    outputs : ndarray of float64, shape (classes,)
        In the order of the run's classes: probabilities, or the number.
    problem : str
        ``""``; or why the file cannot be used. Then the row is the file's last, without times and outputs
        (NaN); rows of the file before it, if there are any, are of audio before the damage.
    """

    file: Location
    start: float
    end: float
    outputs: NDArray[np.float64]
    problem: str = ""


#: A row of what is made of a file, or the file's end.
Row: TypeAlias = Window | Event


class Making(ABC):
    """Makes rows of the outputs of files, one file after another.

    Parameters
    ----------
    predictor : Predictor
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.target: Target = predictor.run.target

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the cells of a row."""

    @abstractmethod
    def cells(self, row: Row) -> list[str | float]:
        """Return the cells of a row: text and numbers."""

    @abstractmethod
    def add(self, block: WindowBlock) -> list[Row]:
        """Add windows of the current file, and return the rows that are certain."""

    @abstractmethod
    def end(self, end: FileEnd) -> list[Row]:
        """Return the other rows of the current file; the next one begins."""

    def rows(self, files: Sequence[Location]) -> Iterator[Row | FileEnd]:
        """Yield the rows of each file, in order, and its end. Rows of a file with a problem are not valid."""
        for item in self.predictor.outputs(files):
            if isinstance(item, WindowBlock):
                yield from self.add(item)
            else:
                yield from self.end(item)
                yield item

    def _averager(self) -> Averager:
        """Return what averages the windows of a file."""
        shape, predictor = self.target.output_shape, self.predictor
        frames = shape[0] if len(shape) == 2 else None
        return Averager(predictor.length, predictor.hop, shape[-1], frames)


class WindowMaking(Making):
    """Rows are windows; where a window has outputs of its own frames, they are frames of all windows."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor)
        self._has_frames = len(self.target.output_shape) == 2
        self._frames = self._averager()
        self._count = 0

    @property
    def columns(self) -> list[str]:
        """File, times, what is predicted, and the outputs."""
        outputs = (self.target.output_prefix + name for name in self.target.classes)
        return ["file", "start", "end", "prediction", *outputs]

    def cells(self, row: Row) -> list[str | float]:
        """Return the cells of a window."""
        assert isinstance(row, Window)
        target = self.target.of_row
        text = target.decode(row.outputs[None])[0]
        return [str(row.file), row.start, row.end, text, *row.outputs.tolist()]

    def add(self, block: WindowBlock) -> list[Row]:
        """Return a row for each window or certain frame."""
        if self._has_frames:
            return self._rows(block.file, self._frames.feed(block.outputs))
        columns = (block.starts.tolist(), block.ends.tolist(), block.outputs)
        return [Window(block.file, *row) for row in zip(*columns, strict=True)]

    def end(self, end: FileEnd) -> list[Row]:
        """Return the last frames."""
        rows = self._rows(end.file, self._frames.end(end.seconds), end.seconds) if self._has_frames else []
        self._frames, self._count = self._averager(), 0
        return rows

    def _rows(self, file: Location, frames: NDArray[np.float64], seconds: float = np.inf) -> list[Row]:
        period, first = self._frames.period, self._count
        self._count += len(frames)
        return [
            Window(file, number * period, min((number + 1) * period, seconds), outputs)
            for number, outputs in enumerate(frames, first)
        ]


class EventMaking(Making):
    """Rows are events in the mean of overlapping windows.

    Parameters
    ----------
    predictor : Predictor
    rules : EventRules

    Raises
    ------
    ModelError
        The run predicts a number, or the rules lack the threshold of a class.
    """

    def __init__(self, predictor: Predictor, rules: EventRules) -> None:
        super().__init__(predictor)
        if not self.target.has_probabilities:
            raise ModelError(
                f"run {predictor.run.path} predicts the target {self.target.name!r}, which has no events",
                "leave out `threshold`, for one row a window",
            )
        rules.thresholds(self.target.classes)
        self.rules = rules
        self._finder: EventFinder | None = None
        self._frames = self._averager()

    @property
    def columns(self) -> list[str]:
        """File, times, label and score."""
        return ["file", "onset", "offset", "label", "score"]

    def cells(self, row: Row) -> list[str | float]:
        """Return the cells of an event."""
        assert isinstance(row, Event)
        return [row.file, row.onset, row.offset, row.label, row.score or 0.0]

    def add(self, block: WindowBlock) -> list[Row]:
        """Return the events that are certain."""
        return [*self._of(block.file).feed(self._frames.feed(block.outputs))]

    def end(self, end: FileEnd) -> list[Row]:
        """Return the other events."""
        finder = self._of(end.file)
        events = finder.feed(self._frames.end(end.seconds)) + finder.end(end.seconds)
        self._frames, self._finder = self._averager(), None
        return [*events]

    def _of(self, file: Location) -> EventFinder:
        if self._finder is None:
            is_exclusive = self.target.name == "single"
            self._finder = EventFinder(
                self.target.classes, self._frames.period, self.rules, exclusive=is_exclusive, file=str(file)
            )
        return self._finder


def predict_windows(
    run: Run,
    files: Sequence[Location | str],
    *,
    hop: float | None = None,
    device: str | None = None,
    reading: Reading = STRICT,
) -> Iterator[Window]:
    """Predict each window of audio files, in memory that does not grow with their length.

    Windows are cut like the chunks of the run's view, or with another hop, and features are computed as by
    `featurize`. At the view's own hop, outputs equal those of `evaluate` for the same rows, to the bit.

    Parameters
    ----------
    run : Run
    files : sequence of path or URL
        A folder stands for all sound files in it, at any depth; the log says how many others it has.
    hop : float or None
        Seconds from one window to the next; above 0, at most the length of a window. None: as the run's view.
    device : str or None
        A torch device, for features and the model; see `Predictor`.
    reading : Reading
        What to do with truncated, damaged and silent files. By default they are not used.

    Yields
    ------
    Window
        Of each file, in order. A file that cannot be used has a row with a `problem`. If the model predicts
        the frames of a window, a row is a frame, averaged over the windows that overlap there.

    Raises
    ------
    RunError
        The run was trained on an imported table, or is a cross-validation.
    SpecError
        The hop is outside its range, or the device is not available.
    DatasetError
        A folder cannot be read.
    """
    making = WindowMaking(Predictor(run, hop=hop, device=device, reading=reading))
    nothing = np.full(len(making.target.classes), np.nan)
    for row in making.rows(_found(files)):
        if isinstance(row, Window):
            yield row
        elif isinstance(row, FileEnd):
            if row.note:
                _log.warning("%s: %s", row.file, row.note)
            if row.problem:
                yield Window(row.file, np.nan, np.nan, nothing, row.problem)


def predict_events(
    run: Run,
    files: Sequence[Location | str],
    rules: EventRules | None = None,
    *,
    hop: float | None = None,
    device: str | None = None,
    reading: Reading = STRICT,
) -> Iterator[Event]:
    """Predict the events of audio files: labelled stretches in the mean of overlapping windows.

    Parameters
    ----------
    run, files, hop, device, reading
        See `predict_windows`.
    rules : EventRules or None
        None: those that the run chose on its validation rows, or else a threshold of 0.5.

    Yields
    ------
    Event
        Of each file, in order, by onset. Those of a file that is found to be damaged end at the damage; the
        log names files that cannot be used.

    Raises
    ------
    ModelError
        The run predicts a number, or the rules lack the threshold of a class.
    RunError, SpecError, DatasetError
        As `predict_windows`.
    """
    rules = rules or own_rules(run) or EventRules()
    making = EventMaking(Predictor(run, hop=hop, device=device, reading=reading), rules)
    for row in making.rows(_found(files)):
        if isinstance(row, Event):
            yield row
        elif isinstance(row, FileEnd) and (row.problem or row.note):
            _log.warning("%s: %s", row.file, row.problem or row.note)


def own_rules(run: Run) -> EventRules | None:
    """Return the rules that a run chose on its validation rows; None if it has no thresholds."""
    target = run.target
    parameters = target.parameters()
    if "thresholds" not in parameters:
        return None
    thresholds = dict(zip(target.classes, parameters["thresholds"], strict=True))
    seconds = {name: parameters[name] for name in ("median", "merge", "min") if name in parameters}
    return EventRules(threshold=thresholds, **seconds)


def _found(files: Sequence[Location | str]) -> list[Location]:
    found, others = expand([location(file) for file in files])
    if others:
        _log.warning("%s", left_out(list(map(str, others))))
    return found
