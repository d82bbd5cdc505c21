"""F1 of several labels at their thresholds: label-f1 over the classes, label-f1-micro of all together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.f1 import f1_interval, f1_of
from audiospec.zoo.scores.measuring.label_items import LabelItems, LabelSample
from audiospec.zoo.scores.measuring.ranking import mean_of_known


@scores.register(name="label-f1")
class LabelF1(Score):
    """label-f1: the mean of the labels' F1, each at its threshold.

    Labels that neither occur nor are predicted do not count.
    """

    targets = ("multi-label",)
    title = "macro F1"
    always_defined = False

    def compute(self, sample: LabelSample) -> NDArray[np.float64]:
        """Return the mean F1 of each resample; NaN if no label occurs or is predicted."""
        return mean_of_known(f1_of(sample.counts))

    def interval(
        self, items: LabelItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of items that gives the variance; see `f1_interval`."""
        counted = items.counts[:, 1:].sum((0, 1)) > 0
        return f1_interval(items.counts, counted, value, items.unit_of, items.units)


@scores.register(name="label-f1-micro")
class LabelF1Micro(Score):
    """label-f1-micro: the F1 of all pairs of an item and a label, each at the label's threshold."""

    targets = ("multi-label",)
    title = "micro F1"
    always_defined = False

    def compute(self, sample: LabelSample) -> NDArray[np.float64]:
        """Return the F1 of each resample; NaN if no label occurs or is predicted."""
        return f1_of(sample.counts.sum(2, keepdims=True))[:, 0]

    def interval(
        self, items: LabelItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of labels that gives the variance; see `f1_interval`."""
        counts = items.counts.sum(2, keepdims=True)
        return f1_interval(counts, np.array([True]), value, items.unit_of, items.units)
