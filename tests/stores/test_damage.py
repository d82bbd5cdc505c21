"""Damage to a store's bytes is noticed and reported row by row."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiospec.errors import AudiospecError, StoreError
from audiospec.stores import stores
from audiospec.stores.base import FeatureStore
from audiospec.testing.stores.content import Content, one_line, publish

ZARR, HDF5 = stores["zarr"], stores["hdf5"]
FIXTURES = [HealthCheck.function_scoped_fixture]


def row_offsets(path: Path, content: Content) -> list[tuple[Path, int]]:
    """Return the file of each row, and the offset of its first byte."""
    if path.is_dir():
        data, step = path / "views" / content.info.name / "data", content.info.shard_rows
        size = content.info.row_bytes
        return [(data / f"c/{n // step}/0/0", n % step * size) for n in range(len(content.rows))]
    with h5py.File(path) as file:
        data = file["views"][content.info.name]["data"].id
        chunks = [data.get_chunk_info_by_coord((n, 0, 0)) for n in range(len(content.rows))]
        return [(path, chunk.byte_offset) for chunk in chunks]


def flip(file: Path, byte: int, bit: int = 0) -> None:
    """Flip one bit in a new file of the same name, so that the old file stays as it is for open readers."""
    content = bytearray(file.read_bytes())
    content[byte] ^= 1 << bit
    file.unlink()
    file.write_bytes(content)


@settings(max_examples=25, suppress_health_check=FIXTURES, deadline=None)
@given(flips=st.dictionaries(st.integers(0, 9), st.tuples(st.integers(0, 35), st.integers(0, 7)), max_size=3))
def test_flipped_bits_are_reported_in_their_rows(
    kind: type[FeatureStore], path: Path, content: Content, flips: dict[int, tuple[int, int]]
) -> None:
    offsets = row_offsets(path, content)
    for row, (byte, bit) in flips.items():
        flip(offsets[row][0], offsets[row][1] + byte, bit)
    view = kind(path).view()
    steps: list[int] = []
    assert view.damaged(steps.append).tolist() == sorted(flips)
    assert steps == [4, 8, 10]
    assert view.read(0).tobytes() == content.data[0].tobytes() or 0 in flips
    for row, (byte, bit) in flips.items():  # flip the bits back
        flip(offsets[row][0], offsets[row][1] + byte, bit)


@pytest.mark.parametrize("kind", [ZARR])
@pytest.mark.parametrize("how", ["missing", "cut", "index", "swapped"])
def test_a_damaged_shard_affects_its_own_rows_only(
    kind: type[FeatureStore], path: Path, content: Content, how: str
) -> None:
    view = kind(path).view()
    file, other = view.shard_file(1), view.shard_file(2)  # type: ignore[attr-defined]
    if how == "missing":
        file.unlink()
    elif how == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif how == "index":
        flip(file, file.stat().st_size - 10)
    else:
        shutil.copy(other, file)
    assert view.damaged().tolist() == [4, 5, 6, 7]
    assert view.read([0, 9]).tobytes() == content.data[[0, 9]].tobytes()
    with pytest.raises(StoreError) as caught:
        view.read([0, 5])
    one_line(caught, str(file), "--repair")


@pytest.mark.parametrize("kind", [ZARR])
@settings(max_examples=150, suppress_health_check=FIXTURES, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_of_a_zarr_store_is_noticed(
    kind: type[FeatureStore], path: Path, content: Content, data: st.DataObject
) -> None:
    """Rows and tracks are right, or an error is reported."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = data.draw(st.sampled_from(files), label="file")
    byte = data.draw(st.integers(0, file.stat().st_size - 1), label="byte")
    bit = data.draw(st.integers(0, 7), label="bit")
    flip(file, byte, bit)
    try:
        view = kind(path).view()
        assert list(view.store.tracks.records()) == list(content.tracks.records())
        assert view.rows.tobytes() == content.rows.tobytes()
        good = np.delete(np.arange(10), view.damaged())
        assert view.read(good).tobytes() == content.data[good].tobytes()
    except AudiospecError as error:
        one_line(error)
    finally:
        flip(file, byte, bit)


@pytest.mark.parametrize("kind", [ZARR])
@pytest.mark.parametrize("part", ["tracks/label", "views/{}/checksum", "views/{}/track"])
@pytest.mark.parametrize("how", ["missing", "no chunk", "shorter"])
def test_a_missing_column_of_zarr(
    kind: type[FeatureStore], path: Path, content: Content, part: str, how: str
) -> None:
    folder = path / part.format(content.info.name)
    if how == "missing":
        shutil.rmtree(folder)
    elif how == "no chunk":  # zarr itself would read zeros
        (folder / "c/0").unlink()
    else:
        zarr.open_array(folder).resize(1)
    with pytest.raises(StoreError) as caught:
        _ = kind(path).view().labels
    one_line(caught, "damaged")


@pytest.mark.parametrize("kind", [HDF5])
@pytest.mark.parametrize(
    "part", ["tracks", "tracks/label", "views", "views/{}/track", "views/{}/checksum", "views/{}/data"]
)
@pytest.mark.parametrize("how", ["missing", "other"])
def test_a_missing_part_of_hdf5(
    kind: type[FeatureStore], path: Path, content: Content, part: str, how: str
) -> None:
    part = part.format(content.info.name)
    with h5py.File(path, "r+") as file:
        del file[part]
        if how == "other":
            file.create_dataset(part, data=np.zeros((2, 2)))

    def use() -> None:
        view = kind(path).view()
        view.read()
        _ = view.labels

    with pytest.raises(StoreError) as caught:
        use()
    one_line(caught)


@pytest.mark.parametrize("kind", [HDF5])
def test_flipped_bits_of_the_row_table(kind: type[FeatureStore], path: Path, content: Content) -> None:
    """Its numbers have checksums, so that a flipped bit cannot give a row the wrong label."""
    with h5py.File(path) as file:
        view = file["views"][content.info.name]
        offsets = [view[name].id.get_chunk_info(0).byte_offset for name in content.rows.dtype.names]
    for offset in offsets:
        flip(path, offset + 3)
        with pytest.raises(StoreError) as caught:
            kind(path).view()
        one_line(caught, str(path), "damaged")
        flip(path, offset + 3)


@pytest.mark.parametrize("kind", [ZARR])
def test_attributes_that_are_not_json(kind: type[FeatureStore], path: Path, content: Content) -> None:
    for part in (path, path / "views" / content.info.name):
        original = (part / "zarr.json").read_bytes()
        for text in (b"", b"{", b"[]", b'{"attributes": 3}', b"\xff"):
            (part / "zarr.json").write_bytes(text)
            with pytest.raises(StoreError) as caught:
                kind(path).view()
            one_line(caught, str(path), part.name if part != path else "zarr.json", "damaged")
        (part / "zarr.json").write_bytes(original)
    assert kind(path).view().damaged().tolist() == []


def test_verify_after_a_view_was_replaced(kind: type[FeatureStore], path: Path) -> None:
    """New rows are not reported as damaged."""
    view = kind(path).view()
    publish(kind, path, Content.make(seed=5))
    try:
        assert view.damaged().tolist() == []
    except StoreError as error:
        one_line(error, "open it again")


def test_rows_on_a_failing_disk_are_damaged(
    kind: type[FeatureStore], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows whose shard cannot be read are reported as damaged."""
    view = kind(path).view()
    read = type(view)._read

    def fail(self: Any, rows: Any, out: Any) -> None:
        if rows[0] == 4:
            raise OSError(5, "Input/output error")
        read(self, rows, out)

    monkeypatch.setattr(type(view), "_read", fail)
    assert view.damaged().tolist() == [4, 5, 6, 7]
