"""F1 of events whose starts and ends are right: event-f1 over the classes, event-f1-micro of all together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.event_items import EventItems, EventSample
from audiospec.zoo.scores.measuring.f1 import f1_interval, f1_of, mean_f1


@scores.register(name="event-f1")
class EventF1(Score):
    """event-f1: the mean over classes of the F1 of events, matched by start and end.

    Starts may differ by 0.2 s, ends by that or by 20 % of the event. Classes without a true event do not
    count.
    """

    targets = ("frames",)
    title = "event F1"
    always_defined = False

    def compute(self, sample: EventSample) -> NDArray[np.float64]:
        """Return the mean F1 of each resample; NaN if there are no true events."""
        return mean_f1(sample.events)

    def interval(
        self, items: EventItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of events that gives the variance; see `f1_interval`."""
        return f1_interval(items.events, items.events[:, 2].sum(0) > 0, value, items.unit_of, items.units)


@scores.register(name="event-f1-micro")
class EventF1Micro(Score):
    """event-f1-micro: the F1 of the events of all classes together, matched by start and end."""

    targets = ("frames",)
    title = "micro event F1"
    always_defined = False

    def compute(self, sample: EventSample) -> NDArray[np.float64]:
        """Return the F1 of each resample; NaN if there are neither true nor predicted events."""
        return f1_of(sample.events.sum(2, keepdims=True))[:, 0]

    def interval(
        self, items: EventItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of events that gives the variance; see `f1_interval`."""
        counts = items.events.sum(2, keepdims=True)
        return f1_interval(counts, np.array([True]), value, items.unit_of, items.units)
