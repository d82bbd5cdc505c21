"""The other package's entries go through every command, side by side with ours."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

HERE = Path(__file__).parent
RATE = 8000


def audiospec(folder: Path, *arguments: object) -> str:
    """Run a command in a folder; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "audiospec", *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with noise whose level pulses slowly or fast, two features of it in a store, and two runs."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "audio").mkdir()
    random = np.random.default_rng(0)
    time = np.arange(4 * RATE) / RATE
    for label, hertz in (("slow", 1.0), ("fast", 4.0)):
        for number in range(10):
            level = 0.5 + 0.49 * np.sin(2 * np.pi * (hertz * time + random.random()))
            wave = 0.3 * level * random.standard_normal(len(time))
            soundfile.write(folder / "audio" / f"{label}-{number}.wav", wave, RATE)
    featurize = ("featurize", "prefixed", "--data", "audio", "--store", "store.fzip", "--chunk", 2)
    features = ("--features", "modulation,mel", "--set", "mel.sample_rate=8000", "--set", "mel.fmax=4000")
    sizes = ("--set", "mel.n_mels=16", "--set", "mel.n_fft=256", "--set", "mel.hop_length=256")
    audiospec(folder, *featurize, *features, *sizes, "--engine", "threads", "--workers", 2)
    audiospec(folder, "train", "nearest-mean", "--store", "store.fzip", "--out", "runs")
    audiospec(folder, "train", "crnn-base", "--epochs", 1, "--set", "loss=focal", "--out", "runs")
    return folder


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("datasets", "prefixed"),
        ("features", "modulation"),
        ("stores", "archive"),
        ("models", "nearest-mean"),
        ("engines", "threads"),
        ("scores", "log-loss"),
        ("losses", "focal"),
    ],
)
def test_lists_show_them(tmp_path: Path, command: str, name: str) -> None:
    assert f"{name} " in audiospec(tmp_path, command)


@pytest.mark.long
def test_a_store_of_another_package(work: Path) -> None:
    said = json.loads(audiospec(work, "store", "info", "store.fzip", "--json").splitlines()[-1])
    assert "modulation" in json.dumps(said)
    audiospec(work, "store", "verify", "store.fzip")
    assert "nothing" in audiospec(
        work, "featurize", "prefixed", "--data", "audio", "--store", "store.fzip", "--chunk", 2,
        "--features", "modulation",
    )  # fmt: skip


def test_a_feature_with_axes_of_its_own(work: Path) -> None:
    """It is stored, copied to another format, and labelled for xarray."""
    import xarray

    audiospec(work, "store", "export", "store.fzip", "copy.zarr")
    (name,) = (work / "copy.zarr" / "views").glob("modulation-*")
    view = xarray.open_zarr(work / "copy.zarr", group=f"views/{name.name}")
    assert view["data"].dims == ("row", "band", "rate")
    assert view["data"].shape == (40, 8, 5)
    assert view["rate"].attrs["units"] == "Hz"
    np.testing.assert_allclose(view["rate"], np.arange(1, 6) * RATE / (62 * 256))


def test_a_model_of_another_package(work: Path) -> None:
    """It tells slow from fast, which its feature is for."""
    (run,) = (work / "runs").glob("nearest-mean-*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["track"]["accuracy"] == 1.0
    out = audiospec(work, "predict", run, "audio/slow-0.wav", "audio/fast-0.wav", "--json")
    predicted = [json.loads(line).get("classes") for line in out.splitlines()]
    assert [max(classes, key=classes.get) for classes in predicted if classes] == ["slow", "fast"]


def test_a_score_of_another_package_is_shown_everywhere(work: Path) -> None:
    """By train, evaluate, the report and the card, with its interval; stored beside ours."""
    (run,) = (work / "runs").glob("nearest-mean-*")
    track = json.loads((run / "metrics.json").read_text())["test"]["track"]
    low, high = track["log_loss_interval"]
    assert 0 <= low <= track["log_loss"] <= high
    shown = f"{track['log_loss']:.3f}"
    audiospec(work, "report", "runs", "--out", "report.html")
    for text in (
        audiospec(work, "evaluate", run),
        audiospec(work, "train", "nearest-mean", "--store", "store.fzip", "--out", "more"),
        (run / "card.md").read_text(),
        (work / "report.html").read_text(),
    ):
        assert "log loss" in text
        assert shown in text


def test_a_loss_of_another_package(work: Path) -> None:
    """A network learns by it, and the run says so."""
    (run,) = (work / "runs").glob("crnn-base-*")
    assert json.loads((run / "run.json").read_text())["settings"]["loss"] == "focal"
    with (run / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert len(history) == 1
    # Two classes with equal probabilities have a cross-entropy of 0.69, and a focal loss of a quarter of it.
    assert 0.1 < float(history[0]["train_loss"]) < 0.4
    scores = json.loads(audiospec(work, "evaluate", run, "--json"))
    stored = json.loads((run / "metrics.json").read_text())["test"]
    assert {level: scores[level] for level in ("chunk", "track")} == stored
    assert "loss focal" in (run / "card.md").read_text()


@pytest.mark.parametrize("installed", [True, False])
def test_a_loss_that_is_unknown(work: Path, monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    """The error names it, and the nearest that is installed."""
    arguments = ["train", "crnn-base", "--store", "store.fzip", "--set", "loss=cross-entrpy"]
    message = "got 'cross-entrpy'; did you mean 'cross-entropy'?"
    if not installed:
        others = [path for path in os.environ["PYTHONPATH"].split(os.pathsep) if path != str(HERE)]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(others))
        arguments = ["evaluate", str(next((work / "runs").glob("crnn-base-*")))]
        message = "parameter loss must be the name of a loss; got 'focal'"
    done = subprocess.run(
        [sys.executable, "-m", "audiospec", *arguments], cwd=work, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
