"""Nearest neighbours by Euclidean distance on standardised columns: one neighbour, or five."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from audiospec.errors import ModelError
from audiospec.zoo.base import ModelSettings, Progress, Rows, models
from audiospec.zoo.estimator import SklearnModel
from audiospec.zoo.targets.number import Number


@models.register(name="knn-1")
class Knn1(SklearnModel):
    """knn-1: the nearest neighbour by Euclidean distance on standardised columns.

    It is `sklearn.neighbors.KNeighborsClassifier`; a probability is a share of the votes.
    """

    serves = ("single", "multi-label", "number")
    together = 256

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        """Parameters of the vote.

        Parameters
        ----------
        k : int
            Number of neighbours that vote; at most the number of training rows.
        weights : "uniform" or "distance"
            Weight of a vote: 1, or 1 / distance.
        """

        k: int = 1
        weights: Literal["uniform", "distance"] = "uniform"

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Store the training rows; see `SklearnModel.fit`.

        Raises
        ------
        ModelError
            There are fewer training rows than neighbours, or as for any tabular model.
        """
        if not 1 <= self.settings.k <= len(train):
            raise ModelError(
                f"parameter k must be from 1 to the {len(train)} training rows; got {self.settings.k}"
            )
        return super().fit(train, valid, seed=seed, work=work, progress=progress)

    def estimator(self, seed: int) -> Any:
        """Return a new classifier; nothing in it is random."""
        from sklearn.neighbors import KNeighborsClassifier

        # Brute force is as fast as trees for tens of columns, and skops does not trust scikit-learn's trees.
        return KNeighborsClassifier(self.settings.k, weights=self.settings.weights, algorithm="brute")

    def regressor(self, seed: int) -> Any:
        """Return a new regressor, the mean of the neighbours' numbers; nothing in it is random."""
        from sklearn.neighbors import KNeighborsRegressor

        return KNeighborsRegressor(self.settings.k, weights=self.settings.weights, algorithm="brute")

    def is_sound(self, classifier: Any) -> bool:
        """Return whether the votes are for classes, and the neighbours exist: their indices are unchecked."""
        rows, votes = classifier._fit_X, classifier._y
        if isinstance(self.target, Number):
            valid = np.issubdtype(votes.dtype, np.floating)
        else:
            in_range = ((votes >= 0) & (votes < len(self.classes))).all()
            valid = np.issubdtype(votes.dtype, np.integer) and in_range and not classifier.outputs_2d_
        return bool(
            rows.shape == (len(votes), *self.row_shape)
            and votes.ndim == 1
            and valid
            and 1 <= classifier.n_neighbors <= len(votes)
            and classifier._fit_method == "brute"
        )


@models.register(name="knn-5")
class Knn5(Knn1):
    """knn-5: five nearest neighbours by Euclidean distance on standardised columns."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(Knn1.Settings):
        """The parameters of `knn-1`, with another default of k."""

        k: int = 5
