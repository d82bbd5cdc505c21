"""Sets of classes: they have the right class as often as asked, for new units."""

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
from audiospec.zoo.calibration.conformal import Conformal, in_sets
from audiospec.zoo.calibration.held_out import calibration
from audiospec.zoo.prediction import Prediction, predict, score_sets
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.single import Single


def tracks(units: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Scores of tracks of units that differ: in how hard they are, and in how many tracks they have."""
    sizes = random.integers(1, 30, units)
    unit_of = np.repeat(np.arange(units), sizes)
    hard = random.normal(0, 1.5, units) + 0.05 * sizes
    scores = 1 / (1 + np.exp(-(hard[unit_of] + random.normal(0, 0.7, len(unit_of)))))
    return scores, unit_of


@pytest.mark.parametrize(("units", "coverage"), [(9, 0.9), (20, 0.9), (40, 0.8), (5, 0.75)])
def test_tracks_of_new_units_are_covered(units: int, coverage: float) -> None:
    random = np.random.default_rng(0)
    covered = []
    for _ in range(3000):
        threshold = Conformal(*tracks(units, random), "validation").threshold(coverage)
        new, _ = tracks(1, random)
        covered.append(float((new[:1] <= threshold).mean()))
    error = 3 * np.sqrt(coverage * (1 - coverage) / len(covered))
    assert np.mean(covered) >= coverage - error
    assert np.mean(covered) <= coverage + 1.5 / (units + 1) + error  # and not by sets of everything


def test_one_track_a_unit_is_split_conformal() -> None:
    """The threshold is the ceil((n + 1) · coverage)-th smallest score."""
    scores = np.random.default_rng(0).permutation(np.arange(1, 20) / 20)
    conformal = Conformal(scores, np.arange(19), "validation")
    assert conformal.threshold(0.9) == 18 / 20
    assert conformal.threshold(0.95) == 19 / 20
    assert conformal.threshold(0.5) == 10 / 20


def test_units_weigh_the_same() -> None:
    """A unit of 100 easy tracks does not outweigh nine of one hard track."""
    scores = np.concatenate([np.zeros(100), np.linspace(0.5, 0.9, 9)])
    units = np.concatenate([np.zeros(100, np.int64), np.arange(1, 10)])
    assert Conformal(scores, units, "validation").threshold(0.5) == pytest.approx(0.7)


def test_too_few_units_for_a_coverage() -> None:
    conformal = Conformal(np.linspace(0, 1, 80), np.arange(80) % 8, "validation")
    with pytest.raises(RunError) as caught:
        conformal.threshold(0.9)
    assert str(caught.value) == (
        "a coverage of 0.9 needs 9 held-out units (tracks, or groups of them); this run has 8: "
        "ask for at most `coverage=0.888`, or train on more units"
    )
    assert conformal.threshold(0.888) <= 1
    for coverage in (0.0, 1.0, -1.0, 90.0, float("nan")):
        with pytest.raises(RunError, match="expected a coverage above 0 and below 1"):
            conformal.threshold(coverage)


def test_a_rounding_error_does_not_leave_a_class_out() -> None:
    """Discrete probabilities, such as those of neighbours, have many ties."""
    conformal = Conformal(np.full(20, 0.3), np.arange(20), "out-of-fold")
    threshold = conformal.threshold(0.9)
    assert in_sets(np.array([0.7 - 1e-15, 0.7 + 1e-15, 0.6]), threshold).tolist() == [True, True, False]


def test_scores_survive_json() -> None:
    scores, units = tracks(12, np.random.default_rng(0))
    conformal = Conformal(scores, units, "out-of-fold")
    again = Conformal.from_dict(json.loads(json.dumps(conformal.to_dict())))
    assert again.threshold(0.8) == conformal.threshold(0.8)
    assert (again.source, again.count) == ("out-of-fold", 12)


@pytest.mark.parametrize(
    "change",
    [
        {"scores": []},
        {"scores": [0.1, 2.0]},
        {"scores": [0.1, float("nan")]},
        {"scores": "ab"},
        {"units": [0]},
        {"units": [0.5, 1.5]},
        {"units": None},
        {"source": 7},
    ],
)
def test_what_is_no_score_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Conformal.from_dict({"scores": [0.1, 0.2], "units": [0, 1], "source": "validation", **change})


# --- prediction --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listener(tabular: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "lr"
    return audiospec.train("lr", tabular, calibrate=True, out=out)


def test_a_prediction_has_the_classes_that_are_left(listener: Run, music: Path) -> None:
    files = sorted(music.rglob("*.wav"))
    conformal = listener.conformal()
    for coverage in (0.5, 0.9):
        threshold = conformal.threshold(coverage)
        for prediction in predict(listener, files, coverage=coverage):
            left = in_sets(np.array(prediction.probabilities), threshold)
            assert prediction.set == [
                n for n, is_left in zip(prediction.classes, left, strict=True) if is_left
            ]
            assert prediction.abstains == (len(prediction.set) != 1)
    (plain,) = predict(listener, files[:1])
    assert (plain.set, plain.abstains) == (None, False)


def test_a_file_with_a_problem_has_no_set(listener: Run, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    (prediction,) = predict(listener, [tmp_path / "text.wav"], coverage=0.5)
    assert prediction.problem
    assert (prediction.set, prediction.abstains) == (None, False)


def test_a_run_without_held_out_tracks_is_refused(tabular: View, music: Path, tmp_path: Path) -> None:
    run = audiospec.train("lr", tabular, out=tmp_path / "run")
    with pytest.raises(RunError) as caught:
        list(predict(run, sorted(music.rglob("*.wav")), coverage=0.9))
    assert str(caught.value) == (
        f"run {run.path} has no scores of held-out tracks, from which a coverage follows: "
        "train again with `audiospec train --calibrate`"
    )


def test_changed_scores_are_refused(listener: Run, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(listener.path, tmp_path / "copy"))
    (copy / "conformal.json").write_text((copy / "conformal.json").read_text().replace("0.", "1.", 1))
    with pytest.raises(RunError, match=r"was changed: its conformal.json"):
        Run(copy)


def test_sets_are_scored() -> None:
    made = [(["a"], "a"), (["a"], "b"), (["b", "a"], "a"), ([], "b"), (["b"], "elsewhere")]
    predictions = [
        Prediction(Path(f"/{number}"), ["a", "b"], [0.6, 0.4], 1, set=names)
        for number, (names, _) in enumerate(made)
    ]
    labels = {Path(f"/{number}").resolve(): label for number, (_, label) in enumerate(made)}
    scores = score_sets(predictions, labels, ["a", "b"])
    assert scores.to_dict() == {
        "count": 4,
        "covered": 2,
        "abstained": 2,
        "right": 1,
        "coverage": 0.5,
        "abstention": 0.5,
    }
    with pytest.raises(ModelError, match="no file that was predicted has a label of the run"):
        score_sets(predictions, {}, ["a", "b"])


# --- real audio --------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.realdata
def test_digits_of_new_speakers_are_covered(shared_data: Path, tmp_path: Path) -> None:
    """Each of six speakers is left out once; the sets of the others' units hold for the one left out."""
    spec = audiospec.TabularSpec(sample_rate=8000, families=("mfcc",), n_fft=512, hop_length=128, n_mels=40)
    view = audiospec.featurize(
        "fsdd", data=shared_data / "fsdd", spec=spec, chunk=0.5, store=tmp_path / "fsdd.zarr", workers=0
    )
    speakers, cls = view.groups.astype(str), models["lr"]
    covered, sizes = [], []
    for speaker in sorted(set(speakers.tolist())):
        train = Rows(view, np.flatnonzero(speakers != speaker), Single(view.classes))
        test = Rows(view, np.flatnonzero(speakers == speaker), Single(view.classes))
        model = cls(cls.Settings(), view.info.row_shape, view.classes)
        model.fit(train, train, seed=0)
        fitted = calibration(model, train, Rows(view, train.numbers[:0], Single([])), calibrate=True, seed=0)
        assert fitted.conformal is not None
        assert fitted.conformal.count == 5
        with pytest.raises(RunError, match=r"a coverage of 0\.9 needs 9 held-out units"):
            fitted.conformal.threshold(0.9)
        values = fitted.applied_to(model).predict_proba(test.read())
        sets = in_sets(values, fitted.conformal.threshold(0.7))
        covered.append(sets[np.arange(len(test)), test.targets].mean())
        sizes.append(sets.sum(1).mean())
    assert np.mean(covered) >= 0.7
    assert np.mean(sizes) < 5
