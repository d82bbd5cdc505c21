"""Featurize audio in a bucket: the store of the same files on a disk, whatever happens to the bucket."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiospec.audio.reading import Reading
from audiospec.digests import version_bits
from audiospec.engines.local import LocalEngine
from audiospec.errors import DatasetError, StorageError
from audiospec.pipeline import file_states
from audiospec.pipeline.featurize import run
from audiospec.pipeline.repair import repair
from audiospec.pipeline.summary import Report
from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.stores.base import open_store
from audiospec.testing.audio import write_hostile
from audiospec.testing.buckets import bucket, environment, moto
from audiospec.testing.faults import FaultProxy, Request

pytest.importorskip("obstore", reason="needs obstore, the extra `cloud`")
pytest.importorskip("moto", reason="needs moto")


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with FaultProxy(moto()) as proxy:
        yield proxy


@pytest.fixture
def url(proxy: FaultProxy, music: Path) -> Iterator[Url]:
    """A bucket with the music, behind the proxy."""
    with bucket(proxy.url) as url:
        put(url, music)
        proxy.requests.clear()
        yield url / "music"


def put(url: Url, folder: Path) -> None:
    """Copy a folder into a bucket."""
    target = open_folder(url / folder.name)
    for path in folder.rglob("*"):
        if path.is_file():
            target.write(path.relative_to(folder).as_posix(), path.read_bytes())


def _run(kit: Any, data: Path | Url, store: Path, **options: Any) -> Report:
    if "engine" not in options:
        options.setdefault("workers", 0)
    return run("folder", data=data, views=[(kit.spec, kit.chunking)], store=store, **options)


def _records(store: Path) -> list[Any]:
    return [dataclasses.replace(record, modified=0) for record in open_store(store).tracks.records()]


def _require_equal(bucket: Path, disk: Path) -> None:
    """Require that two stores differ in times of modification, and in the folder of their audio, alone."""
    assert _records(bucket) == _records(disk)
    folders = [{p.relative_to(s): p for p in s.rglob("*") if p.is_file()} for s in (bucket, disk)]
    assert folders[0].keys() == folders[1].keys()
    different = {str(p) for p in folders[0] if folders[0][p].read_bytes() != folders[1][p].read_bytes()}
    # The others are the root's attributes, and the seal of the store.
    assert {name for name in different if not name.startswith("tracks/modified/")} == {
        "zarr.json",
        "tracks/id/seal.copy",
        "tracks/id/seal.json",
    }


@pytest.mark.parametrize("engine", [None, 2])
def test_the_store_is_that_of_a_disk(
    kit: Any, music: Path, url: Url, proxy: FaultProxy, tmp_path: Path, engine: int | None
) -> None:
    options = {} if engine is None else {"engine": LocalEngine(engine)}
    _run(kit, music, tmp_path / "disk.zarr")
    report = _run(kit, url, tmp_path / "s.zarr", **options)
    assert report.problems == {}
    _require_equal(tmp_path / "s.zarr", tmp_path / "disk.zarr")
    store = open_store(tmp_path / "s.zarr")
    assert store.root == url
    versions = {entry.key: version_bits(entry.version) for entry in open_folder(url).list()}
    assert {record.path: record.modified for record in store.tracks.records()} == versions
    assert (report.views[0].read() == kit.truth(report.views[0], music)).all()


def test_each_object_is_listed_probed_and_fetched(
    kit: Any, url: Url, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Small objects are a request for the probe, and one for their sound; none is asked for by itself."""
    _run(kit, url, tmp_path / "s.zarr")
    methods = Counter((request.method, bool(request.key)) for request in proxy.requests)
    assert methods == {("GET", False): 2, ("GET", True): 2 * 12}
    proxy.requests.clear()
    report = _run(kit, url, tmp_path / "s.zarr")
    assert Counter((request.method, bool(request.key)) for request in proxy.requests) == {("GET", False): 2}
    assert len(report.views[0]) == 36


def test_objects_are_looked_for_one_by_one_in_a_bucket_of_many_others(
    kit: Any, url: Url, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiospec.storage.listing.MORE_OTHERS", -22)
    state = file_states.file_states(url, ["ant/000.flac", "cat/003.flac", "cat/009.flac"] * 4)
    assert state("cat/003.flac").size > 0
    with pytest.raises(FileNotFoundError):
        state("cat/009.flac")
    assert Counter(request.method for request in proxy.requests)["HEAD"] > 0


def test_adding_changing_and_removing_objects(
    kit: Any, music: Path, url: Url, proxy: FaultProxy, tmp_path: Path
) -> None:
    _run(kit, url, tmp_path / "s.zarr")
    _run(kit, music, tmp_path / "disk.zarr")
    kit.write_track(music, "bee", 2, seconds=2.7)
    kit.write_track(music, "dog", 0)
    (music / "ant" / "001.flac").unlink()
    open_folder(url).remove(["ant/001.flac"])
    put(url.parent, music)
    proxy.requests.clear()
    report = _run(kit, url, tmp_path / "s.zarr")
    assert list(report.problems) == ["ant/001.flac"]
    got = {request.key.removeprefix("music/") for request in proxy.requests if request.key}
    assert got == {"bee/002.flac", "dog/000.flac"}
    _run(kit, music, tmp_path / "disk.zarr")
    _require_equal(tmp_path / "s.zarr", tmp_path / "disk.zarr")


def test_an_object_written_again_with_the_same_sound_is_not_decoded_again(
    kit: Any, music: Path, url: Url, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version may differ, as that of an upload in parts does."""
    _run(kit, url, tmp_path / "s.zarr")
    before = open_store(tmp_path / "s.zarr").views()[0].rows.tobytes()
    original = file_states.version_bits
    monkeypatch.setattr(file_states, "version_bits", lambda version: original(version) ^ 1)
    report = _run(kit, url, tmp_path / "s.zarr", dry_run=True)
    assert report.planned[0].missing_shards == 0
    report = _run(kit, url, tmp_path / "s.zarr")
    assert report.views[0].rows.tobytes() == before


class Meanwhile:
    """Does something to the bucket before an object is first fetched for its sound."""

    def __init__(self, proxy: FaultProxy, key: str, change: Callable[[], None]) -> None:
        self.key, self.change, self.seen = key, change, 0
        proxy.decide = self.decide

    def decide(self, request: Request) -> None:
        if request.method == "GET" and request.key == self.key:
            self.seen += 1
            if self.seen == 2:  # the first is the probe's
                self.change()


def test_an_object_replaced_after_the_survey_is_told_and_used_by_the_next_run(
    kit: Any, music: Path, url: Url, proxy: FaultProxy, tmp_path: Path
) -> None:
    other = kit.write_track(tmp_path / "other", "bee", 2, seconds=2.7).read_bytes()

    def replace() -> None:
        open_folder(url).write("bee/002.flac", other)

    Meanwhile(proxy, "music/bee/002.flac", replace)
    report = _run(kit, url, tmp_path / "s.zarr")
    assert report.problems == {
        "bee/002.flac": "changed while it was read: featurize again once nothing is writing to it"
    }
    assert len(report.views[0]) == 33
    (music / "bee" / "002.flac").write_bytes(other)
    _run(kit, url, tmp_path / "s.zarr")
    _run(kit, music, tmp_path / "disk.zarr")
    _require_equal(tmp_path / "s.zarr", tmp_path / "disk.zarr")


def test_an_object_removed_after_the_survey_is_told(
    kit: Any, url: Url, proxy: FaultProxy, tmp_path: Path
) -> None:
    Meanwhile(proxy, "music/bee/002.flac", lambda: open_folder(url).remove(["bee/002.flac"]))
    report = _run(kit, url, tmp_path / "s.zarr")
    assert report.problems == {"bee/002.flac": "not readable: No such file or directory"}
    assert len(report.views[0]) == 33


def test_half_of_all_requests_fail(kit: Any, music: Path, url: Url, tmp_path: Path) -> None:
    with FaultProxy(moto(), rate=0.5, kinds=["500", "503", "reset", "cut"], seed=1) as broken:
        with environment(broken.url):
            report = _run(kit, url, tmp_path / "s.zarr")
        assert len(broken.faults) > 10
    assert report.problems == {}
    _run(kit, music, tmp_path / "disk.zarr")
    _require_equal(tmp_path / "s.zarr", tmp_path / "disk.zarr")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("after", [1, 20])
def test_a_bucket_that_fails_ends_the_run_and_costs_nothing(
    kit: Any, music: Path, url: Url, proxy: FaultProxy, tmp_path: Path, workers: int, after: int
) -> None:
    """It is no problem of any track, whether it fails during the survey or while sound is fetched."""
    proxy.decide = lambda request: "503" if request.number >= after else None
    with environment(proxy.url, AUDIOSPEC_PATIENCE="0.3"), pytest.raises(StorageError):
        _run(kit, url, tmp_path / "s.zarr", workers=workers)
    assert not (tmp_path / "s.zarr").exists()
    proxy.decide = None
    report = _run(kit, url, tmp_path / "s.zarr")
    assert report.problems == {}
    _run(kit, music, tmp_path / "disk.zarr")
    _require_equal(tmp_path / "s.zarr", tmp_path / "disk.zarr")


def test_files_that_cannot_be_used_have_the_problems_that_they_have_on_a_disk(
    kit: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    write_hostile(tmp_path / "music" / "x")
    with bucket() as url:
        put(url, tmp_path / "music")
        for name, reading in (("strict", Reading()), ("keep", Reading(truncated="keep", keep_silent=True))):
            options = {"reading": reading, "engine": LocalEngine(1)}
            disk = _run(kit, tmp_path / "music", tmp_path / f"{name}-disk.zarr", **options)
            found = _run(kit, url / "music", tmp_path / f"{name}.zarr", **options)
            assert found.problems == disk.problems
            assert found.notes == disk.notes
            _require_equal(tmp_path / f"{name}.zarr", tmp_path / f"{name}-disk.zarr")


def test_waiting_for_the_network_is_no_time_of_a_decoder(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiospec.audio.guard.STEP_SECONDS", 0.5)
    monkeypatch.setattr("audiospec.audio.guard.DECODER_RATE", 1e12)
    for number in range(2):
        kit.write_track(tmp_path / "music", "ant", number)
    with FaultProxy(moto(), latency=0.6) as slow, bucket(slow.url) as url:
        put(url, tmp_path / "music")
        report = _run(kit, url / "music", tmp_path / "s.zarr")
    assert report.problems == {}
    assert len(report.views[0]) == 6


class Plain(SimpleHTTPRequestHandler):
    """A web server that knows neither ranges nor versions, and cannot list."""

    def log_message(self, *_: object) -> None:
        pass

    def list_directory(self, path: object) -> None:
        self.send_error(403)

    def copyfile(self, *files: Any) -> None:
        with contextlib.suppress(ConnectionError):  # whoever wanted a part has heard enough
            super().copyfile(*files)


def test_audio_of_a_web_server(
    kit: Any, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = functools.partial(Plain, directory=str(music))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        names = sorted(path.relative_to(music).as_posix() for path in music.rglob("*.flac"))
        for root in (url, str(music)):
            rows = "".join(f"{root}/{name},{name},x\n" for name in [*names, "gone.flac"])
            (tmp_path / "t.csv").write_text(f"path,id,label\n{rows}")
            report = run(
                "csv",
                data=tmp_path / "t.csv",
                views=[(kit.spec, kit.chunking)],
                store=tmp_path / f"{len(root)}.zarr",
                workers=0,
            )
            assert report.problems == {"gone.flac": "not readable: No such file or directory"}
        server.shutdown()
    web, disk = (open_store(tmp_path / f"{len(root)}.zarr").views()[0] for root in (url, str(music)))
    assert str(web.store.root) == url
    assert web.read().tobytes() == disk.read().tobytes()


def test_damaged_rows_are_computed_again_from_the_bucket(
    kit: Any, url: Url, proxy: FaultProxy, tmp_path: Path
) -> None:
    path = tmp_path / "s.zarr"
    view = _run(kit, url, path).views[0]
    before = view.read()
    files = sorted((path / "views" / view.name / "data" / "c").rglob("*"))
    shard = next(file for file in files if file.is_file() and file.stat().st_size > 1500)
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(bytes(content))
    view = open_store(path).views()[0]
    rows = view.damaged().tolist()
    assert len(rows) == 1
    repair(open_store(path), {view.name: rows}, workers=0)
    view = open_store(path).views()[0]
    assert len(view.damaged()) == 0
    assert np.array_equal(view.read(), before)
    open_folder(url).write("ant/000.flac", b"another")
    shard.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match=rf"cannot repair: {url}/ant/000\.flac has changed"):
        repair(open_store(path), {view.name: rows}, workers=0)


def test_a_run_of_nothing_to_do_starts_no_worker(kit: Any, music: Path, url: Url, tmp_path: Path) -> None:
    class NoWorkers(LocalEngine):
        def _worker(self, *_: Any) -> Any:
            raise AssertionError("a worker was started")

    for name, data in (("disk", music), ("bucket", url)):
        _run(kit, data, tmp_path / f"{name}.zarr")
        report = _run(kit, data, tmp_path / f"{name}.zarr", engine=NoWorkers(2))
        assert len(report.views[0]) == 36


def test_no_request_is_made_for_a_disk(kit: Any, music: Path, tmp_path: Path) -> None:
    """Nor is obstore loaded."""
    script = f"""
import sys
import audiospec
from audiospec.pipeline.featurize import run
spec = audiospec.MelSpec(sample_rate=8000, n_fft=256, n_mels=16, fmax=4000)
views = [(spec, audiospec.Chunking(seconds=0.5))]
run("folder", data={str(music)!r}, views=views, store={str(tmp_path / "s.zarr")!r}, workers=0)
assert "obstore" not in sys.modules and "audiospec.storage.objects" not in sys.modules
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environ)
