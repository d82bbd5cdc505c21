"""Writing: calls that write less than they are given, short disks, and readers of what was written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from audiospec.audio.chunking import Chunking
from audiospec.errors import DiskFullError
from audiospec.files import copy_range, write_all, write_bytes
from audiospec.specs.tabular import TabularSpec
from audiospec.stores import stores
from audiospec.stores.base import FeatureStore
from audiospec.stores.hdf5_format.copying import append_seal
from audiospec.stores.hdf5_format.trailer import read_trailer
from audiospec.testing.stores.content import Content, assert_holds, one_line, publish
from audiospec.testing.stores.shards import write_shard

ZARR, HDF5 = stores["zarr"], stores["hdf5"]
PWRITEV = os.pwritev


def tabular(rows: int = 10) -> Content:
    """Rows of one axis: chunks of four rows, of which the last is filled up."""
    content = Content.make(rows)
    info = replace(content.info, spec=TabularSpec(), chunking=Chunking(seconds=3.0))
    data = np.random.default_rng(0).standard_normal((rows, *info.row_shape)).astype(info.row_dtype.base)
    return replace(content, info=info, data=data)


def at_most(count: int) -> Callable[..., int]:
    """A `pwritev` that writes only so many bytes."""

    def write(file: int, parts: list[Any], offset: int) -> int:
        return PWRITEV(file, [b"".join(parts)[:count]], offset)

    return write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("writing")


@given(parts=st.lists(st.binary(max_size=40), max_size=8), most=st.integers(1, 50), offset=st.integers(0, 9))
def test_a_call_may_write_less_than_it_is_given(
    folder: Path, parts: list[bytes], most: int, offset: int
) -> None:
    with pytest.MonkeyPatch.context() as patched, (folder / "x").open("wb") as file:
        patched.setattr(os, "pwritev", at_most(most))
        assert write_all(file.fileno(), parts, offset) == offset + sum(map(len, parts))
    content = b"".join(parts)
    assert (folder / "x").read_bytes() == (bytes(offset) + content if content else b"")


def test_more_parts_than_one_call_takes(tmp_path: Path) -> None:
    parts = [bytes([number % 256]) * (number % 3) for number in range(5000)]
    write_bytes(tmp_path / "x", *parts)
    assert (tmp_path / "x").read_bytes() == b"".join(parts)


def test_numbers_of_any_type_and_shape_are_parts(tmp_path: Path) -> None:
    parts = [
        np.arange(6, dtype="<f2").reshape(2, 3),
        np.empty((0, 3)),
        np.float64(7),
        np.arange(3, dtype="<u8"),
    ]
    with (tmp_path / "x").open("wb") as file:
        write_all(file.fileno(), [memoryview(part) for part in parts], 0)
    assert (tmp_path / "x").read_bytes() == b"".join(part.tobytes() for part in parts)


def test_a_call_that_writes_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwritev", lambda *_: 0)
    with pytest.raises(OSError, match="nothing"):
        write_bytes(tmp_path / "x", b"content")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [Content.make, tabular, lambda: Content.make(dtype="uint8")])
@pytest.mark.parametrize("staged", [False, True])
def test_stores_are_whole_when_calls_write_less(
    kind: type[FeatureStore],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], Content],
    staged: bool,
) -> None:
    content, path = make(), tmp_path / f"new{kind.suffixes[0]}"
    monkeypatch.setattr(os, "pwritev", at_most(7))
    if hasattr(os, "copy_file_range"):
        copy = os.copy_file_range
        monkeypatch.setattr(
            os, "copy_file_range", lambda source, target, count, *at: copy(source, target, min(count, 7), *at)
        )
    publish(kind, path, content, content.view(tmp_path) if staged else None)
    monkeypatch.undo()
    assert_holds(kind(path).view(), content)
    assert not kind.check(path).damage


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_disk_that_fills_up_halfway(
    kind: type[FeatureStore], path: Path, monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    """The old content stays, the new one is removed."""
    old = kind(path).view().read().tobytes()
    calls: list[int] = []

    def write(file: int, parts: list[Any], offset: int) -> int:
        calls.append(offset)
        if len(calls) > after:
            raise OSError(number, os.strerror(number))
        return PWRITEV(file, [b"".join(parts)[:50]], offset)

    monkeypatch.setattr(os, "pwritev", write)
    with pytest.raises(DiskFullError) as caught:
        publish(kind, path, Content.make(200, seed=3))
    monkeypatch.undo()
    one_line(caught, "disk is full", "everything that was finished is kept")
    shutil.rmtree(path.with_name(f"{path.name}.work"))
    assert kind(path).view().read().tobytes() == old
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", ["no function", errno.ENOSYS, errno.EXDEV, errno.EINVAL, "nothing"])
def test_staged_rows_where_the_system_cannot_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str | int
) -> None:
    content = Content.make()
    calls: list[int] = []

    def copy(*_: Any) -> int:
        calls.append(1)
        if isinstance(failure, int):
            raise OSError(failure, os.strerror(failure))
        return 0

    if failure == "no function":
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    else:
        monkeypatch.setattr(os, "copy_file_range", copy, raising=False)
    publish(HDF5, tmp_path / "x.h5", content, content.view(tmp_path))
    assert len(calls) == (0 if failure == "no function" else 3)
    assert_holds(HDF5(tmp_path / "x.h5").view(), content)


def test_a_disk_that_fills_up_while_staged_rows_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", copy, raising=False)
    content = Content.make()
    staged = tmp_path / "staged"
    staged.mkdir()
    with pytest.raises(DiskFullError):
        publish(HDF5, tmp_path / "x.h5", content, content.view(staged))
    assert not (tmp_path / "x.h5").exists()
    assert len(list(staged.iterdir())) == 1  # what was staged is kept


def test_a_range_beyond_the_end_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("wb") as target:
        if hasattr(os, "copy_file_range"):
            assert copy_range(source.fileno(), 2, 5, target.fileno(), 3)
            assert (tmp_path / "b").read_bytes() == b"\0\0\x0023456"
        assert not copy_range(source.fileno(), 8, 5, target.fileno(), 0)


@pytest.mark.parametrize("change", ["index", "short", "other rows"])
def test_a_staged_file_that_is_damaged_is_not_copied(tmp_path: Path, change: str) -> None:
    content = Content.make(4)
    view = content.view(tmp_path)
    source = view.shard(0)
    assert source.file is not None
    if change == "index":
        content_bytes = bytearray(source.file.read_bytes())
        content_bytes[-1] ^= 1
        source.file.write_bytes(content_bytes)
    elif change == "short":
        os.truncate(source.file, 40)
    else:
        write_shard(source.file, content.data[:, :, :2], 4)
    with pytest.raises(Exception, match=r"damaged|not written"):
        publish(HDF5, tmp_path / "x.h5", content, replace(view, shard=lambda _: source))
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize("make", [Content.make, tabular, lambda: Content.make(9, dtype="uint8")])
@pytest.mark.parametrize("staged", [False, True])
def test_h5py_reads_every_row(tmp_path: Path, make: Callable[[], Content], staged: bool) -> None:
    """One by one, several at once, and a chunk as it is stored."""
    content = make()
    publish(HDF5, tmp_path / "x.h5", content, content.view(tmp_path) if staged else None)
    with h5py.File(tmp_path / "x.h5") as file:
        data = file["views"][content.info.name]["data"]
        assert [row.tobytes() for row in data] == [row.tobytes() for row in content.data]
        assert data[2:7].tobytes() == content.data[2:7].tobytes()
        assert data[[0, 3, 8]].tobytes() == content.data[[0, 3, 8]].tobytes()
        if content.info.chunk_rows > 1:
            _, last = data.id.read_direct_chunk((8, 0))
            filler = np.frombuffer(last, data.dtype).reshape(4, -1)[2:]
            assert np.isnan(filler).all()


def test_zarr_python_reads_every_row(tmp_path: Path) -> None:
    content = Content.make()
    publish(ZARR, tmp_path / "x.zarr", content)
    data = zarr.open_array(tmp_path / "x.zarr" / "views" / content.info.name / "data", mode="r")
    assert [data[n].tobytes() for n in range(10)] == [row.tobytes() for row in content.data]
    assert data.oindex[[9, 0, 4]].tobytes() == content.data[[9, 0, 4]].tobytes()


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_tensorstore_reads_every_row(tmp_path: Path, dtype: str) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    content = Content.make(dtype=dtype)
    publish(ZARR, tmp_path / "x.zarr", content)
    folder = tmp_path / "x.zarr" / "views" / content.info.name / "data"
    config = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder)}}
    data = tensorstore.open(config, open=True, read=True).result()
    assert data.read().result().tobytes() == content.data.tobytes()
    assert data[[9, 0, 4]].read().result().tobytes() == content.data[[9, 0, 4]].tobytes()


@pytest.mark.parametrize(
    "contents",
    [
        [Content.make()],
        [Content.make(0)],
        [tabular(), Content.make(7, dtype="uint8"), Content.make(3, seconds=0.2)],
    ],
    ids=["one", "empty", "several"],
)
def test_the_seal_is_that_of_the_file(tmp_path: Path, contents: list[Content]) -> None:
    """It is made of what was written, not of what the file says; both are the same."""
    path = tmp_path / "x.h5"
    for content in contents:
        publish(HDF5, path, content, deep={"b": [1, 2.5, None], "a": True}, text="ä ☃")
    stored = path.read_bytes()
    with path.open("rb") as file:
        trailer = read_trailer(file.fileno(), whole=True)
    assert trailer is not None
    assert not trailer.flaws
    os.truncate(path, trailer.end)
    append_seal(path)
    assert path.read_bytes() == stored


@pytest.mark.parametrize("case", ["new", "replaced", "staged"])
def test_hdf5_is_flushed_if_another_copy_goes_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Loss of power must not take the old file's views, or the staged shards, with the new file."""
    content, path = Content.make(), tmp_path / "x.h5"
    if case == "replaced":
        publish(HDF5, path, Content.make(5, seconds=0.2))
    events: list[str] = []
    fsync, rename = os.fsync, os.replace

    def flush(file: int) -> None:
        with read_file(file) as opened:
            events.append(f"flushed whole: {read_trailer(opened.fileno(), whole=True) is not None}")
        fsync(file)

    def move(*names: Any) -> None:
        events.append("renamed")
        rename(*names)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", move)
    view = content.view(tmp_path) if case == "staged" else content.view()
    events.clear()
    publish(HDF5, path, content, view)
    renames = [event for event in events if event != "renamed"] + events[-1:]
    assert renames == (["renamed"] if case == "new" else ["flushed whole: True", "renamed"])


def read_file(file: int) -> Any:
    return os.fdopen(os.dup(file), "rb")
