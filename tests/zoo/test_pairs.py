"""Support vector machines: probabilities from the margins of pairs, the voted class the most probable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from audiospec.errors import ModelError
from audiospec.testing.memory_view import MemoryView, spec_of
from audiospec.zoo.base import Rows, models
from audiospec.zoo.calibration import pairs
from audiospec.zoo.calibration.folds import grouped_folds
from audiospec.zoo.calibration.pairs import couple, fit_slope, margins_of_truth, vote
from audiospec.zoo.calibration.winners import keep_winners
from audiospec.zoo.models.svm import Svm
from audiospec.zoo.targets.single import Single


def overlapping(classes: int, per_class: int, seed: int) -> Rows:
    """Rows of classes that overlap, so that a good model is often wrong, and rarely sure."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 1, (classes, 8))
    targets = np.repeat(np.arange(classes), per_class)
    values = centres[targets] + random.normal(0, 1.2, (len(targets), 8))
    labels = [f"class {target:02d}" for target in targets]
    view = MemoryView(values.astype(np.float32), labels, *spec_of((8,)))
    return Rows(view, np.arange(len(view)), Single(sorted(set(labels))))


def fitted(train: Rows, name: str = "svm") -> Svm:
    model = models[name](models[name].Settings(), train.view.info.row_shape, train.classes)
    model.fit(train, train, seed=0)
    assert isinstance(model, Svm)
    return model


def log_loss(probabilities: NDArray[np.float64], rows: Rows) -> float:
    return float(-np.log(probabilities[np.arange(len(rows)), rows.targets]).mean())


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("name", ["svm", "svm-c10"])
def test_predictions_are_those_of_scikit_learns_svc(name: str, classes: int) -> None:
    train, unseen = overlapping(classes, 30, 0), overlapping(classes, 400, 1)
    model = fitted(train, name)
    plain = make_pipeline(StandardScaler(), SVC(C=model.settings.C))
    expected = plain.fit(train.read().astype(np.float64), train.targets).predict(unseen.read())
    assert np.array_equal(model.predict_proba(unseen.read()).argmax(1), expected)


def test_confidence_tells_right_from_wrong() -> None:
    """The softmax of one-vs-rest values, which are votes with a small part of the margins, hardly did."""
    train, unseen = overlapping(10, 60, 0), overlapping(10, 200, 1)
    model = fitted(train)
    values = model.predict_proba(unseen.read())
    old = make_pipeline(StandardScaler(), SVC(break_ties=True)).fit(train.read(), train.targets)
    powers = np.exp(old.decision_function(unseen.read()))
    before = powers / powers.sum(1, keepdims=True)
    area, area_before = (roc_auc_score(p.argmax(1) == unseen.targets, p.max(1)) for p in (values, before))
    assert area > area_before + 0.03
    assert log_loss(values, unseen) < log_loss(before, unseen) - 0.1
    # The mean confidence is the share of right predictions, which the softmax was far from.
    accuracy = (values.argmax(1) == unseen.targets).mean()
    assert abs(values.max(1).mean() - accuracy) < 0.04
    assert values.max(1).std() > 3 * before.max(1).std()


def test_a_class_of_one_unit_and_folds_without_a_class() -> None:
    three = overlapping(3, 6, 0)
    for numbers in ([0, 6, 7, 8, 12], [0, 6], [0, 6, 12], [0, 1, 6]):
        train = Rows(
            three.view, np.array(numbers), Single(sorted({str(three.view.labels[n]) for n in numbers}))
        )
        model = fitted(train)
        values = model.predict_proba(train.read())
        assert np.allclose(values.sum(1), 1)
        plain = make_pipeline(StandardScaler(), SVC()).fit(train.read().astype(np.float64), train.targets)
        assert np.array_equal(values.argmax(1), plain.predict(train.read()))


@pytest.mark.parametrize("slope", [float("nan"), 0.0, -1.0, 1e9, "1", None])
def test_a_file_with_a_slope_that_no_training_gives_is_refused(tmp_path: Path, slope: object) -> None:
    model = fitted(overlapping(3, 6, 0))
    model.pipeline[-1].slope_ = slope
    model.save(tmp_path)
    with pytest.raises(ModelError, match="is not a svm of 3 classes"):
        Svm(model.settings, model.row_shape, model.classes).load(tmp_path)


def test_a_file_without_the_slope_is_of_an_older_run_only_with_its_decision_values(tmp_path: Path) -> None:
    model = fitted(overlapping(3, 6, 0))
    del model.pipeline[-1].slope_
    model.save(tmp_path)
    with pytest.raises(ModelError, match="is not a svm of 3 classes"):
        Svm(model.settings, model.row_shape, model.classes).load(tmp_path)


# --- the parts ---------------------------------------------------------------------------------------------


def test_pairs_that_agree_give_their_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    """If each pair has p_i / (p_i + p_j), the coupled probabilities are p."""
    monkeypatch.setattr(pairs, "MEMORY", 2000)  # several blocks
    shares = np.random.default_rng(0).dirichlet(np.ones(6), 50)
    first, second = np.triu_indices(6, 1)
    margins = np.log(shares[:, first] / shares[:, second])
    assert couple(margins / 2, 2.0, 6) == pytest.approx(shares, abs=1e-6)
    assert np.array_equal(vote(margins, 6), shares.argmax(1))


def test_no_other_probabilities_agree_better_with_the_pairs() -> None:
    rows = overlapping(4, 20, 0)
    values = rows.read().astype(np.float64)
    machine = SVC(decision_function_shape="ovo").fit(values, rows.targets)
    margins = machine.decision_function(values)

    def disagreement(p: NDArray[np.float64], wins: NDArray[np.float64]) -> float:
        first, second = np.triu_indices(4, 1)
        return float((((1 - wins) * p[first] - wins * p[second]) ** 2).sum())

    random = np.random.default_rng(0)
    for one, own in zip(margins, couple(margins, 3.0, 4), strict=True):
        wins = 1 / (1 + np.exp(-3.0 * one))
        least = disagreement(own, wins)
        for _ in range(50):  # no others agree better, near or far
            other = np.abs(own + random.normal(0, random.choice([1e-3, 0.3]), 4))
            assert disagreement(other / other.sum(), wins) >= least - 1e-12


def test_extreme_margins_give_probabilities() -> None:
    values = couple(np.array([[1e9, 1e9, 1e9], [-1e9, -1e9, 1e9], [1e9, -1e9, 1e9], [0.0, 0.0, 0.0]]), 1.0, 3)
    assert np.isfinite(values).all()
    assert values.sum(1) == pytest.approx(np.ones(4))
    assert values[2:] == pytest.approx(np.full((2, 3), 1 / 3), abs=1e-6)  # a circle, and no evidence


def test_equal_votes_are_of_the_first_class() -> None:
    assert vote(np.array([[1.0, -1.0, 1.0], [0.0, 0.0, 0.0]]), 3).tolist() == [0, 2]


def test_margins_of_truth() -> None:
    margins = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    assert sorted(margins_of_truth(margins, np.array([0, 1, 2]), 3)) == [-9.0, -8.0, -4.0, 1.0, 2.0, 6.0]


@pytest.mark.parametrize("slope", [0.3, 2.0, 10.0])
def test_the_slope_is_found(slope: float) -> None:
    random = np.random.default_rng(0)
    margins = random.normal(0, 1, 20000)
    right = random.random(20000) < 1 / (1 + np.exp(-slope * margins))
    assert fit_slope(np.where(right, margins, -margins), 20000) == pytest.approx(slope, rel=0.1)


def test_the_slope_is_finite() -> None:
    assert fit_slope(np.zeros(0), 1) == 1
    assert 1 < fit_slope(np.ones(100), 10) < 10  # all right
    assert 0 < fit_slope(-np.ones(100), 10) < 0.1  # all wrong


def test_winners_are_kept_by_the_nearest_probabilities() -> None:
    random = np.random.default_rng(0)
    values = random.dirichlet(np.ones(5), 200)
    winners = random.integers(0, 5, 200)
    kept = keep_winners(values, winners)
    assert np.array_equal(kept.argmax(1), winners)
    assert kept.sum(1) == pytest.approx(np.ones(200), abs=1e-12)
    same = values.argmax(1) == winners
    assert np.array_equal(kept[same], values[same])
    for before, after, winner in zip(values, kept, winners, strict=True):
        for _ in range(30):
            other = np.abs(after + random.normal(0, random.choice([1e-3, 0.2]), 5))
            other = np.minimum(other, other[winner])
            other /= other.sum()
            assert ((other - before) ** 2).sum() >= ((after - before) ** 2).sum() - 1e-8


def test_ties_are_broken_for_the_winner() -> None:
    kept = keep_winners(np.full((1, 4), 0.25), np.array([2]))
    assert kept.argmax(1).tolist() == [2]
    assert kept == pytest.approx(np.full((1, 4), 0.25), abs=1e-8)


def test_folds_keep_units_and_spread_classes() -> None:
    random = np.random.default_rng(0)
    unit_of = random.integers(0, 90, 2000)
    targets = unit_of % 6
    units = np.array([f"unit {number}" for number in unit_of])
    folds = grouped_folds(targets, units, 5)
    assert sorted(set(folds.tolist())) == [0, 1, 2, 3, 4]
    for unit in range(90):
        assert len(set(folds[unit_of == unit].tolist())) == 1
    for target in range(6):
        assert [len(set(unit_of[(targets == target) & (folds == fold)])) for fold in range(5)] == [3] * 5
    assert np.array_equal(folds, grouped_folds(targets, units, 5))
    assert not np.array_equal(folds, grouped_folds(targets, units, 5, seed=1))
    assert grouped_folds(targets[:1], units[:1], 5).tolist() == [0]
