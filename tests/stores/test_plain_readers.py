"""A store is read by zarr, xarray and h5py without audiospec."""

from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
import zarr
from xarray.plot.utils import label_from_attrs

from audiospec.stores import stores
from audiospec.stores.base import FeatureStore
from audiospec.stores.layout.schema import ROW_DTYPE, TRACK_COLUMNS
from audiospec.testing.stores.content import Content, publish

ZARR, HDF5 = stores["zarr"], stores["hdf5"]
#: Array of a view → its unit, for those that have one.
UNITS = {"data": "dB", "mel": "Hz", "frame": "s", "start": "s", "seconds": "s"}


@pytest.mark.parametrize("kind", [ZARR])
def test_zarr(path: Path, content: Content) -> None:
    root = zarr.open_group(path, mode="r")
    name = content.info.name
    assert root.attrs["dataset"] == "mine"
    assert list(root["views"]) == [name]
    for column in TRACK_COLUMNS:
        array = root["tracks"][column]
        np.testing.assert_array_equal(array[:], content.tracks[column])
        assert array.metadata.dimension_names == ("track",)
    view = root["views"][name]
    assert view.attrs.asdict() == content.info.to_attributes()
    assert view["data"][:].tobytes() == content.data.tobytes()
    assert view["data"].dtype == np.dtype("<f2")
    assert view["data"].chunks == (1, 3, 6)
    assert view["data"].shards == (4, 3, 6)
    assert view["data"].metadata.dimension_names == ("row", "mel", "frame")
    assert view["data"].attrs.asdict() == {"long_name": "mel", "units": "dB"}
    for column in ROW_DTYPE.names or ():
        assert view[column][:].tobytes() == content.rows[column].tobytes()
        assert view[column].metadata.dimension_names == ("row",)
        assert view[column].attrs.get("units") == UNITS.get(column)
        assert view[column].attrs["long_name"]
    for dim, (values, unit) in content.info.coordinates().items():
        assert view[dim][:].tolist() == values
        assert view[dim].attrs["units"] == unit == UNITS[dim]
        assert view[dim].attrs["long_name"]
    assert root["tracks"]["seconds"].attrs["units"] == "s"
    assert root["tracks"]["sample_rate"].attrs["units"] == "Hz"


@pytest.mark.parametrize("kind", [ZARR])
@pytest.mark.parametrize("views", [1, 2, 3])
def test_xarray(kind: type[FeatureStore], path: Path, views: int) -> None:
    """Axes have their values and units whichever group is opened; there are no warnings."""
    contents = [Content.make()]
    if views > 1:
        contents.append(Content.make(5, seconds=0.2, dtype="float32", tracks=6))
        publish(kind, path, contents[-1])
    if views > 2:  # the first again
        contents[0] = Content.make(7, seed=3, tracks=6)
        publish(kind, path, contents[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xarray.open_datatree(path, engine="zarr")
        assert sorted(tree["views"].children) == sorted(content.info.name for content in contents)
        tracks = xarray.open_zarr(path, group="tracks")
        assert tracks["label"].values.tolist() == contents[-1].tracks["label"].tolist() or views > 2
        for content in contents:
            for dataset in (
                xarray.open_zarr(path, group=f"views/{content.info.name}"),
                xarray.open_zarr(path / "views" / content.info.name),
                tree[f"views/{content.info.name}"].to_dataset(),
            ):
                assert dataset["data"].dims == ("row", "mel", "frame")
                assert dataset["data"].values.tobytes() == content.data.tobytes()
                assert dataset.attrs["units"] == dataset["data"].attrs["units"] == "dB"
                assert "unit" not in {*dataset.attrs, *dataset["data"].attrs}
                coordinates = content.info.coordinates()
                assert dataset["mel"].values.tolist() == coordinates["mel"][0]
                assert dataset["mel"].attrs["units"] == "Hz"
                assert dataset["frame"].values.tolist() == coordinates["frame"][0]
                assert dataset["frame"].attrs["units"] == "s"
                assert dataset["start"].dims == ("row",)
                for name, unit in UNITS.items():
                    assert dataset[name].attrs["units"] == unit
                    # As xarray labels the axes of its own plots.
                    assert label_from_attrs(dataset[name]).endswith(f" [{unit}]")
                assert (
                    dataset["start"].dtype == dataset["seconds"].dtype == np.float64
                )  # not decoded as times
                nearest = dataset["data"].sel(mel=200, method="nearest")
                assert nearest.shape == (len(content.data), content.data.shape[2])


@pytest.mark.parametrize("kind", [HDF5])
def test_h5py(path: Path, content: Content) -> None:
    with h5py.File(path) as file:
        name = content.info.name
        assert file.attrs["dataset"] == "mine"
        assert list(file["views"]) == [name]
        for column, kind in TRACK_COLUMNS.items():
            array = file["tracks"][column]
            values = array.asstr()[:] if kind is str else array[:]
            np.testing.assert_array_equal(values, content.tracks[column])
        view = file["views"][name]
        assert view.attrs["fingerprint"] == content.info.spec.fingerprint
        assert view.attrs["sealed"]
        data = view["data"]
        assert data[:].tobytes() == content.data.tobytes()
        assert data.dtype == np.dtype("<f2")
        assert data.chunks == (1, 3, 6)
        assert data.attrs["units"] == view.attrs["units"] == "dB"
        assert data.attrs["long_name"] == view.attrs["long_name"] == "mel"
        assert "unit" not in {*data.attrs, *view.attrs}
        for column, unit in UNITS.items():
            assert view[column].attrs["units"] == unit
        assert all(isinstance(view[name].attrs["long_name"], str) for name in view)
        assert [dim.label for dim in data.dims] == ["row", "mel", "frame"]
        for column in ROW_DTYPE.names or ():
            assert view[column][:].tobytes() == content.rows[column].tobytes()
        for axis, (dim, (values, unit)) in enumerate(content.info.coordinates().items(), start=1):
            assert view[dim].is_scale
            assert list(data.dims[axis]) == [dim]
            assert data.dims[axis][dim][:].tolist() == values
            assert view[dim].attrs["units"] == unit


@pytest.mark.parametrize("kind", [HDF5])
@pytest.mark.parametrize("locking", [None, False])
@pytest.mark.parametrize("first", ["h5py", "audiospec"])
def test_h5py_beside_audiospec(path: Path, content: Content, locking: bool | None, first: str) -> None:
    """One process can have the file open by h5py and by audiospec."""
    if first == "h5py":
        with h5py.File(path, "r", locking=locking) as file:
            assert HDF5(path).view().read().tobytes() == content.data.tobytes()
            assert file["views"]
    elif locking is None:
        view = HDF5(path).view()
        view.read(0)
        with h5py.File(path, "r") as file:
            assert file["views"]
            assert view.read().tobytes() == content.data.tobytes()


def test_a_copied_or_moved_store_is_the_same(kind: type[FeatureStore], path: Path, content: Content) -> None:
    import shutil

    view = kind(path).view()
    view.read(0)
    moved = path.with_name(f"moved{path.suffix}")
    path.rename(moved)
    assert kind(moved).view().read().tobytes() == content.data.tobytes()
    if moved.is_dir():
        shutil.copytree(moved, path)
    else:
        shutil.copy(moved, path)
    assert kind(path).view().read().tobytes() == content.data.tobytes()
