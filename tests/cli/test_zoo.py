"""models, train, evaluate, predict: from a store to a prediction, by the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiospec.zoo.base import models

RATE = 22050


@pytest.fixture(scope="module")
def sounds(run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 36 short tracks in three classes that differ, and a store of their tables."""
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    for label, hertz in (("low", 200), ("middle", 900), ("high", 4000)):
        (folder / "audio" / label).mkdir(parents=True)
        for number in range(12):
            wave = 0.3 * np.sin(2 * np.pi * hertz * (1 + number / 50) * time) + 0.02 * random.standard_normal(
                len(time)
            )
            soundfile.write(folder / "audio" / label / f"{number:02d}.wav", wave, RATE)
    done = run(
        *(
            "featurize",
            "folder",
            "--data",
            folder / "audio",
            "--features",
            "tabular",
            "--families",
            "rms,mfcc,rolloff",
        ),
        *("--chunk", 1, "--store", folder / "sounds.zarr", "--workers", 0),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def trained(sounds: Path, run) -> Path:
    """A run, made in the folder of the only store there, without saying which."""
    done = run("train", "svm", "--leakage", "--seeds", 2, cwd=sounds)
    assert (done.returncode, done.stderr) == (0, "")
    (sounds / "said").write_text(done.stdout)
    (folder,) = (sounds / "runs").glob("svm-tabular-1s-*-track-0")
    return folder


def test_train_says_scores_seeds_and_the_leakage_gap(trained: Path, sounds: Path) -> None:
    lines = (sounds / "said").read_text().splitlines()
    assert lines[0].startswith("svm on tabular-1s-")
    rows = [line.split()[:3] for line in lines[2:6]]
    assert [row[:2] for row in rows[:2]] == [["track", "0"], ["track", "1"]]
    assert rows[2] == ["random", "(leaky)", "0"]
    assert lines[6].startswith("track, mean ± deviation over 2 seeds: macro F1 by chunk ")
    assert lines[8].startswith("leakage gap: random chunks (leaky) would have claimed ")
    assert lines[9].startswith("next: audiospec predict runs/svm-tabular-1s-")
    assert len(list((sounds / "runs").iterdir())) == 4
    leaky = json.loads(next((sounds / "runs").glob("*-random-0/run.json")).read_text())
    assert leaky["split"]["leaky"]


def test_evaluate_on_another_store_scores_all_its_rows(trained: Path, sounds: Path, call) -> None:
    done = call("evaluate", trained, "--store", sounds / "sounds.zarr", "--json")
    assert (done.status, done.err) == (0, "")
    everything = json.loads(done.out)
    assert everything["chunk"]["count"] == 72
    assert everything["track"]["accuracy"] >= 0.9


def test_evaluate_on_its_own_test_rows(trained: Path, sounds: Path, run) -> None:
    done = run("evaluate", trained.relative_to(sounds), "--json", cwd=sounds)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    said = json.loads((trained / "metrics.json").read_text())["test"]
    assert {level: found[level] for level in ("chunk", "track")} == said
    table = run("evaluate", trained.relative_to(sounds), cwd=sounds).stdout.splitlines()
    assert [line.split()[0] for line in table[-3:]] == ["high", "low", "middle"]


def test_predict_names_what_it_hears_and_what_it_cannot(
    trained: Path, sounds: Path, call, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    files = [sounds / "audio" / "high" / "00.wav", tmp_path / "bad.wav", sounds / "audio" / "low" / "05.wav"]
    done = call("predict", trained, *files, "--top", 2)
    assert (done.status, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[1].split()[1] == "high"
    assert "not decodable" in lines[2]
    assert lines[3].split()[1] == "low"
    assert lines[3].count("%") == 2
    assert lines[4] == "1 file without a prediction"
    done = call("predict", trained, files[0], "--json")
    assert done.status == 0
    said = json.loads(done.out)
    assert sum(said["classes"].values()) == pytest.approx(1)
    assert next(iter(said["classes"])) == "high"


def test_models_lists_each_with_its_parameters(call) -> None:
    done = call("models")
    lines = done.out.splitlines()
    assert lines[0].split() == ["model", "reads", "parameters", "what", "it", "is"]
    assert [line.split()[0] for line in lines[1:]] == models.names()
    for line in lines[1:]:
        name = line.split()[0]
        assert line.split()[1] == models[name].input
        assert line.endswith(models.summary(name))
    done = call("models", "rf")
    assert "  trees" in done.out
    assert "0.8 to train, 0 to validate, 0.2 to test" in done.out


def test_a_model_tells_its_layers(call) -> None:
    done = call("models", "crnn-base", "--chunk", 1, "--classes", 4)
    lines = [line.split("  ") for line in done.out.splitlines()]
    rows = {
        parts[1]: [part.strip() for part in parts[2:] if part.strip()] for parts in lines if len(parts) > 3
    }
    assert rows["convolutions.0"] == ["Conv2d", "64 × 192 × 87", "640"]  # 64 · (3 · 3 + 1)
    assert rows["convolutions.18"] == ["MaxPool2d", "128 × 2 × 6"]
    assert rows["recurrent.dense"] == ["Linear", "4", "132"]  # 4 · (32 + 1)
    assert "for chunks of 1 s (192 × 87) and 4 classes: 405,252 parameters" in done.out


def test_predict_says_how_right_it_was(trained: Path, sounds: Path, call, tmp_path: Path) -> None:
    truth = tmp_path / "labels.csv"
    audio = sounds / "audio"
    named = [("high", "high/00"), ("low", "high/01"), ("low", "low/05"), ("thunder", "low/06")]
    truth.write_text("path,label\n" + "".join(f"{audio / name}.wav,{label}\n" for label, name in named))
    done = call("predict", trained, "--truth", truth)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["file", "prediction", "chunks", "truth"]
    assert sorted(line.split()[-1] for line in lines[1:5]) == ["high", "low", "low", "thunder"]
    assert lines[5].startswith("3 of 4 files with a label of the run: accuracy 66.7 (")
    done = call("predict", trained, audio / "low" / "05.wav", "--truth", truth, "--json")
    said = [json.loads(line) for line in done.out.splitlines()]
    assert [line["event"] for line in said] == ["prediction", "score"]
    assert (said[1]["count"], said[1]["accuracy"]) == (1, 1)
    done = call("predict", trained, audio / "low" / "06.wav", "--truth", truth)
    assert done.status == 2
    assert "no file that was predicted has a label of the run (high, low, middle)" in done.err
    done = call("predict", trained)
    assert done.status == 2
    assert "expected audio files, or --truth" in done.err


def test_resume_trains_what_is_missing(sounds: Path, call, tmp_path: Path) -> None:
    how = (
        "train",
        "rf",
        "--set",
        "trees=5",
        "--store",
        sounds / "sounds.zarr",
        "--out",
        tmp_path,
        "--resume",
    )
    done = call(*how, "--json")
    (first,) = tmp_path.iterdir()
    before = (first / "run.json").stat().st_mtime_ns
    done = call(*how, "--seeds", 2)
    assert (done.status, done.err) == (0, "")
    assert len(list(tmp_path.iterdir())) == 2
    assert (first / "run.json").stat().st_mtime_ns == before
    # Another training of the same name has a folder of its own.
    done = call("train", "rf", "--set", "trees=6", *how[4:])
    assert done.status == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        first.name,
        f"{first.name[:-1]}1",
        f"{first.name}.2",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("svn",), "no model is called 'svn'; did you mean 'svm'"),
        (("svm", "--set", "c=1"), "model 'svm' has no parameter 'c'; did you mean 'C'? (it has: C, gamma)"),
        (("svm", "--set", "C=x"), "parameter C must be a finite number; got 'x'"),
        (("svm", "--split", "tracks"), "no split strategy is called 'tracks'; did you mean 'track'"),
        (("svm", "--split", "group"), "has no group"),
        (("svm", "--shares", "1,2"), "three shares"),
        (("svm", "--shares", "a"), "expected three numbers with commas; got 'a'"),
        (("svm", "--classes", "high"), "one class (high): expected at least two"),
        (("svm", "--epochs", "3"), "model 'svm' has no parameter 'epochs'"),
        (("crnn-base",), "crnn-base reads a spectrogram; "),
        (("svm", "--chunk", "7"), "has none that go with --chunk 7: choose one by --chunk "),
        (("knn-1", "--set", "k=1000"), "parameter k must be from 1 to the 54 training rows; got 1000"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_train_refuses(
    sounds: Path, call, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = call("train", *arguments, "--store", sounds / "sounds.zarr", "--out", tmp_path / "runs")
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_store_has_to_be_found(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("train", "svm")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "expected one store in ." in done.err


def test_a_run_that_was_changed_is_refused(trained: Path, call, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    text = (copy / "run.json").read_text()
    (copy / "run.json").write_text(text.replace('"high"', '"hush"'))
    done = call("predict", copy, "x.wav")
    assert (done.status, done.out) == (2, "")
    assert "was changed: its run.json is not what was written" in done.err
