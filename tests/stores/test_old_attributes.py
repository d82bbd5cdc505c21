"""Stores written before units had the names of CF can be read, and are not rewritten for the new names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile
import xarray

import audiospec
from audiospec.stores.base import FeatureStore, open_store
from audiospec.stores.layout.schema import ROW_DTYPE, TRACK_COLUMNS
from audiospec.testing.stores.content import Content, assert_holds, publish, tree_state
from audiospec.testing.stores.sealing import unseal

#: Arrays that had no attributes at all.
BARE = {*TRACK_COLUMNS, *(ROW_DTYPE.names or ())}


def make_attributes_older(attributes: dict[str, Any], name: str) -> None:
    """Change attributes to the old ones: `unit`, but `units` of an axis; no long names; none of a column."""
    if attributes.pop("long_name", None) is None:
        return
    unit = attributes.pop("units", "")
    if name not in BARE:
        attributes["units" if name in ("mel", "frame", "feature") else "unit"] = unit


def make_older(store: Path) -> None:
    """Give a store the attributes that an older version wrote, which had no seals either."""
    unseal(store)
    if store.is_file():
        with h5py.File(store, "r+") as file:
            objects: list[Any] = []
            file.visititems(lambda _, item: objects.append(item))
            for item in objects:
                attributes = {key: item.attrs[key] for key in ("long_name", "units") if key in item.attrs}
                for key in attributes:
                    del item.attrs[key]
                make_attributes_older(attributes, item.name.rpartition("/")[2])
                item.attrs.update(attributes)
        return
    for file in store.rglob("zarr.json"):
        node = json.loads(file.read_text())
        make_attributes_older(node["attributes"], file.parent.name)
        for path, inner in node.get("consolidated_metadata", {"metadata": {}})["metadata"].items():
            make_attributes_older(inner["attributes"], path.rpartition("/")[2])
        file.write_text(json.dumps(node))


def assert_older(store: Path) -> None:
    """Fail unless a store has the attributes of an older version only."""
    if store.is_file():
        with h5py.File(store) as file:
            (view,) = file["views"].values()
            assert view.attrs["unit"] == view["data"].attrs["unit"] == "dB"
            assert not {"units", "long_name"} & {*view.attrs, *view["data"].attrs, *view["start"].attrs}
        return
    text = "".join(file.read_text() for file in store.rglob("zarr.json"))
    assert "long_name" not in text
    assert '"unit": "dB"' in text


def test_an_older_store_is_read(kind: type[FeatureStore], path: Path, content: Content) -> None:
    make_older(path)
    assert_older(path)
    view = kind(path).view()
    assert_holds(view, content)
    assert view.damaged().tolist() == []
    if path.is_dir():
        assert xarray.open_zarr(path, group=f"views/{view.name}")["data"].shape == content.data.shape
    copy = kind(path).export(path.with_name(f"copy{path.suffix}"))  # the copy has the new names
    assert_holds(copy.view(), content)


def test_an_older_store_with_another_view(kind: type[FeatureStore], path: Path, content: Content) -> None:
    make_older(path)
    other = Content.make(7, seconds=0.2)
    publish(kind, path, other)
    assert_holds(kind(path).view(content.info.name), content)
    assert_holds(kind(path).view(other.info.name), other)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
@pytest.mark.parametrize("old", [True, False])
def test_unchanged_data_is_not_rewritten(tmp_path: Path, suffix: str, old: bool) -> None:
    for number in range(4):
        file = tmp_path / "audio" / "ab"[number % 2] / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, 0.1 * np.random.default_rng(number).standard_normal(16000), 8000)
    spec = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
    store = tmp_path / f"x{suffix}"

    def featurize() -> audiospec.View:
        return audiospec.featurize(
            "folder", data=tmp_path / "audio", spec=spec, chunk=1.0, store=store, workers=0
        )

    rows = featurize().read()
    if old:
        make_older(store)
        assert_older(store)
    before = tree_state(store)
    assert featurize().read().tobytes() == rows.tobytes()
    assert tree_state(store) == before
    assert open_store(store).view().damaged().tolist() == []
