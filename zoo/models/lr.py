"""lr: logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.estimator import SklearnModel


@models.register
class Lr(SklearnModel):
    """`sklearn.linear_model.LogisticRegression` on standardised columns; the study used a C near 1e6."""

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
        """

        C: float = 1.0
        steps: int = 5000

    def estimator(self, seed: int) -> Any:
        """Return a new regression; its solver is not random."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.settings.C, max_iter=self.settings.steps)
