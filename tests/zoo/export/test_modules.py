"""What is exported computes what the zoo computes in numpy: votes, couplings, calibrators, estimators."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.specs.mel import MelSpec
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Model, Rows, models
from audiospec.zoo.calibration import pairs, winners
from audiospec.zoo.calibration.calibrated import CalibratedModel
from audiospec.zoo.calibration.calibrators import Calibrator, Isotonic, Sigmoid, Temperature
from audiospec.zoo.export import coupling
from audiospec.zoo.export.graph import Stored, model_module
from audiospec.zoo.network import NetworkModel
from audiospec.zoo.targets.base import Target
from audiospec.zoo.targets.multi_label import MultiLabel
from audiospec.zoo.targets.number import Number
from audiospec.zoo.targets.single import Single

CLASSES = ["ant", "bee", "cat"]


def of(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values)


def shares(seed: int, classes: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.4), 50)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 9), slope=st.floats(0.01, 100))
def test_margins_are_coupled_as_in_numpy(seed: int, classes: int, slope: float) -> None:
    random = np.random.default_rng(seed)
    margins = random.normal(size=(20, classes * (classes - 1) // 2))
    expected = pairs.couple(margins, slope, classes)
    assert np.abs(coupling.couple(of(margins), slope, classes).numpy() - expected).max() < 1e-6
    assert np.array_equal(coupling.vote(of(margins), classes).numpy(), pairs.vote(margins, classes))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 9))
def test_winners_are_kept_as_in_numpy(seed: int, classes: int) -> None:
    given_shares = shares(seed, classes)
    winner = np.random.default_rng(seed + 1).integers(classes, size=len(given_shares))
    expected = winners.keep_winners(given_shares, winner)
    kept = coupling.keep_winners(of(given_shares), torch.from_numpy(winner)).numpy()
    assert np.abs(kept - expected).max() < 1e-12
    assert np.array_equal(kept.argmax(1), winner)


@pytest.mark.parametrize("method", [Temperature, Sigmoid, Isotonic])
def test_calibrators_are_those_of_the_run(method: type[Calibrator]) -> None:
    given_shares = shares(0, 4)
    truth = np.random.default_rng(1).integers(4, size=len(given_shares))
    calibrator = method.fit(given_shares, truth)
    other = np.concatenate([shares(2, 4), np.eye(4)])  # certainty, too
    computed = coupling.calibration_module(calibrator)(of(other)).numpy()
    assert np.abs(computed - calibrator.apply(other)).max() < 1e-9


def fitted(
    name: str, target: object, table: View, **settings_of: object
) -> tuple[Model, NDArray[np.float32]]:
    """Return a model of the rows of a table, fitted to targets that follow from their numbers."""
    cls = models[name]
    model = cls(cls.Settings.replace_in(settings_of), (4,), target)  # type: ignore[arg-type]
    rows = Rows(table, np.arange(len(table)), model.target)
    random = np.random.default_rng(0)
    values = rows.read()
    if isinstance(target, MultiLabel):
        answers: NDArray[np.generic] = random.random((len(values), 3)) < 0.4
        answers[:, 2] = True  # a label that all rows have
    elif isinstance(target, Number):
        answers = values[:, 0] * 3.0 + random.normal(size=len(values))
    else:
        answers = target.encode(table, rows.numbers)  # type: ignore[attr-defined]
    rows.__dict__["targets"] = answers
    model.fit(rows, rows.some(np.zeros(0, np.int64)), seed=0)
    return model, values + np.float32(0.01)


@pytest.mark.parametrize("name", ["svm", "knn-1", "knn-5", "rf", "lr"])
@pytest.mark.parametrize(
    "target",
    [Single(CLASSES), Single(CLASSES[:2]), MultiLabel(CLASSES), Number(["age"], 2.0, 3.0)],
    ids=["three classes", "two classes", "labels", "a number"],
)
def test_estimators_predict_what_scikit_learn_predicts(name: str, target: object, table: View) -> None:
    more = {"trees": 5} if name == "rf" else {}
    if isinstance(target, Single) and len(target.classes) == 2:
        table = _Some(table, np.flatnonzero(target.usable(table)))  # type: ignore[assignment]
    model, rows = fitted(name, target, table, **more)
    computed = model_module(model, onnx=False)(torch.from_numpy(rows)).numpy()
    assert np.abs(computed - model.predict_proba(rows)).max() < 1e-6


class _Some:
    """Some rows of a view, which is all that fitting reads."""

    def __init__(self, view: View, numbers: NDArray[np.int64]) -> None:
        self._view, self._numbers = view, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getattr__(self, name: str) -> object:
        return getattr(self._view, name)

    def read(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._view.read(self._numbers[numbers]).astype(np.float32)


def test_votes_by_distance(table: View) -> None:
    model, rows = fitted("knn-5", Single(CLASSES), table, weights="distance")
    computed = model_module(model, onnx=False)(torch.from_numpy(rows)).numpy()
    assert np.abs(computed - model.predict_proba(rows)).max() < 1e-6


def test_calibrated_models_are_calibrated(table: View) -> None:
    model, rows = fitted("lr", Single(CLASSES), table)
    both = CalibratedModel(model, Temperature(3.0))
    computed = model_module(both, onnx=False)(torch.from_numpy(rows)).numpy()
    assert np.abs(computed - both.predict_proba(rows)).max() < 1e-9
    assert np.abs(computed - model.predict_proba(rows)).max() > 0.01


@pytest.mark.parametrize(
    "target",
    [Single(CLASSES), MultiLabel(CLASSES), Number(["age"], 40.0, 10.0)],
    ids=["classes", "labels", "a number"],
)
def test_networks_have_the_outputs_of_their_targets(target: Target) -> None:
    cls = models["crnn-base"]
    model = cls(cls.Settings.replace_in({"device": "cpu"}), (16, 20), target)
    assert isinstance(model, NetworkModel)
    model.net = model.network().eval()
    rows = np.random.default_rng(0).normal(size=(4, 16, 20)).astype(np.float32)
    with torch.inference_mode():
        computed = model_module(model, onnx=False)(torch.from_numpy(rows)).numpy()
    assert np.abs(computed - model.predict_proba(rows)).max() < 1e-5


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
def test_rows_are_rounded_as_in_a_store(dtype: str) -> None:
    spec = MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000, dtype=dtype)  # type: ignore[arg-type]
    rows = np.random.default_rng(0).uniform(-90, 20, (3, 16, 5)).astype(np.float32)
    stored = rows.astype(spec.dtype) if spec.code is None else spec.code.decode(spec.code.encode(rows))
    computed = Stored(spec)(torch.from_numpy(rows)).numpy()
    assert computed.dtype == np.float32
    assert np.array_equal(computed, stored.astype(np.float32))
