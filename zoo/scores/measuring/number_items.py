"""Items of one number each, and resamples of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.scores.measuring.units import ScoredItems, UnitSample

#: A variance below this share of that of all items is taken to be 0: it is what rounding leaves.
_ROUNDING = 1e-12


class Moments(NamedTuple):
    """Moments of true and predicted numbers in each resample, each (n,); divided by n, not by n - 1."""

    #: Mean of the predicted numbers minus that of the true ones.
    bias: NDArray[np.float64]
    #: Variances of the true and of the predicted numbers, and their covariance.
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    both: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NumberItems(ScoredItems):
    """Chunks or tracks of one number each: true numbers and a model's predictions.

    Attributes
    ----------
    truth, predicted : ndarray of float64, shape (items,)
        Finite.
    unit_of : ndarray of int, shape (items,)
        Number of each item's unit; see `UnitItems`.
    units : int
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    unit_of: NDArray[np.int64]
    units: int

    @cached_property
    def centred(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True and predicted numbers, minus their means; so that squares keep their digits."""
        return self.truth - self.truth.mean(), self.predicted - self.predicted.mean()

    def sample(self, draws: NDArray[np.float64] | None = None) -> NumberSample:
        """Return the items in resamples of their units; None: one that has each unit once."""
        return NumberSample(self, draws)


class NumberSample(UnitSample):
    """Items of one number each in `n` resamples; for the parameters see `UnitSample`."""

    def __init__(self, items: NumberItems, draws: NDArray[np.float64] | None = None) -> None:
        super().__init__(items, draws)
        self._items = items

    @property
    def truth(self) -> NDArray[np.float64]:
        """True number of each item, shape (items,)."""
        return self._items.truth

    @property
    def predicted(self) -> NDArray[np.float64]:
        """Predicted number of each item, shape (items,)."""
        return self._items.predicted

    @cached_property
    def moments(self) -> Moments:
        """Bias, variances and covariance of each resample; exactly 0 where numbers are all equal."""
        true, predicted = self._items.centred
        columns = np.stack([np.ones(len(true)), true, predicted, true**2, predicted**2, true * predicted], 1)
        count, *sums = self.totals(columns).T
        mean_true, mean_predicted, squares_true, squares_predicted, products = (one / count for one in sums)
        offset = float(self.predicted.mean() - self.truth.mean())

        of_true = squares_true - mean_true**2
        of_true[of_true <= _ROUNDING * float((true**2).mean())] = 0
        of_predicted = squares_predicted - mean_predicted**2
        of_predicted[of_predicted <= _ROUNDING * float((predicted**2).mean())] = 0
        either = (of_true > 0) & (of_predicted > 0)
        both = np.where(either, products - mean_true * mean_predicted, 0.0)
        return Moments(offset + mean_predicted - mean_true, of_true, of_predicted, both)
