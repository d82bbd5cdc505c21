"""Support vector machines with a radial kernel; two values of C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.calibration.folds import grouped_folds
from audiospec.zoo.calibration.pairs import SLOPES, couple, fit_slope, margins_of_truth, vote
from audiospec.zoo.calibration.winners import keep_winners
from audiospec.zoo.estimator import Examples, SklearnModel, class_weight
from audiospec.zoo.targets.number import Number

#: Number of folds whose margins the slope is fitted to.
FOLDS = 3


@models.register(name="svm")
class Svm(SklearnModel):
    """svm: support vector machine with a radial kernel, C = 1 (scikit-learn's default, and the study's).

    It is `sklearn.svm.SVC` on standardised columns, and predicts the class that it predicts: the one that
    wins most pairs. Its probabilities agree best with those of all pairs, which are a logistic function of
    the margins. The function's slope is fitted to margins of training rows that were predicted out of fold.
    """

    serves = ("single", "multi-label", "number")

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        """Parameters of the classifier.

        Parameters
        ----------
        C : float
            Weight of errors relative to the margin; above 0.
        gamma : "scale", "auto", or float
            Coefficient of the kernel: 1 / (columns · variance), 1 / columns, or a number above 0.
        class_weights : bool
            Whether errors count so that all classes count alike, however many rows they have.
        """

        C: float = 1.0
        gamma: Literal["scale", "auto"] | float = "scale"
        class_weights: bool = False

    def estimator(self, seed: int) -> Any:
        """Return a new classifier; nothing in it is random."""
        from sklearn.svm import SVC

        return SVC(
            C=self.settings.C,
            gamma=self.settings.gamma,
            class_weight=class_weight(self.settings),
            decision_function_shape="ovo",
        )

    def regressor(self, seed: int) -> Any:
        """Return a new regressor with the same kernel and C; nothing in it is random."""
        from sklearn.svm import SVR

        return SVR(C=self.settings.C, gamma=self.settings.gamma)

    def fitted(self, rows: NDArray[np.float64], examples: Examples, seed: int) -> Any:
        """Return the fitted pipeline; its classifier has the slope as an attribute, which skops stores."""
        pipeline = super().fitted(rows, examples, seed)
        if isinstance(self.target, Number):
            return pipeline
        targets, folds = examples.targets, grouped_folds(examples.targets, examples.units, FOLDS)
        margins = []
        for fold in range(int(folds.max()) + 1):
            present = np.unique(targets[folds != fold])
            held = (folds == fold) & np.isin(targets, present)
            if len(present) < 2 or not held.any():
                continue  # a class with one unit is never predicted by a machine that knows it
            learnt = folds != fold
            machine = self.new_pipeline(seed).fit(rows[learnt], targets[learnt])
            truth = np.searchsorted(present, targets[held])
            margins.append(margins_of_truth(_margins(machine, rows[held]), truth, len(present)))
        all_margins = np.concatenate([np.zeros(0), *margins])
        pipeline[-1].slope_ = fit_slope(all_margins, len(rows) / len(self.classes))
        return pipeline

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coupled probabilities of the pairs; the class that wins most pairs has the largest."""
        slope, classes = getattr(self.pipeline[-1], "slope_", None), len(self.classes)
        if slope is None:  # of a run of format 2 or older: the softmax of one-vs-rest values
            return _softmax(np.asarray(self.pipeline.decision_function(rows)))
        margins = _margins(self.pipeline, rows)
        return keep_winners(couple(margins, slope, classes), vote(margins, classes))

    def is_sound(self, classifier: Any) -> bool:
        """Return whether the arrays fit each other: libsvm uses their sizes unchecked."""
        if isinstance(self.target, Number):
            return self._is_sound_regressor(classifier)
        count, classes = len(classifier.support_), len(self.classes)
        shapes = {
            "support_": (count,),
            "support_vectors_": (count, *self.row_shape),
            "_n_support": (classes,),
            "_dual_coef_": (classes - 1, count),
            "_intercept_": (classes * (classes - 1) // 2,),
        }
        return bool(
            all(getattr(classifier, name).shape == shape for name, shape in shapes.items())
            and (classifier._n_support >= 0).all()
            and classifier._n_support.sum() == count
            and _is_slope(classifier)
            and (classifier.kernel, classifier._impl, classifier._sparse) == ("rbf", "c_svc", False)
        )

    def _is_sound_regressor(self, regressor: Any) -> bool:
        count = len(regressor.support_)
        shapes = {
            "support_": (count,),
            "support_vectors_": (count, *self.row_shape),
            "_dual_coef_": (1, count),
            "_intercept_": (1,),
        }
        return bool(
            all(getattr(regressor, name).shape == shape for name, shape in shapes.items())
            and regressor._n_support.tolist() == [count, count]
            and (regressor.kernel, regressor._impl, regressor._sparse) == ("rbf", "epsilon_svr", False)
        )


def _margins(pipeline: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the margin of each pair of classes (n, pairs); positive: the pair's first class."""
    values = np.asarray(pipeline.decision_function(rows), np.float64)
    return -values[:, None] if values.ndim == 1 else values  # scikit-learn turns the one pair of two classes


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.ndim == 1:  # for two classes scikit-learn returns one value per row
        values = np.stack([-values, values], axis=1) / 2
    powers = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _is_slope(classifier: Any) -> bool:
    """Return whether the slope fits the shape of the decision values; older runs have none."""
    if not hasattr(classifier, "slope_"):
        return bool(classifier.decision_function_shape == "ovr")
    slope, (low, high) = classifier.slope_, SLOPES
    return type(slope) is float and low <= slope <= high and classifier.decision_function_shape == "ovo"


@models.register(name="svm-c10")
class SvmC10(Svm):
    """svm-c10: support vector machine with a radial kernel, C = 10."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(Svm.Settings):
        """The parameters of `svm`, with another default of C."""

        C: float = 10.0
