"""The graph that is exported: frontend, the store's dtype, model, calibration, as one module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.features.base import Frontend
from audiospec.specs.base import FeatureSpec
from audiospec.zoo.base import Model
from audiospec.zoo.calibration.calibrated import CalibratedModel
from audiospec.zoo.estimator import SklearnModel
from audiospec.zoo.export.converted import Converted
from audiospec.zoo.export.coupling import calibration_module
from audiospec.zoo.export.estimators import Forest, Linear, Machine, Neighbours, OneByOne, Scaled
from audiospec.zoo.export.recurrent import with_onnx_layers
from audiospec.zoo.losses.base import Loss, losses
from audiospec.zoo.network import NetworkModel
from audiospec.zoo.targets.multi_label import MultiLabel
from audiospec.zoo.targets.number import Number

#: What an export reads if not `WAVE`: rows of features.
FEATURES = "features"


class Graph(nn.Module):
    """Waves (B, samples), or rows (B, *row_shape), float32 → outputs (B, *target.output_shape), float32.

    Parameters
    ----------
    frontend : Frontend or None
        None: the input is rows.
    stored : Stored
    model : Module
    """

    def __init__(self, frontend: Frontend | None, stored: Stored, model: nn.Module) -> None:
        super().__init__()
        self.frontend, self.stored, self.model = frontend, stored, model

    def forward(self, values: Tensor) -> Tensor:
        """Return the outputs of a batch."""
        rows = values if self.frontend is None else self.frontend.compute(values)
        outputs: Tensor = self.model(self.stored(rows))
        return outputs.float()


class Stored(nn.Module):
    """Rounds rows as the run's store does, because the model learnt from such: float16, or bytes.

    Bytes are limited to their range; `predict` refuses audio that is too loud for them.

    Parameters
    ----------
    spec : FeatureSpec
    """

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, rows: Tensor) -> Tensor:
        """Return the rows as they are read from a store, float32."""
        if self.spec.dtype == "float16":
            return rows.half().float()
        code = self.spec.code
        if code is None:
            return rows
        steps = ((rows - code.offset) * torch.tensor(1 / code.scale)).round().clamp(0, 255)
        return steps * torch.tensor(code.scale) + code.offset


class _Network(nn.Module):
    """A network and what its logits stand for."""

    def __init__(self, net: nn.Module, loss: Loss, target: Number | None) -> None:
        super().__init__()
        self.net, self.loss = net, loss
        self.mean, self.deviation = (0.0, 1.0) if target is None else (target.mean, target.deviation)

    def forward(self, rows: Tensor) -> Tensor:
        return self.loss.probabilities(self.net(rows).double()) * self.deviation + self.mean


class _Number(nn.Module):
    """A regressor of numbers with mean 0 and deviation 1, in the units of the dataset."""

    def __init__(self, regressor: nn.Module, target: Number) -> None:
        super().__init__()
        self.regressor, self.mean, self.deviation = regressor, target.mean, target.deviation

    def forward(self, rows: Tensor) -> Tensor:
        outputs: Tensor = self.regressor(rows) * self.deviation + self.mean
        return outputs


def model_module(model: Model, *, onnx: bool) -> nn.Module:
    """Return a trained model as a module: rows (B, *row_shape) → outputs, float64.

    Parameters
    ----------
    model : Model
    onnx : bool
        Whether it is for ONNX, which has recurrent layers as operators.

    Raises
    ------
    ModelError
        It cannot be exported.
    """
    if isinstance(model, CalibratedModel):
        return nn.Sequential(model_module(model.model, onnx=onnx), calibration_module(model.calibrator))
    if isinstance(model, NetworkModel):
        net = with_onnx_layers(model.net) if onnx else model.net
        target = model.target if isinstance(model.target, Number) else None
        return _Network(net, losses[model.settings.loss_of(model.target)](), target)
    if not isinstance(model, SklearnModel):
        raise ModelError(
            f"model {type(model).__name__} is neither a network nor of scikit-learn, so it cannot be exported"
        )
    if isinstance(model.target, MultiLabel):
        parts = [None if isinstance(part, float) else _pipeline(part, onnx=onnx) for part in model.parts]
        return OneByOne(parts)
    if isinstance(model.target, Number):
        return _Number(_pipeline(model, onnx=onnx), model.target)
    return _pipeline(model, onnx=onnx)


def _pipeline(model: SklearnModel, *, onnx: bool) -> nn.Module:
    """Return the pipeline of a model of scikit-learn as a module: scaling in float64, then the estimator."""
    scaler, estimator = (step for _, step in model.pipeline.steps)
    is_regressor = isinstance(model.target, Number)
    classes = 0 if is_regressor else len(model.classes)
    known = _known(estimator, classes)
    if known is None and not onnx:
        raise ModelError(
            f"the estimator {type(estimator).__name__} of model {type(model).__name__} can be exported to "
            "ONNX alone, by skl2onnx",
            "give `out` the suffix .onnx",
        )
    return Scaled(scaler, known or Converted(estimator, model.row_shape[0], classes))


def _known(estimator: Any, classes: int) -> nn.Module | None:
    """Return the module of an estimator as the zoo makes them; None: there is none.

    skl2onnx is not used where there is a module, because the module computes in float64 and also in torch's
    archives, and because the probabilities of a run's svm are not those of libsvm, which skl2onnx computes.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.svm import SVC, SVR

    match estimator:
        case SVC() if hasattr(estimator, "slope_"):
            return Machine(estimator, classes)
        case SVC() if not hasattr(estimator, "predict_proba"):
            raise ModelError(
                "the run is of an older audiospec, whose svm has no probabilities of pairs", "train again"
            )
        case SVR(kernel="rbf"):
            return Machine(estimator, classes)
        case (
            KNeighborsClassifier(effective_metric_="euclidean")
            | KNeighborsRegressor(effective_metric_="euclidean")
        ):
            return Neighbours(estimator, classes)
        case RandomForestClassifier() | RandomForestRegressor():
            return Forest(estimator, is_regressor=not classes)
        case LogisticRegression() | Ridge():
            return Linear(estimator, is_regressor=not classes)
    return None
