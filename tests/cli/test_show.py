"""show: pictures from the command line. Their content is tested in test_picture.py."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_a_picture_of_the_longest_chunks(call, store: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("show", store, "loud/song1.wav")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("loud-song1.wav.png: loud/song1.wav in mel-2s-hop1s-")
    assert (tmp_path / "loud-song1.wav.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_suffix_selects_the_format(call, store: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / f"x.{suffix}"
    done = call("show", store, "song3", "--view", "mel-1s", "--chunk-number", 2, "--out", out)
    assert (done.status, done.err) == (0, "")
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("loud/song9.wav",), "did you mean 'loud/song"),
        (("song1", "--view", "mfcc"), "has no view 'mfcc'"),
        (("song1", "--chunk-number", 3), "has chunks 0 to 2 in view"),
        (("song1", "--chunk-number", -1), "has chunks 0 to 2 in view"),
        (("song1", "--out", "x.doc"), "expected a name that ends in"),
        (("song1", "--out", "folder.png"), "folder.png: Is a directory"),
        (("song1", "--out", "/proc/x.png"), "/proc/x.png: "),
    ],
)
def test_bad_input(call, store: Path, tmp_path: Path, monkeypatch, arguments, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    done = call("show", store, *arguments)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_a_track_with_a_problem_shows_the_problem(call, mixed_store: Path) -> None:
    for track, reason in (("bad/silent.wav", "silent: all 88200 samples"), ("bad/one.wav", "too short: ")):
        done = call("show", mixed_store, track)
        assert (done.status, done.err.count("\n")) == (2, 1)
        assert reason in done.err
