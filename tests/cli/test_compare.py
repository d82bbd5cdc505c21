"""compare: compare runs from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiospec.tables.importing import import_table
from audiospec.zoo.training import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs``: svm and lr with two seeds each, and knn-1 with one of them."""
    folder = tmp_path_factory.mktemp("compare")
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,label"]
    for label, apart in (("low", 0), ("high", 2)):
        for track in range(20):
            for piece in range(3):
                a, b = random.normal(apart, size=2).round(3)
                lines.append(f"{label}.{track:05d}.{piece}.wav,22050,{a},{b},{label}")
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    view = import_table(folder / "made.csv", folder / "made.zarr", columns="all")
    for model, seeds in (("svm", 2), ("lr", 2), ("knn-1", 1)):
        for number in range(seeds):
            train(model, view, seed=number, runs=folder / "runs" / model)
    return folder


def seed(runs: Path, model: str, number: int) -> Path:
    (path,) = (runs / "runs" / model).glob(f"*-{number}")
    return path


def stored_score(path: Path, level: str) -> float:
    value: float = json.loads((path / "metrics.json").read_text())["test"][level]["macro_f1"]
    return value


def test_two_runs_are_compared_on_one_split(runs: Path, run) -> None:
    paths = [seed(runs, model, 0).relative_to(runs) for model in ("svm", "lr")]
    done = run("compare", *paths, cwd=runs)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "macro F1 on the same test tracks"
    assert [line.split()[:5] for line in lines[2:4]] == [
        ["svm", "−", "lr", "by", "track"],
        ["svm", "−", "lr", "by", "chunk"],
    ]
    assert lines[4] == "difference in points with 95 % interval, by the paired bootstrap over units"
    assert all("svm" in line and "lr" in line for line in lines[5:7])
    assert len(lines) == 7


def test_folders_of_several_seeds_are_configurations(runs: Path, call) -> None:
    done = call("compare", runs / "runs" / "svm", runs / "runs" / "lr")
    assert (done.status, done.err) == (0, "")
    assert "by the corrected resampled t over splits" in done.out
    done = call("compare", runs / "runs" / "lr", runs / "runs" / "svm", "--json")
    event = json.loads(done.out)
    assert (event["event"], event["score"], event["no_chunks"]) == ("comparisons", "macro-f1", "")
    assert [(one["a"], one["b"], one["level"]) for one in event["comparisons"]] == [
        ("lr", "svm", "track"),
        ("lr", "svm", "chunk"),
    ]
    for one in event["comparisons"]:
        stored = [
            np.mean([stored_score(seed(runs, model, number), one["level"]) for number in range(2)])
            for model in ("lr", "svm")
        ]
        assert one["scores"] == pytest.approx(stored)
        assert one["runs"] == [2, 2]
        assert len(one["differences"]) == 2


def test_more_than_two_are_compared_with_the_best_or_the_first(runs: Path, call) -> None:
    paths = [seed(runs, model, 0) for model in ("knn-1", "svm", "lr")]
    done = call("compare", *paths, "--score", "accuracy")
    assert done.status == 0
    assert "Holm" in done.out
    done = call("compare", *paths, "--score", "accuracy", "--json")
    compared = [one for one in json.loads(done.out)["comparisons"] if one["level"] == "track"]
    assert len(compared) == 2
    assert all(one["scores"][0] >= one["scores"][1] for one in compared)
    done = call("compare", *paths, "--first", "--json")
    compared = [one for one in json.loads(done.out)["comparisons"] if one["level"] == "track"]
    assert [(one["a"], one["b"]) for one in compared] == [("knn-1", "svm"), ("knn-1", "lr")]


def test_seeds_without_a_counterpart_are_named(runs: Path, call) -> None:
    done = call("compare", runs / "runs" / "svm", runs / "runs" / "knn-1")
    assert done.status == 0
    assert "left out, tested on other tracks: 1 run of svm, 0 of knn-1" in done.out


def test_runs_of_other_splits_are_refused(runs: Path, run) -> None:
    done = run("compare", seed(runs, "svm", 0), seed(runs, "lr", 1), cwd=runs)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: expected runs that were tested on the same tracks; got ")


def test_bad_input_is_an_error_in_one_line(runs: Path, call, tmp_path: Path) -> None:
    good = seed(runs, "svm", 0)
    damaged = Path(shutil.copytree(seed(runs, "lr", 0), tmp_path / "damaged"))
    (damaged / "predictions.csv").write_text("track\n")
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ((good, damaged), "was changed: its predictions.csv is not what was written"),
        ((good, tmp_path / "empty"), "no run to compare in"),
        ((good, tmp_path / "nothing"), "cannot be read"),
        ((good,), "expected two configurations or more to compare; got 1"),
        ((good, good), "expected two configurations or more to compare; got 1"),
        ((good, damaged, "--score", "f2"), "no score is called 'f2'"),
    ):
        done = call("compare", *arguments)
        assert (done.status, done.out) == (2, ""), arguments
        assert message in done.err
        assert done.err.count("\n") == 1
