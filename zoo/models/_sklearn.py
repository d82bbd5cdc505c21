"""What the tabular models share: a scikit-learn pipeline with scaling inside."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.base import Model, Progress, Rows

FILE = "model.skops"


class SklearnModel(Model):
    """A scikit-learn classifier on columns of mean 0 and variance 1, taken from the training rows."""

    input = "tabular"
    shares = (0.8, 0.0, 0.2)

    #: The fitted pipeline.
    pipeline: Any = None

    @abstractmethod
    def estimator(self, seed: int) -> Any:
        """Make the classifier, not yet fitted."""

    def fit(
        self, train: Rows, valid: Rows, *, seed: int, progress: Progress | None = None
    ) -> list[dict[str, float]]:
        """Fit the pipeline; validation rows are not used."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        # In float64: a column's variance may be 1e7 and another's 1e-12.
        rows = train.read().astype(np.float64)
        if not np.isfinite(rows).all():
            raise ModelError(f"view {train.view.name} has numbers that are not finite: verify the store")
        pipeline = make_pipeline(StandardScaler(), self.estimator(seed))
        try:
            self.pipeline = pipeline.fit(rows, train.targets)
        except ValueError as error:
            raise ModelError(
                f"{type(self).__name__.lower()} cannot learn from these rows: {error}"
            ) from error
        return []

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities of rows (n, columns)."""
        if not len(rows):
            return np.zeros((0, len(self.classes)))
        return self.probabilities(rows.astype(np.float64))

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of at least one row; a classifier that has none of its own overrides this."""
        values: NDArray[np.float64] = self.pipeline.predict_proba(rows)
        return values

    def save(self, folder: Path) -> None:
        """Write the pipeline by skops: types and arrays, no pickle."""
        import skops.io

        skops.io.dump(self.pipeline, folder / FILE)

    def load(self, folder: Path) -> None:
        """Read the pipeline; a file with types that are not scikit-learn's own is refused."""
        import skops.io

        file = folder / FILE
        try:
            strangers = skops.io.get_untrusted_types(file=file)
            if strangers:
                raise ModelError(
                    f"{file} holds types that nobody trusts ({', '.join(strangers)}): train again"
                )
            self.pipeline = skops.io.load(file, trusted=[])
        except ModelError:
            raise
        except Exception as error:  # skops names no errors of its own
            raise ModelError(f"{file} cannot be read ({error}): train again") from error

    @property
    def parameters(self) -> int:
        """0: scikit-learn's models count in other ways."""
        return 0
