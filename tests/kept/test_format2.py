"""A store of a bucket and a store with volumes, as they were first written, are read as they were.

`make_format2.py` made the samples in `format2`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

import audiospec
from audiospec.pipeline.verify import verify
from audiospec.storage.opening import open_folder

SAMPLES = Path(__file__).parent / "format2"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))


def unpacked(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(SAMPLES / f"{name}.zip") as packed:
        for member in packed.namelist():
            assert (folder / member).resolve().is_relative_to(folder), f"{name} would write {member}"
        packed.extractall(folder)
    return folder / name


def assert_as_expected(store: audiospec.FeatureStore, name: str) -> None:
    expected = EXPECTED[name]
    assert store.tracks["id"].tolist() == expected["tracks"]
    assert store.tracks["label"].tolist() == expected["labels"]
    assert store.view_names() == sorted(expected["views"])
    for view in store.views():
        kept = expected["views"][view.name]
        assert list(view.shape) == kept["shape"]
        assert view.ids.tolist() == kept["ids"]
        assert hashlib.sha256(view.rows.tobytes()).hexdigest() == kept["rows"]
        assert hashlib.sha256(view.read_stored().tobytes()).hexdigest() == kept["numbers"]
    assert verify(store.path).is_whole


@pytest.mark.parametrize("name", list(EXPECTED))
def test_on_a_disk(name: str, tmp_path: Path) -> None:
    """Also that of a bucket: it was copied."""
    assert_as_expected(audiospec.open_store(unpacked(name, tmp_path)), name)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_in_a_bucket(name: str, tmp_path: Path) -> None:
    """Also the one with volumes of a disk: it was copied."""
    pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
    pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")
    from audiospec.testing.buckets import bucket

    local = unpacked(name, tmp_path)
    with bucket() as home:
        folder = open_folder(home / name)
        folder.map(
            lambda entry: folder.write(entry.key, (local / entry.key).read_bytes()),
            open_folder(local).list(),
        )
        assert_as_expected(audiospec.open_store(home / name), name)
