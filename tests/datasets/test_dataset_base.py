"""What all datasets share: the search for files, printable ids and the data folder."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.datasets import Dataset, datasets
from audiospec.datasets.download.remote import Remote
from audiospec.datasets.gtzan import Gtzan
from audiospec.datasets.own.search import AUDIO_SUFFIXES, files_under
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track
from audiospec.storage.data_folder import data_folder
from audiospec.text import printable

ROOT = Path(__file__).resolve().parents[2]


def files(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from audiospec.datasets import datasets\n"
        "for name in datasets: datasets.summary(name), datasets[name]\n"
        "heavy = {'torch', 'pooch', 'requests', 'rich', 'soundfile', 'zarr', 'scipy'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_files_under(tmp_path: Path) -> None:
    files(
        tmp_path,
        "b/2.wav",
        "a/1.wav",
        "0.txt",
        ".hidden/3.wav",
        "a/.DS_Store",
        "a/._1.wav",
        "__MACOSX/a/1.wav",
    )
    assert files_under(tmp_path) == ["0.txt", "a/1.wav", "b/2.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links(tmp_path: Path) -> None:
    far = files(tmp_path / "far", "deep/9.wav")
    root = files(tmp_path / "root", "b/1.wav")
    (root / "a").symlink_to(root / "b")  # sorted first, but the same folder as b
    (root / "b" / "loop").symlink_to(root)
    (root / "self.wav").symlink_to("self.wav")
    (root / "gone.wav").symlink_to("nowhere")
    (root / "far").symlink_to(far)
    (far / "back").symlink_to(root)
    os.mkfifo(root / "pipe.wav")
    assert files_under(root) == ["b/1.wav", "far/deep/9.wav", "gone.wav", "self.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_many_mutual_links_do_not_hang(tmp_path: Path) -> None:
    for one in range(12):
        files(tmp_path, f"{one}/x.wav")
        for other in range(12):
            (tmp_path / str(one) / f"to-{other}").symlink_to(tmp_path / str(other))
    assert len(files_under(tmp_path)) == 12


@given(st.text(st.characters(), max_size=20))
def test_printable(text: str) -> None:
    result = printable(text)
    result.encode("utf-8")
    assert not {unicodedata.category(char) for char in result} & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(result) == result
    if text.isprintable():
        assert result == text


def test_printable_keeps_readable_text() -> None:
    assert printable("ｆé\u3000💿👨\u200d👩.wav") == "ｆé\u3000💿👨\u200d👩.wav"
    assert printable(os.fsdecode(b"caf\xe9\n.wav")) == r"caf\udce9\n.wav"


def test_suffixes_have_a_dot_and_lower_case() -> None:
    assert {".wav", ".au", ".flac", ".ogg", ".mp3", ".m4a"} <= AUDIO_SUFFIXES
    assert all(suffix[0] == "." and suffix == suffix.lower() for suffix in AUDIO_SUFFIXES)


def test_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIOSPEC_DATA", "here")
    assert data_folder() == tmp_path / "here"
    monkeypatch.delenv("AUDIOSPEC_DATA")
    assert data_folder().is_absolute()
    assert "audiospec" in data_folder().parts


def test_data_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(files(tmp_path, "a/x.wav"))
    assert datasets["folder"](".").manifest().root == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert datasets["folder"]("~").data == tmp_path
    with pytest.raises(DatasetError, match="no-such-user"):
        datasets["folder"]("~no-such-user/x")


def test_archive_names() -> None:
    assert Remote("https://x.org/a/b.tar.gz").archive == "b.tar.gz"
    assert Remote("https://x.org/a/master.zip", file="A-master.zip").archive == "A-master.zip"


def test_validate() -> None:
    class Two(Dataset):
        expected = {"a": 2, "b": 1, "c": 1}  # noqa: RUF012

        def manifest(self) -> Manifest:
            labels = ["a", "b", "b", "d"]
            tracks = [Track(id=str(n), path=str(n), label=x) for n, x in enumerate(labels)]
            return self.ordered(Path("x"), tracks)

    two = Two()
    assert two.validate(two.manifest()) == [
        "a: 1 of 2 tracks, 1 missing",
        "b: 2 tracks, the full set has 1",
        "c: 0 of 1 tracks, 1 missing",
        "d: 1 tracks, the full set has 0",
    ]


def test_name_follows_the_module() -> None:
    class Odd(Gtzan):
        pass

    assert Gtzan.name == "gtzan"
    assert Odd.name == "test-dataset-base"
