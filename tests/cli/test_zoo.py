"""models, train, evaluate, predict: from a store to a prediction, by the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

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
    """A run that was trained without ``--store`` in a folder with one store."""
    done = run("train", "svm", "--seeds", 2, cwd=sounds)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"svm track, seed {seed}: fitting 60 rows of 44 columns" for seed in (0, 1)
    ]
    (sounds / "train.txt").write_text(done.stdout)
    assert run("train", "svm", "--split", "random", cwd=sounds).returncode == 0
    (folder,) = (sounds / "runs").glob("svm-tabular-1s-*-track-0")
    return folder


def test_train_prints_scores_and_seeds(trained: Path, sounds: Path) -> None:
    lines = (sounds / "train.txt").read_text().splitlines()
    assert lines[0].startswith("svm on tabular-1s-")
    rows = [line.split()[:2] for line in lines if line.startswith("  track ")]
    assert rows == [["track", "0"], ["track", "1"]]
    assert any(line.startswith("track, mean ± deviation over 2 seeds: macro F1 by chunk ") for line in lines)
    assert lines[-1].startswith("next: audiospec predict runs/svm-tabular-1s-")
    assert len(list((sounds / "runs").iterdir())) == 3
    leaky = json.loads(next((sounds / "runs").glob("*-random-0/run.json")).read_text())
    assert leaky["split"]["leaky"]


def test_evaluate_on_another_store_scores_all_its_rows(trained: Path, sounds: Path, call) -> None:
    done = call("evaluate", trained, "--store", sounds / "sounds.zarr", "--json")
    assert (done.status, done.err) == (0, "")
    everything = json.loads(done.out)
    assert everything["chunk"]["count"] == 72
    assert everything["track"]["accuracy"] >= 0.9


def test_evaluate_on_its_own_test_rows(
    trained: Path, sounds: Path, run, call, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("evaluate", trained.relative_to(sounds), "--json", cwd=sounds)
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads(done.stdout)
    stored = json.loads((trained / "metrics.json").read_text())["test"]
    assert {level: scores[level] for level in ("chunk", "track")} == stored
    monkeypatch.chdir(sounds)
    table = call("evaluate", trained.relative_to(sounds)).out.splitlines()
    assert [line.split()[0] for line in table[-3:]] == ["high", "low", "middle"]


def test_predict_prints_classes_and_undecodable_files(
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
    prediction = json.loads(done.out)
    assert sum(prediction["classes"].values()) == pytest.approx(1)
    assert next(iter(prediction["classes"])) == "high"


def test_models_lists_each_with_its_parameters(call) -> None:
    done = call("models")
    lines = done.out.splitlines()
    assert lines[0].split() == ["model", "reads", "parameters", "description"]
    assert [line.split()[0] for line in lines[1:]] == models.names()
    for line in lines[1:]:
        name = line.split()[0]
        assert line.split()[1] == models[name].input
        assert line.endswith(models.summary(name))
    done = call("models", "rf")
    assert "  trees" in done.out
    assert "0.8 training, 0 validation, 0.2 test" in done.out


def test_a_model_lists_its_layers(call) -> None:
    done = call("models", "crnn-base", "--chunk", 1, "--classes", 4)
    lines = [line.split("  ") for line in done.out.splitlines()]
    rows = {
        parts[1]: [part.strip() for part in parts[2:] if part.strip()] for parts in lines if len(parts) > 3
    }
    assert rows["convolutions.0"] == ["Conv2d", "64 × 192 × 87", "640"]  # 64 · (3 · 3 + 1)
    assert rows["convolutions.18"] == ["MaxPool2d", "128 × 2 × 6"]
    assert rows["recurrent.dense"] == ["Linear", "4", "132"]  # 4 · (32 + 1)
    assert "for chunks of 1 s (192 × 87) and 4 classes: 405,252 parameters" in done.out


def test_predict_with_truth_prints_scores(trained: Path, sounds: Path, call, tmp_path: Path) -> None:
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
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events] == ["prediction", "score"]
    assert (events[1]["count"], events[1]["accuracy"]) == (1, 1)
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
    assert done.status == 0
    assert done.err == "rf track, seed 1: fitting 60 rows of 44 columns\n"  # and not the finished one
    assert len(list(tmp_path.iterdir())) == 2
    assert (first / "run.json").stat().st_mtime_ns == before
    # A run of the same name with other settings gets another folder.
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
        (
            ("svm", "--set", "c=1"),
            "model 'svm' has no parameter 'c'; did you mean 'C'? (it has: C, gamma, class_weights)",
        ),
        (("svm", "--set", "C=x"), "parameter C must be a finite number; got 'x'"),
        (("svm", "--split", "tracks"), "no split strategy is called 'tracks'; did you mean 'track'"),
        (("svm", "--split", "group"), "has a group: name artists, speakers or recordings"),
        (("svm", "--shares", "1,2"), "three shares"),
        (("svm", "--shares", "a"), "expected three numbers separated by commas; got 'a'"),
        (("svm", "--classes", "high"), "one class (high): expected at least two"),
        (("svm", "--epochs", "3"), "model 'svm' has no parameter 'epochs'"),
        (("crnn-base",), "crnn-base reads a spectrogram; "),
        (("svm", "--chunk", "7"), "has none that match --chunk 7: choose one with --chunk "),
        (("knn-1", "--set", "k=1000"), "parameter k must be from 1 to the 60 training rows; got 1000"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_train_refuses(
    sounds: Path, call, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = call("train", *arguments, "--store", sounds / "sounds.zarr", "--out", tmp_path / "runs")
    assert (done.status, done.out) == (2, "")
    *lines, error = done.err.splitlines()
    assert message in error
    # Only what the model itself refuses comes after the line that says what is fitted.
    fitting = ["knn-1 track, seed 0: fitting 60 rows of 44 columns"] if arguments[0] == "knn-1" else []
    assert lines == fitting
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_folder_without_a_store_is_an_error(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("train", "svm")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "expected one store in .; got none: choose one with --store" in done.err


def test_a_modified_run_is_refused(trained: Path, call, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    text = (copy / "run.json").read_text()
    (copy / "run.json").write_text(text.replace('"high"', '"hush"'))
    done = call("predict", copy, "x.wav")
    assert (done.status, done.out) == (2, "")
    assert "was changed: its run.json is not what was written" in done.err


# --- scores of other packages -------------------------------------------------------------------

PLUG_IN = '''
import numpy as np

from audiospec.zoo.scores.base import Score


class LogLoss(Score):
    """log-loss: mean negative log-probability of the true class."""

    title, percent, higher_is_better, best = "log loss", False, False, 0.0

    def compute(self, sample):
        right = sample.probabilities[np.arange(len(sample.truth)), sample.truth]
        return sample.mean(-np.log(np.maximum(right, 1e-12)))
'''


@pytest.fixture
def plug_in(tmp_path: Path) -> dict[str, str]:
    """Environment in which a package with a score is installed."""
    folder = tmp_path / "site"
    info = folder / "more-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "more.py").write_text(PLUG_IN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[audiospec.scores]\nlog-loss = more:LogLoss\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.mark.long
def test_a_score_of_another_package_is_shown_wherever_scores_are(
    sounds: Path, run, tmp_path: Path, plug_in: dict[str, str]
) -> None:
    def output(*arguments: object, env: dict[str, str] = plug_in) -> str:
        done = run(*arguments, cwd=tmp_path, env=env)
        assert done.returncode == 0
        assert all(": fitting " in line for line in done.stderr.splitlines())
        text: str = done.stdout
        return text

    how: Any = ("train", "svm", "--store", sounds / "sounds.zarr", "--seeds", 2)
    lines = output(*how).splitlines()
    assert "log loss by track" in lines[2]
    assert re.search(r", log loss by track \d\.\d{3} ± \d\.\d{3},", lines[5])
    (folder,) = (tmp_path / "runs").glob("*-track-0")
    metrics = json.loads((folder / "metrics.json").read_text())
    for score in (metrics[side][level] for side in ("test", "train") for level in ("chunk", "track")):
        assert list(score)[:5] == ["count", "accuracy", "ece", "log_loss", "macro_f1"]
        low, high = score["log_loss_interval"]
        assert 0 < low <= score["log_loss"] <= high
    stored = metrics["test"]["track"]["log_loss"]
    card = (folder / "card.md").read_text()
    assert "| log loss | 95 % interval |" in card
    assert f"| {stored:.3f} | " in card
    _, head, _, track, *_ = output("evaluate", folder).splitlines()
    assert head.split()[:7] == ["count", "accuracy", "ECE", "log", "loss", "macro", "F1"]
    assert f"{stored:.3f} (" in track
    truth = tmp_path / "labels.csv"
    truth.write_text(f"path,label\n{sounds}/audio/high/00.wav,high\n")
    assert "log_loss" in json.loads(output("predict", folder, "--truth", truth, "--json").splitlines()[-1])
    output("report", "runs", "--out", "with.html")
    page = (tmp_path / "with.html").read_text(encoding="utf-8")
    assert "<bdi>log loss</bdi> by track" in page
    assert "mean negative log-probability of the true class, a plain number" in page
    assert f"{stored:.3f} (" in page
    # Without the package, the runs still open, and the score is shown by its key.
    gone = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    output("report", "runs", "--out", "without.html", env=gone)
    page = (tmp_path / "without.html").read_text(encoding="utf-8")
    assert "<bdi>log_loss</bdi> by track" in page
    assert f"{stored:.3f} (" in page
    assert "a score of a package that is not installed" in page
    assert "log_loss by track" in output(*how, "--resume", env=gone).splitlines()[2]


def test_runs_without_a_newer_score_have_a_dash(
    sounds: Path, trained: Path, run, tmp_path: Path, plug_in: dict[str, str]
) -> None:
    shutil.copytree(trained, tmp_path / "runs" / trained.name)
    how = ("train", "svm", "--store", sounds / "sounds.zarr", "--seeds", 2, "--resume")
    done = run(*how, cwd=tmp_path, env=plug_in)
    assert (done.returncode, done.stderr) == (0, "svm track, seed 1: fitting 60 rows of 44 columns\n")
    lines = done.stdout.splitlines()
    assert " – " in lines[3]
    assert " – " not in lines[4]
    assert "log loss" not in lines[5]  # a mean over some runs would look like one over all
    assert run("report", cwd=tmp_path, env=plug_in).returncode == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('data-label="log loss by track">–</td>') == 1
