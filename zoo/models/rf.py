"""rf: random forest of 100 trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.estimator import SklearnModel


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

    trusted = ("sklearn.tree._tree.Tree",)

    def estimator(self, seed: int) -> Any:
        """Make the forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(self.settings.trees, max_depth=self.settings.depth, random_state=seed)

    def is_sound(self, classifier: Any) -> bool:
        """Whether every tree is one: scikit-learn follows its numbers without looking."""
        return all(map(self._is_tree, (estimator.tree_ for estimator in classifier.estimators_)))

    def _is_tree(self, tree: Any) -> bool:
        left, right, column = tree.children_left, tree.children_right, tree.feature
        place = np.arange(len(left))
        leaf = left == -1
        below = (place < left) & (left < len(left)) & (place < right) & (right < len(left))
        known = (column >= 0) & (column < self.row_shape[0])
        shape = (len(left), 1, len(self.classes))
        return bool(len(left) and (leaf | (below & known)).all() and tree.value.shape == shape)
