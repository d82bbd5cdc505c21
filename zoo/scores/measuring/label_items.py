"""Items of several labels each, and resamples of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.ranking import Ranking
from audiospec.zoo.scores.measuring.units import RankedItems, RankedSample

#: Largest number of bytes of the weights of pairs of an item and a class at a time.
_MEMORY = 1 << 26


@dataclass(frozen=True, eq=False)
class LabelItems(RankedItems):
    """Chunks or tracks of any number of labels each: true labels and a model's predictions.

    Attributes
    ----------
    truth : ndarray of bool, shape (items, classes)
        Whether each item has each label.
    probabilities : ndarray of float64, shape (items, classes)
        0 to 1 each; their sum means nothing.
    thresholds : ndarray of float64, shape (items, classes)
        An item is predicted to have a label if its probability is at least this.
    unit_of : ndarray of int, shape (items,)
        Number of each item's unit; see `UnitItems`.
    units : int
    """

    truth: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    unit_of: NDArray[np.int64]
    units: int

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        """Whether each item is predicted to have each label: (items, classes)."""
        decided: NDArray[np.bool_] = self.probabilities >= self.thresholds
        return decided

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """Whether each label is a true positive, is predicted and is true: (items, 3, classes).

        Sums over items are numbers of true positives, of predictions and of labels.
        """
        return np.stack([self.truth & self.predicted, self.predicted, self.truth], 1).astype(np.float64)

    @cached_property
    def pooled(self) -> Ranking:
        """The pairs of an item and a label, in the order of all probabilities."""
        return Ranking(self.truth.reshape(-1, 1), self.probabilities.reshape(-1, 1))

    def sample(self, draws: NDArray[np.float64] | None = None) -> LabelSample:
        """Return the items in resamples of their units; None: one that has each unit once."""
        return LabelSample(self, draws)


class LabelSample(RankedSample):
    """Items of several labels each in `n` resamples; for the parameters see `UnitSample`."""

    def __init__(self, items: LabelItems, draws: NDArray[np.float64] | None = None) -> None:
        super().__init__(items, draws)
        self._items = items

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether each item has each label, shape (items, classes)."""
        return self._items.truth

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Whether each item is predicted to have each label, shape (items, classes)."""
        return self._items.predicted

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """Numbers of true positives, of predictions and of labels: (n, 3, classes)."""
        counts = self._items.counts
        return self.totals(counts.reshape(len(counts), -1)).reshape(len(self), 3, -1)

    @cached_property
    def pooled_pr_areas(self) -> NDArray[np.float64]:
        """Average precision of all pairs of an item and a label: (n,); NaN if none or all are true."""
        ranking = self._items.pooled
        if not len(ranking.known):
            return np.full(len(self), np.nan)
        if self._once:
            return ranking.pr
        classes = self.probabilities.shape[1]
        step = max(1, _MEMORY // (8 * self.probabilities.size))
        areas = [
            ranking.pr_areas(np.repeat(self.draws[first : first + step][:, self._items.unit_of], classes, 1))
            for first in range(0, len(self), step)
        ]
        return np.concatenate(areas)[:, 0]
