"""Comparisons of runs: pairing, verdicts, units, and runs that cannot be compared."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec.errors import ModelError, RegistryError, RunError
from audiospec.stores.layout.view import View
from audiospec.zoo.comparison.compare import SPLITS, UNITS, compare, compare_all
from audiospec.zoo.comparison.configurations import group_runs, names_of
from audiospec.zoo.comparison.difference import corrected_t
from audiospec.zoo.comparison.mcnemar import mcnemar
from audiospec.zoo.comparison.tested import RunTest, check_same, units_of_tracks
from audiospec.zoo.runs.run import Run
from audiospec.zoo.splits.leaks import Known
from audiospec.zoo.training import train

Make = Callable[..., Run]


@pytest.fixture
def make(make_run: Make, tmp_path: Path) -> Make:
    """Make a run in ``tmp_path/runs``: make(0.8, name="a", …); see `make_run`."""

    def make(f1: float = 0.8, *, name: str = "", **changes: Any) -> Run:
        folder = tmp_path / "runs"
        return make_run(folder / (name or f"run{len(list(folder.glob('*'))):03d}"), f1, **changes)

    return make


@pytest.fixture(scope="module")
def trained(table: View, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    """Runs of three models on four splits each."""
    folder = tmp_path_factory.mktemp("trained")
    return {
        model: [train(model, table, seed=seed, runs=folder) for seed in range(4)]
        for model in ("lr", "knn-1", "svm")
    }


# --- real runs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["track", "chunk"])
def test_one_split_is_compared_by_the_bootstrap_over_units(trained: dict[str, list[Run]], level: str) -> None:
    a, b = trained["lr"][0], trained["knn-1"][0]
    found = compare(a, b, level=level)
    scores = tuple(run.metrics["test"][level]["macro_f1"] for run in (a, b))
    assert found.scores == pytest.approx(scores)
    assert found.difference == pytest.approx(scores[0] - scores[1])
    assert (found.a, found.b, found.method, found.runs) == ("lr", "knn-1", UNITS, (1, 1))
    tracks = a.info.split["sides"]["test"]["tracks"]
    assert found.items == tracks * (3 if level == "chunk" else 1)
    assert found.units == tracks
    right = []
    for run in (a, b):
        test = run.predictions().of("test")
        values = np.log(np.maximum(test.probabilities, 1e-6))
        if level == "track":
            values = np.array([values[test.tracks == track].sum(0) for track in np.unique(test.tracks)])
            truth = np.array([test.truth[test.tracks == track][0] for track in np.unique(test.tracks)])
        else:
            truth = test.truth
        right.append(values.argmax(1) == truth)
    units = test.tracks if level == "chunk" else None
    assert found.mcnemar == mcnemar(*right, units)


def test_several_splits_are_compared_by_the_corrected_t(trained: dict[str, list[Run]]) -> None:
    found = compare(trained["lr"], trained["knn-1"][::-1], score="accuracy")
    scores = [
        [run.metrics["test"]["track"]["accuracy"] for run in trained[model]] for model in ("lr", "knn-1")
    ]
    differences = np.subtract(*scores)
    assert found.differences == pytest.approx(tuple(differences))
    sides = trained["lr"][0].info.split["sides"]
    sizes = sides["train"]["tracks"], sides["test"]["tracks"]
    expected = corrected_t(differences, *sizes, step=1 / sizes[1])
    assert (found.difference, *found.interval, found.p) == pytest.approx(tuple(expected))
    assert (found.method, found.runs, found.left_out) == (SPLITS, (4, 4), (0, 0))
    assert found.mcnemar is None  # test tracks of the splits overlap


def test_the_other_order_is_the_negative(trained: dict[str, list[Run]]) -> None:
    for a, b in (
        (trained["lr"][0], trained["knn-1"][0]),
        (trained["lr"], trained["knn-1"]),
        (trained["lr"][0], trained["lr"][0]),
    ):
        one, other = compare(a, b), compare(b, a)
        assert one.difference == -other.difference
        assert one.interval == (-other.interval[1], -other.interval[0])
        assert (one.p, one.better) == (other.p, other.better)
        assert one.differences == tuple(-value for value in other.differences)


def test_a_run_is_not_better_than_itself(trained: dict[str, list[Run]]) -> None:
    found = compare(trained["svm"][0], trained["svm"][0])
    assert (found.difference, found.p, found.better) == (0, 1, "")
    assert found.verdict.startswith("no difference shown between svm")
    assert found.interval[0] < -0.1


def test_other_training_and_validation_shares_have_the_same_test_tracks(
    trained: dict[str, list[Run]], table: View, tmp_path: Path
) -> None:
    smaller = train("lr", table, shares=(0.5, 0.3, 0.2), out=tmp_path / "smaller")
    assert smaller.info.split["digest"] != trained["lr"][0].info.split["digest"]
    found = compare(trained["lr"][0], smaller)
    assert found.items == 6


def test_it_is_public(trained: dict[str, list[Run]]) -> None:
    found = audiospec.compare(trained["lr"], trained["svm"])
    assert isinstance(found, audiospec.Comparison)
    assert json.loads(json.dumps(found.to_dict()))["verdict"] == found.verdict


# --- verdicts ----------------------------------------------------------------------------------------------


def test_a_clear_difference_has_a_winner_in_both_orders(make: Make) -> None:
    good, bad = make(0.9, model="good", tracks=60), make(0.4, model="bad", tracks=60)
    for found in (compare(good, bad), compare(bad, good)):
        assert found.better == "good"
        assert found.verdict == "good is better than bad: 50.0 points of macro F1 by track"
        assert found.mcnemar is not None
        assert found.mcnemar.p < 1e-6


def test_a_leaky_split_is_called_leaky(make: Make) -> None:
    found = compare(make(0.9, model="a", strategy="random"), make(0.8, model="b", strategy="random"))
    assert found.leaky
    assert "leaky" in found.verdict


def test_several_comparisons_are_adjusted(make: Make) -> None:
    runs = [make(f1, model=f"m{f1}", tracks=60) for f1 in (0.6, 0.9, 0.7, 0.75)]
    found = compare_all(runs)
    assert [(one.a, one.b) for one in found] == [("m0.9", "m0.6"), ("m0.9", "m0.7"), ("m0.9", "m0.75")]
    raw = sorted(one.p for one in found)
    assert sorted(one.adjusted for one in found) == pytest.approx(
        np.maximum.accumulate(np.minimum([3 * raw[0], 2 * raw[1], raw[2]], 1))
    )
    first = compare_all(runs, reference=0)
    assert [(one.a, one.b) for one in first] == [("m0.6", "m0.9"), ("m0.6", "m0.7"), ("m0.6", "m0.75")]
    assert [(one.a, one.b) for one in compare_all(runs[:2])] == [("m0.6", "m0.9")]


def test_the_verdict_is_by_the_adjusted_p(make: Make) -> None:
    found = compare(make(0.9, model="good", tracks=60), make(0.4, model="bad", tracks=60))
    assert dataclasses.replace(found, adjusted=0.06).better == ""
    assert dataclasses.replace(found, adjusted=0.049).better == "good"


def test_folds_are_pooled_for_mcnemar_because_no_track_is_tested_twice(make: Make) -> None:
    a, b = (
        [make(f1, model=model, strategy=f"fold-{fold}") for fold in range(1, 6)]
        for model, f1 in (("a", 0.9), ("b", 0.6))
    )
    found = compare(a, b)
    assert (found.method, len(found.differences), found.items, found.units) == (SPLITS, 5, 150, 150)
    assert found.mcnemar is not None
    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (45, 0)


def test_seeds_on_one_test_set_are_averaged(make: Make) -> None:
    a = [make(f1, model="a", seed=seed, tested=1) for seed, f1 in enumerate((0.9, 0.7))]
    b = make(0.5, model="b", seed=9, tested=1)
    found = compare(a, b)
    assert (found.method, found.runs, found.items) == (UNITS, (2, 1), 30)
    assert found.scores == pytest.approx((0.8, 0.5))
    assert found.mcnemar is None
    alone = compare(a[0], b)
    assert found.interval[1] - found.interval[0] > alone.interval[1] - alone.interval[0]


def test_runs_on_other_test_tracks_are_left_out_and_counted(make: Make) -> None:
    a = [make(0.8, model="a", seed=seed) for seed in range(4)]
    b = [make(0.6, model="b", seed=seed) for seed in range(2, 5)]
    found = compare(a, b)
    assert (found.runs, found.left_out, len(found.differences)) == ((2, 2), (2, 1), 2)


# --- units and names ---------------------------------------------------------------------------------------


def test_tracks_of_one_sound_or_group_are_one_unit() -> None:
    first = [Known("a", "1"), Known("b", "1"), Known("c", "2", "x"), Known("d", "3", "x"), Known("e", "4")]
    second = [*first[:4], Known("e", "4", "", "g")]
    other = [Known("f", "5", "", "g")]
    runs: Any = [SimpleNamespace(tracks=tracks) for tracks in (first, second, other)]
    units = units_of_tracks(runs)
    assert units["a"] == units["b"] != units["c"] == units["d"]
    assert units["e"] == units["f"] not in (units["a"], units["c"])


def test_names_say_what_differs(make: Make) -> None:
    runs = [
        make(model="svm", settings={"C": 1.0, "gamma": "scale"}),
        make(model="svm", settings={"C": 10.0, "gamma": "scale"}),
        make(model="lr"),
    ]
    assert names_of([[run] for run in runs]) == ["svm (C 1.0)", "svm (C 10.0)", "lr"]
    views = [make(model="svm", view="x"), make(model="svm", view="y")]
    assert names_of([[run] for run in views]) == ["svm (x)", "svm (y)"]
    same = [make(model="svm"), make(model="svm", seed=1)]
    assert names_of([[run] for run in same]) == [f"svm ({run.path})" for run in same]


def test_seeds_and_folds_of_a_configuration_are_one_group_in_the_order_given(make: Make) -> None:
    runs = [make(model="b", seed=1), make(model="a"), make(model="b"), make(model="b", settings={"C": 3})]
    groups = group_runs(runs)
    assert [[(run.info.model, run.info.seed) for run in group] for group in groups] == [
        [("b", 0), ("b", 1)],
        [("a", 0)],
        [("b", 0)],
    ]


# --- what is refused ---------------------------------------------------------------------------------------


def refused(match: str, a: Any, b: Any, **options: Any) -> None:
    with pytest.raises(RunError, match=match) as error:
        compare(a, b, **options)
    assert "\n" not in str(error.value)
    assert error.value.hint


def test_runs_on_other_test_tracks_are_refused(make: Make, trained: dict[str, list[Run]]) -> None:
    a, b = make(0.8), make(0.8, seed=1, tracks=15)
    refused(
        rf"^expected runs that were tested on the same tracks; got {a.path}, tested on 30 tracks, and "
        rf"{b.path}, tested on 15, 0 of them the same: train both with the same `strategy` and `split_seed`$",
        a,
        b,
    )
    refused("tested on the same tracks", trained["lr"][0], trained["knn-1"][1])
    refused("tested on the same tracks", [a], [b, make(0.8, seed=2)])


def test_an_old_run_says_what_it_lacks(make: Make) -> None:
    old = make(0.8, older=True)
    message = rf"^run {old.path} was made by an older audiospec.*: train again to compare it$"
    refused(message, old, make(0.7))
    refused(message, make(0.7), [make(0.8), old])


def test_other_classes_are_refused(make: Make) -> None:
    refused("^expected runs of the same classes; got .* 3 and 2 classes", make(), make(classes=["a", "b"]))


def test_other_chunks_are_refused_by_chunk_only(make: Make) -> None:
    a, b = make(), make()
    one, other = RunTest(a), RunTest(b)
    other.__dict__["predictions"] = one.predictions.where(one.predictions.starts < 2)
    check_same(one, other, "track")
    with pytest.raises(RunError, match=r"on the same chunks; got .* of 90 and 60 chunks .*: compare by"):
        check_same(one, other, "chunk")


def test_other_files_under_the_same_names_are_refused(make: Make) -> None:
    one, other = RunTest(make()), RunTest(make())
    other.__dict__["tracks"] = [one.tracks[0]._replace(hash="another"), *one.tracks[1:]]
    with pytest.raises(RunError, match=r"on the same audio; got .* test track '0-000' is another file"):
        check_same(one, other, "track")
    other.__dict__["tracks"] = [track._replace(hash="") for track in one.tracks]  # of an imported table
    check_same(one, other, "track")


def test_other_labels_are_refused(make: Make) -> None:
    one, other = RunTest(make()), RunTest(make())
    rows = one.predictions
    other.__dict__["predictions"] = dataclasses.replace(rows, truth=(rows.truth + 1) % 3)
    with pytest.raises(RunError, match="tested against the same labels; got "):
        check_same(one, other, "track")


def test_predictions_of_other_tracks_are_refused(make: Make) -> None:
    one = RunTest(make())
    one.__dict__["tracks"] = [Known("other")]
    with pytest.raises(RunError, match=r"to have predictions of its test tracks; got others: train again$"):
        _ = one.predictions


def test_nonsense_is_refused(make: Make) -> None:
    one = make()
    with pytest.raises(ModelError, match=r"^expected a level of track or chunk; got 'song'$"):
        compare(one, one, level="song")
    with pytest.raises(RegistryError, match=re.escape("no score is called 'f1'")):
        compare(one, one, score="f1")
    with pytest.raises(RunError, match=r"^expected at least one run of each configuration; got none"):
        compare(one, [])
    with pytest.raises(RunError, match=r"^expected two configurations or more to compare; got 1"):
        compare_all([one])
