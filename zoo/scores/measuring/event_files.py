"""EventFile: the true and the predicted events of a track; events of one label as arrays of their times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError


class Stretch(Protocol):
    """An event: a stretch of a track with a label, such as an `Annotation`."""

    @property
    def start(self) -> float:
        """Seconds from the start of the track."""

    @property
    def end(self) -> float:
        """Seconds from the start of the track; infinite: the end of the track."""

    @property
    def label(self) -> str:
        """The class."""


@dataclass(frozen=True, eq=False)
class EventFile:
    """The true and the predicted events of a track.

    Attributes
    ----------
    track : str
        Id of the track.
    duration : float
        Seconds, more than 0. Ends after it are moved to it.
    truth, predicted : sequence of events
        With ``start``, ``end`` and ``label``, in any order. Events of labels that are not scored are ignored.
    probabilities : ndarray of float, shape (frames, classes), or None
        Of each frame; scores that need no thresholds are from these. None: there are no such scores.
    times : ndarray of float, shape (frames + 1,), or None
        Seconds: the starts of the frames, and the end of the last one.

    Raises
    ------
    ModelError
        The duration is not positive, an event ends before it starts, or the shapes do not fit.
    """

    track: str
    duration: float
    truth: Sequence[Stretch]
    predicted: Sequence[Stretch]
    probabilities: NDArray[np.float64] | None = None
    times: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.duration < np.inf:
            raise ModelError(
                f"expected a duration of more than 0 s of track {self.track}; got {self.duration}"
            )
        for event in (*self.truth, *self.predicted):
            if not 0 <= event.start <= event.end:
                raise ModelError(
                    f"expected events of track {self.track} with 0 <= start <= end; got {event.label!r} from "
                    f"{event.start} to {event.end}"
                )
        if (self.probabilities is None) != (self.times is None):
            raise ModelError(f"expected probabilities of track {self.track} with the times of their frames")
        if self.probabilities is not None and self.times is not None:
            frames = len(self.probabilities)
            if self.times.shape != (frames + 1,) or frames == 0 or (np.diff(self.times) <= 0).any():
                raise ModelError(
                    f"expected {frames} starts of frames of track {self.track}, ascending, and an end; got "
                    f"{self.times.shape}"
                )


def events_of(events: Iterable[Stretch], label: str, duration: float) -> NDArray[np.float64]:
    """Return the start and the end of each event with a label: (events, 2), sorted; none after `duration`."""
    times = sorted((event.start, min(event.end, duration)) for event in events if event.label == label)
    return np.array(times, np.float64).reshape(-1, 2)


def joined_events(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the stretches that events (n, 2) cover, sorted; events that overlap or touch are one."""
    joined: list[list[float]] = []
    for start, end in times.tolist():
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return np.array(joined, np.float64).reshape(-1, 2)
