"""Support vector machines with a radial kernel; two values of C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.estimator import SklearnModel


@models.register(name="svm")
class Svm(SklearnModel):
    """svm: support vector machine with a radial kernel, C = 1 (scikit-learn's default, and the study's).

    It is `sklearn.svm.SVC` on standardised columns. Its probabilities are the softmax of its one-vs-rest
    decision values: they rank the classes as the decision values do, and are not calibrated.
    """

    @dataclass(frozen=True, kw_only=True)
    class Settings(ModelSettings):
        """Parameters of the classifier.

        Parameters
        ----------
        C : float
            Weight of errors relative to the margin; above 0.
        gamma : "scale", "auto", or float
            Coefficient of the kernel: 1 / (columns · variance), 1 / columns, or a number above 0.
        """

        C: float = 1.0
        gamma: Literal["scale", "auto"] | float = "scale"

    def estimator(self, seed: int) -> Any:
        """Return a new classifier; nothing in it is random."""
        from sklearn.svm import SVC

        return SVC(
            C=self.settings.C, gamma=self.settings.gamma, decision_function_shape="ovr", break_ties=True
        )

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the softmax of the decision values."""
        values = np.asarray(self.pipeline.decision_function(rows))
        if values.ndim == 1:  # for two classes scikit-learn returns one value per row
            values = np.stack([-values, values], axis=1) / 2
        powers = np.exp(values - values.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def is_sound(self, classifier: Any) -> bool:
        """Return whether the arrays fit each other: libsvm uses their sizes unchecked."""
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
            and (classifier.kernel, classifier._impl, classifier._sparse) == ("rbf", "c_svc", False)
        )


@models.register(name="svm-c10")
class SvmC10(Svm):
    """svm-c10: support vector machine with a radial kernel, C = 10."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(Svm.Settings):
        """The parameters of `svm`, with another default of C."""

        C: float = 10.0
