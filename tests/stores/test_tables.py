"""Views whose rows are tables: a chunk holds many rows, and plain readers see them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st

from audiospec.stores.base import open_store
from audiospec.stores.layout.view import View
from audiospec.tables.importing import import_table
from audiospec.testing.stores.shards import map_shard, write_shard

COLUMNS = ("tempo", "rms_mean", "rms_var")
ROW = np.dtype(("<f4", (len(COLUMNS),)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def make(folder: Path, suffix: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> View:
    """Import a table; its shards have four rows."""
    monkeypatch.setattr("audiospec.stores.layout.info.TABLE_SHARD_BYTES", 4 * ROW.itemsize)
    lines = [f"rock.{n:05d}.wav,661500,{n}.5,{n + 0.25},{-n}" for n in range(rows)]
    file = folder / "t.csv"
    file.write_text("\n".join([f"filename,length,{','.join(COLUMNS)}", *lines]))
    return import_table(file, folder / f"gtzan.{suffix}", columns=COLUMNS)


@given(count=st.integers(1, 9), spare=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_shard_is_mapped_as_it_was_written(folder: Path, count: int, spare: int, seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((count, *ROW.shape)).astype("<f4")
    write_shard(folder / "x", rows, count + spare)
    mapped = map_shard(folder / "x", ROW, count + spare)
    assert mapped[:count].tobytes() == rows.tobytes()
    assert mapped.shape == (count + spare, *ROW.shape)
    assert np.isnan(mapped[count:]).all()


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
@pytest.mark.parametrize("rows", [1, 4, 6, 9])
def test_plain_readers_see_all_rows_in_few_chunks(
    tmp_path: Path, suffix: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = make(tmp_path, suffix, rows, monkeypatch)
    values = view.read()
    assert values[:, 0].tolist() == [n + 0.5 for n in range(rows)]
    chunk_rows = min(rows, 4)
    if suffix == "zarr":
        array = zarr.open_group(view.store.path, mode="r")["views"][view.name]["data"]
        assert array.chunks == (chunk_rows, len(COLUMNS))
        table = xarray.open_zarr(view.store.path, group=f"views/{view.name}")
        assert table["data"].dims == ("row", "feature")
        assert table["feature"].values.tolist() == list(COLUMNS)
        assert np.array_equal(table["data"].values, values)
    else:
        with h5py.File(view.store.path) as file:
            array = file["views"][view.name]["data"]
            assert array.chunks == (chunk_rows, len(COLUMNS))
            assert file["views"][view.name]["feature"].asstr()[:].tolist() == list(COLUMNS)
            array = array[:]
    assert np.array_equal(array[:], values)


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
def test_rows_are_read_in_any_order_and_survive_a_copy(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = make(tmp_path, suffix, 10, monkeypatch)
    chosen = [9, 0, 5, 5, -1]
    assert view.read(chosen)[:, 0].tolist() == [9.5, 0.5, 5.5, 5.5, 9.5]
    assert view.read(8).tolist() == [8.5, 8.25, -8]
    other = "h5" if suffix == "zarr" else "zarr"
    copy = open_store(view.store.path).export(tmp_path / f"copy.{other}")
    assert copy.view().read().tobytes() == view.read().tobytes()
    assert copy.view().rows.tobytes() == view.rows.tobytes()
    assert len(copy.view().damaged()) == 0


def test_damaged_rows_are_reported_but_not_padding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = make(tmp_path, "zarr", 6, monkeypatch)
    last = view.shard_file(1)
    content = bytearray(last.read_bytes())
    content[3 * ROW.itemsize] ^= 1  # the last two of the second shard's four rows are padding
    last.write_bytes(content)
    assert len(open_store(view.store.path).view().damaged()) == 0
    content[ROW.itemsize] ^= 1
    last.write_bytes(content)
    assert open_store(view.store.path).view().damaged().tolist() == [5]
