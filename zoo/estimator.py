"""The base class of the tabular models: scikit-learn pipelines that include scaling."""

from __future__ import annotations

import os
import sys
import zipfile
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.files import open_plain
from audiospec.zoo.base import Layer, Model, Progress, Rows
from audiospec.zoo.fitting.fixed import in_fixed_batches
from audiospec.zoo.targets.multi_label import MultiLabel
from audiospec.zoo.targets.number import Number
from audiospec.zoo.targets.single import Single

FILE = "model.skops"
#: Classes of the model of one of several labels.
WITHOUT_AND_WITH = ("without", "with")


class Examples(Protocol):
    """What rows are to be predicted as, and their units; training rows are such."""

    @property
    def targets(self) -> NDArray[Any]:
        """Class number, or number, of each row."""

    @property
    def units(self) -> NDArray[np.str_]:
        """Unit of each row."""


class _Binary(NamedTuple):
    """Rows with or without one label."""

    targets: NDArray[np.int64]
    units: NDArray[np.str_]


class SklearnModel(Model):
    """A scikit-learn model on columns scaled to mean 0 and variance 1 over the training rows.

    One label a row is predicted by a classifier; several labels by a classifier of each, which has the rows
    with the label and those without (one-vs-rest); a number by the regressor that is the classifier's twin.
    """

    input = "table"
    shares = (0.8, 0.0, 0.2)  # the test share of every model is the same
    serves: ClassVar[tuple[str, ...]] = ("single", "multi-label")  # and "number", if there is a regressor

    #: Types in the classifier's file that skops does not trust by default; `is_sound` has to check them.
    trusted: ClassVar[tuple[str, ...]] = ()

    #: Number of rows that are predicted together, always, because the classifier multiplies matrices; 0: any
    #: number, because it computes each row by itself. See `in_fixed_batches`.
    together: ClassVar[int] = 0

    #: The fitted pipeline; None if there is one for each of several labels.
    pipeline: Any = None
    #: The model of each of several labels; 1.0 in place of that of a label that all training rows have.
    parts: Sequence[SklearnModel | float] = ()

    @abstractmethod
    def estimator(self, seed: int) -> Any:
        """Return a new classifier that is not fitted."""

    def regressor(self, seed: int) -> Any:
        """Return a new regressor that is not fitted; it learns numbers with mean 0 and deviation 1."""
        raise NotImplementedError(f"{type(self).__name__} has no regressor")

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Fit the pipeline, or that of each label.

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
        if self._is_regressor and getattr(self.settings, "class_weights", False):
            raise ModelError("numbers have no classes to weight", "leave out `class_weights`")
        # In float64, because the variance of one column may be 1e7 and that of another 1e-12.
        rows = train.read().astype(np.float64)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"view {train.view.name} has numbers that are not finite",
                f"verify the store with `audiospec store verify {train.view.store.path}`",
            )
        try:
            if isinstance(self.target, MultiLabel):
                labels = train.targets.T.astype(np.int64)
                self.parts = [self._part(rows, _Binary(has, train.units), seed) for has in labels]
            else:
                self.pipeline = self.fitted(rows, train, seed)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{type(self).__name__.lower()} cannot learn from these rows: {reason}"
            ) from error
        return []

    def _part(self, rows: NDArray[np.float64], examples: _Binary, seed: int) -> SklearnModel | float:
        """Return the model of one label."""
        if examples.targets.all():
            return 1.0
        part = self._new_part()
        part.pipeline = part.fitted(rows, examples, seed)
        return part

    def _new_part(self) -> SklearnModel:
        return type(self)(self.settings, self.row_shape, Single(WITHOUT_AND_WITH))

    @property
    def _is_regressor(self) -> bool:
        return isinstance(self.target, Number)

    def _new_estimator(self, seed: int) -> Any:
        return self.regressor(seed) if self._is_regressor else self.estimator(seed)

    def new_pipeline(self, seed: int) -> Any:
        """Return a new pipeline that is not fitted: scaling, then the classifier or regressor."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), self._new_estimator(seed))

    def fitted(self, rows: NDArray[np.float64], examples: Examples, seed: int) -> Any:
        """Return the pipeline fitted to the values of the training rows; overridden to fit more than that.

        Parameters
        ----------
        rows : ndarray of float64, shape (n, columns)
        examples : Examples
            The classes, or numbers, and the units of the same rows.
        seed : int
        """
        targets = examples.targets
        if self._is_regressor:
            targets = self.target.dense(targets)[:, 0].astype(np.float64)
        return self.new_pipeline(seed).fit(rows, targets)

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the outputs (n, *target.output_shape) of rows (n, columns)."""
        if not len(rows):
            return np.zeros((0, *self.target.output_shape))
        if not self.together:
            return self._outputs(rows)
        return np.concatenate(list(in_fixed_batches(self._outputs, rows, self.together)))

    def _outputs(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the outputs of at least one row."""
        values = rows.astype(np.float64)
        if isinstance(self.target, MultiLabel):
            columns = [
                np.full(len(rows), part) if isinstance(part, float) else part.probabilities(values)[:, 1]
                for part in self.parts
            ]
            return np.stack(columns, axis=1)
        if self._is_regressor:
            return self.target.undo(np.asarray(self.pipeline.predict(values), np.float64)[:, None])
        return self.probabilities(values)

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of at least one row; overridden for a classifier that has none."""
        values: NDArray[np.float64] = self.pipeline.predict_proba(rows)
        return values

    def save(self, folder: Path) -> None:
        """Write the pipeline, or a list of those of all labels, with skops: types and arrays, no pickle."""
        parts = [part if isinstance(part, float) else part.pipeline for part in self.parts]
        import_skops().dump(parts if isinstance(self.target, MultiLabel) else self.pipeline, folder / FILE)

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
            loaded = skops_io.load(file, trusted=list(self.trusted))
            fits = self._take(loaded)
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

    def _take(self, loaded: Any) -> bool:
        """Use what a file holds, if `fit` could have made it; return whether it could."""
        if not isinstance(self.target, MultiLabel):
            self.pipeline = loaded if self._fits(loaded) else None
            return self.pipeline is not None
        if not isinstance(loaded, list) or len(loaded) != len(self.classes):
            return False
        parts: list[SklearnModel | float] = []
        for one in loaded:
            part: SklearnModel | float = 1.0
            if not (isinstance(one, float) and one == 1):
                part = self._new_part()
                if not part._take(one):
                    return False
            parts.append(part)
        self.parts = parts
        return True

    def is_sound(self, classifier: Any) -> bool:
        """Return whether a classifier or regressor of the right type has content that is safe to use."""
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
            and type(classifier) is type(self._new_estimator(0))
            and (scaler.n_features_in_,) == (classifier.n_features_in_,) == self.row_shape
            and (self._is_regressor or classifier.classes_.tolist() == list(range(len(self.classes))))
            and self.is_sound(classifier)
        )

    @property
    def parameters(self) -> int:
        """0: scikit-learn's models have no common count of parameters."""
        return 0

    def layers(self) -> list[Layer]:
        """Return the layers: scaling, then the classifier or regressor."""
        columns = 2 * self.row_shape[0]  # a mean and a deviation for each
        estimator = type(self._new_estimator(0)).__name__
        return [
            Layer("scaling", "StandardScaler", self.row_shape, columns),
            Layer("regressor" if self._is_regressor else "classifier", estimator, (len(self.classes),), 0),
        ]


def class_weight(settings: Any) -> str | None:
    """Return the `class_weight` of a scikit-learn classifier whose settings have `class_weights`."""
    return "balanced" if settings.class_weights else None


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
