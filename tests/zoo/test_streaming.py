"""Training on rows that are read by whole shards, because they are in a bucket and not in memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from audiospec.stores.base import open_store
from audiospec.stores.layout.view import View
from audiospec.stores.zarr import ZarrStore
from audiospec.testing.stores.content import Content, publish
from audiospec.zoo.base import Rows
from audiospec.zoo.fitting import batches as batches_module
from audiospec.zoo.fitting.batches import Batches
from audiospec.zoo.targets.single import Single


@pytest.fixture(params=["float16", "uint8"])
def view(tmp_path: Path, request: pytest.FixtureRequest) -> View:
    """A view of 50 rows in shards of 4."""
    publish(ZarrStore, tmp_path / "store.zarr", Content.make(50, shard_rows=4, tracks=9, dtype=request.param))
    return open_store(tmp_path / "store.zarr").view()


def streamed(view: View, numbers, batch: int, world: int = 1, rank: int = 0) -> Batches:
    """Batches as of a view in a bucket whose rows are not in memory."""
    fabric = SimpleNamespace(world_size=world, global_rank=rank, device=torch.device("cpu"))
    batches = Batches(
        Rows(view, np.asarray(numbers), Single(view.classes)), batch, fabric, padding=0.0, wrap=True
    )
    batches.in_memory = None
    batches.streams = True
    return batches


@pytest.mark.parametrize(
    ("count", "batch", "world"), [(50, 8, 1), (35, 8, 2), (35, 6, 3), (7, 32, 2), (9, 3, 4)]
)
def test_each_row_is_learnt_from_once(view: View, count: int, batch: int, world: int) -> None:
    """Over all processes; one with a row fewer takes its last again, so that all take the same steps."""
    numbers = np.random.default_rng(count).permutation(50)[:count]
    rows, sizes = [], []
    for rank in range(world):
        given = list(streamed(view, numbers, batch, world, rank).shuffled(3, 1))
        sizes.append([len(targets) for _, targets in given])
        for features, targets in given:
            assert features.dtype == torch.float32
            assert len(features) == len(targets)
            rows += [
                (values.tobytes(), int(target))
                for values, target in zip(
                    features.nan_to_num(nan=0.1).numpy(), targets.argmax(1), strict=True
                )
            ]
    assert all(each == sizes[0] for each in sizes)
    assert max(sizes[0]) - min(sizes[0]) <= 1
    assert max(sizes[0]) * world <= batch + world - 1
    assert len(rows) == -(-count // world) * world
    # The dataset's own batches, in memory, hold the same rows with the same targets.
    whole = Batches(
        Rows(view, numbers, Single(view.classes)),
        50,
        streamed(view, numbers, 1).fabric,
        padding=0.0,
        wrap=True,
    )
    features, targets = next(whole.inorder(np.arange(count)))
    expected = {
        (values.tobytes(), int(target))
        for values, target in zip(features.nan_to_num(nan=0.1).numpy(), targets.argmax(1), strict=True)
    }
    assert len(expected) == count
    assert set(rows) == expected


def test_orders_follow_from_seed_and_epoch(view: View) -> None:
    def order(seed: int, epoch: int) -> bytes:
        given = streamed(view, range(50), 8).shuffled(seed, epoch)
        return b"".join(features.nan_to_num(nan=0.1).numpy().tobytes() for features, _ in given)

    orders = {(seed, epoch): order(seed, epoch) for seed in range(2) for epoch in range(3)}
    assert len(set(orders.values())) == 6
    assert all(order(seed, epoch) == expected for (seed, epoch), expected in orders.items())


def test_each_shard_is_read_once_in_an_epoch(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = type(view).read_stored
    batches = streamed(view, np.arange(48)[::-1], 8)
    monkeypatch.setattr(type(view), "read_stored", lambda view, rows: reads.append(rows) or read(view, rows))
    for _ in batches.shuffled(0, 1):
        pass
    assert sorted(rows.tolist() for rows in reads) == [list(range(n, n + 4)) for n in range(0, 48, 4)]


def test_only_views_in_buckets_are_streamed(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk, rows come in wholly random order, as before, whether they are in memory or not."""
    rows = Rows(view, np.arange(50), Single(view.classes))
    fabric = streamed(view, [0], 1).fabric
    in_memory = Batches(rows, 8, fabric, padding=0.0, wrap=True)
    monkeypatch.setattr(batches_module, "IN_MEMORY", 0)
    by_batch = Batches(rows, 8, fabric, padding=0.0, wrap=True)
    assert (in_memory.in_memory is None, by_batch.in_memory is None) == (False, True)
    assert not in_memory.streams
    assert not by_batch.streams
    order = np.random.default_rng([5, 2]).permutation(50)
    for one, two, three in zip(
        in_memory.shuffled(5, 2), by_batch.shuffled(5, 2), in_memory.inorder(order), strict=True
    ):
        assert torch.equal(one[0].nan_to_num(), two[0].nan_to_num())
        assert torch.equal(one[0].nan_to_num(), three[0].nan_to_num())
        assert torch.equal(one[1], two[1])
