"""The progress of a training: what is reported, and that reporting changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import audiospec
from audiospec.features.base import one_thread
from audiospec.stores.layout.view import View
from audiospec.testing.models import ModelContract
from audiospec.zoo.base import Rows, models
from audiospec.zoo.fitting import devices
from audiospec.zoo.fitting.pace import FORWARD, Pace
from audiospec.zoo.progress import TrainingProgress
from audiospec.zoo.training import train

SETTINGS = {"epochs": 2, "batch": 8, "device": "cpu", "mixup": 0.3, "mask_time": 0.3}


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    """Keep torch on one thread, so that a network is the same in every process."""
    with one_thread():
        yield


def bits(run: Any) -> tuple[bytes, list[dict[str, float]], Any]:
    """Return what must not depend on anything but the seed."""
    history = [{name: entry[name] for name in entry if name != "seconds"} for entry in run.history()]
    return (run.path / "model.safetensors").read_bytes(), history, run.metrics


def sides(rows: Rows) -> tuple[Rows, Rows]:
    return tuple(Rows(rows.view, rows.numbers[part], rows.target) for part in (slice(0, 20), slice(20, 27)))  # type: ignore[return-value]


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


# --- the speed ------------------------------------------------------------------------------------


def test_the_speed_is_that_of_the_batches_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(monkeypatch), list[TrainingProgress]()
    pace = Pace({"train": 40, "valid": 20}, (4, 5), 3, 0, seen.append)
    pace.begin("train")
    assert (seen[-1].rows, seen[-1].rows_total, seen[-1].epoch, seen[-1].epochs) == (0, 60, 1, 3)
    clock.now += 2.5  # the first batch also pays for what is set up once
    pace.step(10)
    assert seen[-1].rows == 10
    assert seen[-1].rows_per_second is seen[-1].epoch_seconds is seen[-1].most_seconds_left is None
    clock.now += 1
    pace.step(10)
    assert seen[-1].rows_per_second == pytest.approx(10)
    # 40 rows at 0.1 s, 20 rows that only go forward; 20 and 20 of them are left.
    assert seen[-1].epoch_seconds == pytest.approx(4 + 2 * FORWARD)
    assert seen[-1].seconds_left == pytest.approx(2 + 2 * FORWARD)
    assert seen[-1].most_seconds_left == pytest.approx(2 + 2 * FORWARD + 2 * (4 + 2 * FORWARD))
    assert seen[-1].seconds == pytest.approx(3.5)
    for _ in range(2):
        clock.now += 1
        pace.step(10)
    pace.begin("valid")
    assert (seen[-1].stage, seen[-1].rows) == ("validation", 40)
    for _ in range(2):
        clock.now += 5
        pace.step(10)
    assert (seen[-1].rows, seen[-1].seconds_left) == (60, 0)
    assert seen[-1].epoch_seconds == pytest.approx(4 + 10)  # as measured: no longer a share of the training
    pace.begin("train")
    assert (seen[-1].epoch, seen[-1].rows, seen[-1].seconds_left) == (2, 0, pytest.approx(14))


def test_a_long_first_batch_gives_an_estimate_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(monkeypatch), list[TrainingProgress]()
    pace = Pace({"train": 1000, "valid": 0}, (4, 5), 1, 0, seen.append)
    pace.begin("train")
    clock.now += 30
    pace.step(10)
    assert seen[-1].epoch_seconds == pytest.approx(3000)
    clock.now += 20
    pace.step(10)
    assert seen[-1].epoch_seconds == pytest.approx(2000)


def test_short_batches_are_not_all_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(monkeypatch), list[TrainingProgress]()
    pace = Pace({"train": 1000, "valid": 1}, (4, 5), 1, 0, seen.append)
    pace.begin("train")
    for _ in range(1000):
        clock.now += 0.001
        pace.step(1)
    assert len(seen) <= 6
    assert seen[-1].rows == 1000  # the last one always


def test_rows_that_fill_up_a_batch_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(monkeypatch), list[TrainingProgress]()
    pace = Pace({"train": 7, "valid": 3}, (4, 5), 1, 0, seen.append)
    pace.begin("train")
    for _ in range(2):
        clock.now += 1
        pace.step(4)
    assert seen[-1].rows == 7


# --- a training -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched(mel: View, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[TrainingProgress]]:
    """A run, and what it reported."""
    seen: list[TrainingProgress] = []
    with one_thread():
        path = tmp_path_factory.mktemp("watched") / "run"
        return train("crnn-base", mel, settings=SETTINGS, out=path, watch=seen.append), seen


def test_a_network_reports_both_parts_of_each_epoch(watched: tuple[Any, list[TrainingProgress]]) -> None:
    run, seen = watched
    rows = {side: run.info.split["sides"][side]["rows"] for side in ("train", "valid", "test")}
    first, *epochs = (now for now in seen if now.stage != "scoring")
    assert (first.stage, first.rows_total, first.epochs) == ("fitting", rows["train"], 2)
    assert [now.epoch for now in epochs] == sorted(now.epoch for now in epochs)
    assert {now.row_shape for now in seen} == {tuple(run.info.row_shape)}
    for number in (1, 2):
        epoch = [now for now in epochs if now.epoch == number]
        assert [now.rows for now in epoch] == sorted(now.rows for now in epoch)
        assert {now.rows_total for now in epoch} == {rows["train"] + rows["valid"]}
        assert (epoch[0].stage, epoch[0].rows) == ("training", 0)
        assert (epoch[-1].stage, epoch[-1].rows) == ("validation", rows["train"] + rows["valid"])
        assert epoch[-1].rows_per_second
        assert epoch[-1].seconds_left == 0
    scoring = [now for now in seen if now.stage == "scoring"]
    assert seen[-len(scoring) :] == scoring
    assert (scoring[0].rows, scoring[-1].rows) == (0, sum(rows.values()))


def test_watching_changes_no_bit(
    mel: View, tmp_path: Path, watched: tuple[Any, list[TrainingProgress]]
) -> None:
    assert bits(train("crnn-base", mel, settings=SETTINGS, out=tmp_path / "run")) == bits(watched[0])


def test_a_resumed_training_says_after_which_epoch(
    mel: View, tmp_path: Path, watched: tuple[Any, list[TrainingProgress]]
) -> None:
    class StoppedError(Exception):
        pass

    def stop(entry: dict[str, float]) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        train("crnn-base", mel, settings=SETTINGS, out=tmp_path / "run", progress=stop)
    seen: list[TrainingProgress] = []
    run = train("crnn-base", mel, settings=SETTINGS, out=tmp_path / "run", resume=True, watch=seen.append)
    epochs = [now for now in seen if now.epoch]
    assert {now.epoch for now in epochs} == {2}
    assert {now.resumed_after for now in epochs} == {1}
    assert bits(run) == bits(watched[0])


@pytest.mark.long
def test_several_processes_report_all_rows(mel: View, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    entries: list[dict[str, float]] = []
    settings = {**SETTINGS, "devices": 2, "epochs": 1}
    run = train(
        "crnn-base", mel, settings=settings, out=tmp_path / "run", watch=seen.append, progress=entries.append
    )
    rows = sum(run.info.split["sides"][side]["rows"] for side in ("train", "valid"))
    epoch = [now for now in seen if now.epoch]
    assert [now.rows for now in epoch] == sorted(now.rows for now in epoch)
    assert (epoch[-1].rows, epoch[-1].rows_total) == (rows, rows)
    assert [entry["epoch"] for entry in entries] == [1]


def test_a_classifier_says_what_it_fits(table: View, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    run = audiospec.train("lr", table, out=tmp_path / "run", watch=seen.append)
    assert seen[0] == TrainingProgress(
        stage="fitting", row_shape=(4,), rows=0, rows_total=run.info.split["sides"]["train"]["rows"]
    )
    assert {now.stage for now in seen[1:]} == {"scoring"}


# --- filling of new tensors -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crnn-base", pytest.param("resnet18-gru", marks=pytest.mark.long)])
def test_filling_new_tensors_changes_no_bit_and_is_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: dict[Any, list[bool]] = {}  # how often `watch` is called depends on the clock
    weights: list[dict[str, torch.Tensor]] = []
    contract = ModelContract()
    values = np.random.default_rng(0).normal(-40, 10, (27, 24, 33)).astype(np.float32)
    train_rows, valid = sides(contract.rows(values, ["a", "b", "c"] * 9))
    settings = {**SETTINGS} | ({"weights": "none"} if name == "resnet18-gru" else {})
    quick = devices.be_deterministic

    def slow() -> None:
        quick()
        devices._determinism.fill_uninitialized_memory = True

    before = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    for function in (quick, slow):
        monkeypatch.setattr(devices, "be_deterministic", function)
        model: Any = models[name](models[name].Settings.replace_in(settings), (24, 33), train_rows.classes)
        seen = filled[function] = []
        model.watch = lambda now, seen=seen: seen.append(devices._determinism.fill_uninitialized_memory)
        model.fit(train_rows, valid, seed=3)
        weights.append(model.net.state_dict())
    assert set(filled[quick]) == {False}
    assert set(filled[slow]) == {True}
    assert torch.utils.deterministic.fill_uninitialized_memory == before  # type: ignore[attr-defined]
    assert list(weights[0]) == list(weights[1])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
