"""folder: a file's label is the name of its folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from audiospec.datasets.folder import Folder
from audiospec.errors import DatasetError
from audiospec.manifest import Track


def files(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def error(data: Path | None) -> str:
    with pytest.raises(DatasetError) as caught:
        Folder(data).manifest()
    return str(caught.value)


def test_label_is_the_folder(tmp_path: Path) -> None:
    root = files(tmp_path, "jazz/b.MP3", "jazz/a.wav", "rock/a.wav", "jazz/cover.jpg", "rock/.hidden")
    manifest = Folder(root).manifest()
    assert manifest.tracks == (
        Track(id="jazz/a.wav", path="jazz/a.wav", label="jazz"),
        Track(id="jazz/b.MP3", path="jazz/b.MP3", label="jazz"),
        Track(id="rock/a.wav", path="rock/a.wav", label="rock"),
    )
    assert manifest.left_out == ("jazz/cover.jpg",)


def test_one_stem_in_two_formats_is_two_tracks(tmp_path: Path) -> None:
    assert len(Folder(files(tmp_path, "a/x.wav", "a/x.flac")).manifest()) == 2


def test_all_files_directly_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = files(tmp_path / "Blues", "x.wav", "y.wav", "notes/x.txt")
    assert Folder(root).manifest().labels == ["Blues"]
    monkeypatch.chdir(root)
    assert Folder(".").manifest().labels == ["Blues"]


def test_a_file_beside_the_classes(tmp_path: Path) -> None:
    message = error(files(tmp_path, "jazz/a.wav", "loose.wav"))
    assert "1 file(s) are directly in" in message
    assert "'loose.wav': move each into the folder of its class" in message


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    for name in (b"/a\xff.wav", b"/b\n.wav"):
        with open(folder + name, "wb"):
            pass
    manifest = Folder(tmp_path).manifest()
    assert [track.id for track in manifest] == [r"caf\udce9/a\udcff.wav", r"caf\udce9/b\n.wav"]
    assert manifest.labels == [r"caf\udce9"]
    assert all(manifest.file(track).is_file() for track in manifest)


def test_errors(tmp_path: Path) -> None:
    assert error(None) == "dataset 'folder' reads your own audio: give its folder with `data=FOLDER`"
    assert "is a file" in error(files(tmp_path, "x.wav") / "x.wav")
    assert f"(the nearest folder that exists is {tmp_path})" in error(tmp_path / "a" / "b")
    (tmp_path / "x.wav").rename(tmp_path / "x.txt")
    assert "found no audio, 1 other file(s) such as 'x.txt'" in error(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    files(tmp_path, "a/x.wav", "b/x.wav")
    (tmp_path / "b").chmod(0)
    try:
        assert f"cannot read folder {tmp_path / 'b'}" in error(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o700)
