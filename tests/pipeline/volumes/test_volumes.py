"""A store with more audio than fits one volume is divided into volumes, and read as one store."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiospec
from audiospec.errors import StoreError
from audiospec.find import find_view
from audiospec.pipeline.summary import Report
from audiospec.pipeline.verify import verify
from audiospec.storage.disk import DiskFolder
from audiospec.stores.base import open_store
from audiospec.stores.layout.lock import work_folder
from audiospec.stores.volumes import view as volumes_view
from audiospec.stores.volumes.store import VolumeStore

#: Hours of a volume that holds three tracks of 1.6 s.
HOURS = 5 / 3600


def _run(kit: Any, music: Path, store: Path, **options: Any) -> Report:
    views = options.pop("views", [(kit.spec, kit.chunking)])
    return audiospec.run("folder", data=music, views=views, store=store, workers=0, **options)


def _opened(store: Path) -> VolumeStore:
    opened = open_store(store)
    assert isinstance(opened, VolumeStore)
    return opened


def _stamps(store: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Return the identity of every file of each volume."""
    return {
        volume.name: {
            str(file.relative_to(volume)): (file.stat().st_ino, file.stat().st_mtime_ns)
            for file in volume.rglob("*")
            if file.is_file()
        }
        for volume in sorted((store / "volumes").iterdir())
        if volume.is_dir()
    }


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


@pytest.fixture
def one(kit: Any, music: Path, tmp_path: Path) -> Path:
    """An ordinary store of the music."""
    _run(kit, music, tmp_path / "one.zarr")
    return tmp_path / "one.zarr"


@pytest.fixture
def many(kit: Any, music: Path, tmp_path: Path) -> Path:
    """A store of the music in four volumes."""
    _run(kit, music, tmp_path / "many.zarr", volume_hours=HOURS)
    return tmp_path / "many.zarr"


def test_volumes_are_read_as_one_store(kit: Any, one: Path, many: Path) -> None:
    store, expected = _opened(many), open_store(one)
    assert store.volumes == ("00000", "00001", "00002", "00003")
    assert not work_folder(many).exists()
    assert store.view_names() == expected.view_names()
    assert list(store.tracks.records()) == list(expected.tracks.records())
    assert store.root == expected.root
    assert store.bytes_on_disk() > expected.bytes_on_disk()
    view, whole = store.view("mel"), expected.view("mel")
    assert (len(view), view.shape, view.name) == (len(whole), whole.shape, whole.name)
    assert view.info.spec == whole.info.spec
    assert view.read().tobytes() == whole.read().tobytes()
    assert view.rows.tobytes() == whole.rows.tobytes()
    for name in ("ids", "labels", "groups", "folds", "clusters", "hashes"):
        assert getattr(view, name).tolist() == getattr(whole, name).tolist()
    assert view.classes == whole.classes
    rows = [35, 0, -1, 17, 17, 8, 9]
    assert view.read(rows).tobytes() == whole.read(rows).tobytes()
    assert view.read(9).tobytes() == whole.read(9).tobytes()
    for track in ("bee/001.flac", "cat/003.flac"):
        assert view.rows_of(track).tolist() == whole.rows_of(track).tolist()
    with pytest.raises(StoreError, match="3 tracks are called"):
        view.rows_of("003.flac")
    assert view.bytes_on_disk() == whole.bytes_on_disk()
    assert view.damaged().tolist() == view.stale() == []
    assert view.skipped() == {}
    assert find_view(store, chunk=0.5, what="spectrogram").name == view.name


def test_each_volume_is_an_ordinary_store(many: Path) -> None:
    import zarr

    volume = open_store(many / "volumes" / "00001")
    assert volume.tracks["id"].tolist() == ["ant/003.flac", "bee/000.flac", "bee/001.flac"]
    assert verify(volume.path).is_whole
    root = zarr.open_group(many, mode="r")
    rows = root[f"volumes/00001/views/{volume.view_names()[0]}/data"]
    assert rows[:].tobytes() == volume.view().read_stored().tobytes()
    assert sorted(name for name, _ in root["volumes"].groups()) == ["00000", "00001", "00002", "00003"]


def test_xarray_opens_the_root_and_a_volume(many: Path) -> None:
    xarray = pytest.importorskip("xarray")

    name = open_store(many).view_names()[0]
    with xarray.open_zarr(many / "volumes/00002", group=f"views/{name}") as dataset:
        assert dataset["data"].shape[0] == 9
    with xarray.open_zarr(many, consolidated=False) as root:
        assert root.attrs["volumes"] == ["00000", "00001", "00002", "00003"]


def test_a_view_can_be_pickled_and_loaded_by_torch(many: Path, one: Path) -> None:
    from torch.utils.data import DataLoader

    view = open_store(many).view()
    again = pickle.loads(pickle.dumps(view))
    assert again.read().tobytes() == view.read().tobytes()
    batches = list(DataLoader(view.torch_dataset(), batch_size=7, num_workers=2))
    rows = np.concatenate([features.numpy() for features, _ in batches])
    assert rows.tobytes() == open_store(one).view().read().astype(np.float32).tobytes()


def test_a_stream_gives_each_row_once(many: Path) -> None:
    view = open_store(many).view()
    rows = sorted(features.numpy().tobytes() for features, _ in view.stream(seed=3, buffer=2))
    assert rows == sorted(row.tobytes() for row in view.read().astype(np.float32))


def test_nothing_is_computed_twice(kit: Any, music: Path, many: Path) -> None:
    before = _stamps(many)
    report = _run(kit, music, many)  # the limit is that of the store
    assert report.planned[0].missing_shards == 0
    assert (report.planned[0].rows, report.tracks, report.volumes) == (36, 12, 4)
    assert _stamps(many) == before


def test_new_tracks_fill_the_last_volume_and_then_open_another(kit: Any, music: Path, many: Path) -> None:
    shutil.rmtree(music / "cat")  # two volumes and two tracks of the third stay
    before = _stamps(many)
    for label in ("aaa", "zoo"):
        for number in range(2):
            kit.write_track(music, label, number)
    _run(kit, music, many)
    store = _opened(many)
    ids = {name: store.volume(name).tracks["id"].tolist() for name in store.volumes}
    assert ids["00003"] == ["cat/001.flac", "cat/002.flac", "cat/003.flac"]
    assert ids["00004"] == ["aaa/000.flac", "aaa/001.flac", "zoo/000.flac"]
    assert ids["00005"] == ["zoo/001.flac"]
    assert _changed(before, _stamps(many)) == ["00002", "00003", "00004", "00005"]  # tracks were removed
    view = store.view()
    assert len(view) == 48
    before = _stamps(many)
    kit.write_track(music, "ant", 0, seconds=1.1)
    _run(kit, music, many)
    assert _changed(before, _stamps(many)) == ["00000"]
    before = _stamps(many)
    kit.write_track(music, "zoo", 2)
    _run(kit, music, many)
    assert _changed(before, _stamps(many)) == ["00005"]


def test_an_ordinary_store_that_grows_becomes_the_first_volume(
    kit: Any, music: Path, one: Path, many: Path
) -> None:
    opened = open_store(one).view()
    rows = opened.read().tobytes()
    shards = {file.stat().st_ino for file in (one / "views").rglob("data/c/*/*/*")}
    pickled = pickle.dumps(opened)
    report = _run(kit, music, one, volume_hours=HOURS)
    assert (report.volumes, report.planned[0].missing_shards) == (0, 0)  # no new track: it stays as it is
    assert (one / "tracks").exists()
    kit.write_track(music, "dog", 0)
    report = _run(kit, music, one, volume_hours=HOURS)
    store = _opened(one)
    assert store.volumes == ("00000", "00001")
    assert store.volume("00001").tracks["id"].tolist() == ["dog/000.flac"]
    assert report.planned[0].missing_shards == 1
    assert not (one / "tracks").exists()
    assert not (one / "views").exists()
    assert {file.stat().st_ino for file in (one / "volumes/00000/views").rglob("data/c/*/*/*")} == shards
    assert store.view().read(slice(0, 36)).tobytes() == rows
    assert verify(one).is_whole
    with pytest.raises(StoreError, match="replaced"):
        pickle.loads(pickled)


def test_a_view_that_some_volumes_lack_is_not_finished(
    kit: Any, music: Path, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audiospec.pipeline.builder import ViewBuilder

    publish, published = ViewBuilder.publish, []

    def die(builder: ViewBuilder) -> Any:
        if len(published) == 2:
            raise KeyboardInterrupt
        published.append(builder)
        return publish(builder)

    monkeypatch.setattr(ViewBuilder, "publish", die)
    short = audiospec.Chunking(seconds=0.25)
    with pytest.raises(KeyboardInterrupt):
        _run(kit, music, many, views=[(kit.spec, short)])
    monkeypatch.undo()
    store = _opened(many)
    assert [view.chunking.seconds for view in store.views()] == [0.5]
    assert list(store.lacking().values()) == [2]
    _run(kit, music, many, views=[(kit.spec, short)])
    assert len(open_store(many).views()) == 2
    assert _opened(many).lacking() == {}


def test_a_volume_that_was_removed_is_computed_again_elsewhere(kit: Any, music: Path, many: Path) -> None:
    rows = open_store(many).view().read()
    shutil.rmtree(many / "volumes" / "00001")
    before = _stamps(many)
    _run(kit, music, many)
    store = _opened(many)
    assert [len(store.volume(name).tracks) for name in store.volumes] == [3, 0, 3, 3, 3]
    assert _changed(before, _stamps(many)) == ["00001", "00004"]
    assert store.view().read().tobytes() == np.concatenate([rows[:9], rows[18:], rows[9:18]]).tobytes()
    assert verify(many).is_whole


def test_finished_volumes_are_found_without_the_work_folder(
    kit: Any, music: Path, many: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s.zarr"
    _run(kit, music, store, volume_hours=HOURS, part=(1, 2))
    shutil.rmtree(work_folder(store))
    before = _stamps(store)
    assert sorted(before) == ["00001", "00003"]
    _run(kit, music, store, volume_hours=HOURS)
    assert _changed(before, _stamps(store)) == ["00000", "00002"]
    assert _contents(store) == _contents(many)


def test_few_files_stay_open(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes_view, "MAX_OPEN_FILES", 4)
    before = len(os.listdir("/proc/self/fd"))
    view = open_store(many).view()
    rows = view.read()
    assert [view.read(row).tobytes() for row in range(36)] == [row.tobytes() for row in rows]
    assert len(os.listdir("/proc/self/fd")) - before <= 4
    monkeypatch.setattr(volumes_view, "MOST_VIEWS", 2)
    assert view.read([0, 35, 10, 20]).tobytes() == rows[[0, 35, 10, 20]].tobytes()


def test_a_dry_run_over_volumes_writes_nothing(kit: Any, music: Path, many: Path, tmp_path: Path) -> None:
    report = _run(kit, music, tmp_path / "new.zarr", volume_hours=HOURS, dry_run=True)
    assert (report.volumes, report.tracks) == (4, 12)
    assert (report.planned[0].rows, report.planned[0].missing_shards) == (36, 12)
    assert report.views == []
    assert not (tmp_path / "new.zarr").exists()
    assert not work_folder(tmp_path / "new.zarr").exists()
    before = _stamps(many)
    kit.write_track(music, "dog", 0)
    report = _run(kit, music, many, dry_run=True)
    assert (report.volumes, report.planned[0].missing_shards) == (5, 1)
    assert _stamps(many) == before
    assert not work_folder(many).exists()
    one = tmp_path / "one.zarr"
    _run(kit, music, one)
    kit.write_track(music, "dog", 1)
    assert _run(kit, music, one, dry_run=True, volume_hours=HOURS).planned[0].missing_shards == 1
    assert (one / "tracks").exists()
    assert not (one / "volumes").exists()


def test_a_volume_without_a_usable_track_has_views_without_rows(kit: Any, tmp_path: Path) -> None:
    music = tmp_path / "music"
    for number in range(3):
        kit.write_track(music, "ant", number)
        kit.write_track(music, "bee", number, seconds=0.1)  # too short for a chunk
        kit.write_track(music, "cat", number)
    for number in range(60):
        kit.write_track(music, "bee", 10 + number, seconds=0.1)
    store = tmp_path / "s.zarr"
    report = _run(kit, music, store, volume_hours=5 / 3600)
    opened = _opened(store)
    assert [len(opened.volume(name).view()) for name in opened.volumes] == [9, 0, 6, 3]
    assert len(report.skipped[opened.view().name]) == 63
    assert len(opened.view()) == 18
    assert opened.view().read().shape[0] == 18
    assert verify(store).is_whole
    assert _run(kit, music, store).planned[0].missing_shards == 0


class _Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def _killed_after(monkeypatch: pytest.MonkeyPatch, operations: int) -> list[int]:
    """Let a run die after changes of files by folders; return how many are left, while it runs."""
    left = [operations]

    def dying(method: Any) -> Any:
        def call(self: DiskFolder, *arguments: Any, **options: Any) -> Any:
            if not left[0]:
                raise _Killed
            left[0] -= 1
            return method(self, *arguments, **options)

        return call

    for name in ("copy", "write", "remove", "clear"):
        monkeypatch.setattr(DiskFolder, name, dying(getattr(DiskFolder, name)))
    return left


def test_a_store_whose_growth_is_killed_is_the_old_or_the_new(
    kit: Any, music: Path, one: Path, tmp_path: Path
) -> None:
    """Readers see all old rows, and the next run makes what an undisturbed one makes."""
    rows = open_store(one).view().read().tobytes()
    for number in range(2):
        kit.write_track(music, "dog", number)
    shutil.copytree(one, tmp_path / "undisturbed.zarr")
    with pytest.MonkeyPatch.context() as patch:
        left = _killed_after(patch, 1000)
        _run(kit, music, tmp_path / "undisturbed.zarr", volume_hours=HOURS)
    total = 1000 - left[0]
    expected = _contents(tmp_path / "undisturbed.zarr")
    for operations in (0, 1, total // 2, *range(total - 17, total)):
        store = tmp_path / f"{operations}.zarr"
        shutil.copytree(one, store)
        with pytest.MonkeyPatch.context() as patch:
            _killed_after(patch, operations)
            with pytest.raises(_Killed):
                _run(kit, music, store, volume_hours=HOURS)
        opened = open_store(store)
        assert opened.view().read(slice(0, 36)).tobytes() == rows
        assert len(opened.view()) in (36, 42)
        _run(kit, music, store, volume_hours=HOURS)
        assert _contents(store) == expected
        assert not work_folder(store).exists()


def _contents(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in store.rglob("*") if file.is_file()}
