"""Calibration: probabilities that mean what they say, fitted on rows that the model did not learn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import audiospec
from audiospec.errors import ModelError, RunError
from audiospec.stores.layout.view import View
from audiospec.zoo.base import Rows, models
from audiospec.zoo.calibration.calibrated import CalibratedModel
from audiospec.zoo.calibration.calibrators import (
    Calibrator,
    Isotonic,
    Sigmoid,
    Temperature,
    calibrator_from_dict,
)
from audiospec.zoo.calibration.held_out import calibration, out_of_fold
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.single import Single

METHODS: list[type[Calibrator]] = [Temperature, Sigmoid, Isotonic]


def said(
    classes: int, count: int, factor: float, seed: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """True probabilities, what a model says whose log-odds are too large by a factor, and drawn classes."""
    random = np.random.default_rng(seed)
    true = random.dirichlet(np.full(classes, 0.6), count).clip(1e-5)
    true /= true.sum(1, keepdims=True)
    targets = (random.random((count, 1)) > true.cumsum(1)).sum(1).clip(max=classes - 1)
    stated = true**factor
    return true, stated / stated.sum(1, keepdims=True), targets


def log_loss(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(targets)), targets], 1e-6)).mean())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [0.4, 3.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_calibration_lowers_the_log_loss_of_new_rows(
    method: type[Calibrator], factor: float, classes: int
) -> None:
    _, stated, targets = said(classes, 2000, factor, 0)
    fitted = method.fit(stated, targets)
    true, stated, targets = said(classes, 4000, factor, 1)
    values = fitted.apply(stated)
    best, before = log_loss(true, targets), log_loss(stated, targets)
    assert log_loss(values, targets) < best + 0.4 * (before - best)
    assert values.sum(1) == pytest.approx(np.ones(4000), abs=1e-12)
    assert np.array_equal(values.argmax(1), stated.argmax(1))


def test_the_temperature_is_found() -> None:
    fitted = Temperature.fit(*said(4, 5000, 2.5, 0)[1:])
    assert fitted.temperature == pytest.approx(2.5, rel=0.1)
    true, stated, _ = said(4, 100, 2.5, 1)
    assert Temperature(2.5).apply(stated) == pytest.approx(true, abs=0.004)  # the least are raised


def test_ten_right_predictions_are_no_certainty() -> None:
    targets = np.arange(10) % 2
    for method in METHODS:
        values = method.fit(np.eye(2)[targets], targets).apply(np.eye(2)[targets])
        assert values.max() < 0.95


@pytest.mark.parametrize("method", METHODS)
def test_a_class_without_rows_and_rows_of_zeros(method: type[Calibrator]) -> None:
    _, stated, targets = said(4, 300, 2.0, 0)
    some = targets != 3
    fitted = method.fit(stated[some], targets[some])
    votes = np.array([[1.0, 0, 0, 0], [0, 0, 0, 1], [0.5, 0.5, 0, 0]])
    values = fitted.apply(votes)
    assert np.isfinite(values).all()
    assert values.argmax(1).tolist() == [0, 3, 0]


@pytest.mark.parametrize("method", METHODS)
def test_a_calibrator_survives_json(method: type[Calibrator]) -> None:
    _, stated, targets = said(3, 200, 2.0, 0)
    fitted = method.fit(stated, targets)
    again = calibrator_from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)), 3)
    assert type(again) is method
    assert np.array_equal(again.apply(stated), fitted.apply(stated))


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"method": "magic"},
        {"method": "temperature"},
        {"method": "temperature", "temperature": 0},
        {"method": "temperature", "temperature": float("nan")},
        {"method": "temperature", "temperature": "hot"},
        {"method": "sigmoid", "slopes": [1, 1], "offsets": [0, 0, 0]},
        {"method": "sigmoid", "slopes": [1, 1, 1], "offsets": [0, 0, float("inf")]},
        {"method": "isotonic", "points": [[[0, 1], [0, 1]]] * 2},
        {"method": "isotonic", "points": [[[0, 1], [1, 0]]] * 3},
        {"method": "isotonic", "points": [[[1, 0], [0, 1]]] * 3},
        {"method": "isotonic", "points": [[[], []]] * 3},
        {"method": "isotonic", "points": 7},
    ],
)
def test_what_is_no_calibrator_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        calibrator_from_dict(stated, 3)


# --- runs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibrated(table: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return audiospec.train("rf", table, calibrate=True, out=tmp_path_factory.mktemp("runs") / "rf")


def test_a_run_has_its_calibrator(calibrated: Run, table: View, tmp_path: Path) -> None:
    plain = audiospec.train("rf", table, out=tmp_path / "plain")
    assert (plain.info.calibrate, plain.info.calibration) == (False, {})
    assert "not calibrated" in (plain.path / "card.md").read_text()
    stated = json.loads((calibrated.path / "run.json").read_text())
    assert stated["calibrate"] is True
    assert (stated["calibration"]["method"], stated["calibration"]["source"]) == ("sigmoid", "out-of-fold")
    assert len(stated["calibration"]["slopes"]) == 3
    assert "calibrated by method sigmoid on out-of-fold rows" in (calibrated.path / "card.md").read_text()

    rows = table.read()
    model, before = calibrated.model(), plain.model()
    assert isinstance(model, CalibratedModel)
    assert np.array_equal(model.model.predict_proba(rows), before.predict_proba(rows))
    values = model.predict_proba(rows)
    assert np.array_equal(values.argmax(1), before.predict_proba(rows).argmax(1))
    assert not np.allclose(values, before.predict_proba(rows))
    # The stored predictions and scores are those of the calibrated model.
    own = calibrated.predictions().of("test").probabilities
    numbers = Rows(
        table, np.flatnonzero(np.isin(table.ids, calibrated.predictions().of("test").tracks)), Single([])
    )
    assert own == pytest.approx(model.predict_proba(numbers.read()), abs=1e-9)


def test_with_and_without_calibration_are_two_trainings(calibrated: Run, table: View) -> None:
    with pytest.raises(RunError, match="is the run of another training"):
        audiospec.train("rf", table, out=calibrated.path, resume=True)
    again = audiospec.train("rf", table, out=calibrated.path, calibrate=True, resume=True)
    assert again.info == calibrated.info


def test_calibration_is_deterministic(calibrated: Run, table: View, tmp_path: Path) -> None:
    again = audiospec.train("rf", table, calibrate=True, out=tmp_path / "again")
    assert again.info.calibration == calibrated.info.calibration
    assert (again.path / "conformal.json").read_bytes() == (calibrated.path / "conformal.json").read_bytes()


def test_a_damaged_calibrator_is_refused(calibrated: Run, make_run: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "bad", calibrate=True, calibration={"method": "magic"})
    with pytest.raises(RunError, match="is damaged"):
        run.model()


def test_many_rows_give_an_isotonic_function(make_table: Any, tmp_path: Path) -> None:
    view = make_table(dict.fromkeys(("ant", "bee", "cat"), 140))
    run = audiospec.train("knn-5", view, calibrate=True, out=tmp_path / "run")
    assert run.info.calibration["method"] == "isotonic"
    plain = audiospec.train("knn-5", view, out=tmp_path / "plain")
    losses = []
    for one in (plain, run):
        test = one.predictions().of("test")
        losses.append(log_loss(test.probabilities, test.truth))
    assert losses[1] < losses[0] - 0.2


def test_a_network_is_calibrated_on_its_validation_rows(mel: View, tmp_path: Path) -> None:
    settings = {"epochs": 2, "device": "cpu"}
    run = audiospec.train("crnn-base", mel, settings=settings, calibrate=True, out=tmp_path / "run")
    assert (run.info.calibration["method"], run.info.calibration["source"]) == ("temperature", "validation")
    assert f"temperature {run.info.calibration['temperature']:.3f}" in (run.path / "card.md").read_text()
    plain = audiospec.train("crnn-base", mel, settings=settings, out=tmp_path / "plain")
    valid, before = run.predictions().of("valid"), plain.predictions().of("valid")
    assert log_loss(valid.probabilities, valid.truth) < log_loss(before.probabilities, before.truth)
    assert plain.conformal().source == "validation"  # its validation rows cost nothing


def test_rows_of_one_unit_are_never_in_two_folds(tmp_path: Path, make_table: Any) -> None:
    """With pieces of a track in two folds, the nearest neighbour would be a piece of the same track."""
    lines = ["filename,length,a,b,c,d,label"]
    random = np.random.default_rng(0)
    for label in ("ant", "bee", "cat"):
        for track in range(40):
            centre = random.normal(size=4)  # of the track: it says nothing of the class
            for piece in range(3):
                values = centre + random.normal(0, 0.01, 4)
                name = f"{label}.{track:05d}.{piece}.wav"
                lines.append(f"{name},22050,{','.join(map(str, values.round(5)))},{label}")
    (tmp_path / "made.csv").write_text("\n".join(lines) + "\n")
    view = audiospec.import_table(tmp_path / "made.csv", tmp_path / "made.zarr", columns="all")
    train = Rows(view, np.arange(len(view)), Single(view.classes))
    cls = models["knn-1"]
    model = cls(cls.Settings(), view.info.row_shape, view.classes)
    model.fit(train, train, seed=0)
    held_out = out_of_fold(model, train, 0)
    assert (held_out.probabilities.argmax(1) == train.targets).mean() < 0.5
    values = calibration(
        model, train, Rows(view, train.numbers[:0], Single([])), calibrate=True, seed=0
    ).applied_to(model)
    assert values.predict_proba(train.read()).max() < 0.55


def test_too_few_units_are_one_clear_error(make_table: Any, tmp_path: Path) -> None:
    view = make_table({"ant": 4, "bee": 2})
    train = Rows(view, np.flatnonzero(np.isin(view.ids, ["ant.00000", "bee.00000"])), Single(["ant", "bee"]))
    cls = models["lr"]
    model = cls(cls.Settings(), view.info.row_shape, train.classes)
    with pytest.raises(ModelError) as caught:
        out_of_fold(model, train, 0)
    assert str(caught.value) == (
        "calibration needs training rows of at least two classes with two units (tracks, or groups of them) "
        "each; got 2 units of 2 classes: leave out `calibrate`, or add tracks of other groups"
    )


def test_a_calibrated_model_is_not_trained_again(calibrated: Run, table: View) -> None:
    rows = Rows(table, np.arange(len(table)), Single(table.classes))
    model = calibrated.model()
    with pytest.raises(ModelError, match="cannot be trained again"):
        model.fit(rows, rows, seed=0)
    assert model.parameters == 0
    assert [layer.name for layer in model.layers()] == ["scaling", "classifier"]
    assert model.training_memory() is None
