"""Compressed rows: they are read as written, also by other programs; damage is reported row by row."""

from __future__ import annotations

import os
import resource
import warnings
import zlib
from pathlib import Path
from typing import Any

import google_crc32c
import h5py
import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs.zstd import compress

from audiospec.errors import StoreError
from audiospec.stores import stores
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.view import View
from audiospec.stores.shards.frames import pack, unpack
from audiospec.testing.stores.content import Content, assert_holds, one_line
from audiospec.testing.stores.shards import packed_shard, write_shard

ZARR, HDF5 = stores["zarr"], stores["hdf5"]
ROW = np.dtype(("u1", (30, 20)))


def rows(count: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    return random.binomial(255, 0.1, (count, 30, 20)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packed")


@pytest.fixture
def content() -> Content:
    """Return content of ten rows of bytes in shards of four rows."""
    return Content.make(dtype="uint8")


# --- frames -----------------------------------------------------------------------------------------


@given(size=st.integers(1, 70_000), seed=st.integers(0, 9))
def test_a_frame_is_unpacked_as_it_was_packed(size: int, seed: int) -> None:
    row = np.random.default_rng(seed).binomial(255, 0.01, size).astype(np.uint8)
    buffer = bytearray(size)
    unpack(pack(row), memoryview(buffer))
    assert buffer == row.tobytes()
    for other in (size - 1, size + 1, 2 * size):
        with pytest.raises(ValueError, match=f"a frame of {other} bytes"):
            unpack(pack(row), memoryview(bytearray(other)))


def hostile(row: bytes) -> dict[str, bytes]:
    """Return invalid frames for a row of 600 bytes."""
    frame = compress(row, 3, True)
    head, body = frame[:4], frame[7:]
    assert frame[4] == 0x64  # one segment, a checksum, two bytes that state 600
    return {
        "empty": b"",
        "cut": frame[:-1],
        "head alone": frame[:7],
        "half a head": frame[:5],
        "more": frame + b"x",
        "two": frame + frame,
        "claims 2^50": head + b"\xe4" + (2**50).to_bytes(8, "little") + body,
        "claims 2^64 - 1": head + b"\xe4" + b"\xff" * 8 + body,
        "claims 601": head + b"\x64" + (601 - 256).to_bytes(2, "little") + body,
        "claims 599": head + b"\x64" + (599 - 256).to_bytes(2, "little") + body,
        "claims nothing": head + b"\x04\x60" + body,
        "a bomb": compress(bytes(1 << 26), 3, True),
        "a bomb that claims 600": head + frame[4:7] + compress(bytes(1 << 26), 3, True)[9:],
        "a dictionary": head + b"\x65\x01" + frame[5:],
        "another checksum": frame[:-4] + b"1234",
        "zeros": bytes(len(frame)),
    }


@pytest.mark.parametrize("kind", list(hostile(bytes(600))))
def test_hostile_frames_are_refused(kind: str, tmp_path: Path) -> None:
    data = rows(3)
    frame = hostile(data[1].tobytes())[kind]
    with pytest.raises(ValueError, match=r"frame|Zstd|destination"):
        unpack(frame, memoryview(bytearray(600)))
    # In a shard it affects its own row only, and takes no memory.
    frames = [pack(data[0]), frame, pack(data[2])]
    write(tmp_path / "x", frames)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    shard = packed_shard(tmp_path / "x", ROW, 4)
    assert shard[0].tobytes() == data[0].tobytes()
    assert shard[-1].tobytes() == data[2].tobytes()
    for chosen in (1, slice(0, 2), slice(None)):
        with pytest.raises(StoreError) as caught:
            shard[chosen]
        one_line(caught, "row 1 of", str(tmp_path / "x"), "damaged", "--repair")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KB


def write(file: Path, frames: list[bytes], index: list[tuple[int, int]] | None = None, room: int = 4) -> None:
    """Write frames as a shard; with an index other than the right one if it is given."""
    if index is None:
        index, offset = [], 0
        for frame in frames:
            index.append((offset, len(frame)))
            offset += len(frame)
    tail = b"".join(
        offset.to_bytes(8, "little") + length.to_bytes(8, "little")
        for offset, length in [*index, *[(2**64 - 1, 2**64 - 1)] * (room - len(index))]
    )
    file.write_bytes(b"".join(frames) + tail + int(google_crc32c.value(tail)).to_bytes(4, "little"))


# --- shards -----------------------------------------------------------------------------------------


@given(count=st.integers(1, 9), spare=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_shard_is_read_as_it_was_written(folder: Path, count: int, spare: int, seed: int) -> None:
    data = rows(count, seed)
    write_shard(folder / "x", data, count + spare)
    shard = packed_shard(folder / "x", ROW, count + spare)
    assert len(shard) == count
    assert shard[:].tobytes() == data.tobytes()
    assert shard[1:3].tobytes() == data[1:3].tobytes()
    assert shard[count:].shape == (0, 30, 20)
    assert [shard[number].tobytes() for number in range(count)] == [row.tobytes() for row in data]
    write_shard(folder / "x", data[::-1], count)  # not contiguous in memory
    assert packed_shard(folder / "x", ROW, count)[:].tobytes() == data[::-1].tobytes()


@given(data=st.data())
def test_any_flipped_bit_is_noticed(folder: Path, data: st.DataObject) -> None:
    """Or it does not matter: one bit of a frame's header has no meaning."""
    original = rows(3)
    file = folder / "flipped"
    write_shard(file, original, 4)
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    try:
        assert packed_shard(file, ROW, 4)[:].tobytes() == original.tobytes()
    except StoreError as error:
        one_line(error, str(file), "--repair")


@given(data=st.data())
def test_any_truncation_is_noticed(folder: Path, data: st.DataObject) -> None:
    file = folder / "cut"
    write_shard(file, rows(3), 4)
    os.truncate(file, data.draw(st.integers(0, file.stat().st_size - 1)))
    with pytest.raises(StoreError) as caught:
        packed_shard(file, ROW, 4)
    one_line(caught, str(file), "--repair")


FRAME = len(pack(rows(1)[0]))


@pytest.mark.parametrize(
    "index",
    [
        [(0, FRAME), (0, FRAME)],
        [(FRAME, FRAME), (0, FRAME)],
        [(0, FRAME), (FRAME + 1, FRAME)],
        [(0, FRAME), (FRAME, 2**63)],
        [(0, 2**64 - 1), (2**64 - 1, FRAME)],
        [(0, FRAME), (FRAME, FRAME - 1)],
        [(0, FRAME)],
        [(2**64 - 1, FRAME), (0, FRAME)],
        [(0, FRAME), (2**64 - 1, 0), (FRAME, FRAME)],
    ],
    ids=str,
)
def test_a_wrong_index_is_refused(tmp_path: Path, index: list[tuple[int, int]]) -> None:
    write(tmp_path / "x", [pack(rows(1)[0])] * 2, index)
    with pytest.raises(StoreError) as caught:
        packed_shard(tmp_path / "x", ROW, 4)[:]
    one_line(caught, str(tmp_path / "x"), "--repair")


@pytest.mark.parametrize(
    "change", ["missing", "folder", "empty", "other rows", "other capacity", "truncated while open"]
)
def test_files_that_are_not_a_shard_of_such_rows(tmp_path: Path, change: str) -> None:
    file, row, capacity = tmp_path / "x", ROW, 4
    if change == "folder":
        file.mkdir()
    elif change == "empty":
        file.touch()
    elif change != "missing":
        write_shard(file, rows(3), 4)
    if change == "other rows":
        row = np.dtype(("u1", (30, 21)))
    elif change == "other capacity":
        capacity = 5

    def use() -> None:
        shard = packed_shard(file, row, capacity)
        if change == "truncated while open":  # a mapped file would kill the process here
            os.truncate(file, 10)
        shard[:]

    with pytest.raises(StoreError) as caught:
        use()
    one_line(caught, str(file), "--repair")


# --- stores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ZARR])
def test_zarr_and_xarray(kind: type[FeatureStore], path: Path, content: Content) -> None:
    """Zarr reads the bytes, xarray the decibels; byte 0 is a value, not a missing one."""
    view = kind(path).view()
    array = zarr.open_group(path, mode="r")["views"][view.name]["data"]
    assert array.dtype == np.uint8
    assert array[:].tobytes() == view.read_stored().tobytes() == content.data.tobytes()
    assert array[9].tobytes() == content.data[9].tobytes()
    code = view.spec.code
    assert code is not None
    code_attributes = {"scale_factor": code.scale, "add_offset": code.offset}
    assert array.attrs.asdict() == {"long_name": "mel", "units": "dB", **code_attributes}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = xarray.open_zarr(path, group=f"views/{view.name}")["data"].values
    np.testing.assert_allclose(values, view.read(), rtol=0, atol=2e-5)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("kind", [HDF5])
def test_h5py(path: Path, content: Content) -> None:
    with h5py.File(path) as file:
        data = file["views"][content.info.name]["data"]
        assert data.dtype == np.uint8
        assert (data.compression, data.chunks) == ("gzip", (1, 3, 6))
        assert data[:].tobytes() == content.data.tobytes()
        code = content.info.spec.code
        assert code is not None
        assert (data.attrs["scale_factor"], data.attrs["add_offset"]) == (code.scale, code.offset)


@pytest.mark.parametrize("kind", [HDF5])
def test_a_repacked_file(kind: type[FeatureStore], path: Path, content: Content) -> None:
    """A file with other chunks, with other filters or with none can be read."""
    for options in (
        {"compression": "gzip", "shuffle": True},
        {"compression": "lzf"},
        {"chunks": (5, 3, 6)},
        {},
    ):
        with h5py.File(path, "r+") as file:
            group = file["views"][content.info.name]
            del group["data"]
            group.create_dataset("data", data=content.data, **options)
        assert_holds(kind(path).view(), content)


def replace_row(view: View, number: int, frame: bytes) -> None:
    """Replace the frame of a compressed row."""
    if isinstance(view.store, ZARR):
        file = view.shard_file(number // 4)  # type: ignore[attr-defined]
        frames = [pack(row) for row in view.read_stored(range(number // 4 * 4, min(number // 4 * 4 + 4, 10)))]
        frames[number % 4] = frame
        file.unlink()
        write(file, frames)
    else:
        # Written in HDF5's older format: the newer one has no room for a frame much larger than a row.
        with h5py.File(view.store.path, "r+", libver=("earliest", "v110")) as file:
            group = file["views"][view.name]
            rows = group.pop("data")[:]
            data = group.create_dataset("data", data=rows, chunks=(1, *rows.shape[1:]), compression=1)
            data.id.write_direct_chunk((number, 0, 0), frame)


@pytest.mark.parametrize("damage", ["noise", "truncated", "other bytes", "shorter", "longer", "bomb"])
def test_a_damaged_row_affects_no_other(
    kind: type[FeatureStore], path: Path, content: Content, damage: str
) -> None:
    compress_row = pack if kind is ZARR else lambda row: zlib.compress(np.ascontiguousarray(row), 1)
    row = content.data[5]
    frame = {
        "noise": bytes(range(40)),
        "truncated": compress_row(row)[:-3],
        "other bytes": compress_row(row ^ 1),
        "shorter": compress_row(row[:2]),
        "longer": compress_row(np.concatenate([row, row])),
        "bomb": compress_row(np.zeros(100 << 20, np.uint8)),
    }[damage]
    replace_row(kind(path).view(), 5, frame)
    view = kind(path).view()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps: list[int] = []
    assert view.damaged(steps.append).tolist() == [5]
    assert steps == [4, 8, 10]
    good = np.delete(np.arange(10), 5)
    assert view.read_stored(good).tobytes() == content.data[good].tobytes()
    if damage != "other bytes":  # noticed by the row's checksum only
        for chosen in (5, [9, 5, 0], None):
            with pytest.raises(StoreError) as caught:
                view.read(chosen)
            one_line(caught, "row", "damaged", "--repair")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KB
