"""The polyphonic sound detection score: the area under a curve of detections over false ones an hour.

C. Bilen et al., A framework for the robust evaluation of sound event detection, ICASSP 2020; over all
thresholds as J. Ebbers, R. Serizel and R. Haeb-Umbach compute it, Threshold-independent evaluation of sound
event detection scores, ICASSP 2022. Tests hold it to their library, sed_scores_eval. That one has to be
compiled, and needs packages that newer versions of Python do not have, so it is no dependency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.event_files import EventFile, events_of, joined_events

#: Most thresholds of a class in a file; of more, so many are taken, evenly over their ranks.
THRESHOLDS = 2000
#: Most false detections an hour that count.
MOST_FALSE = 100.0
#: Digits after the point of seconds that are compared, as in sed_scores_eval.
_DIGITS = 6
#: Most frames times thresholds at a time.
_BLOCK = 1 << 22


class Tolerance(NamedTuple):
    """How much detections and events have to overlap.

    Attributes
    ----------
    detection : float
        Share of a detection that events of its class have to cover; else it is false.
    event : float
        Share of an event that detections of its class, which are not false, have to cover; then it is
        detected.
    cross : float
        Share of a false detection that events of another class have to cover; then it is a cross-trigger,
        too.
    """

    detection: float
    event: float
    cross: float


@dataclass(frozen=True, eq=False)
class _ClassCurve:
    """What changes as the threshold of a class falls, over all files.

    Attributes
    ----------
    last : ndarray of bool, shape (changes,)
        Whether a change is the last one of its threshold.
    file : ndarray of int, shape (changes,)
        Number of the file of each change; thresholds descend.
    changes : ndarray of float64, shape (changes, 2 + classes)
        By how much the number of detected events changes, that of false detections, and that of
        cross-triggers by each class.
    """

    last: NDArray[np.bool_]
    file: NDArray[np.int64]
    changes: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """What files add to the numbers of detections at each threshold.

    Attributes
    ----------
    durations : ndarray of float64, shape (files,)
        Seconds.
    events, seconds : ndarray of float64, shape (files, classes)
        Number of true events, and the time that they take.
    """

    durations: NDArray[np.float64]
    events: NDArray[np.float64]
    seconds: NDArray[np.float64]
    _classes: list[_ClassCurve]

    @classmethod
    def of(cls, files: Sequence[EventFile], classes: Sequence[str], tolerance: Tolerance) -> Curves:
        """Return the curves of files, each with probabilities.

        Events of a class that overlap or touch are one event.
        """
        truth = [
            [joined_events(events_of(file.truth, label, file.duration)) for label in classes]
            for file in files
        ]
        curves = []
        for number in range(len(classes)):
            thresholds, changes = [], []
            for file, events in zip(files, truth, strict=True):
                assert file.probabilities is not None
                assert file.times is not None
                values = file.probabilities[:, number].astype(np.float64)
                levels, counts = _counts(values, file.times, events, number, tolerance)
                thresholds.append(levels)
                changes.append(np.diff(counts, axis=0, prepend=0))
            levels = np.concatenate(thresholds)
            file_of = np.repeat(np.arange(len(files)), [len(one) for one in thresholds])
            changed = np.concatenate(changes)
            order = np.argsort(-levels, kind="stable")
            order = order[changed[order].any(1)]
            ordered = levels[order]
            last = np.append(ordered[1:] < ordered[:-1], True)[: len(ordered)]
            curves.append(_ClassCurve(last, file_of[order], changed[order]))
        return cls(
            np.array([file.duration for file in files]),
            np.array([[len(events) for events in of_file] for of_file in truth], np.float64),
            np.array([[(one[:, 1] - one[:, 0]).sum() for one in of_file] for of_file in truth]),
            curves,
        )

    def score(self, weights: NDArray[np.float64], cross: float, spread: float) -> float:
        """Return the area under the curve of files, each counted some times; NaN if they have no events.

        Classes without a true event do not count.

        Parameters
        ----------
        weights : ndarray of float64, shape (files,)
            How often each file counts.
        cross : float
            Weight of the rate of cross-triggers, as a part of the rate of false detections.
        spread : float
            Weight of the standard deviation over the classes, which is taken from their mean.
        """
        hours = float(weights @ self.durations) / 3600
        events, seconds = weights @ self.events, weights @ self.seconds
        steps = [
            self._steps(int(number), weights, hours, events, seconds, cross)
            for number in np.flatnonzero(events > 0)
        ]
        if not steps:
            return float("nan")
        rates = np.unique(np.concatenate([false for false, _ in steps]))
        shares = np.array([detected[np.searchsorted(false, rates, "right") - 1] for false, detected in steps])
        heights = np.maximum(shares.mean(0) - spread * shares.std(0), 0)
        return float(heights @ np.diff(rates, append=MOST_FALSE)) / MOST_FALSE

    def _steps(
        self,
        number: int,
        weights: NDArray[np.float64],
        hours: float,
        events: NDArray[np.float64],
        seconds: NDArray[np.float64],
        cross: float,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rates of false detections, ascending from 0, and the share of events detected at each."""
        curve = self._classes[number]
        counts = np.cumsum(weights[curve.file, None] * curve.changes, 0)[curve.last]
        counts = np.concatenate(
            [np.zeros((1, counts.shape[1])), counts]
        )  # of the highest threshold, nothing is
        false = counts[:, 1] / hours
        others = (seconds > 0) & (np.arange(len(seconds)) != number)
        if cross and others.any():
            rates = counts[:, 2:][:, others] / (seconds[others] / 3600)
            false = false + cross * rates.mean(1)
        order = np.lexsort((counts[:, 0], false))
        false, detected = false[order], np.maximum.accumulate(counts[order, 0]) / events[number]
        last = np.append(false[1:] > false[:-1], True) & (false <= MOST_FALSE)
        return false[last], detected[last]


def _counts(
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    events: Sequence[NDArray[np.float64]],
    number: int,
    tolerance: Tolerance,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the thresholds of a class in a file, descending, and numbers of detections at each.

    Parameters
    ----------
    values : ndarray of float64, shape (frames,)
        Probabilities of the class.
    times : ndarray of float64, shape (frames + 1,)
    events : sequence of ndarray, each of shape (events, 2)
        Of each class.
    number : int
        Number of the class.
    tolerance : Tolerance

    Returns
    -------
    (ndarray of float64, ndarray of float64)
        Thresholds (n,), and (n, 2 + classes): events detected, false detections, cross-triggers by each
        class.
    """
    levels = np.unique(values)[::-1]
    if len(levels) > THRESHOLDS:
        levels = levels[np.linspace(0, len(levels) - 1, THRESHOLDS).astype(int)]
    counts = np.zeros((len(levels), 2 + len(events)))
    for first, level, start, end in _runs(values, times, levels):
        size = int(level.max()) + 1
        length = end - start
        own = _overlap(start, end, events[number])
        right = _at_least(own.sum(1), tolerance.detection * length)
        covered = np.zeros((size, len(events[number])))
        np.add.at(covered, level[right], own[right])
        block = counts[first : first + size]
        needed = tolerance.event * (events[number][:, 1] - events[number][:, 0])
        block[:, 0] = _at_least(covered, needed).sum(1)
        block[:, 1] = np.bincount(level[~right], minlength=size)
        for other, of_other in enumerate(events):
            if other != number and len(of_other):
                overlap = _overlap(start[~right], end[~right], of_other).sum(1)
                crossed = _at_least(overlap, tolerance.cross * length[~right])
                block[:, 2 + other] = np.bincount(level[~right][crossed], minlength=size)
    return levels, counts


def _runs(
    values: NDArray[np.float64], times: NDArray[np.float64], levels: NDArray[np.float64]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the number of a block's first level, and each detection's level in the block, start and end."""
    step = max(1, _BLOCK // len(values))
    for first in range(0, len(levels), step):
        active = values >= levels[first : first + step, None]
        edges = np.diff(active.astype(np.int8), axis=1, prepend=0, append=0)
        level, start = np.nonzero(edges == 1)
        _, end = np.nonzero(edges == -1)
        yield first, level, times[start], times[end]


def _overlap(
    start: NDArray[np.float64], end: NDArray[np.float64], events: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for how many seconds each detection overlaps each event: (detections, events)."""
    latest_start = np.maximum(start[:, None], events[:, 0])
    overlap: NDArray[np.float64] = np.maximum(np.minimum(end[:, None], events[:, 1]) - latest_start, 0)
    return overlap


def _at_least(values: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether values are at least their limits, by the digits that count."""
    reached: NDArray[np.bool_] = np.round(values, _DIGITS) >= np.round(limits, _DIGITS)
    return reached
