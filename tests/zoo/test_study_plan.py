"""The plan of the study, its estimates, and the page of its result."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec.datasets.gtzan import GENRES
from audiospec.errors import ModelError
from audiospec.specs.tabular import TabularSpec
from audiospec.testing.audio import noise, tone, write
from audiospec.testing.pages import Page
from audiospec.zoo.network import NetworkModel
from audiospec.zoo.study.cells import F1, Cell, Curves
from audiospec.zoo.study.plan import NOISE, OTHER, SAME, TABLE, Plan
from audiospec.zoo.study.reproduce import plan_study, reproduce
from audiospec.zoo.study.results import write_result
from audiospec.zoo.study.times import TIMES, Times

MEL = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
TWO = GENRES[:2]
TABULAR: dict[str, Any] = {"models": ["knn-1", "rf"], "seeds": 2}
NETWORKS: dict[str, Any] = {
    "models": ["crnn-base"],
    "chunks": [1.0],
    "network_seeds": 2,
    "settings": {"epochs": 3, "device": "cpu"},
    "spec": MEL,
    "workers": 0,
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 30 s table with six tracks of two genres, on all sides of the fault-filtered list."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    names = TabularSpec().columns
    lines = [",".join(["filename", "length", *names, "label"])]
    for genre in TWO:
        for track in (0, 1, 12, 13, 30, 31):
            values = random.normal(size=len(names)).round(4)
            lines.append(",".join([f"{genre}.{track:05d}.wav", "661504", *map(str, values), genre]))
    (folder / "features_30_sec.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("genres")
    for number, genre in enumerate(TWO):
        for track in range(10):
            wave = tone(2.1, 8000, hertz=200 + 300 * number + 10 * track) + noise(2.1, 8000, level=0.01)
            write(folder / genre / f"{genre}.{track:05d}.wav", wave, 8000)
    return folder


def runnable(plan: Plan) -> list[Any]:
    return [cell for cell in plan.cells if not cell.missing]


# --- the plan --------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing_and_states_what_is_left(tables: Path, tmp_path: Path) -> None:
    plan = plan_study(tables=tables, out=tmp_path / "out", **TABULAR)
    assert not list(tmp_path.iterdir())
    cells = runnable(plan)
    assert [(cell.model, cell.split, cell.runs) for cell in cells] == [
        (model, split, 1 if (model, split) == ("knn-1", "filtered") else 2)
        for _ in range(2)
        for split in ("track", "filtered")
        for model in ("knn-1", "rf")
    ]
    assert (plan.runs, plan.done) == (14, 0)
    assert all(cell.seconds_left > 0 and cell.basis == TABLE for cell in cells)
    assert plan.seconds_left == pytest.approx(sum(cell.seconds_left for cell in cells))
    assert plan.bases == [TABLE]
    assert {cell.missing.partition(" has no ")[2][:18] for cell in plan.cells if cell.missing} == {
        "features_3_sec.csv"
    }


def test_the_plan_is_refined_by_what_runs_took(tables: Path, tmp_path: Path) -> None:
    plans: list[Plan] = []
    cells = list(reproduce(tables=tables, out=tmp_path, watch=plans.append, **TABULAR))
    assert [plan.done for plan in plans] == list(range(15))  # before the first run, and after each
    (knn, *_), times = cells, Times(tmp_path)
    assert (plans[0].cells[0].basis, plans[1].cells[0].basis) == (TABLE, SAME)
    assert plans[1].cells[0].seconds_left == pytest.approx(times.of(knn.runs[0]))
    assert plans[2].cells[0].seconds_left == 0
    # A model with finished runs on other rows is not measured again.
    with_length = [cell for cell in plans[1].cells if cell.features == "57 and length"]
    assert {cell.basis for cell in with_length if cell.model == "knn-1"} == {OTHER}
    assert {cell.basis for cell in with_length if cell.model == "rf"} == {TABLE}
    assert (plans[-1].seconds_left, plans[-1].bases) == (0, [])
    again: list[Plan] = []
    assert list(reproduce(tables=tables, out=tmp_path, watch=again.append, **TABULAR)) == cells
    assert again == [plans[-1]]
    assert plan_study(tables=tables, out=tmp_path, **TABULAR) == plans[-1]


def test_an_interrupted_run_counts(tables: Path, tmp_path: Path) -> None:
    """The seconds before the interruption are kept, so the estimate is of what is left."""

    def stop(*step: object) -> None:
        if "seed 1" in str(step[-1]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(reproduce(tables=tables, out=tmp_path, progress=stop, **TABULAR))
    plan = plan_study(tables=tables, out=tmp_path, **TABULAR)
    assert (plan.cells[0].done, plan.cells[0].runs) == (1, 2)
    times = Times(tmp_path)
    finished, stopped = json.loads((tmp_path / TIMES).read_text())
    assert plan.cells[0].seconds_left == pytest.approx(times.of(finished) - times.of(stopped))
    with times.measuring(stopped):
        time.sleep(times.of(finished))
    assert plan_study(tables=tables, out=tmp_path, **TABULAR).cells[0].seconds_left == 0


@pytest.mark.parametrize(
    "content", ["", "[]", "nothing", '{"runs/a": -1}', '{"runs/a": "x"}', '{"runs/a": true}']
)
def test_damaged_times_are_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / TIMES).write_text(content)
    times = Times(tmp_path)
    assert times.of("runs/a") == 0
    with times.measuring("runs/b"):
        pass
    assert list(json.loads((tmp_path / TIMES).read_text())) == ["runs/b"]


def test_a_folder_of_an_earlier_version_has_the_seconds_of_the_training(tables: Path, tmp_path: Path) -> None:
    cells = list(reproduce(tables=tables, out=tmp_path, **TABULAR))
    (tmp_path / TIMES).unlink()
    (run, *_) = cells[0].runs
    assert Times(tmp_path).of(run) == json.loads((tmp_path / run / "run.json").read_text())["seconds"]


def test_networks_are_measured_before_their_features_exist(genres: Path, tmp_path: Path) -> None:
    plan = plan_study(data=genres, out=tmp_path, **NETWORKS)
    assert not list(tmp_path.iterdir())
    assert plan.tracks == 20
    cells = runnable(plan)
    assert [cell.split for cell in cells] == ["random (leaky: tracks)", "track", "filtered"]
    assert all(cell.basis == NOISE and cell.runs == 2 for cell in cells)
    assert len({cell.seconds_left for cell in cells}) == 1  # one measurement
    longer = plan_study(
        data=genres, out=tmp_path, **{**NETWORKS, "settings": {"epochs": 300, "device": "cpu"}}
    )
    # A hundred times the epochs; the pace itself is measured again.
    assert runnable(longer)[0].seconds_left > 5 * cells[0].seconds_left


def test_a_list_without_tracks_is_missing_from_the_plan_once_the_views_exist(
    genres: Path, tmp_path: Path
) -> None:
    plans: list[Plan] = []
    cells = list(reproduce(data=genres, out=tmp_path, watch=plans.append, **NETWORKS))
    filtered = [cell for cell in cells if (cell.section, cell.protocol) == ("deep", "filtered")]
    assert [bool(cell.missing) for cell in filtered] == [True]
    assert [cell.split for cell in runnable(plans[-1])] == ["random (leaky: tracks)", "track"]
    assert (plans[-1].runs, plans[-1].done, plans[-1].tracks) == (4, 4, 0)


def test_a_model_that_cannot_be_measured_has_no_estimate(
    genres: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ModelError("memory is too small")

    monkeypatch.setattr(NetworkModel, "fit", fail)
    (cell, *_) = runnable(plan_study(data=genres, out=tmp_path, **NETWORKS))
    assert (cell.runs, cell.done, cell.seconds_left, cell.basis) == (2, 0, None, "")


def test_a_plan_without_measurements_needs_no_torch(tables: Path, tmp_path: Path) -> None:
    """A run loads torch, because skops imports all of scikit-learn; listing what is done does not."""
    list(reproduce(tables=tables, out=tmp_path, models=["knn-1"], seeds=1))
    script = (
        "import sys; from audiospec.zoo.study.reproduce import plan_study; "
        f"plan = plan_study(tables={str(tables)!r}, out={str(tmp_path)!r}, "
        "models=['knn-1', 'crnn-base'], seeds=1); "
        "assert (plan.runs, plan.done) == (4, 4), plan; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- the page --------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>"


def cell_of(seeds: int, epochs: int, **values: Any) -> Cell:
    score = {level: F1(50.0, 1.0, [40.0, 60.0], "splits") for level in ("chunk", "track")}
    histories = [
        Curves(
            seed,
            {
                "epoch": [float(epoch) for epoch in range(1, epochs + 1)],
                **{
                    f"{side}_{name}": [1 / epoch for epoch in range(1, epochs + 1)]
                    for side in ("train", "valid")
                    for name in ("loss", "f1")
                },
            },
        )
        for seed in range(seeds)
    ]
    cell = Cell(
        section="deep",
        model="crnn-base",
        features="mel",
        chunk=10.0,
        protocol="track",
        split="track",
        leaky=False,
        study={"train": 99.0, "valid": 80.0, "test": 80.0},
        found=dict.fromkeys(("train", "valid", "test"), score),
        curves=histories,
    )
    return dataclasses.replace(cell, **values)


def test_the_page_has_the_curves_of_every_seed(tmp_path: Path) -> None:
    cells = [cell_of(2, 5), cell_of(3, 1, model="resnet18-gru")]
    write_result(tmp_path, "gtzan", "audiospec reproduce gtzan", cells)
    page = Page((tmp_path / "result.html").read_text())
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) == 2 * (2 + 3)  # loss and F1 of each training
    labels = [str(chart["aria-label"]) for chart in charts]
    for start in (
        "loss over 5 epochs: training from 1 to 0.2",
        "macro F1, % over 5 epochs: training from 100",
    ):
        assert sum(label.startswith(start) for label in labels) == 2
    assert [text for text in page.texts if text.startswith("Seed ")] == [
        "Seed 0",
        "Seed 1",
        "Seed 0",
        "Seed 1",
        "Seed 2",
    ]
    markdown = (tmp_path / "result.md").read_text()
    assert "result.html" in markdown
    start = "| 10 s | crnn-base | track | 0 | "
    (row,) = (line for line in markdown.splitlines() if line.startswith(start))
    assert row == f"{start}5 of 5 | 0.200 / 0.200 | 0.200 / 0.200 | 20.0 / 20.0 | 20.0 / 20.0 |"


def test_text_from_data_is_escaped_on_the_page(tmp_path: Path) -> None:
    cells = [
        cell_of(1, 2, model=HOSTILE, split=HOSTILE, notes=[HOSTILE]),
        dataclasses.replace(cell_of(0, 0), found={}, missing=HOSTILE),
    ]
    write_result(tmp_path, "gtzan", f"audiospec {HOSTILE}", cells)
    text = (tmp_path / "result.html").read_text()
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe"}
    assert "default-src 'none'" in text
    assert any(HOSTILE in part for part in page.texts)


def test_a_result_without_networks_has_no_curves(tmp_path: Path) -> None:
    write_result(tmp_path, "gtzan", "x", [cell_of(0, 0)])
    assert "Convergence" not in (tmp_path / "result.html").read_text()
    assert "Convergence" not in (tmp_path / "result.md").read_text()
