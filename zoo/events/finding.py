"""Find events in outputs over time: of a whole file at once, or block by block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from audiospec.annotations.formats.base import Event
from audiospec.zoo.events.rules import EventRules


@dataclass(slots=True)
class _Open:
    """An event that may continue: its first frame, the frame after its last, and its highest output."""

    first: int
    stop: int
    score: float


class EventFinder:
    """Finds the events of one file, whose outputs are given block by block.

    The result does not depend on how the frames are divided into blocks. Memory is of the order of a block,
    of the median filter and of the events that are open.

    Parameters
    ----------
    classes : sequence of str
        Labels of the events.
    period : float
        Seconds from one frame to the next; above 0.
    rules : EventRules
    exclusive : bool
        Whether a frame has one class at most: the one with the highest output.
    file : str
        Of the events.
    """

    def __init__(
        self,
        classes: Sequence[str],
        period: float,
        rules: EventRules,
        *,
        exclusive: bool = False,
        file: str = "",
    ) -> None:
        self.classes, self.period, self.rules = list(classes), period, rules
        self.exclusive, self.file = exclusive, file
        self._thresholds = rules.thresholds(self.classes)
        self._half, self._gap = rules.width(period) // 2, rules.gap(period)
        count = len(self.classes)
        self._outputs = np.zeros((0, count))  # of frames that are not decided yet
        self._presence = np.zeros((0, count), bool)  # the same, and half a filter before them
        self._frames = 0  # that are decided
        self._open: list[_Open | None] = [None] * count
        self._closed: list[tuple[int, int, int, float]] = []  # heap of first frame, class, stop, score

    def feed(self, outputs: NDArray[np.float64]) -> list[Event]:
        """Add the outputs (n, classes) of the next frames; return the events that are certain, by onset."""
        if len(outputs):
            presence = self._present(outputs)
            if not self._frames and not len(self._presence):  # the first frame is repeated before itself
                presence = np.concatenate([np.repeat(presence[:1], self._half, axis=0), presence])
            self._presence = np.concatenate([self._presence, presence])
            self._outputs = np.concatenate([self._outputs, outputs])
            self._decide()
        return self._certain(math.inf)

    def end(self, seconds: float = math.inf) -> list[Event]:
        """Return the other events.

        Parameters
        ----------
        seconds : float
            Length of the file: no event ends later.
        """
        if len(self._outputs):
            self._presence = np.concatenate(
                [self._presence, np.repeat(self._presence[-1:], self._half, axis=0)]
            )
            self._decide()
        for number in range(len(self.classes)):
            self._close(number)
        return self._certain(seconds)

    def _present(self, outputs: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether each frame has each class, before the filter."""
        presence: NDArray[np.bool_] = outputs >= self._thresholds
        if self.exclusive:
            presence &= np.arange(len(self.classes)) == outputs.argmax(1)[:, None]
        return presence

    def _decide(self) -> None:
        """Filter the frames whose neighbours are known, and find the runs of classes in them."""
        width = 2 * self._half + 1
        count = len(self._presence) - width + 1
        if count <= 0:
            return
        sums = np.zeros((len(self._presence) + 1, len(self.classes)), np.int64)
        self._presence.cumsum(0, out=sums[1:])
        filtered = sums[width:] - sums[:-width] > self._half
        # Runs of all classes at once: class after class, each with an empty frame after its last.
        flat = np.zeros((len(self.classes), count + 1), np.int8)
        flat[:, :count] = filtered.T
        edges = np.diff(flat.ravel(), prepend=0)
        firsts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        if len(firsts):
            values = np.full(flat.shape, -np.inf)
            values[:, :count] = self._outputs[:count].T
            # The highest output of each run; every second of the reduced stretches is a gap.
            bounds = np.stack([firsts, stops], axis=1).ravel()
            scores = np.maximum.reduceat(values.ravel(), bounds)[::2]
            numbers, places = np.divmod(firsts, count + 1)
            lengths = stops - firsts
            for number, first, length, score in zip(
                *(column.tolist() for column in (numbers, places, lengths, scores)), strict=True
            ):
                self._add(number, self._frames + first, self._frames + first + length, score)
        self._frames += count
        self._outputs, self._presence = self._outputs[count:], self._presence[count:]
        for number, event in enumerate(self._open):
            if event is not None and self._frames - event.stop >= self._gap:
                self._close(number)

    def _add(self, number: int, first: int, stop: int, score: float) -> None:
        """Add a run of a class, which may continue its open event."""
        event = self._open[number]
        if event is not None and first - event.stop < self._gap:
            event.stop, event.score = stop, max(event.score, score)
            return
        self._close(number)
        self._open[number] = _Open(first, stop, score)

    def _close(self, number: int) -> None:
        """End the open event of a class."""
        event, self._open[number] = self._open[number], None
        if event is not None:
            heappush(self._closed, (event.first, number, event.stop, event.score))

    def _certain(self, seconds: float) -> list[Event]:
        """Return the events that have ended, up to the onset of the first that has not."""
        open_events = [(event.first, number) for number, event in enumerate(self._open) if event is not None]
        until = min(open_events, default=(self._frames + 1, 0))
        events = []
        while self._closed and self._closed[0][:2] < until:
            first, number, stop, score = heappop(self._closed)
            onset, offset = first * self.period, min(stop * self.period, seconds)
            if offset > onset and self.rules.is_kept(offset - onset, self.period):
                label = self.classes[number]
                events.append(Event(onset=onset, offset=offset, label=label, score=score, file=self.file))
        return events


def find_events(
    outputs: NDArray[np.float64],
    classes: Sequence[str],
    period: float,
    rules: EventRules,
    *,
    exclusive: bool = False,
    seconds: float = math.inf,
    file: str = "",
) -> list[Event]:
    """Find the events in the outputs of a whole file.

    Parameters
    ----------
    outputs : ndarray, shape (frames, classes)
        Such as probabilities; frame `i` is from `i` to `i + 1` times `period`.
    classes : sequence of str
        Labels of the events.
    period : float
        Seconds from one frame to the next; above 0.
    rules : EventRules
    exclusive : bool
        Whether a frame has one class at most: the one with the highest output.
    seconds : float
        Length of the file: no event ends later.
    file : str
        Of the events.

    Returns
    -------
    list of Event
        By onset, then in the order of the classes. The score of an event is the highest output of its class
        in those of its frames in which the class is present.

    Raises
    ------
    ModelError
        The rules lack the threshold of a class.
    """
    finder = EventFinder(classes, period, rules, exclusive=exclusive, file=file)
    if seconds < math.inf:
        outputs = outputs[: math.ceil(seconds / period)]
    return finder.feed(np.asarray(outputs, np.float64)) + finder.end(seconds)
