"""Ranking: the items in the order of each class's probability, for the areas under curves."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Ranking:
    """Items in descending order of the probability of each class, one class against the others.

    Parameters
    ----------
    truth : ndarray of int, shape (items,), or of bool, shape (items, classes)
        True class numbers, or whether each item has each class.
    probabilities : ndarray, shape (items, classes)

    Attributes
    ----------
    exclusive : bool
        Whether each item has one class.
    known : ndarray of int
        The classes that some items have and some have not; the other classes have no areas.
    """

    def __init__(self, truth: NDArray[Any], probabilities: NDArray[np.float64]) -> None:
        count, classes = probabilities.shape
        self.exclusive = truth.ndim == 1
        has = truth[:, None] == np.arange(classes) if self.exclusive else truth
        occurring = has.sum(0)
        self.known: NDArray[np.int64] = np.flatnonzero((occurring > 0) & (occurring < count))
        values = probabilities[:, self.known].T
        #: Item at each rank, and whether it has the class: (known classes, items).
        self._order: NDArray[np.int64] = np.argsort(-values, axis=1, kind="stable")
        self._positive = np.take_along_axis(has.T[self.known], self._order, 1)
        ordered = np.take_along_axis(values, self._order, 1)
        last = np.ones(ordered.shape, bool)
        last[:, :-1] = ordered[:, 1:] < ordered[:, :-1]
        # The order of items of equal probability means nothing, so all count at the last rank of theirs.
        ranks = np.where(last, np.arange(count), count)
        self._ends: NDArray[np.int64] = np.minimum.accumulate(ranks[:, ::-1], 1)[:, ::-1]

    @cached_property
    def roc(self) -> NDArray[np.float64]:
        """Areas under the ROC curves of the items, each counted once: (known classes,)."""
        areas: NDArray[np.float64] = (self._won * self._positive).sum(1) / self.counts[0]
        return areas

    @cached_property
    def pr(self) -> NDArray[np.float64]:
        """Average precisions of the items, each counted once: (known classes,)."""
        right, wrong = self._at_ends
        areas: NDArray[np.float64] = (self._positive * right / (right + wrong)).sum(1) / self.counts[0]
        return areas

    def roc_areas(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the areas under the ROC curves: (n, known classes); NaN where a class is absent.

        Parameters
        ----------
        weights : ndarray of float64, shape (n, items)
            How often each item counts in each of n resamples.
        """
        return self._areas(weights, precision=False)

    def pr_areas(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the average precisions: (n, known classes); see `roc_areas`."""
        return self._areas(weights, precision=True)

    def _areas(self, weights: NDArray[np.float64], precision: bool) -> NDArray[np.float64]:
        areas = np.full((len(weights), len(self.known)), np.nan)
        for number, (order, positive, ends) in enumerate(
            zip(self._order, self._positive, self._ends, strict=True)
        ):
            ordered = weights[:, order]
            # Cumulative weights of the two sides at the last rank of each probability.
            distinct = np.flatnonzero(ends == np.arange(len(order)))
            right = np.cumsum(ordered * positive, 1)[:, distinct]
            wrong = np.cumsum(ordered * ~positive, 1)[:, distinct]
            both = (right[:, -1] > 0) & (wrong[:, -1] > 0)
            right, wrong = right[both], wrong[both]
            step = np.diff(right, prepend=0)
            if precision:
                sums = right + wrong
                shares = np.divide(right, sums, out=np.zeros(right.shape), where=sums > 0)
                areas[both, number] = (step * shares).sum(1) / right[:, -1]
            else:
                below = wrong[:, -1:] - wrong + np.diff(wrong, prepend=0) / 2
                areas[both, number] = (step * below).sum(1) / right[:, -1] / wrong[:, -1]
        return areas

    @cached_property
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of items with and without each of the known classes."""
        positives = self._positive.sum(1)
        return positives, self._positive.shape[1] - positives

    @cached_property
    def _at_ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """At the last rank of each item's probability: numbers of items with and without the class."""
        right = np.take_along_axis(np.cumsum(self._positive, 1), self._ends, 1)
        return right, self._ends + 1 - right

    @cached_property
    def _won(self) -> NDArray[np.float64]:
        """Share of the items of the other side that each item is ranked rightly against; ties count half."""
        positives, negatives = (count[:, None] for count in self.counts)
        right, wrong = self._at_ends
        shares: NDArray[np.float64] = np.where(
            self._positive,
            (negatives - wrong + self._tied(wrong) / 2) / negatives,
            (right - self._tied(right) / 2) / positives,
        )
        return shares

    def roc_influence(self) -> NDArray[np.float64]:
        """Return the influence of each item on the mean area under the ROC curves: (items,).

        These are the components of E. R. DeLong et al., Biometrics 44, 1988.
        """
        positives, negatives = (count[:, None] for count in self.counts)
        return self._by_item((self._won - self.roc[:, None]) / np.where(self._positive, positives, negatives))

    def pr_influence(self) -> tuple[NDArray[np.float64], float]:
        """Return the influence of each item on the mean average precision (items,), and the latter's bias.

        An item with the class counts in its own precision, so few of them make the precision too high.
        """
        positives = self.counts[0][:, None]
        right, wrong = self._at_ends
        ranks = right + wrong
        precision = right / ranks
        # What an item changes in the precisions of those that are ranked with it or below.
        gain = self._at_or_below(self._positive * (1 - precision) / ranks)
        loss = self._at_or_below(self._positive * precision / ranks)
        influence = np.where(self._positive, precision - self.pr[:, None] + gain, -loss) / positives
        bias = (self._positive * (1 - precision) / ranks).sum(1) / positives[:, 0]
        return self._by_item(influence), float(bias.mean())

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first rank of each item's probability."""
        count = self._ends.shape[1]
        starts = np.zeros((len(self.known), count), np.int64)
        starts[:, 1:] = np.where(self._ends[:, 1:] != self._ends[:, :-1], np.arange(1, count), 0)
        return np.maximum.accumulate(starts, 1)

    def _tied(self, cumulative: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the part of cumulative numbers that belongs to an item's own probability."""
        before = np.take_along_axis(cumulative, np.maximum(self._starts - 1, 0), 1)
        tied: NDArray[np.int64] = cumulative - np.where(self._starts > 0, before, 0)
        return tied

    def _at_or_below(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum of the values of all items with an item's probability or a lower one."""
        sums: NDArray[np.float64] = np.cumsum(values[:, ::-1], 1)[:, ::-1]
        from_starts: NDArray[np.float64] = np.take_along_axis(sums, self._starts, 1)
        return from_starts

    def _by_item(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over the known classes of values in the order of ranks, in the items' order."""
        sums = np.bincount(self._order.ravel(), values.ravel(), self._order.shape[1])
        means: NDArray[np.float64] = sums / len(self.known)
        return means


def mean_of_known(areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the classes that are known in each resample: (n,); NaN if there are none."""
    known = np.isfinite(areas)
    count = known.sum(1)
    sums = np.where(known, areas, 0).sum(1)
    means: NDArray[np.float64] = np.divide(sums, count, out=np.full(len(areas), np.nan), where=count > 0)
    return means
