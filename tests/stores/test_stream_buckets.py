"""Tests of `View.stream` from a bucket: its requests, its loader workers, what networks do to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

import torch
from torch.utils.data import DataLoader

from audiospec import open_store
from audiospec.errors import StorageError, StoreError
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.stores.base import stores
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.layout.schema import store_attributes
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import FaultProxy
from audiospec.testing.stores.content import Content

ROWS, SHARD_ROWS = 40, 4


@pytest.fixture(scope="module", params=["float16", "uint8"])
def store(request: pytest.FixtureRequest) -> Iterator[tuple[Url, Content]]:
    """A store of 40 rows in 10 shards, and its content."""
    content = Content.make(ROWS, shard_rows=SHARD_ROWS, dtype=request.param)
    with bucket() as home:
        path = home / "store.zarr"
        attributes = store_attributes("mine", Path("/audio"))
        stores["zarr"].publish(path, work_folder(path), attributes, content.tracks, content.view())
        yield path, content


def numbers(content: Content, items) -> list[int]:
    """The numbers of the rows that features are of."""
    code = content.info.spec.code
    values = content.data if code is None else code.decode(content.data)
    known = {
        row.tobytes(): number
        for number, row in enumerate(torch.from_numpy(values.copy()).float().nan_to_num(0.1).numpy())
    }
    assert len(known) == ROWS
    return [known[features.nan_to_num(0.1).numpy().tobytes()] for features, _ in items]


def test_a_shard_takes_one_request(store) -> None:
    """A shard of plain rows is one request, one of compressed rows two; random rows take one for each row."""
    path, content = store
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        view = open_store(path).view()
        stream = view.stream(1)
        before = len(proxy.requests)
        assert sorted(numbers(content, stream)) == list(range(ROWS))
        shards = proxy.requests[before:]
        assert {request.method for request in shards} == {"GET"}
        compressed = content.info.spec.code is not None
        assert len(shards) == (20 if compressed else 10)
        stream.set_epoch(1)
        before = len(proxy.requests)
        assert len(list(stream)) == ROWS
        assert len(proxy.requests) - before == 10, "the index of a shard is read once"
        before = len(proxy.requests)
        loader = DataLoader(view.torch_dataset(), batch_size=4, sampler=torch.randperm(ROWS).tolist())
        assert sum(len(targets) for _, targets in loader) == ROWS
        assert len(proxy.requests) - before > 20


def test_few_rows_of_a_shard(store) -> None:
    """Neighbours that are chosen are one request, whatever is chosen of other shards."""
    path, content = store
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        stream = open_store(path).view().stream(rows=[2, 1, 17, 30, 29])
        before = len(proxy.requests)
        assert sorted(numbers(content, stream)) == [1, 2, 17, 29, 30]
        assert len(proxy.requests) - before == (6 if content.info.spec.code is not None else 3)


@pytest.mark.parametrize("store", ["uint8"], indirect=True)
def test_loader_workers(store) -> None:
    """Workers that are not forked read the bucket, though this process has used it."""
    path, _ = store
    stream = open_store(path).view().stream(2)
    # In a process of its own, because a fork server keeps the environment that it was started in.
    code = """if True:
        import sys
        from torch.utils.data import DataLoader
        from audiospec import open_store

        if __name__ == "__main__":
            stream = open_store(sys.argv[1]).view().stream(2)
            stream.view.read(0)
            loader = DataLoader(stream, batch_size=7, num_workers=2, multiprocessing_context="forkserver")
            print(sorted(features.nan_to_num(0.1).sum().item() for batch, _ in loader for features in batch))
    """
    command = [sys.executable, "-c", code, str(path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200).stdout
    expected = sorted(features.nan_to_num(0.1).sum().item() for features, _ in stream)
    assert len(expected) == ROWS
    assert printed == f"{expected}\n"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("store", ["float16"], indirect=True)
def test_forked_workers_are_refused(store) -> None:
    """They would hang; the error says what to do."""
    path, _ = store
    stream = open_store(path).view().stream()
    with pytest.raises(StorageError, match="multiprocessing_context='forkserver'"):
        list(DataLoader(stream, num_workers=1, multiprocessing_context="fork"))


@pytest.mark.parametrize("store", ["uint8"], indirect=True)
def test_requests_fail(store) -> None:
    """All rows come nevertheless, in the same order."""
    path, content = store
    expected = numbers(content, open_store(path).view().stream(4))
    with FaultProxy(moto(), rate=0.3, seed=1) as proxy, environment(proxy.url):
        assert numbers(content, open_store(path).view().stream(4)) == expected
        assert proxy.faults


@pytest.mark.parametrize("store", ["float16"], indirect=True)
def test_a_bucket_that_stops_answering(store) -> None:
    """The error is a StorageError, not one of damage."""
    path, _ = store
    broken = False
    with (
        FaultProxy(moto(), decide=lambda request: "503" if broken else None) as proxy,
        environment(proxy.url),
    ):
        items = iter(open_store(path).view().stream(buffer=1))
        next(items)
        broken = True
        with environment(proxy.url, AUDIOSPEC_PATIENCE="0.3"), pytest.raises(StorageError) as caught:
            list(items)
        assert not isinstance(caught.value, StoreError | OSError)


def test_the_cache_saves_requests(store, tmp_path: Path) -> None:
    """Later epochs, and other streams, send no request."""
    path, content = store
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        view = open_store(path).view()
        expected = numbers(content, view.stream(3))
        assert numbers(content, view.stream(3, cache=tmp_path)) == expected
        before = len(proxy.requests)
        assert numbers(content, view.stream(3, cache=tmp_path)) == expected
        assert len(list(view.stream(5, rows=np.arange(ROWS) % 3 == 0, cache=tmp_path))) == 14
        assert len(proxy.requests) == before


def test_a_damaged_row_is_an_error(store) -> None:
    """A row that does not match its checksum is not learnt from."""
    path, _ = store
    view = open_store(path).view()
    key = f"{view.store.sealed_root.group(f'views/{view.name}')}/{view._key(1)}"
    folder = open_folder(path)
    whole = folder.read(key)
    folder.write(key, whole[:3] + bytes([whole[3] ^ 1]) + whole[4:])
    try:
        with pytest.raises(StoreError, match="--repair"):
            list(open_store(path).view().stream())
    finally:
        folder.write(key, whole)
    assert len(list(open_store(path).view().stream())) == ROWS
