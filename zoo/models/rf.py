"""rf: random forest of 100 trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.models._sklearn import SklearnModel


@models.register
class Rf(SklearnModel):
    """`sklearn.ensemble.RandomForestClassifier`; a class's probability is the trees' mean."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        """Parameters of the forest.

        Parameters
        ----------
        trees : int
            How many; at least 1.
        depth : int or None
            Deepest that a tree may grow. None: until its leaves are pure.
        """

        trees: int = 100
        depth: int | None = None

    def estimator(self, seed: int) -> Any:
        """Make the forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(self.settings.trees, max_depth=self.settings.depth, random_state=seed)
