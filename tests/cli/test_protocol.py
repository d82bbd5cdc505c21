"""train --folds, --repeats, --search, --train-share: as a process, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audiospec.zoo.runs.run import Run


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of an imported table: two classes of eight tracks in two pieces."""
    import numpy as np

    from audiospec.tables.importing import import_table

    folder = tmp_path_factory.mktemp("table")
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,label"]
    for label, mean in (("ant", 0.0), ("bee", 1.5)):
        for track in range(8):
            for piece in range(2):
                values = ",".join(map(str, (random.normal(size=2) + mean).round(4)))
                lines.append(f"{label}.{track:05d}.{piece}.wav,22050,{values},{label}")
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    import_table(folder / "made.csv", folder / "made.zarr", columns="all")
    return folder / "made.zarr"


@pytest.mark.long
def test_a_cross_validation_with_a_search(table: Path, run: Any, tmp_path: Path) -> None:
    command = (
        "train",
        "lr",
        "--store",
        table,
        "--folds",
        4,
        "--repeats",
        2,
        "--search",
        "C=0.01,1",
        "--inner-folds",
        2,
    )
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "runs").iterdir()
    opened = Run(path)
    assert opened.info.split["strategy"] == "4 folds x 2"
    assert "split 4 folds x 2: folds were requested; they are drawn by tracks" in done.stdout
    assert "searched C of 0.01, 1.0 on 2 inner folds: chosen" in done.stdout
    assert "mean ± deviation over 8 folds: by chunk" in done.stdout
    assert f"next: audiospec evaluate runs/{path.name}" in done.stdout
    assert "lr 4 folds x 2, seed 0, fold 8 of 8: fitting 24 rows of 2 columns" in done.stderr
    again = run(*command, "--resume", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert [one.name for one in (tmp_path / "runs").iterdir()] == [path.name]
    scored = run("evaluate", path, cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    assert "by track  16" in scored.stdout
    report = run("report", "runs", cwd=tmp_path)
    assert "1 run" in report.stdout


def test_events(table: Path, call: Any, tmp_path: Path) -> None:
    options = ("--folds", 2, "--search", "C=0.1,1", "--inner-folds", 2, "--train-share", "1,0.5")
    done = call("train", "lr", "--store", table, *options, "--out", tmp_path, "--json")
    assert done.status == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    steps = [event for event in events if event["event"] == "progress"]
    assert {(step["fold"], step["folds"]) for step in steps} == {(1, 2), (2, 2)}
    assert "searching" in {step["stage"] for step in steps}
    runs = [event for event in events if event["event"] == "run"]
    assert [event["train_share"] for event in runs] == [0.5, 1.0]
    for event in runs:
        assert event["search"]["grid"] == {"C": [0.1, 1.0]}
        assert len(event["cross_validation"]["runs"]) == 2
    (curve,) = (event["curve"] for event in events if event["event"] == "done")
    assert [(point["train_share"], point["tracks"]) for point in curve] == [(0.5, 4), (1.0, 8)]
    assert [point["track"] for point in curve] == [
        event["metrics"]["test"]["track"]["macro_f1"] for event in runs
    ]


def test_a_learning_curve_is_a_table(table: Path, call: Any, tmp_path: Path) -> None:
    done = call("train", "lr", "--store", table, "--train-share", "0.25,0.5,1", "--out", tmp_path)
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    start = lines.index("learning curve: the same test rows, more and more training tracks")
    assert lines[start + 1].split() == [
        "share",
        "rows",
        "tracks",
        "macro",
        "F1",
        "by",
        "chunk",
        "by",
        "track",
    ]
    shown = [line.split()[:3] for line in lines[start + 2 : start + 5]]
    assert shown == [["0.25", "4", "2"], ["0.5", "12", "6"], ["1", "24", "12"]]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--folds", 9), "class 'ant' has 8 of the dataset's tracks, fewer than 9 folds: use --folds 8"),
        (("--folds", 1), "expected at least 2 folds; got 1: give --folds 2 or more"),
        (
            ("--repeats", 3),
            "expected a number of folds for 3 repeats; got none: give --folds 5, or leave out --repeats",
        ),
        (("--split", "folds"), "'made' has none: draw some with --folds 5"),
        (("--split", "leave-one-group-out"), "no track has one: name artists"),
        (("--split", "random", "--folds", 2), "got the split 'random': leave out --folds, or choose --split"),
        (("--search", "D=1"), "model 'lr' has no parameter 'D'"),
        (("--search", "C=1", "--set", "C=2"), "got both: leave it out of --set or --search"),
        (("--search", "C"), "expected PARAMETER=A,B; got 'C'"),
        (("--search", "C=1", "--inner-folds", 8), "fewer than 8 inner folds: use --inner-folds"),
        (("--train-share", "2"), "above 0 and up to 1; got 2.0: give --train-share 0.3"),
        (("--train-share", "x"), "expected shares separated by commas"),
    ],
)
def test_what_is_refused(table: Path, call: Any, tmp_path: Path, options: Any, message: str) -> None:
    done = call("train", "lr", "--store", table, *options, "--out", tmp_path / "runs")
    assert done.status != 0
    (line,) = [line for line in done.err.splitlines() if line.startswith("error") or "expected" in line]
    assert message in line
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
