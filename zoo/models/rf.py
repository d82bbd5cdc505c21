"""rf: random forest of 100 trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.estimator import SklearnModel, class_weight


@models.register
class Rf(SklearnModel):
    """`sklearn.ensemble.RandomForestClassifier`; a probability is the mean over the trees."""

    serves = ("single", "multi-label", "number")

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        """Parameters of the forest.

        Parameters
        ----------
        trees : int
            Number of trees; at least 1.
        depth : int or None
            Largest depth of a tree. None: trees grow until their leaves are pure.
        class_weights : bool
            Whether rows count so that all classes count alike, however many rows they have.
        """

        trees: int = 100
        depth: int | None = None
        class_weights: bool = False

    trusted = ("sklearn.tree._tree.Tree",)

    def estimator(self, seed: int) -> Any:
        """Return a new forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            self.settings.trees,
            max_depth=self.settings.depth,
            random_state=seed,
            class_weight=class_weight(self.settings),
        )

    def regressor(self, seed: int) -> Any:
        """Return a new forest of regression trees."""
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(self.settings.trees, max_depth=self.settings.depth, random_state=seed)

    def is_sound(self, classifier: Any) -> bool:
        """Return whether the indices of every tree are valid.

        scikit-learn uses them unchecked, so invalid ones would read memory outside the arrays, or never end.
        """
        return all(map(self._is_tree, (estimator.tree_ for estimator in classifier.estimators_)))

    def _is_tree(self, tree: Any) -> bool:
        left, right, column = tree.children_left, tree.children_right, tree.feature
        node = np.arange(len(left))
        leaf = left == -1
        valid_children = (node < left) & (left < len(left)) & (node < right) & (right < len(left))
        valid_column = (column >= 0) & (column < self.row_shape[0])
        shape = (len(left), 1, len(self.classes))
        return bool(
            len(left) and (leaf | (valid_children & valid_column)).all() and tree.value.shape == shape
        )
