"""gtzan, esc10, fsdd: each file is the right track, in every layout in which they are published."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.datasets import datasets
from audiospec.datasets.esc10 import TARGETS
from audiospec.datasets.gtzan import GENRES, Gtzan
from audiospec.errors import DatasetError
from audiospec.manifest import Manifest, Track

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def files(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def read(name: str, data: Path) -> Manifest:
    return datasets[name](data).manifest()


def error(name: str, data: Path | None) -> str:
    with pytest.raises(DatasetError) as caught:
        datasets[name](data).manifest()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("tree", "data"),
    [
        ("genres", "."),
        ("genres", "genres"),
        ("genres", "genres/rock"),
        ("Data/genres_original", "."),
        ("Data/genres_original", "Data"),
        ("all-in-one", "."),
    ],
)
def test_gtzan_trees(tmp_path: Path, tree: str, data: str) -> None:
    folder = "" if tree == "all-in-one" else "rock/"
    files(
        tmp_path,
        f"{tree}/{folder}rock.00000.au",
        f"{tree}/{folder}rock.00001.WAV",
        f"{tree}/{folder}rock.00010.mp3",
        f"{tree}/{folder}.DS_Store",
        f"{tree}/{folder}._rock.00000.au",
        f"{tree}/bextract_single.mf",
        "Data/images_original/rock/rock00000.png",
        "Data/features_30_sec.csv",
    )
    manifest = read("gtzan", tmp_path / data)
    assert [track.id for track in manifest] == ["rock.00000", "rock.00001", "rock.00010"]
    assert {track.label for track in manifest} == {"rock"}
    assert {track.group + track.fold for track in manifest} == {""}
    assert all(manifest.file(track).is_file() for track in manifest)


@given(
    st.builds("{}.{:05d}".format, st.sampled_from([*GENRES, "Rock", "folk", ""]), st.integers(0, 10**5))
    | st.text("rock.0123٣", max_size=12)
)
def test_gtzan_ids(stem: str) -> None:
    genre, _, number = stem.partition(".")
    valid = genre in GENRES and number in {f"{n:05d}" for n in range(100)}
    track = Gtzan().track(PurePosixPath(f"x/{stem}.wav"))
    assert track == (Track(id=stem, path=f"x/{stem}.wav", label=genre) if valid else None)


@pytest.mark.parametrize(
    "path", ["rock/song.wav", "folk/folk.00000.wav", "rock/rock.00100.au", "rock/blues.00000.wav"]
)
def test_gtzan_refuses_other_audio(tmp_path: Path, path: str) -> None:
    message = error("gtzan", files(tmp_path, "blues/blues.00000.au", path))
    assert f"1 audio file(s) have other names, such as {path!r}" in message
    assert message.endswith(": remove them, or use the dataset 'folder'")


def test_gtzan_one_id_in_two_formats(tmp_path: Path) -> None:
    message = error("gtzan", files(tmp_path, "rock/rock.00000.au", "rock/rock.00000.wav"))
    assert "'rock.00000' for rock/rock.00000.au and rock/rock.00000.wav" in message


def test_an_archive_as_data_is_refused(tmp_path: Path) -> None:
    archive = files(tmp_path, "genres.tar.gz") / "genres.tar.gz"
    message = error("gtzan", archive)
    assert f"{archive} is a file" in message


def test_an_error_without_audio_names_other_files(tmp_path: Path) -> None:
    message = error("gtzan", files(tmp_path, "rock/rock.png", "readme.txt"))
    assert "found no audio, 2 other file(s) such as 'readme.txt'" in message


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_name_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "rock").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/rock/caf\xe9.wav")).touch()
    assert r"'rock/caf\\udce9.wav'" in error("gtzan", tmp_path)


def test_offline_fails_quickly_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", offline)
    monkeypatch.setenv("AUDIOSPEC_DATA", str(tmp_path))
    monkeypatch.delenv("AUDIOSPEC_MIRROR", raising=False)
    started = time.monotonic()
    message = error("gtzan", None)
    assert time.monotonic() - started < 3
    for part in (str(tmp_path / "gtzan"), "huggingface.co", "opihi.cs.uvic.ca", "`data=FOLDER`"):
        assert part in message


def test_esc10(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        "ESC-10-master/001 - Dog bark/1-100032-A.ogg",
        "ESC-10-master/002 - Rain/5-3-B.flac",
    )
    (root / "ESC-10-master" / "README.md").touch()
    assert read("esc10", root).tracks == (
        Track(
            id="1-100032-A",
            path="ESC-10-master/001 - Dog bark/1-100032-A.ogg",
            label="Dog bark",
            group="100032",
            fold="1",
        ),
        Track(
            id="5-3-B",
            path="ESC-10-master/002 - Rain/5-3-B.flac",
            label="Rain",
            group="3",
            fold="5",
        ),
    )


def test_esc10_in_a_copy_of_esc50(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        "audio/1-100032-A-0.wav",
        "audio/5-9-B-41.wav",
        "audio/1-7-A-14.wav",
        "meta/esc50.csv",
    )
    assert read("esc10", root).tracks == (
        Track(
            id="1-100032-A",
            path="audio/1-100032-A-0.wav",
            label="Dog bark",
            group="100032",
            fold="1",
        ),
        Track(id="5-9-B", path="audio/5-9-B-41.wav", label="Chainsaw", group="9", fold="5"),
    )
    assert "at least one" in error("esc10", files(tmp_path / "none", "audio/1-7-A-14.wav"))


@pytest.mark.parametrize(
    "path",
    [
        "001 - Dog bark/6-1-A.ogg",
        "001 - Cat/1-1-A.ogg",
        "Dog bark/1-1-A.ogg",
        "1-1-A.ogg",
        "audio/1-1-A-50.wav",
        "001 - Dog bark/x.ogg",
    ],
)
def test_esc10_refuses_other_audio(tmp_path: Path, path: str) -> None:
    assert repr(path) in error("esc10", files(tmp_path, "001 - Dog bark/1-2-A.ogg", path))


def test_fsdd(tmp_path: Path) -> None:
    root = files(tmp_path, "recordings/0_theo_4.wav", "recordings/0_theo_5.wav", "metadata.py")
    assert read("fsdd", root).tracks == (
        Track(id="0_theo_4", path="recordings/0_theo_4.wav", label="0", group="theo", fold="test"),
        Track(id="0_theo_5", path="recordings/0_theo_5.wav", label="0", group="theo", fold="train"),
    )
    assert "'x.wav'" in error("fsdd", files(root, "x.wav"))


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real audio at {SHARED}")


@pytest.mark.realdata
@needs_shared
def test_real_gtzan_part() -> None:
    gtzan = datasets["gtzan"](SHARED / "gtzan-part")
    manifest = gtzan.manifest()
    assert Counter(track.label for track in manifest) == {
        "blues": 9,
        "classical": 20,
        "country": 1,
        "disco": 5,
        "hiphop": 2,
        "jazz": 21,
        "metal": 2,
        "pop": 4,
        "reggae": 2,
        "rock": 20,
    }
    assert Counter(Path(track.path).suffix for track in manifest) == {
        ".flac": 79,
        ".wav": 5,
        ".au": 2,
    }
    broken = next(track for track in manifest if track.id == "jazz.00054")
    assert broken.path == "genres/jazz/jazz.00054.wav"
    assert len(gtzan.validate(manifest)) == 10
    assert [track.id for track in read("gtzan", SHARED / "gtzan-part" / "genres")] == [
        track.id for track in manifest
    ]


@pytest.mark.realdata
@needs_shared
def test_real_gtzan_clips() -> None:
    counts = Counter(track.label for track in read("gtzan", SHARED / "gtzan-clips"))
    assert counts == dict.fromkeys(GENRES, 50) | {"classical": 49}


@pytest.mark.realdata
@needs_shared
def test_a_folder_of_many_datasets_is_not_gtzan() -> None:
    assert "audio file(s) have other names" in error("gtzan", SHARED)


@pytest.mark.realdata
@needs_shared
def test_real_esc10() -> None:
    esc10 = datasets["esc10"](SHARED / "esc10")
    manifest = esc10.manifest()
    assert esc10.validate(manifest) == []
    assert Counter(track.label for track in manifest) == dict.fromkeys(TARGETS, 40)
    assert Counter(track.fold for track in manifest) == dict.fromkeys("12345", 80)
    assert len({track.group for track in manifest}) == 304
    assert len({(track.group, track.fold) for track in manifest}) == 304


@pytest.mark.realdata
@needs_shared
def test_real_fsdd() -> None:
    fsdd = datasets["fsdd"](SHARED / "fsdd")
    manifest = fsdd.manifest()
    assert fsdd.validate(manifest) == []
    assert len(manifest) == 3000
    assert Counter(track.fold for track in manifest) == {"train": 2700, "test": 300}
    assert len({track.group for track in manifest}) == 6
