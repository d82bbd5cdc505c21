"""Polyphonic sound detection scores: psds1 for the times of events, psds2 for their classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.event_items import EventItems, EventSample
from audiospec.zoo.scores.measuring.intervals import of_varying_share
from audiospec.zoo.scores.measuring.jackknife import jackknife
from audiospec.zoo.scores.measuring.psd import Tolerance

#: Most parts of the units that are left out in turn for an interval.
_PARTS = 50


@scores.register(name="psds1")
class Psds1(Score):
    """psds1: the area under detected events over false ones an hour, if 70 % of them overlap.

    The mean over classes minus its standard deviation, up to 100 false detections an hour: scenario 1 of
    DCASE 2021 to 2023, task 4. It is of the probabilities of frames; without them there is no such score.
    """

    targets = ("frames",)
    title = "PSDS1"
    always_defined = False
    #: Overlaps, weight of cross-triggers, weight of the deviation between classes.
    tolerance: ClassVar[Tolerance] = Tolerance(0.7, 0.7, np.inf)
    cross: ClassVar[float] = 0.0
    spread: ClassVar[float] = 1.0

    def compute(self, sample: EventSample) -> NDArray[np.float64]:
        """Return the score of each resample; NaN without probabilities or true events."""
        if not sample.items.has_probabilities:
            return np.full(len(sample), np.nan)
        curves = sample.items.curves(self.tolerance)
        return np.array([curves.score(weights, self.cross, self.spread) for weights in sample.weights])

    def interval(
        self, items: EventItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of events that gives the variance of the jackknife."""
        variance, freedom = jackknife(items, self.compute, _PARTS)
        events = float(items.events[:, 2].sum())
        return of_varying_share(value, variance, items.units if freedom else 1, max(events, 1.0))


@scores.register(name="psds2")
class Psds2(Psds1):
    """psds2: as psds1, if 10 % of them overlap, and confused classes count half.

    Cross-triggers, false detections that are an event of another class by 30 %, count half: scenario 2 of
    DCASE.
    """

    title = "PSDS2"
    tolerance = Tolerance(0.1, 0.1, 0.3)
    cross = 0.5
