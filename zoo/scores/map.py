"""Mean average precision of several labels: map-macro over the classes, map-micro of all pairs together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.intervals import design_effect, unit_size, unit_variance, wilson
from audiospec.zoo.scores.measuring.label_items import LabelItems, LabelSample
from audiospec.zoo.scores.pr_auc import PrAuc


@scores.register(name="map-macro")
class MapMacro(PrAuc):
    """map-macro: the mean of the labels' average precision (mAP).

    Labels that no item has, or all have, do not count.
    """

    targets = ("multi-label",)
    title = "mAP"


@scores.register(name="map-micro")
class MapMicro(Score):
    """map-micro: the average precision of all pairs of an item and a label, ranked together.

    Labels count by how often they occur, and their probabilities have to be comparable.
    """

    targets = ("multi-label",)
    title = "micro mAP"
    always_defined = False

    def compute(self, sample: LabelSample) -> NDArray[np.float64]:
        """Return the average precision of each resample; NaN if no item has a label, or all have all."""
        return sample.pooled_pr_areas

    def interval(
        self, items: LabelItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of pairs that gives the variance; see `PrAuc`."""
        influence, bias = items.pooled.pr_influence()
        count = float(items.pooled.counts[0][0])
        _, unit_of_pairs = items.class_and_unit
        size = unit_size(unit_of_pairs, items.units)
        effect = size
        if items.units > 1:
            by_item = influence.reshape(items.truth.shape).sum(1)
            variance = unit_variance(by_item, items.unit_of, items.units)
            pseudo = (1 - 1 / items.units) / items.units / count / 2  # as if half of a unit were all wrong
            effect = design_effect(variance, value * (1 - value) / count, size, pseudo)
        low, _ = wilson(max(value - bias, 0.0), count / effect)
        _, high = wilson(value, count / effect)
        return low, high
