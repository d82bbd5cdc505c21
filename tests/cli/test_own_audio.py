"""Own audio by the command line: layouts, options of datasets, files left out, folders to predict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiospec import open_store

RATE = 22050


def sound(path: Path, hertz: float, seed: int, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE) + 0.02 * random.standard_normal(RATE)
    soundfile.write(path, wave, RATE, **options)


@pytest.fixture(scope="module")
def split_music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes in a given split: ten files each to train on, two to test on, and other files."""
    root = tmp_path_factory.mktemp("split")
    for fold, count in (("train", 10), ("test", 2)):
        for label, hertz in (("low", 200), ("high", 3000)):
            for number in range(count):
                sound(root / fold / label / f"{number}.wav", hertz + 5 * number, number)
    sound(root / "train" / "low" / "no-suffix", 190, 99, format="FLAC")
    (root / "README.md").write_text("about")
    (root / "train" / "low" / "notes").write_text("about")
    return root


@pytest.fixture(scope="module")
def split_store(split_music: Path, run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    done = run(
        *("featurize", "folder", "--data", split_music, "--store", "x.zarr", "--workers", 0, "--chunk", 1),
        *("--features", "tabular", "--families", "rms,mfcc,rolloff"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert "2 other files left out, such as 'README.md'" in done.stdout.splitlines()
    return folder / "x.zarr"


def test_a_given_split_reaches_the_store(split_store: Path) -> None:
    tracks = open_store(split_store).tracks
    assert len(tracks) == 25
    folds = dict(zip(tracks["path"], tracks["fold"], strict=True))
    assert all(path.startswith(f"{fold}/") for path, fold in folds.items())
    assert folds["train/low/no-suffix"] == "train"
    assert {*tracks["label"]} == {"low", "high"}


@pytest.mark.long
def test_given_test_files_are_not_trained_on(split_store: Path, run, split_music: Path) -> None:
    done = run("train", "svm", cwd=split_store.parent)
    assert done.returncode == 0, done.stderr
    (folder,) = (split_store.parent / "runs").iterdir()
    assert "-fold-test-0" in folder.name
    info = json.loads((folder / "run.json").read_text())
    assert info["split"]["strategy"] == "fold-test"
    predicted = run("predict", folder, split_music / "test", "--json", cwd=split_store.parent)
    assert predicted.returncode == 0, predicted.stderr
    assert len(predicted.stdout.splitlines()) == 4


def test_predict_takes_folders(split_store: Path, call, split_music: Path, tmp_path: Path) -> None:
    call("train", "svm", "--store", split_store, "--out", tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    shutil.copytree(split_music / "train" / "low", tmp_path / "new" / "deep")
    done = call("predict", folder, tmp_path / "new", split_music / "test" / "low" / "0.wav", "--top", 1)
    assert (done.status, done.err) == (0, "")
    assert f"1 other file left out: '{tmp_path}/new/deep/notes'" in done.out.splitlines()
    assert done.out.count("low 1") + done.out.count("low ") >= 12
    assert "no-suffix" in done.out
    *_, last = [
        json.loads(line) for line in call("predict", folder, tmp_path / "new", "--json").out.splitlines()
    ]
    assert last == {"event": "left_out", "files": [f"{tmp_path}/new/deep/notes"]}
    (tmp_path / "empty").mkdir()
    done = call("predict", folder, tmp_path / "empty")
    assert done.status == 1
    assert "1 file without a prediction" in done.out


def test_the_truth_of_predict_has_columns(split_store: Path, call, split_music: Path, tmp_path: Path) -> None:
    call("train", "svm", "--store", split_store, "--out", tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    table = tmp_path / "truth.csv"
    table.write_text("sep=;\nwhat;pitch;class\nlow\\0.wav;low;1\nhigh\\1.wav;high;1\n")
    options = ("--path-column", "what", "--label-column", "pitch", "--audio-root", split_music / "test")
    done = call("predict", folder, "--truth", table, *options)
    assert (done.status, done.err) == (0, "")
    assert "2 files with a label of the run" in done.out


def test_the_plan_names_the_files_left_out(call, split_music: Path, tmp_path: Path) -> None:
    arguments = (
        "featurize",
        "folder",
        "--data",
        split_music,
        "--store",
        tmp_path / "x.zarr",
        "--dry-run",
        "--chunk",
        1,
    )
    plan = json.loads(call(*arguments, "--json").out)
    assert plan["left_out"] == ["README.md", "train/low/notes"]
    assert call(*arguments).out.splitlines()[-1] == "2 other files left out, such as 'README.md'"


def test_choices_are_printed_as_options(call, tmp_path: Path) -> None:
    for path in ("jazz/blue/1.wav", "jazz/kind/1.wav", "rock/wall/1.wav"):
        sound(tmp_path / "music" / path, 440, 0)
    arguments = (
        "featurize",
        "folder",
        "--data",
        tmp_path / "music",
        "--store",
        tmp_path / "x.zarr",
        "--chunk",
        1,
    )
    done = call(*arguments, "--dry-run")
    assert done.status == 2
    assert "--label-level 1 gives 2 labels (jazz 2, rock 1); --label-level 2 gives 3 labels" in done.err
    assert call(*arguments, "--label-level", 1, "--workers", 0).status == 0
    assert {*open_store(tmp_path / "x.zarr").tracks["label"]} == {"jazz", "rock"}
    done = call("featurize", "demo", "--label-level", 1)
    assert (done.status, done.err.strip()) == (
        2,
        "error: dataset 'demo' has no option --label-level (it has: seed, tracks, seconds)",
    )


def test_columns_of_a_table(call, tmp_path: Path) -> None:
    for name in "ab":
        sound(tmp_path / "audio" / f"{name}.wav", 440, 0)
    table = tmp_path / "list.csv"
    table.write_text("clip,mood,genre,site,part,twin\na.wav,x,y,s1,train,t\nb.wav,y,y,s2,eval,t\n")
    arguments = (
        "featurize",
        "csv",
        "--data",
        table,
        "--store",
        tmp_path / "x.h5",
        "--chunk",
        1,
        "--workers",
        0,
    )
    done = call(*arguments)
    assert "no column 'path'" in done.err
    assert done.err.endswith("name the column with --path-column\n")
    done = call(
        *(*arguments, "--path-column", "clip", "--label-column", "mood", "--group-column", "site"),
        *(
            "--fold-column",
            "part",
            "--cluster-column",
            "twin",
            "--id-column",
            "clip",
            "--audio-root",
            tmp_path / "audio",
        ),
    )
    assert (done.status, done.err) == (0, "")
    tracks = open_store(tmp_path / "x.h5").tracks
    assert [[*tracks[name]] for name in ("label", "group", "fold", "cluster")] == [
        ["x", "y"],
        ["s1", "s2"],
        ["train", "test"],
        ["t", "t"],
    ]


@pytest.mark.parametrize("name", ["folder", "csv"])
def test_datasets_explain_their_layouts(call, name: str) -> None:
    from audiospec.datasets.base import datasets

    done = call("datasets", name)
    assert done.status == 0
    plain = " ".join(done.out.split())
    for situation, *_, option in datasets[name].layouts:
        assert situation in plain
        assert not option or f"--{option.replace('_', '-')}" in done.out


def test_the_library_takes_options(
    split_music: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import audiospec

    view = audiospec.featurize(
        "folder",
        data=split_music,
        options={"label_level": -1},
        chunk=1,
        store=tmp_path / "x.zarr",
        workers=0,
    )
    assert len(view) == 25
    assert "2 other files left out, such as 'README.md'" in caplog.text
    manifest = audiospec.Manifest("mine", split_music, (audiospec.Track(id="a", path="a.wav", label="x"),))
    with pytest.raises(audiospec.AudiospecError, match="a manifest has no options; got label_level"):
        audiospec.featurize(manifest, options={"label_level": 1}, store=tmp_path / "y.zarr")
