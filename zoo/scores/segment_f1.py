"""F1 of the classes in segments of 1 s: segment-f1 over the classes, segment-f1-micro of all together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.event_items import EventItems, EventSample
from audiospec.zoo.scores.measuring.f1 import f1_interval, f1_of, mean_f1


@scores.register(name="segment-f1")
class SegmentF1(Score):
    """segment-f1: the mean over classes of the F1 of segments of 1 s.

    A class is in a segment if one of its events is in a part of it. Classes without a true event do not
    count.
    """

    targets = ("frames",)
    title = "segment F1"
    always_defined = False

    def compute(self, sample: EventSample) -> NDArray[np.float64]:
        """Return the mean F1 of each resample; NaN if there are no true events."""
        return mean_f1(sample.segments)

    def interval(
        self, items: EventItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of segments that gives the variance."""
        return f1_interval(items.segments, items.segments[:, 2].sum(0) > 0, value, items.unit_of, items.units)


@scores.register(name="segment-f1-micro")
class SegmentF1Micro(Score):
    """segment-f1-micro: the F1 of all pairs of a segment of 1 s and a class."""

    targets = ("frames",)
    title = "micro segment F1"
    always_defined = False

    def compute(self, sample: EventSample) -> NDArray[np.float64]:
        """Return the F1 of each resample; NaN if there are neither true nor predicted events."""
        return f1_of(sample.segments.sum(2, keepdims=True))[:, 0]

    def interval(
        self, items: EventItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of segments that gives the variance."""
        counts = items.segments.sum(2, keepdims=True)
        return f1_interval(counts, np.array([True]), value, items.unit_of, items.units)
