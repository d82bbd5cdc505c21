"""What the tabular models share: a scikit-learn pipeline with scaling inside."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.base import Layer, Model, Progress, Rows

FILE = "model.skops"


class SklearnModel(Model):
    """A scikit-learn classifier on columns of mean 0 and variance 1, taken from the training rows."""

    input = "table"
    shares = (0.8, 0.0, 0.2)

    #: Types of the classifier's file that skops does not trust by itself; `is_sound` has to look into them.
    trusted: ClassVar[tuple[str, ...]] = ()

    #: The fitted pipeline.
    pipeline: Any = None

    @abstractmethod
    def estimator(self, seed: int) -> Any:
        """Make the classifier, not yet fitted."""

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
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
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{type(self).__name__.lower()} cannot learn from these rows: {reason}"
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
            strangers = sorted({*skops.io.get_untrusted_types(file=file)} - {*self.trusted})
            if strangers:
                raise ModelError(
                    f"{file} holds types that nobody trusts ({', '.join(strangers)}): train again"
                )
            pipeline = skops.io.load(file, trusted=list(self.trusted))
            fits = self._fits(pipeline)
        except ModelError:
            raise
        except Exception as error:  # skops names no errors of its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(f"{file} cannot be read ({reason}): train again") from error
        if not fits:
            raise ModelError(
                f"{file} is no {type(self).__name__.lower()} of {len(self.classes)} classes and "
                f"{self.row_shape[0]} columns: train again"
            )
        self.pipeline = pipeline

    def is_sound(self, classifier: Any) -> bool:
        """Whether what is in the classifier can be used safely; its type is right."""
        return True

    def _fits(self, pipeline: Any) -> bool:
        """Whether a pipeline is one that `fit` makes for such rows and classes."""
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        if type(pipeline) is not Pipeline or len(pipeline.steps) != 2:
            return False
        scaler, classifier = (step for _, step in pipeline.steps)
        return (
            type(scaler) is StandardScaler
            and type(classifier) is type(self.estimator(0))
            and (scaler.n_features_in_,) == (classifier.n_features_in_,) == self.row_shape
            and classifier.classes_.tolist() == list(range(len(self.classes)))
            and self.is_sound(classifier)
        )

    @property
    def parameters(self) -> int:
        """0: scikit-learn's models count in other ways."""
        return 0

    def layers(self) -> list[Layer]:
        """Scaling, then the classifier."""
        columns = 2 * self.row_shape[0]  # a mean and a deviation for each
        estimator = type(self.estimator(0)).__name__
        return [
            Layer("scaling", "StandardScaler", self.row_shape, columns),
            Layer("classifier", estimator, (len(self.classes),), 0),
        ]
