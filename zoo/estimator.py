"""The base class of the tabular models: a scikit-learn pipeline that includes scaling."""

from __future__ import annotations

import os
import sys
import zipfile
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.files import open_plain
from audiospec.zoo.base import Layer, Model, Progress, Rows
from audiospec.zoo.fitting.fixed import in_fixed_batches

FILE = "model.skops"


class SklearnModel(Model):
    """A scikit-learn classifier on columns scaled to mean 0 and variance 1 over the training rows."""

    input = "table"
    shares = (0.8, 0.0, 0.2)  # the test share of every model is the same

    #: Types in the classifier's file that skops does not trust by default; `is_sound` has to check them.
    trusted: ClassVar[tuple[str, ...]] = ()

    #: Number of rows that are predicted together, always, because the classifier multiplies matrices; 0: any
    #: number, because it computes each row by itself. See `in_fixed_batches`.
    together: ClassVar[int] = 0

    #: The fitted pipeline.
    pipeline: Any = None

    @abstractmethod
    def estimator(self, seed: int) -> Any:
        """Return a new classifier that is not fitted."""

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Fit the pipeline.

        Parameters
        ----------
        train : Rows
        valid : Rows
            Not used.
        seed : int
            Seed of the classifier.
        work : Path or None
            Not used: there are no checkpoints.
        progress : callable or None
            Not used: there are no epochs.

        Returns
        -------
        list
            Empty.

        Raises
        ------
        ModelError
            The rows have numbers that are not finite, or scikit-learn cannot fit them.
        """
        # In float64, because the variance of one column may be 1e7 and that of another 1e-12.
        rows = train.read().astype(np.float64)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"view {train.view.name} has numbers that are not finite",
                f"verify the store with `audiospec store verify {train.view.store.path}`",
            )
        try:
            self.pipeline = self.fitted(rows, train, seed)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{type(self).__name__.lower()} cannot learn from these rows: {reason}"
            ) from error
        return []

    def new_pipeline(self, seed: int) -> Any:
        """Return a new pipeline that is not fitted: scaling, then the classifier."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), self.estimator(seed))

    def fitted(self, rows: NDArray[np.float64], train: Rows, seed: int) -> Any:
        """Return the pipeline fitted to the values of the training rows; overridden to fit more than that.

        Parameters
        ----------
        rows : ndarray of float64, shape (n, columns)
        train : Rows
            The same rows, with their classes and units.
        seed : int
        """
        return self.new_pipeline(seed).fit(rows, train.targets)

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities (n, classes) of rows (n, columns)."""
        if not len(rows):
            return np.zeros((0, len(self.classes)))
        if not self.together:
            return self.probabilities(rows.astype(np.float64))
        batches = in_fixed_batches(lambda batch: self.probabilities(batch.astype(np.float64)), rows, self.together)
        return np.concatenate(list(batches))

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of at least one row; overridden for a classifier that has none."""
        values: NDArray[np.float64] = self.pipeline.predict_proba(rows)
        return values

    def save(self, folder: Path) -> None:
        """Write the pipeline with skops: types and arrays, no pickle."""
        import_skops().dump(self.pipeline, folder / FILE)

    def load(self, folder: Path) -> None:
        """Read the pipeline, and refuse a file with types other than scikit-learn's.

        Raises
        ------
        ModelError
            The file cannot be read, has untrusted types, or does not fit the classes and rows.
        """
        skops_io = import_skops()
        file = folder / FILE
        try:
            _check_archive(file)
            untrusted = sorted({*skops_io.get_untrusted_types(file=file)} - {*self.trusted})
            if untrusted:
                raise ModelError(f"{file} contains untrusted types ({', '.join(untrusted)})", "train again")
            pipeline = skops_io.load(file, trusted=list(self.trusted))
            fits = self._fits(pipeline)
        except ModelError:
            raise
        except Exception as error:  # skops documents no exceptions
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(f"{file} cannot be read ({reason})", "train again") from error
        if not fits:
            raise ModelError(
                f"{file} is not a {type(self).__name__.lower()} of {len(self.classes)} classes and "
                f"{self.row_shape[0]} columns",
                "train again",
            )
        self.pipeline = pipeline

    def is_sound(self, classifier: Any) -> bool:
        """Return whether a classifier of the right type has content that is safe to use."""
        return True

    def _fits(self, pipeline: Any) -> bool:
        """Return whether `fit` could have made this pipeline for these rows and classes."""
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
        """0: scikit-learn's models have no common count of parameters."""
        return 0

    def layers(self) -> list[Layer]:
        """Return the layers: scaling, then the classifier."""
        columns = 2 * self.row_shape[0]  # a mean and a deviation for each
        estimator = type(self.estimator(0)).__name__
        return [
            Layer("scaling", "StandardScaler", self.row_shape, columns),
            Layer("classifier", estimator, (len(self.classes),), 0),
        ]


def import_skops() -> Any:
    """Import and return `skops.io`, without torch.

    skops imports every module of scikit-learn. One of them is a namespace for torch's arrays, whose import
    would take 1.4 of 3 s, and 0.3 GB, although no model of a table uses torch.
    """
    name = "sklearn.externals.array_api_compat.torch"
    hidden = "torch" not in sys.modules and name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # scikit-learn's walk skips what cannot be imported
    try:
        import skops.io
    finally:
        if hidden:
            del sys.modules[name]
    return skops.io


def _check_archive(file: Path) -> None:
    """Raise `ValueError` if the file is no plain zip archive, or if its content would be larger than itself.

    skops stores members without compression.
    """
    with open_plain(file) as stream, zipfile.ZipFile(stream) as archive:
        size = os.fstat(stream.fileno()).st_size
        if sum(member.file_size for member in archive.infolist()) > size:
            raise ValueError(f"its content is larger than its {size} bytes")
