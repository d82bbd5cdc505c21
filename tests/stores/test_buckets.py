"""Stores in a bucket: they hold what a store on a disk holds, and one request makes the new of the old."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

from audiospec import clean, open_store
from audiospec.errors import StorageError, StoreBusyError, StoreError
from audiospec.pipeline.verify import mend, verify
from audiospec.storage.location import Url
from audiospec.storage.opening import exists, open_folder
from audiospec.stores.base import stores
from audiospec.stores.layout.lock import locked, work_folder
from audiospec.stores.layout.schema import ReplacedError, store_attributes
from audiospec.stores.layout.view import View
from audiospec.testing.buckets import environment, moto
from audiospec.testing.faults import FaultProxy, Request
from audiospec.testing.stores.content import Content, assert_holds, one_line

ZARR = stores["zarr"]


@pytest.fixture
def path(home: Url, request: pytest.FixtureRequest) -> Url:
    return home / f"{request.node.name}.zarr"


def publish(path: Url, content: Content, since: str | None = None, **attributes: Any) -> View:
    stated = {**store_attributes("mine", Path("/audio")), **attributes}
    ZARR.publish(path, work_folder(path), stated, content.tracks, content.view(), since)
    return ZARR(path).view(content.info.name)


def keys(path: Url, without: str = "/c/") -> list[str]:
    return [entry.key for entry in open_folder(path).list() if without not in entry.key]


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
@pytest.mark.parametrize("rows", [1, 10])
def test_a_store_holds_what_was_published(path: Url, rows: int, dtype: str) -> None:
    content = Content.make(rows, dtype=dtype, shard_rows=4)
    view = publish(path, content)
    assert_holds(view, content)
    chosen = np.random.default_rng(0).integers(0, rows, 25)
    assert view.read_stored(chosen).tobytes() == content.data[chosen].tobytes()
    again = pickle.loads(pickle.dumps(view))
    assert again.read_stored(-1).tobytes() == content.data[-1].tobytes()
    assert open_store(str(path)).store_attributes() == store_attributes("mine", Path("/audio"))
    assert verify(path).is_whole
    assert view.damaged().tolist() == []


def test_another_view_joins_and_a_view_is_replaced(path: Url) -> None:
    first = publish(path, Content.make())
    other = Content.make(3, seconds=0.2)
    assert_holds(publish(path, other), other)
    assert [view.name for view in open_store(path).views()] == sorted([first.name, other.info.name])
    new = Content.make(10, seed=1)
    assert_holds(publish(path, new), new)
    assert_holds(first, Content.make())  # the reader of the old view goes on
    kept = open_store(path).view(other.info.name)
    assert kept.rows.tobytes() == other.rows.tobytes()
    assert kept.read_stored().tobytes() == other.data.tobytes()
    assert verify(path).is_whole


def test_what_is_not_there(home: Url) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(home / "missing.zarr")
    one_line(caught, f"no store at {home}/missing.zarr")
    open_folder(work_folder(home / "begun.zarr")).write("mel/x.json", b"{}")
    with pytest.raises(StoreError) as caught:
        open_store(home / "begun.zarr")
    one_line(caught, "not finished", "same `audiospec featurize`")
    open_folder(home / "other.zarr").write("zarr.json", b'{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(StoreError) as caught:
        open_store(home / "other.zarr")
    one_line(caught, "not a feature store")
    with pytest.raises(StorageError) as refused:
        open_store(home / "x.h5")
    one_line(refused, "HDF5 needs a disk", ".zarr")


def test_zarr_and_xarray_read_it(path: Url) -> None:
    import obstore
    import xarray
    import zarr
    from zarr.storage import ObjectStore

    content = Content.make(10, shard_rows=4)
    publish(path, Content.make(10, seed=1))
    publish(path, content)
    store = ObjectStore(obstore.store.from_url(str(path)), read_only=True)
    groups = list(zarr.open_group(store, mode="r")["views"])
    assert len(groups) == 1  # not the one that was replaced
    assert groups[0].startswith(f"{content.info.name}.")
    array = zarr.open_group(store, mode="r")[f"views/{groups[0]}/data"]
    assert isinstance(array, zarr.Array)
    assert np.asarray(array[:]).tobytes() == content.data.tobytes()
    with xarray.open_zarr(store, group=f"views/{groups[0]}") as opened:
        assert opened["data"].values.tobytes() == content.data.tobytes()
        assert opened["checksum"].values.tolist() == content.rows["checksum"].tolist()


# --- publishing -------------------------------------------------------------------------------------


def stopped(home: Url, begin: str, every: int) -> None:
    """Stop a publish at its requests; readers see the old store or the new, whole."""
    old, new = Content.make(10, shard_rows=4), Content.make(10, seed=1, shard_rows=4)
    path = home / f"stopped-{begin}-{every}.zarr"
    if begin == "old":
        publish(path, old)
        publish(home / "counted.zarr", old)
    attributes = store_attributes("mine", Path("/audio"))
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        ZARR.publish(home / "counted.zarr", work_folder(path), attributes, new.tracks, new.view())
    count = len(proxy.requests)
    assert count > 40
    clean(home / "counted.zarr", 0)
    open_folder(home / "counted.zarr").clear()
    seen = []
    for stop in [*range(0, count - 1, every), count - 1, count]:

        def decide(request: Request, stop: int = stop) -> str | None:
            return "501" if request.number >= stop else None

        with (
            FaultProxy(moto(), decide=decide) as proxy,
            environment(proxy.url),
            nullcontext() if stop == count else pytest.raises(StorageError),
        ):
            ZARR.publish(path, work_folder(path), attributes, new.tracks, new.view())
        if not exists(path / "zarr.json"):
            seen.append("nothing")
            continue
        found = open_store(path).view()
        seen.append("new" if found.rows.tobytes() == new.rows.tobytes() else "old")
        assert_holds(found, new if seen[-1] == "new" else old)
    assert verify(path).is_whole
    assert seen == [begin] * (len(seen) - 1) + ["new"]


@pytest.mark.parametrize("begin", ["nothing", "old"])
def test_a_publish_that_is_stopped_leaves_the_old_store_or_the_new(home: Url, begin: str) -> None:
    stopped(home, begin, every=12)


@pytest.mark.long
@pytest.mark.parametrize("begin", ["nothing", "old"])
def test_a_publish_that_is_stopped_at_each_of_its_requests(home: Url, begin: str) -> None:
    stopped(home, begin, every=1)


def test_of_two_writers_one_wins(path: Url) -> None:
    publish(path, Content.make())
    version = ZARR(path).version
    winner = Content.make(10, seed=1)
    publish(path, winner, version)
    before = keys(path)
    with pytest.raises(StoreBusyError) as caught:
        publish(path, Content.make(10, seed=2), version)
    one_line(caught, str(path), "run the same command again")
    assert keys(path) == before
    assert_holds(ZARR(path).view(), winner)


def test_of_two_writers_at_the_same_time_one_wins(path: Url) -> None:
    """The second commits while the first is about to: its condition does not hold any more."""
    publish(path, Content.make())
    winner = Content.make(10, seed=1)
    begun: list[int] = []

    def decide(request: Request) -> str | None:
        if request.method == "PUT" and request.key.endswith(".zarr/zarr.json") and not begun:
            begun.append(1)
            with environment(moto()):
                publish(path, winner)
        return None

    with FaultProxy(moto(), decide=decide) as proxy:
        code = (
            # By its folder: packages of others install a `tests` of their own.
            "import sys; sys.path.insert(0, sys.argv[2]); from test_buckets import *; "
            "from audiospec.storage.location import location; "
            "publish(location(sys.argv[1]), Content.make(10, seed=2))"
        )
        with environment(proxy.url):
            command = [sys.executable, "-c", code, str(path), str(Path(__file__).parent)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert begun, done.stderr
    assert "StoreBusyError" in done.stderr.splitlines()[-1]
    assert_holds(ZARR(path).view(), winner)
    assert verify(path).is_whole


def test_a_lease_that_was_lost_ends_a_publish(path: Url) -> None:
    publish(path, Content.make())
    with locked(path) as work:
        open_folder(work).write("lease", b'{"token": "of another run"}')
        with pytest.raises(StoreBusyError):
            require_by_time(path)
    assert_holds(ZARR(path).view(), Content.make())


def require_by_time(path: Url) -> None:
    """Publish, after a time in which the lease was not renewed."""
    from audiospec.stores.layout import lock

    held: Any = lock._held[path]
    held._renewed = time.monotonic() - 1000
    publish(path, Content.make(10, seed=1))


def test_a_store_of_a_disk_that_was_copied(path: Url, tmp_path: Path) -> None:
    """It can be read, checked and added to: then it becomes one of a bucket."""
    content = Content.make(10, shard_rows=4)
    file = tmp_path / "x.zarr"
    with locked(file) as work:
        ZARR.publish(file, work, store_attributes("mine", None), content.tracks, content.view())
    folder = open_folder(path)
    for entry in open_folder(file).list():
        folder.write(entry.key, (file / entry.key).read_bytes())
    assert_holds(open_store(path).view(), content)
    assert verify(path).is_whole
    other = Content.make(3, seconds=0.2)
    publish(path, other)
    assert_holds(open_store(path).view(content.info.name), content)
    assert_holds(open_store(path).view(other.info.name), other)
    assert verify(path).is_whole


def test_a_store_of_a_bucket_that_was_copied_to_a_disk(path: Url, tmp_path: Path) -> None:
    """It can be read, checked, mended and exported, and says that it cannot be written to."""
    old, content = Content.make(10, shard_rows=4), Content.make(10, seed=1, shard_rows=4)
    publish(path, old)
    publish(path, content)
    copied, folder = tmp_path / "x.zarr", open_folder(path)
    for entry in folder.list():
        (copied / entry.key).parent.mkdir(parents=True, exist_ok=True)
        (copied / entry.key).write_bytes(folder.read(entry.key))
    store = open_store(copied)
    assert store.view_names() == [content.info.name]
    assert_holds(store.view(), content)
    assert (store.track_count(), store.row_count(content.info.name)) == (len(content.tracks), 10)  # type: ignore[attr-defined]
    assert verify(copied).is_whole
    group = store.sealed_root.group("tracks")  # type: ignore[attr-defined]
    (copied / group / "label/zarr.json").write_bytes(b"{}")
    assert not verify(copied).is_whole
    mend(copied, verify(copied))
    assert verify(copied).is_whole
    attributes = store_attributes("mine", Path("/audio"))
    with locked(copied) as work, pytest.raises(StoreError) as caught:
        ZARR.publish(copied, work, attributes, content.tracks, content.view())
    one_line(caught, "copy of a store in a bucket", "store export")
    assert_holds(store.export(tmp_path / "y.zarr").view(), content)


def test_a_store_is_exported_from_a_bucket_and_into_one(path: Url, tmp_path: Path) -> None:
    content = Content.make(10, dtype="uint8", shard_rows=4)
    publish(path, content)
    for suffix in (".zarr", ".h5"):
        copy = open_store(path).export(tmp_path / f"x{suffix}")
        assert_holds(copy.view(), content)
        back = copy.export(f"{path.parent}/back{suffix}.zarr")
        assert_holds(back.view(), content)
        assert not exists(work_folder(path.parent / f"back{suffix}.zarr"))
    with pytest.raises(StoreError, match="exists already"):
        open_store(path).export(path.parent / "back.h5.zarr")


# --- reading ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_a_damaged_row_is_told_by_its_checksum(path: Url, dtype: str) -> None:
    content = Content.make(10, dtype=dtype, shard_rows=4)
    view: Any = publish(path, content)
    key = f"{view.store.sealed_root.group(f'views/{view.name}')}/{view._key(1)}"
    shard = bytearray(open_folder(path).read(key))
    shard[3] ^= 1
    open_folder(path).write(key, bytes(shard))
    with pytest.raises(StoreError) as caught:
        open_store(path).view().read([0, 4, 9])
    one_line(caught, "4" if dtype == "float16" else "row 0 of shard", "--repair")
    assert open_store(path).view().read_stored([0, 5, 9]).tobytes() == content.data[[0, 5, 9]].tobytes()
    assert view.damaged().tolist() == [4]
    assert [found.damaged for found in verify(path).views] == [[4]]


def test_a_damaged_index_is_told_by_verify(path: Url) -> None:
    """Rows are read without it; other readers of Zarr need it."""
    view: Any = publish(path, Content.make(10, shard_rows=4))
    key = f"{view.store.sealed_root.group(f'views/{view.name}')}/{view._key(2)}"
    shard = bytearray(open_folder(path).read(key))
    shard[-9] ^= 1
    open_folder(path).write(key, bytes(shard))
    assert [found.damaged for found in verify(path).views] == [[8, 9]]


@pytest.mark.parametrize("part", ["tracks", pytest.param("views", marks=pytest.mark.long)])
def test_damage_to_any_object_is_noticed_and_mended(path: Url, part: str) -> None:
    """To the objects of a store but the shards and the root: changed, cut off, removed."""
    content = Content.make(3)
    publish(path, content)
    folder = open_folder(path)
    names = [key for key in keys(path, "data/c/") if key.startswith(part)]
    assert len(names) > 15
    for number, key in enumerate(names[::7]):
        original = folder.read(key)
        if number % 3 == 0:
            folder.remove([key])
        else:
            folder.write(key, original[:-1] if number % 3 == 1 else original[:-1] + b"?")
        assert not verify(path).is_whole, key
        mend(path, verify(path))
        assert verify(path).is_whole, key
        assert folder.read(key) == original, key
    assert_holds(open_store(path).view(), content)


def test_a_damaged_root_is_told(path: Url) -> None:
    publish(path, Content.make(3))
    folder = open_folder(path)
    root = folder.read("zarr.json")
    folder.write("zarr.json", root.replace(b'"mine"', b'"wine"'))
    with pytest.raises(StoreError, match="does not match its own digest"):
        open_store(path)
    assert not verify(path).is_whole
    with pytest.raises(StoreError, match="digest"):
        publish(path, Content.make(4))


def test_clean_removes_what_no_root_names(path: Url) -> None:
    old = publish(path, Content.make(10, shard_rows=4))
    new = Content.make(10, seed=1, shard_rows=4)
    publish(path, new)
    assert clean(path).groups == {}  # too young
    planned = clean(path, 0, dry_run=True)
    assert sorted(group.rpartition(".")[0] for group in planned.groups) == ["tracks", f"views/{old.name}"]
    assert old.read([0]) is not None
    assert clean(path, 0) == planned
    assert planned.files > 20
    assert planned.bytes > Content.make(10).data.nbytes
    assert clean(path, 0).groups == {}
    assert_holds(open_store(path).view(), new)
    assert verify(path).is_whole
    with pytest.raises(ReplacedError) as caught:
        old.read([0])
    one_line(caught, "open it again")
    with pytest.raises(StoreError, match="at least 0"):
        clean(path, -1)


def test_a_bucket_that_does_not_answer_is_no_damage(path: Url) -> None:
    """Neither to rows nor to tables: nothing would be repaired or computed again for it."""
    publish(path, Content.make(10, shard_rows=4))
    for allowed in (0, 1, 2, 25, 40, 45):

        def decide(request: Request, allowed: int = allowed) -> str | None:
            return "503" if request.number >= allowed else None

        with (
            FaultProxy(moto(), decide=decide) as proxy,
            environment(proxy.url, AUDIOSPEC_PATIENCE="0.2"),
            pytest.raises(StorageError),
        ):
            verify(path)
    assert verify(path).is_whole
