"""The command line with audio in a bucket: the same output, the same store and the same predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiospec.storage.location import Url
from audiospec.storage.opening import open_folder
from audiospec.stores.base import open_store
from audiospec.testing.buckets import bucket

pytest.importorskip("obstore", reason="needs obstore, the extra `cloud`")
pytest.importorskip("moto", reason="needs moto")


@pytest.fixture(scope="module")
def url(music: Path) -> Iterator[Url]:
    with bucket() as url:
        folder = open_folder(url)
        for path in music.rglob("*.wav"):
            folder.write(f"music/{path.relative_to(music).as_posix()}", path.read_bytes())
        folder.write("music/table.csv", b"path,label\nloud/song1.wav,loud\nquiet/song0.wav,quiet\n")
        yield url / "music"


def test_featurize_a_folder_and_a_table(store: Path, url: Url, call, tmp_path: Path) -> None:
    chunks = ("--chunk", 2, "--chunk", 1, "--hop", 1, "--workers", 0)
    done = call("featurize", "folder", "--data", url, "--store", tmp_path / "f.zarr", *chunks)
    assert (done.status, done.err) == (0, "")
    found, expected = open_store(tmp_path / "f.zarr"), open_store(store)
    for view, same in zip(found.views(), expected.views(), strict=True):
        assert view.read().tobytes() == same.read().tobytes()
    done = call("featurize", "csv", "--data", url / "table.csv", "--store", tmp_path / "c.zarr", *chunks)
    assert done.status == 0
    assert [record.id for record in open_store(tmp_path / "c.zarr").tracks.records()] == [
        "loud/song1.wav",
        "quiet/song0.wav",
    ]
    done = call("store", "info", tmp_path / "f.zarr")
    assert f"  audio     {url}" in done.out
    done = call("store", "info", tmp_path / "f.zarr", "--json")
    assert json.loads(done.out.splitlines()[0])["root"] == str(url)


def test_errors_name_the_place(url: Url, call, tmp_path: Path) -> None:
    for data, words in (
        (url / "nowhere", f"{url}/nowhere"),
        ("s3://", "names no bucket"),
        ("ftp://x/y", "cannot use 'ftp://x/y'"),
    ):
        done = call("featurize", "folder", "--data", data, "--store", tmp_path / "x.zarr", "--workers", 0)
        assert done.status == 2
        assert words in done.err
        assert done.err.count("\n") == 1
    assert not (tmp_path / "x.zarr").exists()


@pytest.mark.long
def test_predict(music: Path, url: Url, run, call, tmp_path: Path) -> None:
    features = ("--features", "tabular", "--families", "rms,mfcc", "--chunk", 1, "--workers", 0)
    done = run("featurize", "folder", "--data", music, *features, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("train", "lr", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = (e["path"] for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "run")

    def predictions(*files: object) -> dict[str, object]:
        done = call("predict", tmp_path / path, *files, "--json")
        assert done.status == 0, done.err
        events = [json.loads(line) for line in done.out.splitlines()]
        return {
            event["file"].rpartition("/")[2]: (event["classes"], event["chunks"])
            for event in events
            if event["event"] == "prediction"
        }

    assert predictions(url / "loud/song1.wav") == predictions(music / "loud" / "song1.wav")
    assert predictions(url) == predictions(music)
    done = call("predict", tmp_path / path, "--truth", url / "table.csv", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events] == ["prediction", "prediction", "score"]
    assert events[2]["count"] == 2
    assert events[2]["leaks"], "both were trained on, by their content"
    done = call("predict", tmp_path / path, url / "loud/gone.wav")
    assert done.status == 1
    assert "not readable: No such file or directory" in done.out
