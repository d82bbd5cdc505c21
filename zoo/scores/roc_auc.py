"""roc-auc: the mean area under the classes' ROC curves, each class against the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.base import Score, scores
from audiospec.zoo.scores.measuring.intervals import by_class_and_unit, design_effect, inverted, unit_variance
from audiospec.zoo.scores.measuring.ranking import mean_of_known
from audiospec.zoo.scores.measuring.units import RankedItems, RankedSample


@scores.register
class RocAuc(Score):
    """Mean over classes of the chance that an item of the class has a higher probability of it than another.

    Classes that no item has, or all have, do not count. Items of one class have no such score.
    """

    targets = ("single", "multi-label")
    title = "macro ROC-AUC"
    always_defined = False

    def compute(self, sample: RankedSample) -> NDArray[np.float64]:
        """Return the mean over the classes of each resample; NaN if there is one class only."""
        return mean_of_known(sample.roc_areas)

    def interval(
        self, items: RankedItems, value: float, resampled: Callable[[], NDArray[np.float64]]
    ) -> tuple[float, float]:
        """Return the areas that are compatible with the one found, by the variance that each would have.

        The variance of an area is that of J. A. Hanley and B. J. McNeil (Radiology 143, 1982). DeLong's
        components give how much larger it is here.
        """
        ranking, units = items.ranking, items.units
        positives, negatives = ranking.counts
        # The areas of classes that exclude each other are of the same items: of two they are one and the
        # same.
        classes = len(positives)
        scale = 1 / (classes * (classes - 1 if ranking.exclusive else classes))
        pairs = positives * negatives
        terms = ((1 / pairs).sum(), ((positives - 1) / pairs).sum(), ((negatives - 1) / pairs).sum())
        one, of_positives, of_negatives = (scale * float(term) for term in terms)

        def variance(area: float) -> float:
            square = area * area
            return (
                one * area * (1 - area)
                + of_positives * (area / (2 - area) - square)
                + of_negatives * (2 * square / (1 + area) - square)
            )

        effect = items.unit_size
        if units > 1:
            found = unit_variance(ranking.roc_influence(), items.unit_of, units)
            found *= by_class_and_unit(*items.class_and_unit, units)
            # As if a tenth of a unit were all wrong; most items say something of the order.
            pseudo = variance(1 - 1 / units) / 10
            effect = design_effect(found, variance(value), items.unit_size, pseudo)
        return inverted(value, lambda area: effect * variance(area))
