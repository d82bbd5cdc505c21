"""Sets of classes that contain the right one as often as asked, by split-conformal prediction over units.

The score of a track is 1 - the probability of its true class, and the set of a new track has all classes
whose score would be no higher than a threshold (Sadinle, Lei and Wasserman 2019, "Least ambiguous set-valued
classifiers with bounded error levels"). Tracks of one unit, such as one artist's, are not independent, so the
units are what is taken to be exchangeable: each unit weighs the same, a new one weighs as much, and the
threshold is a quantile of this mixture (Lee, Barber and Willett 2023, "Distribution-free inference with
hierarchical data"). Then the set of a track of a new unit has its class with at least the probability that
was asked for, on average over units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import RunError

#: Scores as different as this are equal: libraries add in another order on another machine.
_EQUAL = 1e-9


class Conformal:
    """The scores of tracks that a model did not learn from.

    Parameters
    ----------
    scores : ndarray, shape (tracks,)
        1 − the probability of the true class, from 0 to 1.
    units : ndarray of int64, shape (tracks,)
        Number of each track's unit.
    source : str
        Which rows they are: ``"validation"``, or ``"out-of-fold"`` of the training rows.
    """

    def __init__(self, scores: NDArray[np.float64], units: NDArray[np.int64], source: str) -> None:
        _, self.units, sizes = np.unique(units, return_inverse=True, return_counts=True)
        self.scores, self.source, self.count = scores, source, len(sizes)
        self._weights = 1 / sizes[self.units] / (self.count + 1)

    @property
    def most(self) -> float:
        """The highest coverage that so many units allow."""
        return self.count / (self.count + 1)

    def threshold(self, coverage: float) -> float:
        """Return the highest score of a class that is in a set.

        Parameters
        ----------
        coverage : float
            Probability that the set of a track of a new unit contains its class; above 0, below 1.

        Raises
        ------
        RunError
            The coverage is no such number, or there are too few units for it.
        """
        if not 0 < coverage < 1:
            raise RunError(f"expected a coverage above 0 and below 1, such as 0.9; got {coverage:g}")
        if self.most < coverage - _EQUAL:
            needed = math.ceil(coverage / (1 - coverage) - _EQUAL)
            raise RunError(
                f"a coverage of {coverage:g} needs {needed} held-out units (tracks, or groups of them); "
                f"this run has {self.count}",
                f"ask for at most `coverage={math.floor(1000 * self.most) / 1000:g}`, or train on more units",
            )
        order = np.argsort(self.scores, kind="stable")
        reached = self._weights[order].cumsum() >= coverage - _EQUAL
        return float(self.scores[order][reached.argmax()])

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain JSON values."""
        return {"source": self.source, "scores": self.scores.tolist(), "units": self.units.tolist()}

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> Conformal:
        """Return the scores that `to_dict` described.

        Raises
        ------
        ValueError, TypeError, KeyError
            They are no scores.
        """
        scores, units = np.asarray(stated["scores"], np.float64), np.asarray(stated["units"])
        if (
            scores.ndim != 1
            or units.shape != scores.shape
            or not len(scores)
            or not np.issubdtype(units.dtype, np.integer)
            or not ((scores >= 0) & (scores <= 1)).all()
            or not isinstance(stated["source"], str)
        ):
            raise ValueError("expected scores from 0 to 1, and the number of the unit of each")
        return cls(scores, units.astype(np.int64), stated["source"])


def in_sets(probabilities: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Return which classes are in the sets of tracks with these probabilities; a set may be empty.

    Parameters
    ----------
    probabilities : ndarray of float64, any shape
    threshold : float
        From `Conformal.threshold`.

    Returns
    -------
    ndarray of bool, of the same shape
    """
    return np.asarray(1 - probabilities <= threshold + _EQUAL)
