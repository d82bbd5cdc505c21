"""Estimators of plug-ins, which have no module here, are converted by skl2onnx, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from audiospec.errors import ModelError
from audiospec.stores.layout.view import View
from audiospec.zoo.base import ModelSettings, models
from audiospec.zoo.estimator import SklearnModel
from audiospec.zoo.export.export import export_run
from audiospec.zoo.export.formats import Compute, Names, Onnx, trace
from audiospec.zoo.export.graph import Graph, model_module
from audiospec.zoo.targets.multi_label import MultiLabel
from audiospec.zoo.targets.number import Number
from audiospec.zoo.targets.single import Single
from audiospec.zoo.training import train

pytest.importorskip("skl2onnx", reason="no ONNX: pip install 'audiospec[onnx]'")

CLASSES = ["ant", "bee", "cat"]


@dataclass(frozen=True, kw_only=True)
class NoSettings(ModelSettings):
    """Nothing to set."""


class Gaussian(SklearnModel):
    """gaussian: naive Bayes."""

    Settings = NoSettings

    def estimator(self, seed: int) -> Any:
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB()


class Sharper(Gaussian):
    """sharper: probabilities that are not those of its estimator."""

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = super().probabilities(rows) ** 2
        return np.asarray(squares / squares.sum(1, keepdims=True))


class Spread(SklearnModel):
    """spread: labels that spread to rows nearby, which skl2onnx does not know."""

    Settings = NoSettings

    def estimator(self, seed: int) -> Any:
        from sklearn.semi_supervised import LabelSpreading

        return LabelSpreading()


class Boosted(SklearnModel):
    """boosted: trees, which onnxruntime computes in float32 alone."""

    Settings = NoSettings
    serves = ("single", "number")

    def estimator(self, seed: int) -> Any:
        from sklearn.ensemble import GradientBoostingClassifier

        return GradientBoostingClassifier(n_estimators=3, random_state=seed)

    def regressor(self, seed: int) -> Any:
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(n_estimators=3, random_state=seed)


class Machine(SklearnModel):
    """machine: a support vector machine with another kernel than the zoo's."""

    Settings = NoSettings
    serves = ("number",)

    def estimator(self, seed: int) -> Any:
        raise NotImplementedError

    def regressor(self, seed: int) -> Any:
        from sklearn.svm import SVR

        return SVR(kernel="poly", degree=2)


@pytest.fixture(scope="module", autouse=True)
def plugins() -> Iterator[None]:
    """Register the models for this file."""
    with pytest.MonkeyPatch.context() as patch:
        for cls in (Gaussian, Sharper, Spread):
            patch.setitem(models._entries, cls.__name__.lower(), cls)
        yield


def computed_by(model: SklearnModel) -> Compute:
    """Return what onnxruntime computes of a model: rows (n, 4) → outputs."""
    graph = Graph(None, nn.Identity(), model_module(model, onnx=True))  # type: ignore[arg-type]
    traced = trace(graph, torch.zeros(2, 4), any_length=False)
    names = Names("features", "outputs", ("batch",))
    return Onnx().opened(Onnx().write(traced, names, {"audiospec.description": "a test"}))


def rows_of(seed: int) -> NDArray[np.float32]:
    """Return 60 rows whose columns have very different sizes."""
    values = np.random.default_rng(seed).normal(size=(60, 4)) * [1, 1e-6, 1e3, 1] + [0, 0, 1e5, 1]
    return values.astype(np.float32)


def test_an_estimator_behind_its_frontend(tabular: View, tmp_path: Path) -> None:
    """Waves in: the frontend, skl2onnx's operators, and the calibration, in one graph."""
    import onnx

    trained = train("gaussian", tabular, calibrate=True, out=tmp_path / "run")
    done = export_run(trained, tmp_path / "model.onnx")
    assert done.difference <= 1e-4
    assert (done.compared, done.any_length) == ("test tracks", True)
    assert {"chunks", "a last chunk", "0.7 chunks", "1.9 chunks"} <= {*done.cases}
    model = onnx.load(done.path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} <= {"", "ai.onnx.ml"}
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["wave", "probabilities"]
    with pytest.raises(ModelError, match=r"GaussianNB of model Gaussian can be exported to ONNX alone"):
        export_run(trained, tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("spread", r"LabelSpreading cannot be exported: skl2onnx: .*: train one of svm, "),
        pytest.param(
            "sharper",
            r"within 0.0001 of the run's.* differs by 0\.\d+ on rows.*nothing is written",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_cannot_be_converted(name: str, message: str, table: View, tmp_path: Path) -> None:
    trained = train(name, table, out=tmp_path / "run")
    with pytest.raises(ModelError, match=message):
        export_run(trained, tmp_path / "model.onnx", input="features")
    assert not (tmp_path / "model.onnx").exists()


def test_skl2onnx_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Gaussian(NoSettings(), (4,), Single(CLASSES))
    model.pipeline = model.new_pipeline(0).fit(rows_of(0), np.arange(60) % 3)
    monkeypatch.setattr("audiospec.zoo.export.converted.find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"GaussianNB needs skl2onnx.*pip install 'audiospec\[onnx\]'"):
        model_module(model, onnx=True)


def test_labels_one_by_one() -> None:
    """Each label has an estimator of its own in the graph; one that all rows have has none."""
    model = Gaussian(NoSettings(), (4,), MultiLabel(CLASSES))
    rows = rows_of(1)
    parts: list[SklearnModel | float] = []
    for column in (0, 2):
        part = Gaussian(NoSettings(), (4,), Single(("without", "with")))
        part.pipeline = part.new_pipeline(0).fit(rows, rows[:, column] > rows[:, column].mean())
        parts.append(part)
    model.parts = [*parts, 1.0]
    other = rows_of(2)
    assert computed_by(model)(other) == pytest.approx(model.predict_proba(other), abs=1e-5)


@pytest.mark.parametrize("cls", [Boosted, pytest.param(Machine, marks=pytest.mark.long)])
def test_numbers(cls: type[SklearnModel]) -> None:
    model = cls(NoSettings(), (4,), Number(["age"], 40.0, 10.0))
    rows, other = rows_of(3), rows_of(4)
    model.pipeline = model.new_pipeline(0).fit(rows, rows[:, 0])
    computed = computed_by(model)(other)
    assert computed == pytest.approx(model.predict_proba(other), abs=1e-3)
    assert np.ptp(computed) > 1


@pytest.mark.long
def test_trees_keep_the_order_of_classes() -> None:
    model = Boosted(NoSettings(), (4,), Single(CLASSES))
    rows, other = rows_of(5), rows_of(6)
    model.pipeline = model.new_pipeline(0).fit(rows, np.digitize(rows[:, 0], [-1.0, 0.3]))
    assert computed_by(model)(other) == pytest.approx(model.predict_proba(other), abs=1e-5)
