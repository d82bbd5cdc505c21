"""Tracks with events, and resamples of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.event_counts import count_file
from audiospec.zoo.scores.measuring.event_files import EventFile
from audiospec.zoo.scores.measuring.psd import Curves, Tolerance
from audiospec.zoo.scores.measuring.units import UnitItems, UnitSample


@dataclass(frozen=True, eq=False)
class EventItems(UnitItems):
    """Tracks with events to score.

    Attributes
    ----------
    files : sequence of EventFile
        The items.
    classes : sequence of str
        Labels of the events.
    unit_of : ndarray of int, shape (files,)
        Number of each track's unit; see `UnitItems`.
    units : int
    """

    files: Sequence[EventFile]
    classes: Sequence[str]
    unit_of: NDArray[np.int64]
    units: int
    _curves: dict[Tolerance, Curves] = field(init=False, default_factory=dict)

    @cached_property
    def _counts(self) -> list[NDArray[np.float64]]:
        counts = [count_file(file, self.classes) for file in self.files]
        return [np.stack(column) for column in zip(*counts, strict=True)]

    @property
    def events(self) -> NDArray[np.float64]:
        """Numbers of matched, of predicted and of true events: (files, 3, classes)."""
        return self._counts[0]

    @property
    def segments(self) -> NDArray[np.float64]:
        """Numbers of segments whose class is predicted and true, predicted, true: (files, 3, classes)."""
        return self._counts[1]

    @property
    def errors(self) -> NDArray[np.float64]:
        """Numbers of errors and of true labels in segments: (files, 2)."""
        return self._counts[2]

    @property
    def has_probabilities(self) -> bool:
        """Whether each file has the probabilities of its frames."""
        return all(file.probabilities is not None for file in self.files)

    def curves(self, tolerance: Tolerance) -> Curves:
        """Return what the files add to the counts at each threshold; computed once for each tolerance."""
        if tolerance not in self._curves:
            self._curves[tolerance] = Curves.of(self.files, self.classes, tolerance)
        return self._curves[tolerance]

    def sample(self, draws: NDArray[np.float64] | None = None) -> EventSample:
        """Return the tracks in resamples of their units; None: one that has each unit once."""
        return EventSample(self, draws)


class EventSample(UnitSample):
    """Tracks with events in `n` resamples; for the parameters see `UnitSample`."""

    def __init__(self, items: EventItems, draws: NDArray[np.float64] | None = None) -> None:
        super().__init__(items, draws)
        self.items = items

    @cached_property
    def events(self) -> NDArray[np.float64]:
        """Numbers of matched, of predicted and of true events: (n, 3, classes)."""
        return self._sums(self.items.events)

    @cached_property
    def segments(self) -> NDArray[np.float64]:
        """Numbers of segments whose class is predicted and true, predicted, true: (n, 3, classes)."""
        return self._sums(self.items.segments)

    @cached_property
    def errors(self) -> NDArray[np.float64]:
        """Numbers of errors and of true labels in segments: (n, 2)."""
        return self._sums(self.items.errors)

    def _sums(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.totals(counts.reshape(len(counts), -1)).reshape(len(self), *counts.shape[1:])
