"""The search for sound: suffixes decide, content where they do not, and what is left out is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiospec.audio import sniff
from audiospec.datasets.base import open_dataset
from audiospec.datasets.folder import Folder
from audiospec.datasets.own import search
from audiospec.datasets.own.search import AUDIO_SUFFIXES, OTHER_SUFFIXES, expand, find_sound, left_out, suffix
from audiospec.errors import DatasetError

INPUTS = Path(__file__).resolve().parents[2].parent / "shared" / "inputs" / "suffixes"


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("tone") / "x.wav"
    soundfile.write(file, 0.2 * np.sin(np.arange(8000) / 10), 8000)
    return file.read_bytes()


def write(root: Path, content: bytes, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


NAMES = [
    "a.wav ",
    "a.wav.",
    "b",
    "c.mp3?x=1",
    "d.sph",
    "d.voc",
    "e.WAV",
    "f.dts",
    "g.weird",
    "h.wav.1",
    "i.part",
]


def test_sound_is_found_whatever_its_name_is(tone: bytes, tmp_path: Path) -> None:
    write(tmp_path, tone, *NAMES)
    write(tmp_path, b"no sound", "notes", "README", "x.weird", "y.dts", "z.bak")
    found = find_sound(tmp_path)
    assert found.sound == sorted(NAMES)
    assert found.others == ["README", "notes", "x.weird", "y.dts", "z.bak"]


def test_a_suffix_of_sound_decides(tmp_path: Path) -> None:
    write(
        tmp_path, b"no sound", "a.wav", "b.MP3", "c.wav ", "d.mp3?x=1", "e.m4r.", "f.eac3", "g.mpga", "h.tta"
    )
    assert len(find_sound(tmp_path).sound) == 8  # reading each reports it
    assert not AUDIO_SUFFIXES & OTHER_SUFFIXES


def test_copies_beside_the_original_are_left_out(tone: bytes, tmp_path: Path) -> None:
    write(tmp_path, tone, "a.wav", "a.wav.bak", "a.wav~", "b.wav.bak", "b.wav.orig")
    found = find_sound(tmp_path)
    assert found.sound == ["a.wav", "b.wav.bak", "b.wav.orig"]
    assert found.others == ["a.wav.bak", "a.wav~"]


def test_files_of_systems_are_not_even_named(tone: bytes, tmp_path: Path) -> None:
    write(tmp_path, tone, "a/x.wav", "a/._x.wav", "a/.hidden", "__MACOSX/x.wav", "a/Thumbs.db", "Desktop.ini")
    found = find_sound(tmp_path)
    assert (found.sound, found.others) == (["a/x.wav"], [])


def test_only_files_whose_suffix_does_not_decide_are_opened(
    tone: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, tone, "a.wav", "b.flac", "c.txt", "d.csv", "e.png", "f", "g.dts")
    opened = []

    def is_sound(path: Path) -> bool:
        opened.append(path.name)
        return sniff.is_sound(path)

    monkeypatch.setattr(search, "is_sound", is_sound)
    find_sound(tmp_path)
    assert opened == ["f", "g.dts"]


def test_a_line_says_how_many_and_names_one() -> None:
    assert left_out([]) == ""
    assert left_out(["a\n.txt"]) == r"1 other file left out: 'a\\n.txt'"
    assert left_out(["a.txt", "b.txt"]) == "2 other files left out, such as 'a.txt'"


def test_folders_stand_for_their_sound(tone: bytes, tmp_path: Path) -> None:
    write(tmp_path, tone, "in/a.wav", "in/deep/b", "c.wav")
    write(tmp_path, b"no sound", "in/notes.md")
    files, others = expand(
        [tmp_path / "c.wav", tmp_path / "in", tmp_path / "in" / "a.wav", tmp_path / "gone"]
    )
    assert files == [tmp_path / name for name in ("c.wav", "in/a.wav", "in/deep/b", "in/a.wav", "gone")]
    assert others == [tmp_path / "in" / "notes.md"]
    (tmp_path / "empty").mkdir()
    assert expand([tmp_path / "empty", tmp_path / "c.wav"]) == ([tmp_path / "empty", tmp_path / "c.wav"], [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=20))
def test_every_file_is_sound_or_named(tone: bytes, tmp_path: Path, name: str) -> None:
    if name in (".", "..") or name.startswith(".") or name.lower() in search.SYSTEM_FILES:
        return
    try:
        write(tmp_path / "root", tone, name)
    except OSError:
        return  # no name of this system
    found = find_sound(tmp_path / "root")
    assert found.sound + found.others == [name]
    assert found.sound or suffix(name) in OTHER_SUFFIXES
    shutil.rmtree(tmp_path / "root")


def test_a_published_dataset_does_not_refuse_other_files(tone: bytes, tmp_path: Path) -> None:
    write(tmp_path, tone, "genres/rock/rock.00001.wav", "genres/jazz/jazz.00001", "extra/jingle", "old.wav.1")
    write(tmp_path, b"no sound", "README.md", "genres/mf")
    manifest = open_dataset("gtzan", tmp_path).manifest()
    assert [track.id for track in manifest] == ["rock.00001"]
    assert manifest.left_out == (
        "README.md",
        "extra/jingle",
        "genres/jazz/jazz.00001",
        "genres/mf",
        "old.wav.1",
    )
    write(tmp_path, tone, "jingle.wav")
    with pytest.raises(DatasetError, match=r"1 audio file\(s\) have other names, such as 'jingle.wav'"):
        open_dataset("gtzan", tmp_path).manifest()


def test_options_of_datasets(tmp_path: Path) -> None:
    write(tmp_path, b"", "jazz/blue/a.wav", "rock/red/a.wav")
    labels = open_dataset("folder", tmp_path, {"label_level": 1}).manifest().labels
    assert labels == ["jazz", "rock"]
    with pytest.raises(DatasetError, match=r"^dataset 'gtzan' has no option `label_level` \(it has: none\)$"):
        open_dataset("gtzan", tmp_path, {"label_level": 1})
    with pytest.raises(DatasetError, match="no option `label_levle`; did you mean 'label_level'"):
        open_dataset("folder", tmp_path, {"label_levle": 1})


@pytest.mark.skipif(not INPUTS.is_dir(), reason=f"no shared inputs at {INPUTS}")
def test_sound_with_the_names_that_people_have(tmp_path: Path) -> None:
    names = {"trailing_blank.wav": "a.wav ", "download.mp3_x_1": "dl.mp3?x=1"}
    for file in INPUTS.rglob("*"):
        if file.is_file():
            (tmp_path / file.parent.name).mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / file.parent.name / names.get(file.name, file.name))
    manifest = Folder(tmp_path).manifest()
    assert manifest.left_out == ()
    assert {track.path for track in manifest} == {
        "jazz/b.flac",
        *(f"rock/{name}" for name in ("a.wav", "a.wav ", "dl.mp3?x=1", "noext", "pod.mpga", "voice.weba")),
        *("rock/x.eac3", "rock/x.voc"),
    }
