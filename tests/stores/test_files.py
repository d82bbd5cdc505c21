"""Atomic writes, and the format of uncompressed shards."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BytesCodec, ShardingCodec

from audiospec.digests import checksum
from audiospec.errors import DiskFullError, StoreError
from audiospec.files import atomic_write, damage_errors, write_bytes
from audiospec.testing.stores.content import one_line
from audiospec.testing.stores.shards import map_shard, write_shard

ROW = np.dtype(("<f2", (3, 2)))


def rows(count: int, seed: int = 0) -> Any:
    return np.frombuffer(np.random.default_rng(seed).bytes(count * ROW.itemsize), "<f2").reshape(-1, 3, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(count=st.integers(1, 9), spare=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_shard_is_mapped_as_it_was_written(folder: Path, count: int, spare: int, seed: int) -> None:
    data = rows(count, seed)
    write_shard(folder / "x", data, count + spare)
    mapped = map_shard(folder / "x", ROW, count + spare)
    assert mapped.dtype == np.dtype("<f2")
    assert mapped.shape == data.shape
    assert mapped.tobytes() == data.tobytes()


@pytest.mark.parametrize("order", ["strided", "fortran", "mapped"])
def test_rows_may_have_any_memory_layout(tmp_path: Path, order: str) -> None:
    data = rows(8)
    if order == "strided":
        data = data[::-2]
    elif order == "fortran":
        data = np.asfortranarray(data)
    else:
        write_shard(tmp_path / "y", data, 8)
        data = map_shard(tmp_path / "y", ROW, 8)
    write_shard(tmp_path / "x", data, 8)
    assert map_shard(tmp_path / "x", ROW, 8).tobytes() == data.tobytes()
    assert [checksum(row) for row in data] == [checksum(row.copy()) for row in data]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("count", [1, 4])
def test_zarr_reads_a_shard(tmp_path: Path, dtype: str, count: int) -> None:
    group = zarr.create_group(tmp_path / "g.zarr")
    array = group.create_array(
        "a", shape=(count, 3, 2), chunks=(1, 3, 2), shards=(4, 3, 2), dtype=dtype, compressors=None
    )
    data = np.arange(count * 6, dtype=dtype).reshape(count, 3, 2) + 1
    file = tmp_path / "g.zarr/a/c/0/0/0"
    file.parent.mkdir(parents=True)
    write_shard(file, data, 4)
    assert array[:].tobytes() == data.tobytes()
    assert array[count - 1].tobytes() == data[-1].tobytes()
    codec = array.metadata.codecs[0]
    assert isinstance(codec, ShardingCodec)
    assert [type(inner) for inner in codec.codecs] == [BytesCodec]


def test_a_shard_that_zarr_wrote_in_another_order(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=(4, 3, 2),
        chunks=(1, 3, 2),
        shards=(4, 3, 2),
        dtype="<f2",
        compressors=None,
    )
    array[2:] = rows(2)
    with pytest.raises(StoreError) as caught:
        map_shard(tmp_path / "a.zarr/c/0/0/0", ROW, 4)
    one_line(caught, "c/0/0/0", "not written by audiospec", "--repair")


@given(data=st.data())
def test_any_flipped_bit_of_the_index_is_noticed(folder: Path, data: st.DataObject) -> None:
    file = folder / "flipped"
    write_shard(file, rows(3), 4)
    content = bytearray(file.read_bytes())
    offset = data.draw(st.integers(3 * ROW.itemsize, len(content) - 1))
    content[offset] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        map_shard(file, ROW, 4)
    one_line(caught, str(file), "--repair")


@given(size=st.integers(0, 3 * ROW.itemsize + 4 * 16 + 3))
def test_any_truncation_is_noticed(folder: Path, size: int) -> None:
    file = folder / "cut"
    write_shard(file, rows(3), 4)
    os.truncate(file, size)
    with pytest.raises(StoreError) as caught:
        map_shard(file, ROW, 4)
    one_line(caught, str(file), "--repair")


@pytest.mark.parametrize("change", ["longer", "other rows", "other capacity", "missing", "folder"])
def test_files_that_are_not_a_shard_of_such_rows(tmp_path: Path, change: str) -> None:
    file, row, capacity = tmp_path / "x", ROW, 4
    if change == "folder":
        file.mkdir()
    elif change != "missing":
        write_shard(file, rows(3), 4)
    if change == "longer":
        file.write_bytes(b"\0" + file.read_bytes())
    elif change == "other rows":
        row = np.dtype(("<f2", (3, 3)))
    elif change == "other capacity":
        capacity = 5
    with pytest.raises(StoreError) as caught:
        map_shard(file, row, capacity)
    one_line(caught, str(file), "--repair")


def test_files_are_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_bytes(file, b"old")
    write_bytes(file, b"n", memoryview(b"ew"))
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
@pytest.mark.parametrize("call", ["write", "replace"])
def test_a_failed_write_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    file = tmp_path / "x"
    write_bytes(file, b"old")

    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    def write() -> None:
        with atomic_write(file) as temporary:
            temporary.write_bytes(b"ne")
            if call == "write":
                fail()
            write_bytes(temporary, b"new")

    if call != "write":
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"full|error") as caught:
        write()
    assert isinstance(caught.value, DiskFullError) is (number != errno.EIO)
    if isinstance(caught.value, DiskFullError):
        one_line(caught, "disk is full", str(file), "again")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_device(tmp_path: Path) -> None:
    """The error of a real device, not a simulated one."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    def write() -> None:
        with atomic_write(tmp_path / "x") as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_bytes(b"x" * 10_000)

    with pytest.raises(DiskFullError):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("x"), ["damaged"]),
        (OSError("two\n lines"), ["two lines", "damaged"]),
        (MemoryError(), ["MemoryError", "damaged"]),
        (PermissionError(errno.EACCES, "a long\nstory"), ["cannot be read: Permission denied"]),
        (StoreError("ours"), ["ours"]),
    ],
)
def test_errors_of_libraries_become_ours(error: Exception, words: list[str]) -> None:
    with pytest.raises(StoreError) as caught, damage_errors(Path("some/where")):
        raise error
    one_line(caught, *words)
    assert "some/where" in str(caught.value) or words == ["ours"]


def test_h5py_is_not_loaded_for_zarr(python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Nor is torch, so that commands start fast."""
    code = (
        "import sys; from audiospec.stores.base import store_class; store_class('x.zarr');"
        "print({'h5py', 'torch', 'soundfile'} & set(sys.modules))"
    )
    assert python(code).stdout.strip() == "set()"
