"""predict with windows and events: printed, as JSON, and in files; what does not fit is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import audiospec
from audiospec.testing.audio import noise, tone, write
from audiospec.zoo.training import train

RATE = 8000


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells low tones from hiss."""
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(8):
        write(folder / "audio" / "low" / f"{number}.wav", tone(2, RATE, hertz=150 + number), RATE)
        write(folder / "audio" / "hiss" / f"{number}.wav", noise(2, RATE, level=0.2, seed=number), RATE)
    spec = audiospec.TabularSpec(sample_rate=RATE, families=("rms", "rolloff"), n_fft=512, hop_length=256)
    view = audiospec.featurize(
        "folder", data=folder / "audio", spec=spec, chunk=0.5, store=folder / "store.zarr", workers=0
    )
    return train("svm", view, out=folder / "run").path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of six seconds: low, hiss from 2 to 4 s, low; and the other way round; and a text."""
    folder = tmp_path_factory.mktemp("scenes")
    for name, is_swapped in (("one", False), ("two", True)):
        low, hiss = tone(6, RATE, hertz=153), noise(6, RATE, level=0.2, seed=99)
        middle = (np.arange(6 * RATE) // (2 * RATE) == 1) != is_swapped
        write(folder / f"{name}.wav", np.where(middle, hiss, low), RATE)
    (folder / "notes.txt").write_text("no sound")
    return folder


def test_events_are_printed(trained: Path, scenes: Path, call) -> None:
    done = call("predict", trained, scenes / "one.wav", "--threshold", 0.5, "--merge", 1, "--min", 0.2)
    assert done.status == 0, done.err
    head, *lines = [line.split() for line in done.out.splitlines()]
    assert head == ["file", "onset", "offset", "label", "score"]
    assert [line[3] for line in lines] == ["low", "hiss", "low"]
    assert [line[1] for line in lines] == ["0.000", "2.000", "4.000"]
    done = call("predict", trained, scenes, "--threshold", "low=0.5", "--threshold", "hiss=1", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    found = [event for event in events if event["event"] == "detection"]
    assert [(event["onset"], event["offset"], event["label"]) for event in found] == [
        (0, 2, "low"),
        (4, 6, "low"),
        (2, 4, "low"),
    ]
    ends = [event for event in events if event["event"] == "file"]
    assert [Path(end["file"]).name for end in ends] == ["one.wav", "two.wav"]
    assert {(end["seconds"], end["windows"], end["problem"]) for end in ends} == {(6.0, 12, "")}


def test_windows_are_printed(trained: Path, scenes: Path, call) -> None:
    done = call("predict", trained, scenes / "one.wav", "--hop", 0.25)
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["file", "start", "end", "prediction", "output"]
    assert lines[1][1:4] == ["0.000", "0.500", "low"]
    assert lines[9 + 1][1:4] == ["2.250", "2.750", "hiss"]
    done = call("predict", trained, scenes / "one.wav", "--windows", "--json")
    windows = [json.loads(line) for line in done.out.splitlines()][:-1]
    assert len(windows) == 12
    assert windows[5] == {**windows[5], "start": 2.5, "end": 3.0, "prediction": "hiss"}
    assert sum(windows[5]["outputs"].values()) == pytest.approx(1)


def test_events_in_files(trained: Path, scenes: Path, call, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("predict", trained, scenes, "--threshold", 0.5, "--out", "out/events.csv")
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == "out/events.csv: 2 files"
    with open("out/events.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["low", "hiss", "low", "hiss", "low", "hiss"]
    assert [float(row["offset"]) for row in rows] == [2, 4, 6, 2, 4, 6]
    done = call("predict", trained, scenes, "--threshold", 0.5, "--format", "raven", "--out", "tables")
    assert done.status == 0, done.err
    names = ["one.selections.txt", "two.selections.txt"]
    assert sorted(path.name for path in Path("tables").iterdir()) == names
    done = call("predict", trained, scenes / "one.wav", "--windows", "--out", "windows.parquet")
    assert done.status == 0, done.err
    assert Path("windows.parquet").read_bytes()[:4] == b"PAR1"


def test_a_glob_and_a_file_that_cannot_be_used(trained: Path, scenes: Path, call, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no sound " * 100)
    out = tmp_path / "events.csv"
    done = call("predict", trained, scenes / "o*.wav", tmp_path / "bad.wav", "--threshold", 0.5, "--out", out)
    assert done.status == 1
    assert "1 file without a prediction" in done.out
    assert "bad.wav: not decodable" in done.out
    assert out.read_text().count("\n") == 4
    done = call("predict", trained, scenes / "x*.wav")
    assert done.status == 2
    assert "no file fits" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--threshold", "much"),
            "or LABEL=NUMBER for each label; got 'much'",
        ),
        (("--threshold", 2), "expected a number from 0 to 1"),
        (("--threshold", 0.5, "--threshold", 0.6), "expected a number from 0 to 1"),
        (("--threshold", "lw=0.5"), "did you mean 'low'?"),
        (("--threshold", "low=0.5"), "class 'hiss' has no threshold"),
        (("--merge", 1), "--merge needs a threshold, such as 0.5"),
        (("--windows", "--threshold", 0.5), "windows have no thresholds"),
        (("--hop", 2), "hop must be at most the chunk's 0.5 seconds; got 2"),
        (("--hop", 0.5, "--format", "csv"), "a format needs a file: give --out"),
        (("--hop", 0.5, "--coverage", 0.9), "leave out the options of windows and events"),
        (("--hop", 0.5, "--out", "x.flac"), "does not end as a file of a known format: give --format"),
        (("--hop", 0.5, "--out", "x.jams"), "format 'jams' has events only: give --threshold"),
        (("--threshold", 0.5, "--min", -1), "min must be a number of seconds, at least 0; got -1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    trained: Path, scenes: Path, call, tmp_path: Path, monkeypatch, options: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("predict", trained, scenes / "one.wav", *options)
    assert done.status == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_a_truth_of_another_target_is_refused(trained: Path, scenes: Path, call, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(f"path,start,end,label\n{scenes / 'one.wav'},2,4,hiss\n{scenes / 'two.wav'},2,4,low\n")
    done = call("predict", trained, "--truth", truth)
    assert done.status == 2
    assert len(done.err.splitlines()) == 1
    assert "predicts one label a file; 2 of 2 files of the truth have segments or several labels" in done.err
