"""A model with its calibrator, used as one model; and what training adds to a run besides the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.base import Layer, Model, Progress, Rows, TrainingMemory
from audiospec.zoo.calibration.calibrators import Calibrator
from audiospec.zoo.calibration.conformal import Conformal
from audiospec.zoo.calibration.held_out import of_validation, out_of_fold


class CalibratedModel(Model):
    """A model whose probabilities go through a calibrator; all else is the model's.

    Parameters
    ----------
    model : Model
    calibrator : Calibrator
    """

    def __init__(self, model: Model, calibrator: Calibrator) -> None:
        super().__init__(model.settings, model.row_shape, model.classes)
        self.model, self.calibrator = model, calibrator

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        seed: int,
        work: Path | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, float]]:
        """Train the model, and then fit the calibrator anew; see `Model.fit`."""
        self.model.watch = self.watch
        history = self.model.fit(train, valid, seed=seed, work=work, progress=progress)
        fitted = calibration(self.model, train, valid, calibrate=True, seed=seed).calibrator
        assert fitted is not None
        self.calibrator = fitted
        return history

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probabilities (n, classes) of rows (n, *row_shape)."""
        return self.calibrator.apply(self.model.predict_proba(rows))

    def save(self, folder: Path) -> None:
        """Write the model; the calibrator is in ``run.json``."""
        self.model.save(folder)

    def load(self, folder: Path) -> None:
        """Read the model; see `Model.load`."""
        self.model.load(folder)

    @property
    def parameters(self) -> int:
        """Number of trained parameters of the model."""
        return self.model.parameters

    def layers(self) -> list[Layer]:
        """Return the parts of the model."""
        return self.model.layers()

    def training_memory(self) -> TrainingMemory | None:
        """Return the memory that training the model takes."""
        return self.model.training_memory()


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
    if len(valid):
        held_out = of_validation(model, valid)
    elif calibrate:
        held_out = out_of_fold(model, train, seed)
    else:
        return Calibration()
    if not calibrate:
        return Calibration(None, held_out.conformal())
    return Calibration(held_out.calibrator(), held_out.calibrated().conformal())
