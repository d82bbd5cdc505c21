"""Bad input: one line with the problem, status 2, no files written, no traceback."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import pytest

from audiospec.testing.stores.sealing import unseal

SPEC = [
    (("--chunk", 0), "chunk must be above 0"),
    (("--chunk", -3), "chunk must be above 0"),
    (("--chunk", "nan"), "chunk must be above 0"),
    (("--chunk", "long"), "--chunk"),
    (("--chunk", 0.01), "too short for n_fft=2048"),
    (("--chunk", 1, "--hop", 2), "hop must be at most the chunk's 1 seconds; got 2"),
    (("--chunk", 1, "--hop", 0), "hop must be above 0"),
    (("--min-fill", 2), "min_fill must be from 0 to 1"),
    (("--fmax", 12000), "fmax must be at most 11025 Hz"),
    (("--sample-rate", 8000), "fmax must be at most 4000 Hz"),
    (("--n-mels", 900), "mel filters hold no Fourier bin"),
    (("--n-mels", "many"), "n_mels must be a whole number; got 'many'"),
    (("--norm", "foo"), "norm must be 'slaney' or none"),
    (("--features", "mell"), "no feature is called 'mell'; did you mean 'mel'?"),
    (("--set", "n_mel=3"), "no parameter 'n_mel'; did you mean 'n_mels'?"),
    (("--set", "n_mels"), "expected FIELD=VALUE"),
    (("--workers", -1), "--workers must be at least 0"),
    (("--store", "x.txt"), "expected a name that ends in"),
    (("--store", "/proc/nowhere/x.zarr"), "cannot write beside /proc/nowhere/x.zarr"),
    (("--frames", 3), "No such option: --frames"),
    (("another",), "unexpected extra argument"),
]


def one_line(done) -> str:
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(r"error: [^\n]+\n", done.err), done.err
    return str(done.err)


@pytest.mark.parametrize(("arguments", "message"), SPEC, ids=lambda value: str(value)[:30])
def test_featurize(call, music: Path, tmp_path: Path, monkeypatch, arguments, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in one_line(call("featurize", "folder", "--data", music, "--workers", 0, *arguments))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("featurize", "gtzn"), "no dataset is called 'gtzn'; did you mean 'gtzan'?"),
        (("featurize",), "Missing argument 'DATASET'"),
        (("featurize", "folder"), "--data FOLDER"),
        (("featurize", "folder", "--data", "gone"), "there is no"),
        (("featurize", "folder", "--data", "."), "found no audio"),
        (("featurise", "demo"), "No such command 'featurise'. Did you mean 'featurize'"),
        (("store", "inf", "x.zarr"), "Did you mean 'info'?"),
        (("datasets", "gtzn"), "did you mean 'gtzan'?"),
        (("features", "mell"), "did you mean 'mel'?"),
        (("stores", "zar"), "did you mean 'zarr'?"),
        (("store", "info", "gone.zarr"), "no store at gone.zarr"),
        (("store", "info", "."), "cannot tell the kind of store"),
        (("store", "verify", "gone.h5"), "no store at gone.h5"),
        (("show", "gone.zarr", "x"), "no store at gone.zarr"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, tuple) else "",
)
def test_other_commands(call, tmp_path: Path, monkeypatch, arguments, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in one_line(call(*arguments))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("store", "info"), ("store", "verify"), ("show",)])
def test_paths_that_are_not_stores(call, tmp_path: Path, command) -> None:
    track = ["x"] if command == ("show",) else []
    folder, file = tmp_path / "music.zarr", tmp_path / "music.h5"
    folder.mkdir()
    file.write_text("words")
    for path in (folder, file):
        assert f"{path} is not a feature store" in one_line(call(*command, path, *track))


def test_a_store_of_a_newer_format(call, copy: Path, music: Path) -> None:
    unseal(copy)
    metadata = json.loads((copy / "zarr.json").read_text())
    metadata["attributes"]["audiospec_format"] = 99
    (copy / "zarr.json").write_text(json.dumps(metadata))
    for command in (("store", "info", copy), ("featurize", "folder", "--data", music, "--store", copy)):
        assert "has format 99" in one_line(call(*command))


def test_a_store_of_another_dataset(call, copy: Path, tmp_path: Path, music: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("path,label\n" + "".join(f"{path},x\n" for path in music.rglob("*.wav")))
    line = one_line(call("featurize", "csv", "--data", table, "--store", copy))
    assert "holds dataset 'folder', not 'csv'" in line


def test_system_errors_are_one_line(call, copy: Path, tmp_path: Path) -> None:
    picture = tmp_path / "gone" / "x.png"
    line = one_line(call("show", copy, "loud/song1.wav", "--out", picture))
    assert line == f"error: {picture}: No such file or directory\n"


def test_unexpected_errors_are_one_line_without_debug(call, copy: Path, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("two\nlines")

    monkeypatch.setattr("audiospec.stores.base.open_store", broken)
    done = call("store", "info", copy)
    assert (done.status, done.out) == (1, "")
    hint = "(run again with --debug for the traceback)"
    assert done.err == f"error: unexpected TypeError: two lines {hint}\n"
    done = call("--debug", "store", "info", copy)
    assert done.status == 1
    assert done.err.startswith("error: unexpected TypeError: two lines\nTraceback ")


def test_debug_by_environment(run, tmp_path: Path) -> None:
    done = run("datasets", "gtzn", cwd=tmp_path, env={"AUDIOSPEC_DEBUG": "1"})
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    done = run("datasets", "gtzn", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_errors_as_json(call, music: Path, tmp_path: Path) -> None:
    for arguments, kind in ((("--chunk", 0), "SpecError"), (("--frames", 1), "NoSuchOption")):
        done = call("featurize", "folder", "--data", music, "--json", *arguments)
        assert (done.status, done.err) == (2, "")
        event = json.loads(done.out)
        assert (event["event"], event["type"]) == ("error", kind)
        assert event["message"]


def test_output_to_a_full_disk_is_an_error(run, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    import subprocess
    import sys

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "audiospec", "datasets"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    import os

    assert os.strerror(errno.ENOSPC) in done.stderr
