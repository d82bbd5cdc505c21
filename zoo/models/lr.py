"""lr: logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.estimator import SklearnModel, class_weight
from audiospec.zoo.targets.number import Number


@models.register
class Lr(SklearnModel):
    """`sklearn.linear_model.LogisticRegression` on standardised columns; the study used a C near 1e6."""

    serves = ("single", "multi-label", "number")
    together = 256

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        """Parameters of the regression.

        Parameters
        ----------
        C : float
            Inverse of the strength of regularisation; above 0. 1e6 is nearly unregularised.
        steps : int
            Largest number of steps of the solver.
        class_weights : bool
            Whether rows count so that all classes count alike, however many rows they have.
        """

        C: float = 1.0
        steps: int = 5000
        class_weights: bool = False

    def estimator(self, seed: int) -> Any:
        """Return a new regression; its solver is not random."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(
            C=self.settings.C, max_iter=self.settings.steps, class_weight=class_weight(self.settings)
        )

    def regressor(self, seed: int) -> Any:
        """Return a new linear regression, as strongly regularised; it has no steps."""
        from sklearn.linear_model import Ridge

        return Ridge(alpha=1 / self.settings.C)

    def is_sound(self, classifier: Any) -> bool:
        """Return whether there is a coefficient for each column."""
        return not isinstance(self.target, Number) or classifier.coef_.shape == self.row_shape
