"""What the contract of models asks of calibration: a model need not know of it."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from audiospec.zoo.base import Model, Rows
from audiospec.zoo.calibration.calibrated import CalibratedModel
from audiospec.zoo.calibration.calibrators import calibrator_from_dict
from audiospec.zoo.calibration.held_out import calibration


def assert_can_be_calibrated(model: Model, train: Rows, valid: Rows, unseen: NDArray[np.float32]) -> None:
    """Assert that a trained model can be calibrated, and that no row gets another most probable class.

    Parameters
    ----------
    model : Model
        Trained on `train`.
    train, valid : Rows
        `valid` may be empty; then the model is trained anew for each fold of `train`.
    unseen : ndarray of float32, shape (n, *row_shape)
    """
    fitted = calibration(model, train, valid, calibrate=True, seed=0)
    calibrated = fitted.applied_to(model)
    assert isinstance(calibrated, CalibratedModel)
    raw, values = model.predict_proba(unseen), calibrated.predict_proba(unseen)
    assert values.shape == raw.shape
    assert np.isfinite(values).all()
    assert ((values >= 0) & (values <= 1)).all()
    assert np.allclose(values.sum(1), 1, rtol=0, atol=1e-12)
    assert np.array_equal(values.argmax(1), raw.argmax(1))
    stated = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    assert stated["source"] == ("validation" if len(valid) else "out-of-fold")
    again = calibrator_from_dict(stated, len(model.classes))
    assert np.array_equal(again.apply(raw), values)
    assert calibrated.predict_proba(unseen[:0]).shape == (0, len(model.classes))
    assert fitted.conformal is not None
    assert 0 <= fitted.conformal.threshold(0.5) <= 1
