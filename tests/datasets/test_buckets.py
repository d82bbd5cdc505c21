"""Datasets whose audio, or whose table, is in a bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiospec.datasets.base import datasets, open_dataset
from audiospec.datasets.own.search import expand, find_sound
from audiospec.errors import DatasetError, StorageError
from audiospec.manifest import Manifest
from audiospec.storage.location import Url, location
from audiospec.storage.opening import open_folder
from audiospec.testing.audio import encode, noise
from audiospec.testing.buckets import bucket, moto
from audiospec.testing.faults import FaultProxy

pytest.importorskip("obstore", reason="needs obstore, the extra `cloud`")
pytest.importorskip("moto", reason="needs moto")

Put = Callable[..., Url]
SOUND = encode(noise(0.1))


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with FaultProxy(moto()) as proxy:
        yield proxy


@pytest.fixture
def url(proxy: FaultProxy) -> Iterator[Url]:
    with bucket(proxy.url) as url:
        yield url


@pytest.fixture
def put(url: Url) -> Put:
    """Put files into the bucket: names, or names and contents. Return its URL."""

    def put(*names: str, **contents: str | bytes) -> Url:
        folder = open_folder(url)
        for name in names:
            folder.write(name, SOUND)
        for name, content in contents.items():
            folder.write(name, content if isinstance(content, bytes) else content.encode())
        return url

    return put


def _tracks(manifest: Manifest) -> list[tuple[str, str, str]]:
    return [(track.path, track.label, track.fold) for track in manifest]


def test_a_folder_of_a_bucket(put: Put, proxy: FaultProxy) -> None:
    url = put("m/rock/a.wav", "m/rock/b 1.mp3", "m/jazz/c.flac", "m/.trash/rock/d.wav", "m/jazz/.x.wav")
    put("other/rock/e.wav", "m/__MACOSX/rock/a.wav", **{"m/jazz/Thumbs.db": "x", "m/notes.txt": "y"})
    proxy.requests.clear()
    manifest = open_dataset("folder", str(url / "m")).manifest()
    assert manifest.root == url / "m"
    assert _tracks(manifest) == [
        ("jazz/c.flac", "jazz", ""),
        ("rock/a.wav", "rock", ""),
        ("rock/b 1.mp3", "rock", ""),
    ]
    assert manifest.left_out == ("notes.txt",)
    assert manifest.file(manifest.tracks[0]) == url / "m" / "jazz/c.flac"
    assert [request.method for request in proxy.requests] == ["GET"], "one listing"


def test_annotations_of_a_bucket(put: Put) -> None:
    url = put("m/a.wav", "m/x/b.wav", **{"m/a.txt": "0\t1\twren\n", "m/x/b.txt": "", "m/x/c.txt": "y"})
    manifest = open_dataset("folder", str(url / "m"), {"annotations": "audacity"}).manifest()
    events = {track.path: [(one.end, one.label) for one in track.annotations] for track in manifest}
    assert events == {"a.wav": [(1.0, "wren")], "x/b.wav": []}
    assert manifest.left_out == ("x/c.txt",)


def test_a_whole_bucket_and_a_folder_without_classes(put: Put) -> None:
    url = put("songs/a.wav", "songs/b.wav")
    assert _tracks(open_dataset("folder", url).manifest()) == [
        ("songs/a.wav", "songs", ""),
        ("songs/b.wav", "songs", ""),
    ]
    assert _tracks(open_dataset("folder", url / "songs").manifest()) == [
        ("a.wav", "songs", ""),
        ("b.wav", "songs", ""),
    ]


def test_objects_without_a_suffix_are_known_by_their_first_bytes(put: Put, proxy: FaultProxy) -> None:
    url = put("x/sound", "x/copy.wav", "x/copy.wav.bak", "x/big.bin", **{"x/text": "no sound", "x/empty": ""})
    put(**{"x/big.bin": SOUND + bytes(1 << 20), "x/m.mat": b"MATLAB 5.0 MAT-file" + bytes(200)})
    proxy.requests.clear()
    found = find_sound(url)
    assert found.sound == ["x/big.bin", "x/copy.wav", "x/sound"]
    assert found.others == ["x/copy.wav.bak", "x/empty", "x/m.mat", "x/text"]
    keys = Counter(request.key for request in proxy.requests if request.key)
    assert set(keys) == {"x/big.bin", "x/empty", "x/m.mat", "x/sound", "x/text"}


def test_empty_and_missing_folders(put: Put) -> None:
    url = put(**{"x/readme.txt": "x"})
    for place, found in ((url, "1 other file"), (url / "nowhere", "no file")):
        with pytest.raises(
            DatasetError, match=rf"expects CLASS/FILE.wav .* under {place}: found no audio, {found}"
        ):
            open_dataset("folder", place).manifest()


def test_folds_lists_and_metadata_of_a_folder(put: Put) -> None:
    url = put("f/train/a/1.wav", "f/test/a/2.wav", "l/a/1.wav", "l/b/2.wav", "d/1.wav", "d/sub/2.wav")
    put(**{"l/test_list.txt": "a/1.wav\n", "d/metadata.csv": "file_name,label\n1.wav,x\nsub/2.wav,y\n"})
    assert _tracks(open_dataset("folder", url / "f").manifest()) == [
        ("test/a/2.wav", "a", "test"),
        ("train/a/1.wav", "a", "train"),
    ]
    lists = open_dataset("folder", url / "l").manifest()
    assert _tracks(lists) == [("a/1.wav", "a", "test"), ("b/2.wav", "b", "train")]
    assert lists.left_out == ()
    assert _tracks(open_dataset("folder", url / "d").manifest()) == [
        ("1.wav", "x", ""),
        ("sub/2.wav", "y", ""),
    ]
    put(**{"d/metadata.csv": "file_name,label\n../l/a/1.wav,x\n"})
    with pytest.raises(DatasetError, match=r"'\.\./l/a/1\.wav' is not under"):
        open_dataset("folder", url / "d").manifest()


def test_a_table_beside_a_folder_without_classes_is_not_ignored(put: Put) -> None:
    url = put("d/1.wav", **{"d/info.csv": "file,label\n1.wav,x\n"})
    with pytest.raises(DatasetError, match=rf"use the dataset 'csv' with `data={url}/d/info.csv`"):
        open_dataset("folder", url / "d").manifest()


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_in_a_bucket(put: Put, tmp_path: Path, suffix: str) -> None:
    rows = [("wav/a.wav", "x"), ("wav/b.wav", "y")]
    if suffix == ".parquet":
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        columns = {"path": [path for path, _ in rows], "label": [label for _, label in rows]}
        parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
        content = (tmp_path / "t.parquet").read_bytes()
    elif suffix == ".jsonl":
        content = "\n".join(f'{{"path": "{path}", "label": "{label}"}}' for path, label in rows).encode()
    else:
        separator = "\t" if suffix == ".tsv" else ","
        content = "\n".join(separator.join(row) for row in [("path", "label"), *rows]).encode()
    url = put("m/wav/a.wav", "m/wav/b.wav", **{f"m/t{suffix}": content})
    manifest = open_dataset("csv", url / f"m/t{suffix}").manifest()
    assert manifest.root == url / "m"
    assert _tracks(manifest) == [("wav/a.wav", "x", ""), ("wav/b.wav", "y", "")]
    assert [track.id for track in manifest] == ["wav/a.wav", "wav/b.wav"]


def test_paths_of_a_table_are_looked_for_as_on_a_disk(put: Put, proxy: FaultProxy) -> None:
    """Backslashes, other cases, no suffix, ``..``; and one listing for all that are written as they are."""
    names = [f"w/{number}.wav" for number in range(20)]
    url = put("m/w/Loud.WAV", "up.wav", *(f"m/{name}" for name in names))
    rows = "".join(f"{name},x\n" for name in names)
    put(
        **{
            "m/t.csv": f"path,label\n{rows}w\\loud.wav,x\nW/LOUD.wav,z\n../up.wav,y\n".replace(
                "W/LOUD.wav,z\n", ""
            )
        }
    )
    manifest = open_dataset("csv", url / "m/t.csv").manifest()
    assert manifest.root == url
    paths = {track.id: track.path for track in manifest}
    assert paths["w/loud.wav"] == "m/w/Loud.WAV"
    assert paths["../up.wav"] == "up.wav"
    put(**{"m/t.csv": f"path,label\n{rows}w/gone.wav,x\n"})
    proxy.requests.clear()
    manifest = open_dataset("csv", url / "m/t.csv").manifest()
    assert manifest.root == url / "m"
    assert "w/gone.wav" in {track.path for track in manifest}, "reading it reports it"
    assert len(proxy.requests) <= 4
    put(**{"m/t.csv": "path,label\ngone.wav,x\n"})
    with pytest.raises(DatasetError, match=rf"none of its 1 files exists.* stands for {url}/m/gone.wav"):
        open_dataset("csv", url / "m/t.csv").manifest()


def test_a_table_of_urls(put: Put, url: Url, tmp_path: Path) -> None:
    put("a/1.wav", "b/2.wav")
    table = tmp_path / "t.csv"
    table.write_text(f"path,label,group\n{url}/a/1.wav,x,g\n{url}/b/2.wav,y,h\n")
    manifest = open_dataset("csv", table).manifest()
    assert manifest.root == url
    assert _tracks(manifest) == [("a/1.wav", "x", ""), ("b/2.wav", "y", "")]
    assert [track.id for track in manifest] == [f"{url}/a/1.wav", f"{url}/b/2.wav"]
    table.write_text("path,label\n1.wav,x\n")
    manifest = open_dataset("csv", table, {"audio_root": f"{url}/a"}).manifest()
    assert (manifest.root, _tracks(manifest)) == (url / "a", [("1.wav", "x", "")])


def test_a_table_in_a_bucket_of_files_of_a_disk(put: Put, tmp_path: Path) -> None:
    (tmp_path / "1.wav").write_bytes(SOUND)
    url = put(**{"t.csv": f"path,label\n{tmp_path}/1.wav,x\n"})
    manifest = open_dataset("csv", url / "t.csv").manifest()
    assert (manifest.root, _tracks(manifest)) == (tmp_path, [("1.wav", "x", "")])


def test_files_on_several_storages_are_refused(put: Put, tmp_path: Path) -> None:
    (tmp_path / "1.wav").write_bytes(SOUND)
    url = put("1.wav")
    table = tmp_path / "t.csv"
    table.write_text(f"path,label\n1.wav,x\n{url}/1.wav,y\n")
    with pytest.raises(
        DatasetError, match=rf"the files are in several places, such as {url}/1.wav and .*1\.wav: "
    ):
        open_dataset("csv", table).manifest()
    with bucket() as other:
        open_folder(other).write("1.wav", SOUND)
        table.write_text(f"path,label\n{other}/1.wav,x\n{url}/1.wav,y\n")
        with pytest.raises(DatasetError, match="the files are in several places"):
            open_dataset("csv", table).manifest()


def test_a_table_that_is_missing(url: Url) -> None:
    with pytest.raises(DatasetError, match=rf"cannot read {url}/t.csv: No such file"):
        open_dataset("csv", url / "t.csv").manifest()


def test_urls_that_cannot_be_used(tmp_path: Path) -> None:
    for text in ("ftp://x/y", "s3://"):
        with pytest.raises(StorageError):
            open_dataset("folder", text)
    (tmp_path / "t.csv").write_text("path,label\nftp://x/y.wav,x\n")
    with pytest.raises(DatasetError, match=r"t\.csv, row 2, column 'path': cannot use 'ftp://x/y\.wav'"):
        open_dataset("csv", tmp_path / "t.csv").manifest()


def test_a_published_dataset_in_a_bucket(put: Put) -> None:
    url = put("g/blues/blues.00000.wav", "g/jazz/jazz.00003.wav")
    manifest = open_dataset("gtzan", url / "g").manifest()
    assert [(track.id, track.path) for track in manifest] == [
        ("blues.00000", "blues/blues.00000.wav"),
        ("jazz.00003", "jazz/jazz.00003.wav"),
    ]


def test_datasets_that_write_audio_need_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="dataset 'demo' needs a disk; got s3://b/x"):
        open_dataset("demo", "s3://b/x")
    monkeypatch.setenv("AUDIOSPEC_DATA", "s3://b/x")
    with pytest.raises(StorageError, match="AUDIOSPEC_DATA needs a disk"):
        datasets["gtzan"]().is_here()


def test_files_and_folders_to_predict(put: Put, tmp_path: Path) -> None:
    (tmp_path / "1.wav").write_bytes(SOUND)
    url = put("x/1.wav", "x/2.wav", **{"x/t.txt": "x"})
    files, others = expand([url / "x", url / "y.wav", location(str(tmp_path))])
    assert files == [url / "x/1.wav", url / "x/2.wav", url / "y.wav", tmp_path / "1.wav"]
    assert others == [url / "x/t.txt"]


def test_a_published_dataset_with_its_tables(put: Put) -> None:
    info = '{"7": {"uploader": "anna", "license": "by"}}'
    url = put(
        "f/FSD50K.dev_audio/7.wav",
        **{
            "f/FSD50K.ground_truth/dev.csv": 'fname,labels,mids,split\n7,"Bark,Dog","x,y",val\n',
            "f/FSD50K.metadata/dev_clips_info_FSD50K.json": info,
        },
    )
    (track,) = open_dataset("fsd50k", url / "f").manifest()
    assert (track.fold, track.group, track.columns) == ("valid", "anna", (("license", "by"),))
    assert [one.label for one in track.annotations] == ["Bark", "Dog"]


def test_lists_of_a_published_dataset(put: Put) -> None:
    clip = "yes/0a7c2a8d_nohash_0.wav"
    url = put(f"s/{clip}", **{"s/testing_list.txt": f"{clip}\n", "s/validation_list.txt": ""})
    assert _tracks(open_dataset("speech-commands", url / "s").manifest()) == [(clip, "yes", "test")]
