"""Predictions of rows that a model did not learn from: its validation rows, or its training rows by folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.base import Model, Rows
from audiospec.zoo.calibration.calibrated import CalibratedModel
from audiospec.zoo.calibration.calibrators import Calibrator, Isotonic, Sigmoid, Temperature
from audiospec.zoo.calibration.conformal import Conformal
from audiospec.zoo.calibration.folds import grouped_folds
from audiospec.zoo.evaluation import predict_rows
from audiospec.zoo.scores.measuring.chunks import shares_of, track_log_probabilities
from audiospec.zoo.targets.base import targets
from audiospec.zoo.targets.single import Single

#: Number of folds of the training rows, and of the held-out rows where a calibrator predicts them.
FOLDS = 5
#: From this number of rows on, functions of any shape are fitted. scikit-learn advises against it for fewer.
MANY_ROWS = 1000


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of rows by a model that did not learn from them.

    Attributes
    ----------
    probabilities : ndarray of float64, shape (n, classes)
    targets : ndarray of int64, shape (n,)
        True class of each row.
    tracks, units : ndarray of str, shape (n,)
        Id of each row's track, and name of its unit.
    source : str
        ``"validation"`` or ``"out-of-fold"``.
    """

    probabilities: NDArray[np.float64]
    targets: NDArray[np.int64]
    tracks: NDArray[np.str_]
    units: NDArray[np.str_]
    source: str

    def calibrator(self) -> Calibrator:
        """Return a calibrator, fitted on these rows.

        Validation rows are few, so they give a temperature. Rows out of fold give a logistic function for
        each class, or, if there are `MANY_ROWS`, a function of any shape that never falls.
        """
        if self.source == "validation":
            method: type[Calibrator] = Temperature
        else:
            method = Isotonic if len(self.targets) >= MANY_ROWS else Sigmoid
        return method.fit(self.probabilities, self.targets)

    def calibrated(self) -> HeldOut:
        """Return the calibrated predictions, each by a calibrator that was fitted on other units."""
        folds = grouped_folds(self.targets, self.units, FOLDS)
        values = self.probabilities.copy()
        for fold in range(int(folds.max()) + 1):
            held = folds == fold
            if not held.all():
                values[held] = self._where(~held).calibrator().apply(self.probabilities[held])
        return replace(self, probabilities=values)

    def conformal(self) -> Conformal:
        """Return the scores of the tracks, from which sets of classes with a coverage are made."""
        _, first, track_of = np.unique(self.tracks, return_index=True, return_inverse=True)
        shares = shares_of(track_log_probabilities(self.probabilities, track_of, len(first)))
        truth = shares[np.arange(len(first)), self.targets[first]]
        _, units = np.unique(self.units[first], return_inverse=True)
        return Conformal(np.clip(1 - truth, 0, 1), units, self.source)

    def _where(self, chosen: NDArray[np.bool_]) -> HeldOut:
        return HeldOut(
            self.probabilities[chosen],
            self.targets[chosen],
            self.tracks[chosen],
            self.units[chosen],
            self.source,
        )


def of_validation(model: Model, valid: Rows) -> HeldOut:
    """Return a trained model's predictions of its validation rows.

    A network stops when their loss no longer falls, so they are a little better than those of new rows.
    """
    return HeldOut(predict_rows(model, valid), valid.targets, valid.tracks, valid.units, "validation")


def out_of_fold(model: Model, train: Rows, seed: int) -> HeldOut:
    """Return the predictions of training rows, each by a new model that was trained on other units.

    Parameters
    ----------
    model : Model
        It is not used but for its settings.
    train : Rows
    seed : int
        Seed of the folds and the models.

    Returns
    -------
    HeldOut
        Without the rows of classes that have one unit: no model that did not learn from it knows the class.

    Raises
    ------
    ModelError
        Fewer than two classes have more than one unit.
    """
    targets, units = train.targets, train.units
    folds = grouped_folds(targets, units, FOLDS, seed)
    values = np.zeros((len(train), len(train.classes)))
    known = np.zeros(len(train), bool)
    for fold in range(int(folds.max(initial=0)) + 1):
        rest = folds != fold
        present = np.unique(targets[rest])
        held = np.flatnonzero(~rest & np.isin(targets, present))
        if len(present) < 2 or not len(held):
            continue
        names = Single([train.classes[number] for number in present])
        other = type(model)(model.settings, model.row_shape, names)
        other.fit(
            Rows(train.view, train.numbers[rest], names),
            Rows(train.view, train.numbers[:0], names),
            seed=seed,
        )
        values[np.ix_(held, present)] = predict_rows(other, Rows(train.view, train.numbers[held], names))
        known[held] = True
    if len(np.unique(targets[known])) < 2:
        raise ModelError(
            "calibration needs training rows of at least two classes with two units (tracks, or groups of "
            f"them) each; got {len(set(units.tolist()))} units of {len(train.classes)} classes",
            "leave out `calibrate`, or add tracks of other groups",
        )
    return HeldOut(values, targets, train.tracks, train.units, "out-of-fold")._where(known)


@dataclass(frozen=True)
class Calibration:
    """What predictions of held-out rows gave.

    Attributes
    ----------
    calibrator : Calibrator or None
        None: the model's probabilities are used as they are.
    conformal : Conformal or None
        None: no rows were held out.
    """

    calibrator: Calibrator | None = None
    conformal: Conformal | None = None

    def applied_to(self, model: Model) -> Model:
        """Return the model with the calibrator, if there is one."""
        return model if self.calibrator is None else CalibratedModel(model, self.calibrator)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibrator as ``run.json`` has it: method, source, parameters; empty if none."""
        if self.calibrator is None or self.conformal is None:
            return {}
        return {"source": self.conformal.source, **self.calibrator.to_dict()}


def check_calibration(target: str) -> None:
    """Refuse to calibrate outputs of a target; asked before a training, which would be lost.

    Raises
    ------
    ModelError
        Its rows do not have one label each.
    """
    if not issubclass(targets[target], Single):
        raise ModelError(
            f"expected one label a row to calibrate probabilities; got the target {target!r}",
            "leave out `calibrate`",
        )


def calibration(model: Model, train: Rows, valid: Rows, *, calibrate: bool, seed: int) -> Calibration:
    """Return what the predictions of held-out rows give for a trained model.

    The held-out rows are the validation rows. If there are none, and if `calibrate`, they are the training
    rows, each predicted by a new model that was trained on other units; this takes several trainings.

    Parameters
    ----------
    model : Model
        Trained.
    train, valid : Rows
    calibrate : bool
        Whether to fit a calibrator.
    seed : int
        Seed of the folds and of the new models.

    Raises
    ------
    ModelError
        The rows are too few to calibrate on.
    """
    if not isinstance(train.target, Single):
        return Calibration()
    if len(valid):
        held_out = of_validation(model, valid)
    elif calibrate:
        held_out = out_of_fold(model, train, seed)
    else:
        return Calibration()
    if not calibrate:
        return Calibration(None, held_out.conformal())
    return Calibration(held_out.calibrator(), held_out.calibrated().conformal())
