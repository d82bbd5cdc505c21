"""pr-auc: the mean of the classes' average precision (area under the precision-recall curve)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.intervals import by_class_and_unit, design_effect, unit_variance, wilson
from audiospec.zoo.scores.measuring.ranking import mean_of_known
from audiospec.zoo.scores.measuring.units import RankedItems, RankedSample


@scores.register
class PrAuc(Score):
    """Mean over classes of the average precision, each class against the others.

    Classes that no item has, or all have, do not count. Items of one class have no such score.
    """

    title = "macro PR-AUC"
    always_defined = False

    def compute(self, sample: RankedSample) -> NDArray[np.float64]:
        """Return the mean over the classes of each resample; NaN if there is one class only."""
        return mean_of_known(sample.pr_areas)

    def interval(
        self, items: RankedItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return Wilson's interval, with the number of items that gives the average precision's variance.

        Few items of a class make its average precision too high, so the low end is that of a lower value.
        """
        ranking, units = items.ranking, items.units
        positives, _ = ranking.counts
        influence, bias = ranking.pr_influence()
        count = len(positives) ** 2 / float((1 / positives).sum())
        effect = items.unit_size
        if units > 1:
            variance = unit_variance(influence, items.unit_of, units)
            variance *= by_class_and_unit(*items.class_and_unit, units)
            pseudo = (1 - 1 / units) / units / count / 2  # as if half of a unit were all wrong
            effect = design_effect(variance, value * (1 - value) / count, items.unit_size, pseudo)
        low, _ = wilson(max(value - bias, 0.0), count / effect)
        _, high = wilson(value, count / effect)
        return low, high
