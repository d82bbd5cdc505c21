"""Reading rows by their offsets, without mapping files into memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.errors import StoreError
from audiospec.storage import disk
from audiospec.storage.disk import OpenFile
from audiospec.stores import stores
from audiospec.stores.hdf5 import HDF5View
from audiospec.stores.hdf5_format.copying import append_seal
from audiospec.stores.hdf5_format.trailer import hdf5_end
from audiospec.stores.shards.rows import read_rows
from audiospec.testing.stores.content import Content, assert_holds, one_line, publish

ZARR, HDF5 = stores["zarr"], stores["hdf5"]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "numbers"
    np.random.default_rng(0).integers(0, 2**32, 50_000, dtype=np.uint32).tofile(file)
    return file


def open_file(file: Path) -> OpenFile:
    return OpenFile(os.open(file, os.O_RDONLY))


@given(data=st.data())
@pytest.mark.parametrize("shape", [(1,), (3, 2), (200,), (1200,)], ids=str)
def test_rows_are_read_from_anywhere(numbers: Path, shape: tuple[int, ...], data: st.DataObject) -> None:
    """In any order, with repeats: consecutive rows, close ones, overlapping ones and distant ones."""
    size, content = 4 * int(np.prod(shape)), numbers.read_bytes()
    last = len(content) - size
    far = st.lists(st.integers(0, last), min_size=1, max_size=9)
    close = st.lists(st.integers(0, min(last // size, 12)), min_size=1, max_size=30)
    kind = data.draw(st.sampled_from(["far", "close", "line", "backwards"]))
    if kind == "far":
        offsets = data.draw(far)
    elif kind == "close":
        start = data.draw(st.integers(0, 3))
        offsets = [start + size * n for n in data.draw(close) if start + size * n <= last] or [0]
    else:
        offsets = [size * n for n in range(data.draw(st.integers(1, min(last // size, 40))))]
        offsets = offsets[::-1] if kind == "backwards" else offsets
    out = np.empty((len(offsets), *shape), "<u4")
    read_rows(np.array(offsets, np.int64), out, open_file(numbers).fill_all)
    assert out.tobytes() == b"".join(content[offset : offset + size] for offset in offsets)


def test_small_rows_are_read_together(numbers: Path) -> None:
    """Rows of a table are read in any order by few calls, which never read much more than the rows."""
    calls: list[int] = []
    file = open_file(numbers)

    def fill(wanted: list[tuple[int, memoryview]]) -> None:
        calls.extend(len(buffer) for _, buffer in wanted)
        file.fill_all(wanted)

    out = np.empty((1000, 10), "<u4")
    read_rows(np.random.default_rng(0).permutation(1000) * 40, out, fill)
    assert calls == [40_000]
    calls.clear()
    read_rows(np.array([0, 190_000]), out[:2], fill)
    assert calls == [40, 40]


@pytest.mark.parametrize("offset", [199_998, 200_000, 2**62, -4])
def test_offsets_outside_the_file(numbers: Path, offset: int) -> None:
    with pytest.raises((OSError, EOFError), match=r"too early|Invalid"):
        read_rows(np.array([offset]), np.empty((1, 1), "<u4"), open_file(numbers).fill_all)


def test_a_file_is_closed_with_its_last_reference(numbers: Path) -> None:
    file = open_file(numbers)
    alias, number = file, file.descriptor
    del file
    alias.fill(memoryview(bytearray(4)), 0)
    del alias
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(number)


@pytest.fixture
def few_files() -> Iterator[None]:
    """Limit the process to a dozen more open files than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 12, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_view_of_more_shards_than_files_can_be_open(tmp_path: Path, few_files: None) -> None:
    """A view of 25 GB has more shards than most systems let a process open."""
    content = Content.make(60, shard_rows=1)
    publish(ZARR, tmp_path / "x.zarr", content)
    view = ZARR(tmp_path / "x.zarr").view()
    assert_holds(view, content)
    order = np.random.default_rng(0).permutation(60)
    assert view.read(order).tobytes() == content.data[order].tobytes()


def test_few_shards_are_kept_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MAX_OPEN_FILES", 3)
    content = Content.make(20, shard_rows=2)
    publish(ZARR, tmp_path / "x.zarr", content)
    view: Any = ZARR(tmp_path / "x.zarr").view()
    assert_holds(view, content)
    assert [key.split("/")[2] for key in view.files._open] == ["7", "8", "9"]
    publish(ZARR, tmp_path / "x.zarr", Content.make(20, shard_rows=2, seed=1))
    assert view.read(19).tobytes() == content.data[19].tobytes()
    with pytest.raises(StoreError) as caught:
        view.read(0)
    one_line(caught, "open it again")


def rewrite(path: Path, name: str, content: Content, **layout: Any) -> None:
    """Write a view's numbers into the file again, in the layout of another program."""
    with h5py.File(path, "r+") as file:
        group = file["views"][name]
        del group["data"]
        data = content.data
        dataset = group.create_dataset("data", data.shape, data.dtype, fillvalue=np.nan, **layout)
        dataset[2:8] = data[2:8]
        if "missing" not in path.name:
            dataset[...] = data


@pytest.mark.parametrize("file", ["complete.h5", "missing.h5"])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"chunks": (1, 3, 6)},
        {"chunks": (4, 3, 6)},
        {"chunks": (1, 2, 6)},
        {"chunks": (1, 3, 6), "compression": "gzip"},
        {"chunks": (1, 3, 6), "fletcher32": True},
    ],
    ids=str,
)
def test_hdf5_in_the_layout_of_another_program(tmp_path: Path, layout: dict[str, Any], file: str) -> None:
    """Any layout can be read; a chunk that was never written is read as HDF5 reads it."""
    content = Content.make()
    publish(HDF5, tmp_path / file, content)
    rewrite(tmp_path / file, content.info.name, content, **layout)
    with h5py.File(tmp_path / file) as opened:
        expected = opened["views"][content.info.name]["data"][...]
    view = HDF5(tmp_path / file).view()
    for chosen in (slice(None), [9, 0, 4, 4], slice(7, 1, -1)):
        assert view.read(chosen).tobytes() == expected[chosen].tobytes()
    assert (expected.tobytes() == content.data.tobytes()) is (file == "complete.h5")


@pytest.mark.parametrize("address", [2**63 + 8, 2**62, 10**6])
@pytest.mark.parametrize("layout", ["one piece", "index of chunks"])
def test_hdf5_with_a_wrong_address_of_a_chunk(tmp_path: Path, address: int, layout: str) -> None:
    """The rows are in one piece, which has an address; in stores of earlier versions, each chunk has one."""
    content, path = Content.make(), tmp_path / "x.h5"
    publish(HDF5, path, content)
    number = 0
    if layout != "one piece":
        rewrite(path, content.info.name, content, chunks=(1, 3, 6))
        append_seal(path)
        number = 3
    assert HDF5(path).view().read().tobytes() == content.data.tobytes()
    with h5py.File(path) as file:
        data = file["views"][content.info.name]["data"].id
        stored = data.get_chunk_info_by_coord((number, 0, 0)).byte_offset.to_bytes(8, "little")
        end = hdf5_end(file.id.get_vfd_handle())
    content_bytes = path.read_bytes()
    assert content_bytes[:end].count(stored) == 1
    path.write_bytes(content_bytes.replace(stored, address.to_bytes(8, "little"), 1))
    with pytest.raises(StoreError) as caught:
        HDF5(path)
    one_line(caught, "x.h5", "damaged", "--repair")


@pytest.mark.parametrize("rows", [1, 10])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_hdf5_has_the_rows_in_one_piece(tmp_path: Path, rows: int, dtype: str) -> None:
    """HDF5 keeps no index of them, and audiospec reads them without HDF5."""
    content = Content.make(rows, dtype=dtype)
    publish(HDF5, tmp_path / "x.h5", content)
    with h5py.File(tmp_path / "x.h5") as file:
        data = file["views"][content.info.name]["data"]
        assert np.isnan(data.fillvalue)
        assert data.id.get_num_chunks() == rows
        assert [data[n].tobytes() for n in range(rows)] == [row.tobytes() for row in content.data]
        starts = [data.id.get_chunk_info(n).byte_offset for n in range(rows)]
    size = content.info.row_bytes
    assert starts == [starts[0] + n * size for n in range(rows)]
    start, stored = starts[0], (tmp_path / "x.h5").read_bytes()
    assert stored[start : start + rows * size] == content.data.tobytes()
    view = HDF5(tmp_path / "x.h5").view()
    assert isinstance(view, HDF5View)
    assert view._open()[1] is not None
