"""A model with its calibrator, used as one model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiospec.errors import ModelError
from audiospec.zoo.base import Layer, Model, Progress, Rows, TrainingMemory
from audiospec.zoo.calibration.calibrators import Calibrator


class CalibratedModel(Model):
    """A model whose probabilities go through a calibrator; all else is the model's.

    Parameters
    ----------
    model : Model
    calibrator : Calibrator
    """

    def __init__(self, model: Model, calibrator: Calibrator) -> None:
        super().__init__(model.settings, model.row_shape, model.target)
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
        """Raise `ModelError`: the calibrator would be that of another model."""
        raise ModelError(
            "a calibrated model cannot be trained again", "train a new one with `calibrate=True`"
        )

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
