"""report: write a page for a folder of runs from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import audiospec
from audiospec.tables.importing import import_table


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run split by track and a leaky run, in its subfolder ``runs``."""
    folder = tmp_path_factory.mktemp("report")
    random = np.random.default_rng(0)
    lines = ["filename,length,a,b,label"]
    for label, apart in (("low", 0), ("high", 2)):
        for track in range(10):
            for piece in range(3):
                a, b = random.normal(apart, size=2).round(3)
                lines.append(f"{label}.{track:05d}.{piece}.wav,22050,{a},{b},{label}")
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    view = import_table(folder / "made.csv", folder / "made.zarr", columns="all")
    for split in ("track", "random"):
        audiospec.train("lr", view, strategy=split, out=folder / "runs" / f"lr-{split}-0")
    return folder


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    """A copy of the runs that a test may damage."""
    return Path(shutil.copytree(runs / "runs", tmp_path / "runs"))


def test_it_reports_runs_of_the_current_folder(runs: Path, run) -> None:
    done = run("report", cwd=runs)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("report.html: 2 runs (")
    assert done.stdout.count("\n") == 1
    page = (runs / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Leaky, so not ranked" in page
    assert run("report", "runs", cwd=runs, env={"PYTHONHASHSEED": "1"}).returncode == 0
    assert (runs / "report.html").read_text(encoding="utf-8") == page


def test_runs_may_be_given_individually(runs: Path, call, tmp_path: Path) -> None:
    paths = sorted((runs / "runs").iterdir())
    done = call("report", *paths, paths[0], "--out", tmp_path / "deep" / "page.html", "--json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {
        "event": "report",
        "path": str(tmp_path / "deep" / "page.html"),
        "runs": [str(path) for path in paths],
        "refused": {},
        "unfinished": 0,
        "ladders": [],
    }


def test_a_refused_run_is_listed_and_the_others_are_reported(copy: Path, call, tmp_path: Path) -> None:
    bad, good = sorted(copy.iterdir())
    (bad / "metrics.json").write_text("{}")
    shutil.copytree(good, copy / "killed.training")
    done = call("report", copy, "--out", tmp_path / "page.html")
    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines()[0].startswith(f"{tmp_path / 'page.html'}: 1 run (")
    assert done.out.splitlines()[1:] == [
        "1 unfinished run left out",
        "1 run refused:",
        f"  {bad}: run {bad} was changed: its metrics.json is not what was written: train again",
    ]
    assert str(bad) in (tmp_path / "page.html").read_text(encoding="utf-8")
    done = call("report", copy, "--out", tmp_path / "page.html", "--json")
    assert done.status == 1
    event = json.loads(done.out)
    assert (list(event["refused"]), event["unfinished"]) == ([str(bad)], 1)


def test_a_folder_without_runs_is_an_error_with_a_hint(copy: Path, call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for run in copy.iterdir():
        (run / "run.json").write_text("{")
    for folder, why in ((tmp_path / "empty", ""), (tmp_path / "no", "cannot be read"), (copy, "is damaged")):
        done = call("report", folder, "--out", tmp_path / "page.html")
        assert (done.status, done.out) == (2, "")
        assert done.err.count("\n") == 1
        assert done.err.startswith(f"error: no run to report in {folder}")
        assert why in done.err
        assert "train one with `audiospec train`" in done.err
    assert not (tmp_path / "page.html").exists()


def test_a_page_that_cannot_be_written_is_an_error(runs: Path, call, tmp_path: Path) -> None:
    done = call("report", runs / "runs", "--out", tmp_path)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: cannot write {tmp_path}: ")
