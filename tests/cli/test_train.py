"""What `train` shows while it trains: lines and JSON events; warnings of memory. Bars: see test_process."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec import open_store
from audiospec.cli import _progress, _training
from audiospec.cli._training import Training, warnings_shown
from audiospec.zoo.progress import TrainingProgress

HOW = ("train", "crnn-base", "--set", "device=cpu", "--set", "batch=4", "--epochs", "2")
#: All of the store's rows, which have two classes, train, validate and test.
SHARES = ("--shares", "0.34,0.33,0.33")


@pytest.fixture(scope="module")
def small(music: Path, run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of short rows."""
    folder = tmp_path_factory.mktemp("small")
    how = ("--chunk", 1, "--n-mels", 16, "--workers", 0, "--store", "small.zarr")
    done = run("featurize", "folder", "--data", music, *how, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "small.zarr"


def test_lines_for_a_network(small: Path, run, tmp_path: Path) -> None:
    done = run(*HOW, *SHARES, "--store", small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    title = "crnn-base track, seed 0: "
    assert all(line.startswith(title) for line in lines)
    lines = [line.removeprefix(title) for line in lines]
    assert lines[0] == "fitting 8 rows of 16 × 87"
    assert re.fullmatch(r"an epoch takes about [\d.]+ \w+, 2 epochs at most [\d.]+ \w+", lines[1])
    ends = [line for line in lines if "loss" in line]
    assert [re.sub(r"\d\.\d{3}", "N", line) for line in ends] == [
        f"epoch {number} of 2, loss N, validation N" for number in (1, 2)
    ]
    (path,) = (tmp_path / "runs").iterdir()
    history = (path / "history.csv").read_text().splitlines()
    assert float(re.findall(r"loss ([\d.]+)", ends[1])[0]) == round(float(history[2].split(",")[2]), 3)


@pytest.mark.long
def test_events_for_a_network(small: Path, run, tmp_path: Path) -> None:
    done = run(*HOW, *SHARES, "--store", small, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[-2:] == ["run", "done"]
    assert kinds.count("epoch") == 2
    steps = [event for event in events if event["event"] == "progress"]
    assert {(step["split"], step["seed"]) for step in steps} == {("track", 0)}
    stages = list(dict.fromkeys((step["epoch"], step["stage"]) for step in steps))
    assert stages == [
        (0, "fitting"),
        *((epoch, stage) for epoch in (1, 2) for stage in ("training", "validation")),
        (0, "scoring"),
    ]
    known = [step for step in steps if step["epoch_seconds"] is not None]
    assert known[0]["epoch"] == 1
    for step in known:
        left = step["seconds_left"] + (2 - step["epoch"]) * step["epoch_seconds"]
        assert step["most_seconds_left"] == pytest.approx(left)
        assert step["rows_per_second"] > 0
    last = [step for step in steps if step["epoch"] == 2][-1]
    assert last["rows"] == last["rows_total"]
    ends = [event for event in events if event["event"] == "epoch"]
    assert [end["epoch"] for end in ends] == [1, 2]
    assert np.isfinite([end["valid_loss"] for end in ends]).all()


def test_a_classifier_says_what_it_fits_before_it_is_fitted(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from sklearn.ensemble import RandomForestClassifier

    from audiospec.tables.importing import import_table

    lines = ["filename,length,a,b,label"]
    lines += [f"{label}.{n:05d}.wav,22050,{n},{n % 3},{label}" for label in "xy" for n in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    import_table(tmp_path / "t.csv", tmp_path / "t.zarr", columns="all")
    seen: list[str] = []
    fit = RandomForestClassifier.fit

    def look(*arguments: Any, **values: Any) -> Any:
        seen.append(capfd.readouterr().err)
        return fit(*arguments, **values)

    monkeypatch.setattr(RandomForestClassifier, "fit", look)
    done = call("train", "rf", "--store", tmp_path / "t.zarr", "--out", tmp_path / "runs")
    assert done.status == 0
    assert seen == ["rf track, seed 0: fitting 16 rows of 2 columns\n"]


@pytest.mark.long
def test_a_resumed_training_says_where_it_resumes(
    small: Path, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audiospec.zoo.training import train

    class StoppedError(Exception):
        pass

    def stop(entry: dict[str, float]) -> None:
        raise StoppedError

    monkeypatch.chdir(tmp_path)
    settings = {"device": "cpu", "batch": 4, "epochs": 2}
    with pytest.raises(StoppedError):
        train(
            "crnn-base",
            open_store(small).view(),
            settings=settings,
            shares=[0.34, 0.33, 0.33],
            progress=stop,
        )
    done = run(*HOW, *SHARES, "--store", small, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "crnn-base track, seed 0: resumed after epoch 1, measuring the speed\n" in done.stderr
    assert "epoch 1 of 2, loss" not in done.stderr  # it was shown before the interruption
    assert "epoch 2 of 2, loss" in done.stderr


# --- intervals and words --------------------------------------------------------------------------


def at(rows: int, seconds: float, *, known: bool = True, epoch: int = 1) -> TrainingProgress:
    """Return a progress of an epoch of 1000 rows that takes an hour."""
    return TrainingProgress(
        stage="training",
        row_shape=(192, 862),
        rows=rows,
        rows_total=1000,
        epoch=epoch,
        epochs=100,
        seconds=seconds,
        rows_per_second=1000 / 3600 if known else None,
        epoch_seconds=3600.0 if known else None,
        seconds_left=3600 - 3.6 * rows if known else None,
    )


def test_lines_come_at_intervals_but_the_estimate_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    shown = Training("net", _progress._Lines().step, json=False)
    for rows in range(0, 1000, 2):
        shown.watch(at(rows, now[0], known=rows > 2))
        now[0] += 7.2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "net: an epoch takes about 1 h 00 min, 100 epochs at most 100 h 00 min"
    assert 50 < len(lines) <= 62  # one a minute, for an hour
    assert lines[1].startswith("net: epoch 1 of 100, ")
    assert re.fullmatch(
        r"net: epoch 1 of 100, \d+/1000 rows, 0.278 rows/s, \d+ min \d\d s left, all at most 99 h \d\d min",
        lines[2],
    )


def test_events_come_at_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(_training.time, "monotonic", lambda: now[0])
    shown = Training("net", _progress._show_nothing, json=True, seed=3)
    for rows in range(1, 1001):
        shown.watch(at(rows, now[0], known=rows > 1))
        now[0] += 0.01
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["rows"] for event in events[:2]] == [1, 2]  # the first with an estimate at once
    assert len(events) <= 13
    assert events[-1]["rows"] == 1000
    assert {event["seed"] for event in events} == {3}


@pytest.mark.parametrize("json_", [True, False])
def test_a_warning_speaks_of_options(capsys: pytest.CaptureFixture[str], json_: bool) -> None:
    with warnings_shown({"set": "--set"}, json=json_):
        logging.getLogger("audiospec").warning("too little memory: try `%s`", "batch=8")
    captured = capsys.readouterr()
    message = "too little memory: try --set batch=8"
    if json_:
        assert json.loads(captured.out) == {"event": "warning", "message": message}
    else:
        assert (captured.out, captured.err) == ("", f"warning: {message}\n")
    assert not logging.getLogger("audiospec").handlers


def test_too_little_memory_is_a_warning_before_the_training(
    small: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiospec.zoo.fitting.memory.available_memory", lambda: 12_000_000)
    done = call(*HOW[:-1], 1, *SHARES, "--store", small, "--out", tmp_path / "runs")
    assert done.status == 0
    lines = done.err.splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith("warning: training with "))
    assert number == 1  # after the line that says what is fitted
    assert re.search(r"about [\d.]+ MB of memory .* 12 MB are available: try --set batch=[12]$", lines[1])


def test_models_says_what_a_row_costs(call) -> None:
    from audiospec.text import size
    from audiospec.zoo.base import models

    done = call("models", "crnn-base", "--chunk", 3)
    cls = models["crnn-base"]
    memory = cls(cls.Settings(), (192, 259), [str(n) for n in range(10)]).training_memory()
    assert memory is not None
    assert (
        f"  training memory: about {size(memory.row)} for each row of 3 s, "
        f"{size(memory.of_batch(16))} at batch 16 " in done.out
    )
    assert "training memory" not in call("models", "svm").out


def test_a_list_of_models_needs_no_estimate(call, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiospec.zoo.network import NetworkModel

    monkeypatch.setattr(NetworkModel, "training_memory", lambda model: pytest.fail("it was estimated"))
    assert call("models").status == 0
