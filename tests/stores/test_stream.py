"""Tests of `View.stream`: each row once, over any number of ranks and workers; orders; reading ahead."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import pickle
import threading
import weakref
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from audiospec.digests import checksum
from audiospec.errors import RowIndexError, StorageError, StoreError
from audiospec.stores.base import open_store
from audiospec.stores.layout.read_ahead import map_ahead
from audiospec.stores.layout.shuffle import AHEAD, shard_order, shuffled_rows
from audiospec.stores.zarr import ZarrStore, ZarrView
from audiospec.testing.stores.content import Content, publish

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of a fork

ROWS, SHARD_ROWS = 23, 4


@pytest.fixture
def view(tmp_path: Path) -> ZarrView:
    """A view of 23 rows in 6 shards; the first value of a row is its number."""
    content = Content.make(ROWS, shard_rows=SHARD_ROWS, tracks=5)
    data = np.zeros_like(content.data)
    data[:, 0, 0] = np.arange(ROWS)
    table = content.rows.copy()
    table["checksum"] = [checksum(row) for row in data]
    publish(ZarrStore, tmp_path / "store.zarr", replace(content, data=data, rows=table))
    return open_store(tmp_path / "store.zarr").view()


@pytest.fixture
def reads(monkeypatch) -> list[list[int]]:
    """The row numbers of each read of a view."""
    calls = []
    read = ZarrView.read_stored

    def recorded(view, rows=None):
        calls.append(np.asarray(rows).tolist())
        return read(view, rows)

    monkeypatch.setattr(ZarrView, "read_stored", recorded)
    return calls


def numbers(items) -> list[int]:
    """The numbers of the rows of some items."""
    return [int(features[0, 0]) for features, _ in items]


# --- each row once


@given(
    count=st.integers(0, 300),
    shard_rows=st.integers(1, 40),
    ranks=st.integers(1, 7),
    workers=st.integers(1, 5),
    seed=st.integers(0, 2**64),
    epoch=st.integers(0, 1000),
    buffer=st.integers(1, 9),
    share=st.sampled_from([1.0, 0.7, 0.05]),
)
def test_each_row_comes_once(count, shard_rows, ranks, workers, seed, epoch, buffer, share) -> None:
    """Over any number of ranks and workers, with any shards, buffer and choice of rows."""
    chosen = np.flatnonzero(np.random.default_rng(seed).random(count) < share)
    parts, given_out, shards = ranks * workers, [], []
    for part in range(parts):
        mine = shard_order(chosen, shard_rows, [seed, epoch], part, parts)
        for shard in mine:
            assert len(shard)
            assert len(set((shard // shard_rows).tolist())) == 1, "rows of one shard at a time"
            assert (np.diff(shard) > 0).all()
        blocks = list(shuffled_rows(lambda rows: rows[:, None] * 2, mine, [seed, epoch, part], buffer))
        for rows, values in blocks:
            assert [value[0] for value in values] == (rows * 2).tolist(), "values stay with their numbers"
        given_out.append([row for rows, _ in blocks for row in rows.tolist()])
        shards += [int(shard[0]) // shard_rows for shard in mine]
    assert sorted(itertools.chain(*given_out)) == chosen.tolist()
    sizes = [len(part) for part in given_out]
    assert max(sizes) - min(sizes) <= 1
    by_rank = [sum(sizes[rank * workers : (rank + 1) * workers]) for rank in range(ranks)]
    assert max(by_rank) - min(by_rank) <= 1
    assert len(shards) <= len(set(shards)) + parts - 1, "few shards are read twice"
    assert set(shards) == set((chosen // shard_rows).tolist()), "no other shard is read"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_loader_workers(view, method) -> None:
    """Workers of any kind share the rows; ranks too."""
    view.read(0)
    seen, labels = [], []
    for rank in range(2) if method == "fork" else [0]:  # others take seconds to start
        stream = view.stream(3, rank=rank, world=2 if method == "fork" else 1)
        loader = DataLoader(stream, batch_size=4, num_workers=2, multiprocessing_context=method)
        for features, targets in loader:
            assert features.dtype == torch.float32
            assert features.shape[1:] == view.shape[1:]
            seen += features[:, 0, 0].int().tolist()
            labels += [stream.classes[target] for target in targets.tolist()]
    assert sorted(seen) == list(range(ROWS))
    assert labels == view.labels[seen].tolist()


def test_the_ranks_of_torch_distributed(view, monkeypatch) -> None:
    """The process's rank is known where torch.distributed is initialised."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    seen = []
    for rank in range(3):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        stream = view.stream()
        assert (stream.rank, stream.world) == (rank, 3)
        assert len(list(stream)) == stream.rank_rows
        seen += numbers(stream)
    assert sorted(seen) == list(range(ROWS))


@pytest.mark.parametrize(
    ("world", "workers", "size"), [(1, 0, 4), (2, 0, 4), (2, 2, 3), (3, 1, 8), (5, 3, 1)]
)
@pytest.mark.parametrize("drop_last", [False, True])
def test_fewest_batches(view, world, workers, size, drop_last) -> None:
    """It is the smallest number of batches of any rank."""
    batches = []
    for rank in range(world):
        rows = [
            sum(map(len, shard_order(np.arange(ROWS), SHARD_ROWS, [0, 0], part, world * max(1, workers))))
            for part in range(rank * max(1, workers), (rank + 1) * max(1, workers))
        ]
        batches.append(sum(count // size if drop_last else -(-count // size) for count in rows))
    stream = view.stream(world=world, rank=0)
    assert stream.fewest_batches(size, workers, drop_last=drop_last) == min(batches)
    if not workers:
        assert len(list(DataLoader(stream, batch_size=size, drop_last=drop_last))) == batches[0]


# --- values


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
def test_items_are_those_of_the_dataset(tmp_path, dtype) -> None:
    """Features and class numbers are those of `torch_dataset`, bit for bit but for the payload of NaNs."""

    def counts(items):
        return Counter((features.nan_to_num(nan=0.1).numpy().tobytes(), target) for features, target in items)

    publish(ZarrStore, tmp_path / "store.zarr", Content.make(ROWS, shard_rows=SHARD_ROWS, dtype=dtype))
    view = open_store(tmp_path / "store.zarr").view()
    dataset, stream = view.torch_dataset(), view.stream(1)
    assert counts(stream) == counts(dataset)
    assert stream.classes == dataset.classes
    assert {features.dtype for features, _ in stream} == {torch.float32}


# --- orders


def test_orders(view) -> None:
    """An order follows from seed, epoch and world; another of these gives another order."""
    orders = {
        (seed, epoch, world): numbers(view.stream(seed, epoch=epoch, rank=0, world=world))
        for seed, epoch, world in itertools.product((0, 1), (0, 1, 2), (1, 2))
    }
    for (seed, epoch, world), order in orders.items():
        assert order == numbers(view.stream(seed, epoch=epoch, rank=0, world=world))
    assert len({tuple(order) for order in orders.values()}) == len(orders)
    assert all(order != sorted(order) for order in orders.values())
    stream = view.stream(1)
    for epoch in (2, 0, 1):
        stream.set_epoch(epoch)
        assert stream.epoch == epoch
        assert numbers(stream) == orders[1, epoch, 1]
    items = iter(stream)
    stream.set_epoch(2)
    assert numbers(items) == orders[1, 1, 1], "what was begun goes on"


def test_the_buffer_mixes_shards(view) -> None:
    """Neighbours are of several shards; with a buffer of one shard they are not."""
    full = view.stream(buffer=6, rows=slice(0, 20))
    shards = [number // SHARD_ROWS for number in numbers(full)]
    assert len(set(shards[:SHARD_ROWS])) > 1
    shards = [number // SHARD_ROWS for number in numbers(view.stream(buffer=1, rows=slice(0, 20)))]
    assert [len(set(shards[first : first + 4])) for first in range(0, 20, 4)] == [1] * 5
    assert numbers(view.stream(buffer=1)) != sorted(numbers(view.stream(buffer=1)))


def test_all_orders_occur() -> None:
    """A buffer that has room for all shards gives each order of the rows as often as any other."""
    count: Counter[tuple[int, ...]] = Counter()
    for seed in range(2400):
        shards = shard_order(np.arange(4), 2, [seed])
        blocks = shuffled_rows(lambda rows: rows, shards, [seed, 0], 2)
        count[tuple(row for rows, _ in blocks for row in rows.tolist())] += 1
    assert len(count) == 24
    assert max(abs(times - 100) for times in count.values()) < 50, "100 are expected, and 10 is a deviation"


def test_workers_that_persist_follow_set_epoch(view) -> None:
    """Loader workers that live for several epochs read the epoch that was set, also after unpickling."""
    stream = pickle.loads(pickle.dumps(view.stream(7)))
    loader = DataLoader(stream, batch_size=None, num_workers=1, persistent_workers=True)
    for epoch in (0, 1, 4):
        stream.set_epoch(epoch)
        assert numbers(loader) == numbers(view.stream(7, epoch=epoch))


def test_pickle(view) -> None:
    """A stream can be pickled, and gives the same rows."""
    stream = view.stream(2, epoch=3, rows=slice(1, 20), buffer=2, rank=1, world=2)
    assert numbers(pickle.loads(pickle.dumps(stream))) == numbers(stream)


# --- a choice of rows, and what is read


def test_whole_shards_are_read(view, reads) -> None:
    """Each shard is read once, as consecutive rows."""
    assert sorted(numbers(view.stream())) == list(range(ROWS))
    assert sorted(reads) == [list(range(first, min(first + 4, ROWS))) for first in range(0, ROWS, 4)]


def test_rows(view, reads) -> None:
    """Only the chosen rows come, and only their shards are read; class numbers are those of the view."""
    for rows in ([13, 5, 6, -1], np.isin(np.arange(ROWS), [5, 6, 13, 22])):
        reads.clear()
        stream = view.stream(rows=rows)
        items = list(stream)
        assert sorted(numbers(items)) == [5, 6, 13, 22]
        assert [stream.classes[target] for _, target in items] == view.labels[numbers(items)].tolist()
        assert sorted(reads) == [[5, 6], [13], [22]]
    assert sorted(numbers(view.stream(rows=slice(3, 9)))) == [3, 4, 5, 6, 7, 8]
    assert list(view.stream(rows=[])) == []


def test_arguments(view) -> None:
    with pytest.raises(RowIndexError, match="rows 0 to 22; got 23"):
        view.stream(rows=[0, 23])
    with pytest.raises(RowIndexError, match="row 4 more than once"):
        view.stream(rows=[4, 1, 4])
    for wrong in ({"seed": -1}, {"epoch": -1}, {"buffer": 0}):
        with pytest.raises(StoreError, match=f"`{next(iter(wrong))}` must be at least"):
            view.stream(**wrong)
    for rank, world in ((1, 1), (-1, 2), (0, None), (None, 2), (0, 0)):
        with pytest.raises(StoreError, match="`rank` must be"):
            view.stream(rank=rank, world=world)
    with pytest.raises(StoreError, match="`epoch` must be"):
        view.stream().set_epoch(-1)


# --- reading ahead


class Gate:
    """A read that waits for leave once `free` reads have begun."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.begun: list[int] = []
        self.values: list[weakref.ref] = []
        self.leave = threading.Event()
        self.waiting = threading.Event()

    def __call__(self, rows):
        self.begun.append(int(rows[0]))
        if len(self.begun) > self.free:
            self.waiting.set()
            assert self.leave.wait(60)
        values = rows[:, None].copy()
        self.values.append(weakref.ref(values))
        return values


def gated(gate: Gate, shards: int = 20, buffer: int = 2):
    order = shard_order(np.arange(10 * shards), 10, [0])
    return shuffled_rows(gate, order, [0], buffer)


def test_the_next_shards_are_read_meanwhile() -> None:
    """Rows of the first shards come while the reads of the next have not ended."""
    gate = Gate(free=3)
    blocks = gated(gate)
    rows, _ = next(blocks)
    assert gate.waiting.wait(60)
    gate.leave.set()
    assert len(rows) + sum(len(rows) for rows, _ in blocks) == 200


@pytest.mark.parametrize("buffer", [1, 2, 5])
def test_memory_is_bounded(buffer: int) -> None:
    """No more shards are in memory than the buffer, and those that are read in advance."""
    gate = Gate(free=1000)
    most = 0
    for count, (_, values) in enumerate(gated(gate, buffer=buffer)):
        assert len(gate.begun) <= count + buffer + AHEAD
        del values
        most = max(most, sum(values() is not None for values in gate.values))
    assert most <= buffer + AHEAD + 1, "and one that has just left the buffer"
    assert len(gate.values) == 20


def readers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("audiospec-ahead")]


@pytest.mark.parametrize("how", ["closed", "collected", "failed"])
def test_an_iterator_that_is_left(how) -> None:
    """It is left at once though reads are under way; they end, no other begins, and the threads end."""
    gate = Gate(free=3)
    blocks = gated(gate)
    next(blocks)
    assert gate.waiting.wait(60)
    if how == "closed":
        blocks.close()
    elif how == "failed":
        with pytest.raises(ZeroDivisionError), closing(blocks):
            _ = 1 / 0
    del blocks
    gc.collect()
    threads = readers()
    begun = len(gate.begun)
    assert threads
    gate.leave.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(gate.begun) == begun


def test_a_loader_that_is_left(view) -> None:
    """Workers of a loader that is left in mid-epoch end."""
    loader = DataLoader(view.stream(), batch_size=2, num_workers=2, prefetch_factor=1)
    batches = iter(loader)
    next(batches)
    workers = batches._workers
    del batches
    gc.collect()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode is not None


@pytest.mark.parametrize(
    "error", [StorageError("no answer", "try later"), StoreError("bad"), EOFError("end")]
)
def test_errors_of_the_threads(view, monkeypatch, error) -> None:
    """An error of a read arrives as it is, after the rows before it; the threads end."""
    read = ZarrView.read_stored

    def failing(view, rows=None):
        if 13 in rows:
            raise error
        return read(view, rows)

    monkeypatch.setattr(ZarrView, "read_stored", failing)
    seen = []
    with pytest.raises(type(error)) as caught:
        seen.extend(view.stream(buffer=1))
    assert caught.value is error
    assert not {12, 13, 14, 15} & set(numbers(seen))
    del caught
    for thread in readers():
        thread.join(60)
    assert readers() == []


def test_damaged_shards_are_reported_by_workers(view) -> None:
    """A missing shard is a StoreError that names it, also from a loader's worker."""
    view.shard_file(2).unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        list(view.stream())
    with pytest.raises(StoreError, match="cannot be read"):
        list(DataLoader(view.stream(), num_workers=1))


def test_map_ahead_keeps_the_order() -> None:
    """Results come in order, whichever thread is first."""
    gates = [threading.Event() for _ in range(5)]
    for number in (4, 3, 2):
        gates[number].set()
    results = map_ahead(lambda number: gates[number].wait(60) and number, range(5), 4, 5)
    threading.Timer(0.01, gates[1].set).start()
    threading.Timer(0.02, gates[0].set).start()
    assert list(results) == [0, 1, 2, 3, 4]


# --- the cache


def test_the_cache_is_read_from(view, reads, tmp_path) -> None:
    """Shards are read from the view once, by whole shards, and give the same rows in the same order."""
    stream = view.stream(3, cache=tmp_path / "cache")
    for epoch in range(3):
        stream.set_epoch(epoch)
        assert numbers(stream) == numbers(view.stream(3, epoch=epoch, cache=tmp_path / "other"))
    assert len(reads) == 12
    reads.clear()
    some = view.stream(rows=[5, 6, 13], cache=str(tmp_path / "third"))
    assert sorted(numbers(some)) == sorted(numbers(some)) == [5, 6, 13]
    assert sorted(reads) == [[4, 5, 6, 7], [12, 13, 14, 15]]
    assert sorted(numbers(pickle.loads(pickle.dumps(view.stream(cache=tmp_path / "cache"))))) == [
        *range(ROWS)
    ]
    assert len(reads) == 2
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "folder"])
def test_a_damaged_file_of_the_cache_is_written_again(view, reads, tmp_path, damage, caplog) -> None:
    stream = view.stream(cache=tmp_path / "cache")
    list(stream)
    file = next((tmp_path / "cache").rglob("2.rows"))
    content = bytearray(file.read_bytes())
    reads.clear()
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        content[70] ^= 1
        file.write_bytes(content if damage == "flipped" else content[: 5 if damage == "cut" else 0])
    for _ in range(2):
        assert sorted(numbers(stream)) == list(range(ROWS))
    if damage == "folder":
        assert "cannot keep shards in" in caplog.text
        assert reads == [[8, 9, 10, 11]] * 2
    else:
        assert caplog.text == ""
        assert reads == [[8, 9, 10, 11]]
        content[70] ^= 1
        assert file.read_bytes() == content


def test_a_cache_that_cannot_be_written(view, reads, tmp_path, monkeypatch, caplog) -> None:
    """All rows come nevertheless; one warning says why; nothing is left of what was begun."""

    def full(path, *parts):
        path.write_bytes(b"begun")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("audiospec.stores.layout.shard_cache.write_new", full)
    stream = view.stream(cache=tmp_path / "cache")
    for _ in range(2):
        assert sorted(numbers(stream)) == list(range(ROWS))
    assert len(reads) == 12
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text
    assert list((tmp_path / "cache").rglob("*.rows*")) == []


def test_another_version_of_a_view_has_its_own_cache(tmp_path) -> None:
    """Rows of an older view of the same name are not given out."""
    given_out = []
    for seed in (0, 1):
        publish(ZarrStore, tmp_path / "store.zarr", Content.make(9, shard_rows=4, seed=seed, dtype="uint8"))
        view = open_store(tmp_path / "store.zarr").view()
        for cache in (None, tmp_path / "cache"):
            given_out.append([features.numpy().tobytes() for features, _ in view.stream(cache=cache)])
    assert given_out[0] == given_out[1] != given_out[2] == given_out[3]
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_processes_share_a_cache(view, tmp_path) -> None:
    """Workers write and read the same files at the same time."""
    for _ in range(3):
        loaders = [
            iter(DataLoader(view.stream(seed, cache=tmp_path / "cache"), batch_size=None, num_workers=2))
            for seed in range(3)
        ]
        for loader in loaders:
            assert sorted(numbers(loader)) == list(range(ROWS))
    assert len(list((tmp_path / "cache").rglob("*.rows*"))) == 6


def test_a_cache_in_a_bucket_is_refused(view) -> None:
    with pytest.raises(StorageError, match="a cache of shards needs a disk; got s3://bucket/x"):
        view.stream(cache="s3://bucket/x")
