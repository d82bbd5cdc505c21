"""Volumes in a bucket: divided, grown and read as on a disk."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

import audiospec
from audiospec.pipeline.verify import mend, verify
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.volumes.store import VolumeStore

#: Hours of a volume that holds three tracks of 1.6 s.
HOURS = 5 / 3600


@pytest.fixture
def path(home: Url, request: pytest.FixtureRequest) -> Url:
    return home / f"{request.node.name}.zarr"


def _run(kit: Any, music: Path, store: Url | Path, **options: Any) -> audiospec.Report:
    views = [(kit.spec, kit.chunking)]
    return audiospec.run("folder", data=music, views=views, store=store, workers=0, **options)


def _opened(store: Url) -> VolumeStore:
    opened = audiospec.open_store(store)
    assert isinstance(opened, VolumeStore)
    return opened


def _keys(place: Url) -> list[str]:
    return [entry.key for entry in open_folder(place).list()]


def test_volumes_in_a_bucket_are_those_of_a_disk(kit: Any, music: Path, path: Url, tmp_path: Path) -> None:
    for index in (1, 0):
        report = _run(kit, music, path, volume_hours=HOURS, part=(index, 2))
    assert (report.volumes, report.unfinished_volumes) == (2, 0)
    _run(kit, music, tmp_path / "s.zarr", volume_hours=HOURS)
    assert _keys(work_folder(path)) == []
    store, disk = _opened(path), audiospec.open_store(tmp_path / "s.zarr")
    assert store.volumes == ("00000", "00001", "00002", "00003")
    assert kit.contents(store) == kit.contents(disk)
    view = pickle.loads(pickle.dumps(store.view()))
    assert view.read([35, 0, 9]).tobytes() == disk.view().read([35, 0, 9]).tobytes()
    assert verify(path).is_whole
    version = store.version
    assert _run(kit, music, path).planned[0].missing_shards == 0
    assert _opened(path).version == version


@pytest.mark.long
def test_an_ordinary_store_in_a_bucket_becomes_the_first_volume(
    kit: Any, music: Path, path: Url, tmp_path: Path
) -> None:
    reader = _run(kit, music, path).views[0]
    kit.write_track(music, "dog", 0)
    report = _run(kit, music, path, volume_hours=HOURS)
    assert report.planned[0].missing_shards == 1
    store = _opened(path)
    assert store.volumes == ("00000", "00001")
    rows = reader.read().tobytes()  # its groups are still there
    assert store.view().read(slice(0, 36)).tobytes() == rows
    assert verify(path).is_whole
    cleaned = audiospec.clean(path, days=0)
    assert all(group.split(".")[0] in ("tracks", "views/mel-0") for group in cleaned.groups)
    assert not [key for key in _keys(path) if key.startswith(("tracks.", "views/mel"))]
    assert _opened(path).view().read(slice(0, 36)).tobytes() == rows
    assert verify(path).is_whole


@pytest.mark.long
def test_the_root_in_a_bucket_is_restored_from_its_copy(kit: Any, music: Path, path: Url) -> None:
    _run(kit, music, path, volume_hours=HOURS)
    folder = open_folder(path)
    content = folder.read("zarr.json")
    folder.write("zarr.json", content.replace(b"00003", b"00001"))
    found = verify(path)
    assert "store" in {damage.part for damage in found.damage}
    assert mend(path, found)
    assert folder.read("zarr.json") == content
    assert verify(path).is_whole
