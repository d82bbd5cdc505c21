"""The report: ranking, entries of several runs, and runs that are refused."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from audiospec.errors import RunError
from audiospec.zoo.report.collect import find_runs
from audiospec.zoo.report.leaderboard import Task, tasks
from audiospec.zoo.report.page import write_report
from audiospec.zoo.runs.run import Run

Make = Callable[..., Run]


@pytest.fixture
def make(make_run: Make, tmp_path: Path) -> Make:
    """Make a run in ``tmp_path/runs``: make(0.8, name="a", …); see `make_run`."""

    def make(f1: float = 0.8, *, name: str = "", **changes: Any) -> Run:
        folder = tmp_path / "runs"
        return make_run(folder / (name or f"run{len(list(folder.glob('*'))):03d}"), f1, **changes)

    return make


def write(runs: list[Run], folder: Path, **more: Any) -> str:
    return write_report(runs, folder / "report.html", **more).read_text(encoding="utf-8")


def only(runs: list[Run]) -> Task:
    (task,) = tasks(runs)
    return task


def models(board: Any) -> list[str]:
    return [entry.first.info.model for entry in board.entries]


# --- ranking -----------------------------------------------------------------------------------------------


def test_the_best_by_track_is_first_for_any_order_of_runs(make: Make) -> None:
    runs = [make(0.7, chunk=0.9, model="a"), make(0.9, chunk=0.6, model="b"), make(0.8, model="c")]
    for order in (runs, runs[::-1]):
        (board,) = only(order).boards
        assert models(board) == ["b", "c", "a"]
        assert board.ranks == [1, 2, 3]


def test_equal_scores_have_equal_ranks(make: Make) -> None:
    (board,) = only([make(0.8, model="a"), make(0.8, model="b"), make(0.7, model="c")]).boards
    assert board.ranks == [1, 1, 3]


def test_a_tie_is_a_paired_difference_that_is_not_shown(make: Make, tmp_path: Path) -> None:
    """Intervals overlap or not: of 30 tracks, 0.9 has 3 right that 0.8 has wrong, and 12 that 0.5 has."""
    runs = [make(score, spread=0.2, model=f"{score}") for score in (0.5, 0.79, 0.81, 0.9)]
    (board,) = only(runs).boards
    assert models(board) == ["0.9", "0.81", "0.79", "0.5"]
    assert board.tied == [False, True, True, False]
    assert board.uncompared == [False] * 4
    assert write(runs, tmp_path).count('<span class="mark">tied with the best') == 2


def test_paired_differences_over_splits_show_what_overlapping_intervals_hide(
    make: Make, tmp_path: Path
) -> None:
    """One model beats another on ten of ten splits, by 5.3 corrected standard errors."""
    random = np.random.default_rng(0)
    hard = random.normal(0, 0.03, 10)  # some splits are harder than others, for both
    steps = random.normal(size=10)
    steps = (steps - steps.mean()) / steps.std(ddof=1)
    error = np.sqrt(1 / 10 + 30 / 90)
    gaps = 0.04 + steps * 0.04 / 5.3 / error
    assert (gaps > 0).all()
    runs = []
    for seed in range(10):
        better = float(0.8 + hard[seed])
        runs.append(make(better, spread=0.12, seed=seed, model="svm-c10"))
        runs.append(make(better - float(gaps[seed]), spread=0.12, seed=seed, model="lr"))
        runs.append(make(better - 0.04 + float(random.normal(0, 0.04)), seed=seed, model="rf"))
    (board,) = only(runs).boards
    assert models(board)[0] == "svm-c10"
    by_model = {entry.first.info.model: entry.measure("track") for entry in board.entries}
    assert by_model["svm-c10"].low < by_model["lr"].high
    p = dict(zip(models(board), board.p, strict=True))
    assert p["lr"] == pytest.approx(2 * stats.t.sf(5.3, 9) * 2)  # by Holm's method, of two comparisons
    tied = dict(zip(models(board), board.tied, strict=True))
    assert tied == {"svm-c10": False, "lr": False, "rf": True}


def test_the_interval_of_several_splits_is_not_the_mean_of_their_intervals(make: Make) -> None:
    scores = [0.78, 0.8, 0.81, 0.79, 0.82, 0.8, 0.78, 0.81, 0.8, 0.81]
    runs = [make(score, spread=0.2, seed=seed) for seed, score in enumerate(scores)]
    measure = only(runs).boards[0].entries[0].measure("track")
    half = stats.t.ppf(0.975, 9) * np.std(scores, ddof=1) * np.sqrt(1 / 10 + 30 / 90)
    assert measure == pytest.approx((0.8, np.std(scores, ddof=1), 0.8 - half, 0.8 + half))
    assert measure.high - measure.low < 0.05


def test_seeds_on_one_test_set_widen_its_interval(make: Make) -> None:
    """The test tracks are the same, so more seeds say nothing about other tracks."""
    scores = [0.7, 0.8, 0.9]
    runs = [make(score, spread=0.08, seed=seed, tested=7) for seed, score in enumerate(scores)]
    (board,) = only(runs).boards
    measure = board.entries[0].measure("track")
    half = np.hypot(0.08, stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3))
    assert measure == pytest.approx((0.8, 0.1, 0.8 - half, 1.0))


def test_runs_that_cannot_be_paired_are_not_tied(make: Make, tmp_path: Path) -> None:
    """Old runs keep no predictions; over splits, their stored scores are enough."""
    old = [make(0.8, model=model, older=True) for model in ("a", "b")]
    (board,) = only(old).boards
    assert (board.tied, board.uncompared) == ([False, False], [False, True])
    page = write(old, tmp_path)
    assert '<span class="mark">not compared with the best</span>' in page
    assert "kept no predictions" in page
    more = [make(0.8, model=model, older=True, seed=1) for model in ("a", "b")]
    (board,) = only([*old, *more]).boards
    assert (board.tied, board.uncompared) == ([False, True], [False, False])


def test_entries_without_common_test_tracks_are_on_separate_boards(make: Make, tmp_path: Path) -> None:
    runs = [make(0.9, model="a"), make(0.8, model="b"), make(0.95, model="c", seed=1)]
    boards = only(runs).boards
    assert [models(board) for board in boards] == [["c"], ["a", "b"]]
    page = write(runs, tmp_path)
    assert "Split: <bdi>track</bdi> (<bdi>seed 1</bdi>), tested on 30 tracks" in page
    assert "Split: <bdi>track</bdi> (<bdi>seed 0</bdi>), tested on 30 tracks" in page
    joined = only([*runs, make(0.7, model="c")]).boards  # it has seeds 0 and 1
    assert [models(board) for board in joined] == [["a", "c", "b"]]
    assert joined[0].uncompared == [False] * 3


def test_runs_on_other_datasets_or_classes_are_another_task(make: Make) -> None:
    runs = [
        make(0.9, dataset="b"),
        make(0.5, dataset="a"),
        make(0.7, dataset="a", classes=["ant", "bee"]),
        make(0.6, dataset="a"),
    ]
    ranked = tasks(runs)
    assert [(task.dataset, len(task.classes)) for task in ranked] == [("a", 2), ("a", 3), ("b", 3)]
    assert [len(task.boards[0].entries) for task in ranked] == [1, 1, 1]


def test_leaky_runs_have_a_separate_board_which_is_last(make: Make) -> None:
    boards = only([make(0.99, strategy="random"), make(0.7), make(0.8, strategy="group")]).boards
    assert [(board.strategy, board.leaky) for board in boards] == [
        *(("group", False), ("track", False)),
        ("random (leaky: tracks)", True),
    ]


def test_a_run_that_is_marked_as_leaky_is_leaky(make: Make) -> None:
    split = {**make(0.5).info.split, "strategy": "fold-1", "leaky": True}
    (board,) = only([make(0.9, split=split)]).boards
    assert (board.strategy, board.leaky) == ("fold-K (leaky)", True)


def test_seeds_that_leak_otherwise_are_one_leaky_entry(make: Make) -> None:
    split = make(0.5, seed=1).info.split
    leaks = {"rows": 90, "leaking": 3, "kinds": {"hash": 3}, "names": {"hash": ["a"]}}
    leaking = {**split, "leaky": True, "leaks": leaks, "name": "track (leaky: copies)"}
    (board,) = only([make(0.9), make(0.8, seed=1, split=leaking)]).boards
    assert (board.strategy, board.leaky) == ("track (leaky: copies)", True)
    assert len(board.entries) == 1


def test_a_note_says_if_test_tracks_differ(make: Make, tmp_path: Path) -> None:
    alike = [make(0.9, model="a"), make(0.8, model="b")]
    assert only(alike).boards[0].one_test
    assert "Not all entries were tested on the same tracks" not in write(alike, tmp_path)
    some = [*alike, make(0.7, model="b", seed=1, tracks=15)]
    assert not only(some).boards[0].one_test
    assert "Not all entries were tested on the same tracks" in write(some, tmp_path)
    assert "tested on 15 to 30 tracks" in write(some, tmp_path)


def test_a_fixed_list_or_a_fold_has_the_same_test_tracks_for_any_seed(make: Make) -> None:
    for strategy in ("filtered", "fold-1"):
        runs = [make(0.9, model="a", strategy=strategy), make(0.8, model="b", strategy=strategy, seed=7)]
        (board,) = only(runs).boards
        assert board.one_test


# --- entries of several runs -------------------------------------------------------------------------------


def test_seeds_of_a_configuration_are_one_entry(make: Make) -> None:
    runs = [make(score, seed=seed) for seed, score in ((2, 0.9), (0, 0.6), (1, 0.6))]
    (board,) = only(runs).boards
    (entry,) = board.entries
    assert entry.repeats == ["0", "1", "2"]
    measure = entry.measure("track", "macro_f1")
    half = stats.t.ppf(0.975, 2) * 0.03**0.5 * np.sqrt(1 / 3 + 30 / 90)
    assert measure == pytest.approx((0.7, 0.03**0.5, 0.7 - half, 1.0))
    assert entry.tested == [30]


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"C": 10.0}},
        {"view": "other"},
        {"strategy": "group"},
        {"model": "other"},
        {"chunking": {"seconds": 9.0, "hop": 9.0, "min_fill": 0.5}},
    ],
    ids=str,
)
def test_other_configurations_are_separate_entries(make: Make, change: dict[str, Any]) -> None:
    boards = only([make(0.8), make(0.8, seed=1, **change)]).boards
    assert sum(len(board.entries) for board in boards) == 2


def test_runs_from_before_and_after_the_loss_became_a_parameter_are_one_entry(make: Make) -> None:
    older = make(0.8, settings={"epochs": 3})
    later = make(0.8, seed=1, tested=0, settings={"epochs": 3, "loss": "cross-entropy"})
    other = make(0.8, seed=2, tested=0, settings={"epochs": 3, "loss": "other"})
    (board,) = only([older, later, other]).boards
    assert sorted(len(entry.runs) for entry in board.entries) == [1, 2]
    assert older.says({"settings": {"epochs": 3, "loss": "cross-entropy"}})
    assert not older.says({"settings": {"epochs": 3, "loss": "other"}})


def test_folds_of_a_dataset_are_one_entry(make: Make, tmp_path: Path) -> None:
    runs = [make(0.5 + fold / 10, strategy=f"fold-{fold}") for fold in (3, 1, 2)]
    (board,) = only(runs).boards
    assert board.strategy == "fold-K"
    assert board.entries[0].repeats == ["fold-1", "fold-2", "fold-3"]
    assert "70.0 ± 10.0" in write(runs, tmp_path)


def test_only_parameters_that_differ_are_on_the_board(make: Make, tmp_path: Path) -> None:
    runs = [
        make(0.8, settings={"C": c, "gamma": "scale"}, model="svm", strategy=strategy)
        for c in (1.0, 10.0)
        for strategy in ("track", "random")
    ]
    page = write(runs, tmp_path)
    board = page[: page.index("<h2>Runs</h2>")]
    assert "<bdi>C 10.0</bdi>" in board
    assert "gamma" not in board
    assert "gamma" in page


def test_the_same_runs_give_the_same_page(make: Make, tmp_path: Path) -> None:
    runs = [
        make(0.8, model="a", history="epoch,train_loss\n1,2\n"),
        make(0.8, model="b"),
        make(0.8, seed=1, strategy="random"),
    ]
    first = write(runs, tmp_path)
    assert write([Run(run.path) for run in runs[::-1]], tmp_path) == first


# --- finding runs ------------------------------------------------------------------------------------------


def test_runs_are_found_at_any_depth_and_once(make: Make, tmp_path: Path) -> None:
    make(0.8, name="b")
    make(0.7, name="deep/down/a")
    make(0.7, name="killed.training")
    make(0.7, name="written.training/inside")
    (tmp_path / "runs" / "notes").mkdir()
    folder = tmp_path / "runs"
    found = find_runs([folder, folder / "b", str(folder / "killed.training")])
    assert [run.path for run in found.runs] == [folder / "b", folder / "deep" / "down" / "a"]
    assert (found.problems, found.unfinished) == ({}, 2)


def test_a_damaged_run_is_listed_and_the_others_are_shown(make: Make, tmp_path: Path) -> None:
    for name in ("good", "changed", "headless", "empty"):
        make(0.8, name=name)
    folder = tmp_path / "runs"
    (folder / "changed" / "metrics.json").write_text("{}")
    (folder / "headless" / "run.json").unlink()
    (folder / "empty" / "run.json").write_text("")
    found = find_runs([folder, tmp_path / "nothing"])
    assert [run.path.name for run in found.runs] == ["good"]
    assert [Path(path).name for path in found.problems] == ["nothing", "changed", "empty", "headless"]
    page = write(found.runs, tmp_path, problems=found.problems, unfinished=3)
    assert "4 runs refused" in page
    assert "its metrics.json is not what was written: train again" in page
    assert "3 unfinished runs left out" in page


@pytest.mark.parametrize(
    ("metrics", "changes"),
    [
        ({}, {}),
        ([], {}),
        ({"test": {"track": 5}}, {}),
        (None, {"row_shape": 5}),
        (None, {"classes": 5}),
        (None, {"seconds": "long"}),
        (None, {"chunking": None}),
        (None, {"settings": [1]}),
        (None, {"parameters": "<b>"}),
    ],
    ids=str,
)
def test_a_run_that_cannot_be_drawn_is_refused(
    run: Run, make: Make, tmp_path: Path, metrics: Any, changes: dict[str, Any]
) -> None:
    make(0.8, name="good")
    with suppress(RunError):  # some are refused as soon as they are opened
        make(name="bad", metrics=run.metrics if metrics is None else metrics, **changes)
    found = find_runs([tmp_path / "runs"])
    assert [one.path.name for one in found.runs] == ["good"]
    (reason,) = found.problems.values()
    bad = tmp_path / "runs" / "bad"
    assert re.match(rf"run {bad} (lacks data that a report needs|is damaged) \(.+\): train again$", reason)


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1, "0.5", None])
def test_an_impossible_score_is_refused(run: Run, make: Make, tmp_path: Path, value: Any) -> None:
    metrics = json.loads(json.dumps(run.metrics))
    metrics["test"]["track"]["macro_f1"] = value
    with suppress(RunError):
        make(name="bad", metrics=metrics)
    assert find_runs([tmp_path / "runs"]).runs == []


def test_a_real_run_is_shown(run: Run, tmp_path: Path) -> None:
    (opened,) = find_runs([run.path]).runs
    assert opened.info == run.info
    assert dataclasses.asdict(opened.info)["versions"]["numpy"] in write([opened], tmp_path)


def test_a_report_replaces_the_last_one_only_if_it_can_be_written(make: Make, tmp_path: Path) -> None:
    one = make(0.8)
    path = write_report([one], tmp_path / "new" / "folder" / "report.html")
    before = path.read_bytes()
    write_report([one, make(0.7)], path)
    assert path.read_bytes() != before
    assert os.listdir(path.parent) == ["report.html"]
    with pytest.raises(RunError, match=r"at least one run; got none: train one with `audiospec train`$"):
        write_report([], path)
    with pytest.raises(RunError, match=r"cannot write .*: choose another `out`$"):
        write_report([one], tmp_path)
    with pytest.raises(RunError, match=r"cannot write .*: choose another `out`$"):
        write_report([one], path / "below")
