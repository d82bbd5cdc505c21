"""Featurize into a bucket: the same rows as on a disk, whatever breaks, and nothing is computed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="buckets need obstore: pip install 'audiospec[cloud]'")
pytest.importorskip("moto", reason="buckets need moto: pip install 'moto[server]'")

import audiospec
from audiospec.annotations.annotation import Annotation
from audiospec.datasets.folder import Folder
from audiospec.errors import StorageError, StoreBusyError
from audiospec.pipeline.featurize import run
from audiospec.pipeline.staging import Commit, StagedRow, Staging
from audiospec.pipeline.verify import verify
from audiospec.storage import lease
from audiospec.storage.location import Location, Url
from audiospec.storage.opening import open_folder
from audiospec.stores.layout.lock import locked, work_folder
from audiospec.testing.buckets import environment, moto
from audiospec.testing.faults import FaultProxy, Request
from audiospec.testing.stores.content import Content, one_line

#: A run as a program. Its lease expires soon after it was killed.
SCRIPT = """
import sys
import audiospec
from audiospec.storage import lease
lease.RENEW, lease.EXPIRE = 0.3, 1.5
spec = audiospec.MelSpec(sample_rate=8000, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
chunking = audiospec.Chunking(seconds=0.5)
data, store = sys.argv[1:]
view = audiospec.featurize("folder", data=data, spec=spec, chunk=chunking, store=store, workers=2)
print(len(view))
"""


@pytest.fixture
def path(home: Url, request: pytest.FixtureRequest) -> Url:
    return home / f"{request.node.name}.zarr"


def featurize(kit: Any, music: Path, store: Location, **options: Any) -> audiospec.View:
    options = {"spec": kit.spec, "workers": 0, **options}
    return audiospec.featurize("folder", data=music, chunk=kit.chunking, store=store, **options)


def test_a_bucket_gets_what_a_disk_gets(kit: Any, music: Path, path: Url, tmp_path: Path) -> None:
    """Every view, with the same rows and tables; and then nothing is left in the work folder."""
    specs = [kit.spec, replace(kit.spec, dtype="uint8")]
    for spec in specs:
        featurize(kit, music, path, spec=spec)
        featurize(kit, music, tmp_path / "s.zarr", spec=spec)
    stores = audiospec.open_store(path), audiospec.open_store(tmp_path / "s.zarr")
    assert kit.contents(stores[0]) == kit.contents(stores[1])
    assert verify(path).is_whole
    assert [entry.key for entry in open_folder(work_folder(path)).list()] == []


def test_annotations_and_targets_are_those_of_a_disk(
    kit: Any, music: Path, path: Url, tmp_path: Path
) -> None:
    plain = Folder(music).manifest()
    event = Annotation(start=0.6, end=1.1, label="call")
    tracks = tuple(replace(track, label="", annotations=(event,)) for track in plain)
    manifest = replace(plain, tracks=tracks)
    for store in (path, tmp_path / "s.zarr"):
        run(manifest, views=[(kit.spec, kit.chunking)], store=store, workers=0)
    stores = audiospec.open_store(path), audiospec.open_store(tmp_path / "s.zarr")
    assert kit.contents(stores[0]) == kit.contents(stores[1])
    one, other = (store.view("mel").targets for store in stores)
    assert one is not None
    assert other is not None
    assert one.share.tolist() == other.share.tolist() == pytest.approx([0.8] * len(tracks))
    changed = replace(manifest, tracks=tuple(replace(track, annotations=()) for track in tracks[1:]))
    changed = replace(changed, tracks=(tracks[0], *changed.tracks))
    report = run(changed, views=[(kit.spec, kit.chunking)], store=path, workers=0)
    assert report.views[0].ids.tolist() == [tracks[0].id]
    assert verify(path).is_whole


def test_a_second_run_computes_nothing(kit: Any, music: Path, path: Url) -> None:
    version = featurize(kit, music, path).store.version  # type: ignore[attr-defined]
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        view = featurize(kit, music, path)
    assert view.store.version == version  # type: ignore[attr-defined]
    writes = [request.key for request in proxy.requests if request.method == "PUT"]
    assert [key for key in writes if ".work/lease" not in key] == []


def test_tracks_are_added_changed_and_removed(kit: Any, music: Path, path: Url, tmp_path: Path) -> None:
    """As on a disk; the shards that stay are copied within the bucket."""
    stores: list[Location] = [path, tmp_path / "s.zarr"]
    for store in stores:
        featurize(kit, music, store)
    kit.write_track(music, "dog", 1)
    kit.write_track(music, "ant", 2, seconds=2.4)
    (music / "bee/001.flac").unlink()
    views = [featurize(kit, music, store) for store in stores]
    assert kit.contents(views[0].store) == kit.contents(views[1].store)
    assert verify(path).is_whole


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 9))])
def test_half_of_all_requests_fail_and_nothing_is_lost(
    kit: Any, music: Path, path: Url, tmp_path: Path, seed: int
) -> None:
    with FaultProxy(moto(), rate=0.5, seed=seed) as proxy, environment(proxy.url):
        view = featurize(kit, music, path)
        rows = view.read()
        assert verify(path).is_whole
    assert len(proxy.faults) > len(proxy.requests) / 4
    expected = featurize(kit, music, tmp_path / "s.zarr")
    assert rows.tobytes() == expected.read().tobytes()
    assert kit.contents(audiospec.open_store(path)) == kit.contents(expected.store)


def killed(kit: Any, music: Path, path: Url, tmp_path: Path, share: float) -> None:
    """Kill a run, and all its workers, at one of its requests; the next run finishes it."""
    count = 0
    command = [sys.executable, "-c", SCRIPT, str(music)]
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        subprocess.run([*command, f"{path}-whole.zarr"], check=True, capture_output=True)
        count = len(proxy.requests)
    stop, process = int(count * share), None
    reached = threading.Event()

    def answered(request: Request) -> None:
        if request.number >= stop and not reached.is_set():
            reached.set()
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)  # its workers end with it

    with FaultProxy(moto(), answered=answered) as proxy, environment(proxy.url):
        process = subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.communicate(timeout=100)
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=100)
    assert done.stdout == "36\n", done.stderr
    assert verify(path).is_whole
    expected = featurize(kit, music, tmp_path / "s.zarr").store
    assert kit.contents(audiospec.open_store(path)) == kit.contents(expected)
    assert [entry.key for entry in open_folder(work_folder(path)).list()] == []


@pytest.mark.parametrize("share", [0.35, 0.9])
def test_a_killed_run_is_finished_by_the_next(
    kit: Any, music: Path, path: Url, tmp_path: Path, share: float
) -> None:
    killed(kit, music, path, tmp_path, share)


@pytest.mark.long
@pytest.mark.parametrize("share", [number / 25 for number in range(25)])
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(
    kit: Any, music: Path, path: Url, tmp_path: Path, share: float
) -> None:
    killed(kit, music, path, tmp_path, share)


def test_two_runs_at_once(kit: Any, music: Path, path: Url) -> None:
    """The second says who holds the lease."""
    with locked(path), pytest.raises(StoreBusyError) as caught:
        featurize(kit, music, path)
    one_line(caught, str(path), str(os.getpid()))


def test_a_bucket_that_stops_answering(kit: Any, music: Path, path: Url) -> None:
    """The run ends with the storage's error; what was finished is kept and used."""
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        featurize(kit, music, path.parent / "counted.zarr")

    def decide(request: Request) -> str | None:
        return "503" if request.number > 0.6 * len(proxy.requests) else None

    with (
        FaultProxy(moto(), decide=decide) as broken,
        environment(broken.url, AUDIOSPEC_PATIENCE="0.5"),
        pytest.raises(StorageError) as caught,
    ):
        featurize(kit, music, path)
    one_line(caught, str(path), "503", "run the same command again")
    staged = [entry.key for entry in open_folder(work_folder(path)).list() if entry.key.endswith(".json")]
    assert staged
    open_folder(work_folder(path)).remove([lease.LEASE])
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        featurize(kit, music, path)
    written = [request.key for request in proxy.requests if request.method == "PUT"]
    assert not {f"{work_folder(path).key}/{key}" for key in staged} & set(written)


# --- staged shards ----------------------------------------------------------------------------------


def staged(work: Location, content: Content) -> tuple[Staging, Commit]:
    rows = [StagedRow("t", n, 80, 1, int(row["checksum"])) for n, row in enumerate(content.rows)]
    return Staging(work, content.info.name), Commit(rows, [], len(rows), "fft", 0.5)


@pytest.mark.parametrize("order", ["one after the other", "mixed"])
@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_two_kinds_of_processor_never_mix_their_bytes(
    path: Url, tmp_path: Path, kind: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both compute one shard with other last bits: whichever commit stays is of the rows that it names."""
    work = tmp_path if kind == "disk" else path
    contents = [Content.make(4, seed=seed) for seed in (0, 1)]
    (first, one), (second, other) = (staged(work, content) for content in contents)
    if order == "mixed":  # the second writes both of its files between the two of the first
        write = type(first.folder).write

        def interrupted(folder: Any, key: str, *parts: Any, only: str | None = None) -> str:
            if key == "d.json" and folder is first.folder:
                monkeypatch.undo()
                second.put("d", contents[1].data, other)
            return str(write(folder, key, *parts, only=only))

        monkeypatch.setattr(type(first.folder), "write", interrupted)
        first.put("d", contents[0].data, one)
    else:
        first.put("d", contents[0].data, one)
        second.put("d", contents[1].data, other)
    commit = Staging(work, contents[0].info.name).commits()["d"]
    rows = first.read(commit.file("d"), contents[0].info.row_dtype, commit.capacity)
    match = contents[0] if order == "mixed" else contents[1]
    assert [row.checksum for row in commit.rows] == match.rows["checksum"].tolist()
    assert rows[:].tobytes() == match.data.tobytes()


def test_commits_are_read_once(path: Url) -> None:
    content = Content.make(4)
    staging, commit = staged(path, content)
    for number in range(5):
        staging.put(str(number), content.data, commit)
    with FaultProxy(moto()) as proxy, environment(proxy.url):
        fresh = Staging(path, content.info.name)
        for _ in range(4):
            assert list(fresh.commits()) == list("01234")
        fresh.drop_corrupt(content.info.row_dtype)
        with environment(moto()):
            staging.put("5", content.data, commit)
        assert list(fresh.commits()) == list("01234")  # as it was
        fresh.forget()
        assert list(fresh.commits()) == list("012345")
    reads = [request for request in proxy.requests if request.method == "GET" and not request.query]
    assert len(reads) == 6
    assert len(proxy.requests) - len(reads) == 2  # lists


def test_a_shard_of_another_size_is_dropped(path: Url) -> None:
    content = Content.make(4)
    staging, commit = staged(path, content)
    staging.put("a", content.data, commit)
    staging.put("b", content.data, commit)
    stored = staging.get("a")
    assert stored is not None
    staging.folder.write(f"{stored.file('a')}.shard", b"short")
    staging.drop_corrupt(content.info.row_dtype)
    assert list(staging.commits()) == ["b"]


def test_a_late_worker_does_no_harm(kit: Any, music: Path, path: Url) -> None:
    """It commits a shard after the run has ended: the next run uses it or clears it."""
    view = featurize(kit, music, path)
    late, commit = staged(work_folder(path), Content.make(4))
    late.put("0" * 32, Content.make(4).data, commit)
    lost = Staging(work_folder(path), view.name)
    lost.put("1" * 32, view.read_stored([0, 1]), Commit([], [], 2, "fft", 0.0))
    again = featurize(kit, music, path)
    assert again.read().tobytes() == view.read().tobytes()
    assert lost.commits() == {}


# --- the command line -------------------------------------------------------------------------------


def test_the_commands(kit: Any, music: Path, path: Url, tmp_path: Path) -> None:
    def audiospec_command(*arguments: str) -> str:
        command = [sys.executable, "-m", "audiospec", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    base = ["featurize", "folder", "--data", str(music), "--store", str(path), "--chunk", "0.5"]
    assert str(path) in audiospec_command(*base, "--dry-run")
    assert str(path) in audiospec_command(*base, "--workers", "1")
    assert "12 tracks" in audiospec_command("store", "info", str(path))
    assert json.loads(audiospec_command("store", "verify", str(path), "--json"))["whole"] is True
    cleaned = json.loads(audiospec_command("store", "clean", str(path), "--days", "0", "--json"))
    assert cleaned["groups"] == {}
    audiospec_command("store", "export", str(path), "copy.h5")
    assert len(audiospec.open_store(tmp_path / "copy.h5").view()) == len(audiospec.open_store(path).view())
    assert not list(tmp_path.glob("s3:*"))


def test_the_command_line_says_what_cannot_be(tmp_path: Path) -> None:
    def error(*arguments: str) -> str:
        command = [sys.executable, "-m", "audiospec", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        return done.stderr

    store = ["featurize", "demo", "--data", str(tmp_path / "demo"), "--store"]
    assert "HDF5 needs a disk" in error(*store, "s3://b/x.h5")
    assert "expected a path, or a URL" in error("store", "info", "s4://b/x.zarr")
    assert "names no bucket" in error("store", "info", "s3:///x.zarr")
    assert not list(tmp_path.glob("s[34]:*"))
