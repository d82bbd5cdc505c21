"""Balanced training: rare labels are shown as often as others, in an order of seed and epoch alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audiospec.errors import ModelError
from audiospec.stores.base import open_store
from audiospec.stores.layout.view import View
from audiospec.stores.zarr import ZarrStore
from audiospec.testing.models import ModelContract
from audiospec.testing.stores.content import Content, publish
from audiospec.zoo.base import Rows, models
from audiospec.zoo.fitting.balance import RANGES, balanced_order, sampling_weights
from audiospec.zoo.fitting.batches import Batches
from audiospec.zoo.runs.info import comparable_settings
from audiospec.zoo.targets.number import Number
from audiospec.zoo.targets.single import Single

labels = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda values: np.array(values, np.int64))


@given(labels)
def test_each_label_is_shown_as_often(targets: Any) -> None:
    weights = sampling_weights(targets)
    present = np.unique(targets)
    assert weights.sum() == pytest.approx(len(targets))
    shown = [weights[targets == name].sum() for name in present]
    assert shown == pytest.approx([len(targets) / len(present)] * len(present))


@given(arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 5))))
def test_a_row_of_several_labels_counts_for_its_rarest(table: Any) -> None:
    weights = sampling_weights(table)
    counts = table.sum(0)
    stratum = [
        min((counts[name], name) for name in np.flatnonzero(row)) if row.any() else "background"
        for row in table
    ]
    names = {*stratum}
    for name in names:
        rows = [one == name for one in stratum]
        assert weights[rows].sum() == pytest.approx(len(table) / len(names))
    # Frames count by the labels that any of them has; an unknown label is none.
    frames = np.zeros((len(table), 3, table.shape[1]))
    frames[:, 1][table] = 1
    frames[:, 2] = np.nan
    assert np.array_equal(sampling_weights(frames), weights)


def test_numbers_of_a_rare_size_are_shown_as_often() -> None:
    numbers = np.concatenate([np.random.default_rng(0).uniform(0, 1, 95), [9.5, 9.6, 9.7, 9.8, 10.0]])
    weights = sampling_weights(numbers)
    assert weights[:95].sum() == pytest.approx(50)
    assert weights[95:].tolist() == [10.0] * 5
    assert sampling_weights(np.full(7, 3.5)).tolist() == [1.0] * 7
    even = np.linspace(0, 1, 10 * RANGES)
    assert sampling_weights(even) == pytest.approx(np.ones(len(even)), abs=0.2)


@given(labels, st.integers(0, 99), st.integers(1, 9))
def test_an_epoch_has_each_row_as_often_as_its_weight_says(targets: Any, seed: int, epoch: int) -> None:
    weights = sampling_weights(targets)
    order = balanced_order(weights, seed, epoch)
    assert len(order) == len(targets)
    counts = np.bincount(order, minlength=len(targets))
    assert (np.abs(counts - weights) < 1 + 1e-9).all()
    for weight in np.unique(weights.round(9)):
        same = np.isclose(weights, weight)
        assert abs(counts[same].sum() - weights[same].sum()) < 1 + 1e-9
    assert np.array_equal(order, balanced_order(weights, seed, epoch))


def test_epochs_differ_and_in_time_show_every_row() -> None:
    targets = np.array([0] * 90 + [1] * 10)
    orders = [balanced_order(sampling_weights(targets), 0, epoch) for epoch in range(1, 31)]
    assert len({order.tobytes() for order in orders}) == 30
    assert {*np.concatenate(orders).tolist()} == {*range(100)}
    rare = [(targets[order[:50]] == 1).mean() for order in orders]  # shuffled: no half has them all
    assert 0.3 < min(rare) < max(rare) < 0.7


# --- batches ------------------------------------------------------------------------------------------------


@pytest.fixture
def view(tmp_path: Path) -> View:
    """A view of 50 rows in shards of 4, which each have other values; one class is rare."""
    publish(ZarrStore, tmp_path / "store.zarr", Content.make(50, shard_rows=4, tracks=9))
    return open_store(tmp_path / "store.zarr").view()


class Rare(Single):
    """One label a row: every tenth row is rare."""

    def encode(self, view: View, numbers: Any) -> Any:
        return (np.asarray(numbers) % 10 == 3).astype(np.int64)


def shown(view: View, world: int, *, streams: bool, epoch: int = 1) -> list[list[tuple[bytes, int]]]:
    """The rows that each process shows in an epoch, with their class."""
    ranks = []
    for rank in range(world):
        fabric: Any = SimpleNamespace(world_size=world, global_rank=rank, device=torch.device("cpu"))
        rows = Rows(view, np.arange(49, 9, -1), Rare(["common", "rare"]))
        batches = Batches(rows, 8, fabric, padding=0.0, wrap=True, balance=True)
        if streams:
            batches.in_memory, batches.streams = None, True
        given = list(batches.shuffled(7, epoch))
        assert max(len(targets) for _, targets in given) * world <= 8 + world - 1
        ranks.append(
            [
                (values.tobytes(), int(target))
                for features, targets in given
                for values, target in zip(
                    features.nan_to_num(nan=0.1).numpy(), targets.argmax(1), strict=True
                )
            ]
        )
    return ranks


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_a_balanced_epoch(view: View, world: int, streams: bool) -> None:
    ranks = shown(view, world, streams=streams)
    assert len({len(rows) for rows in ranks}) == 1
    together = sorted(row for rows in ranks for row in rows)
    assert len(together) == 40
    assert sum(target for _, target in together) == 20  # of 4 rows of 40
    # The same rows whatever the number of processes, and whether they are in memory or streamed.
    assert together == sorted(shown(view, 1, streams=False)[0])
    assert ranks == shown(view, world, streams=streams)
    assert ranks != shown(view, world, streams=streams, epoch=2)


def test_a_streamed_row_is_read_once_however_often_it_is_shown(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    read = type(view).read_stored
    monkeypatch.setattr(
        type(view), "read_stored", lambda view, rows: reads.extend(rows.tolist()) or read(view, rows)
    )
    rows = Rows(view, np.arange(50), Rare(["common", "rare"]))
    fabric: Any = SimpleNamespace(world_size=1, global_rank=0, device=torch.device("cpu"))
    batches = Batches(rows, 8, fabric, padding=0.0, wrap=True, balance=True)
    batches.in_memory, batches.streams = None, True
    reads.clear()
    assert sum(len(targets) for _, targets in batches.shuffled(0, 1)) == 50
    assert len(reads) == len({*reads}) < 50


# --- models of tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["svm", "lr", "rf"])
def test_class_weights_are_those_of_scikit_learn(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    truth = np.array([0] * 150 + [1] * 12)
    values = (random.normal(size=(len(truth), 4)) + 0.8 * truth[:, None]).astype(np.float32)
    rows = ModelContract().rows(values, ["ab"[number] for number in truth])
    found = {}
    for weighted in (False, True):
        settings = models[name].Settings.replace_in({"class_weights": weighted})
        model: Any = models[name](settings, (4,), ["a", "b"])
        model.fit(rows, rows.some(np.zeros(0, np.int64)), seed=0)
        assert model.pipeline[-1].class_weight == ("balanced" if weighted else None)
        model.save(tmp_path)
        again = models[name](settings, (4,), ["a", "b"])
        again.load(tmp_path)
        new = random.normal(size=(500, 4)).astype(np.float32) + 0.4
        found[weighted] = model.predict_proba(values)[:, 1]
        assert np.array_equal(again.predict_proba(new), model.predict_proba(new))
    assert not np.array_equal(found[False], found[True])
    if name != "rf":  # trees fit their rows
        assert (found[True] >= 0.5).mean() > (found[False] >= 0.5).mean()


def test_numbers_have_no_class_weights() -> None:
    settings = models["lr"].Settings.replace_in({"class_weights": True})
    model = models["lr"](settings, (4,), Number(["mood"]))
    rows: Any = SimpleNamespace(target=Number(["mood"]))
    with pytest.raises(ModelError, match="numbers have no classes to weight: leave out `class_weights`"):
        model.fit(rows, rows, seed=0)


@pytest.mark.parametrize("name", ["svm", "lr", "rf", "crnn-base"])
def test_runs_from_before_these_settings_are_the_same_configuration(name: str) -> None:
    now = dataclasses.asdict(models[name].Settings())
    before = {key: value for key, value in now.items() if key != "balance"}
    if name != "crnn-base":
        del before["class_weights"]
    assert comparable_settings(now) == comparable_settings(before)
    other = {**now, "class_weights": True}
    assert comparable_settings(other) != comparable_settings(before)
