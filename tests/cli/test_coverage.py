"""train --calibrate and predict --coverage: sets of classes, and what it says where it abstains."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 8000


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tones in noise, 20 in each of two classes, which are hard to tell apart near 500 Hz."""
    folder = tmp_path_factory.mktemp("tones")
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for label, low in (("high", 460), ("low", 340)):
        (folder / "audio" / label).mkdir(parents=True)
        for number in range(20):
            tone = 0.2 * np.sin(2 * np.pi * random.uniform(low, low + 200) * time)
            wave = tone + 0.1 * random.standard_normal(RATE)
            soundfile.write(folder / "audio" / label / f"{number:02d}.wav", wave, RATE)
    return folder


@pytest.fixture(scope="module")
def store(sounds: Path, run) -> Path:
    options = ("--features", "tabular", "--families", "spectral_centroid,rolloff", "--sample-rate", RATE)
    sizes = ("--n-fft", 512, "--hop-length", 128, "--n-mels", 40, "--chunk", 1, "--workers", 0)
    out = sounds / "tones.zarr"
    done = run(
        "featurize", "folder", "--data", sounds / "audio", *options, *sizes, "--store", out, cwd=sounds
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def trained(store: Path, sounds: Path, run) -> Path:
    done = run("train", "lr", "--calibrate", "--json", cwd=sounds)
    assert done.returncode == 0, done.stderr
    (path,) = (e["path"] for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "run")
    return sounds / path


def test_predict_abstains(trained: Path, sounds: Path, call, tmp_path: Path) -> None:
    truth = tmp_path / "labels.csv"
    files = sorted((sounds / "audio").rglob("*.wav"))
    truth.write_text("path,label\n" + "".join(f"{file},{file.parent.name}\n" for file in files))
    done = call("predict", trained, "--truth", truth, "--coverage", 0.9, "--json")
    assert (done.status, done.err) == (0, "")
    *events, score, coverage = map(json.loads, done.out.splitlines())
    assert score["event"] == "score"
    named = {Path(event["file"]): event["set"] for event in events}
    assert {event["abstains"] for event in events} == {True, False}
    assert all(event["abstains"] == (len(event["set"]) != 1) for event in events)
    covered = sum(file.parent.name in named[file] for file in files)
    abstained = sum(event["abstains"] for event in events)
    right = sum(named[file] == [file.parent.name] for file in files)
    assert coverage == {
        "event": "coverage",
        "asked": 0.9,
        "count": 40,
        "covered": covered,
        "abstained": abstained,
        "right": right,
        "coverage": covered / 40,
        "abstention": abstained / 40,
    }
    done = call("predict", trained, "--truth", truth, "--coverage", 0.9)
    lines = done.out.splitlines()
    assert re.split(r"  +", lines[0].strip()) == ["file", "prediction", "chunks", "at 90 %", "truth"]
    assert sum("abstains: " in line for line in lines[1:41]) == abstained
    assert any(re.search(r"abstains: (high or low|low or high|no class fits)", line) for line in lines)
    (sets,) = (line for line in lines if line.startswith("sets at"))
    assert sets == (
        f"sets at 90 %: {covered} of 40 files have the label ({covered / 0.4:.1f} %), {abstained} abstained "
        f"({abstained / 0.4:.1f} %); of the other {40 - abstained}, {right} are right"
    )


def test_without_a_coverage_nothing_is_said_of_sets(trained: Path, sounds: Path, call) -> None:
    file = sounds / "audio" / "low" / "00.wav"
    done = call("predict", trained, file, "--json")
    assert not {"set", "abstains"} & set(json.loads(done.out))
    assert "abstains" not in call("predict", trained, file).out


@pytest.mark.parametrize(
    ("coverage", "said"),
    [
        (0.99, "a coverage of 0.99 needs 99 held-out units (tracks, or groups of them); this run has "),
        (90, "expected a coverage above 0 and below 1, such as 0.9; got 90"),
    ],
)
def test_a_coverage_that_cannot_be_had_is_one_line(
    trained: Path, sounds: Path, call, coverage: float, said: str
) -> None:
    done = call("predict", trained, sounds / "audio" / "low" / "00.wav", "--coverage", coverage)
    assert done.status == 2
    assert done.err.startswith(f"error: {said}")
    assert len(done.err.splitlines()) == 1
    assert "`" not in done.err
    if coverage == 0.99:
        assert "ask for at most --coverage 0.9" in done.err


@pytest.mark.long
def test_a_run_without_calibration_says_what_to_do(store: Path, sounds: Path, run, call) -> None:
    done = run("train", "lr", "--json", "--out", "plain", cwd=sounds)
    (path,) = (e["path"] for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "run")
    done = call("predict", sounds / path, sounds / "audio" / "low" / "00.wav", "--coverage", 0.9)
    assert done.status == 2
    assert "has no scores of held-out tracks, from which a coverage follows" in done.err
    assert "train again with `audiospec train --calibrate`" in done.err
