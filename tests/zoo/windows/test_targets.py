"""Windows and events of runs with several labels, a number, or labels of frames."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import audiospec
from audiospec.audio.chunking import Chunking
from audiospec.datasets.base import open_dataset
from audiospec.errors import ModelError
from audiospec.stores.layout.view import View
from audiospec.testing.audio import noise, tone, write
from audiospec.zoo.base import Rows
from audiospec.zoo.evaluation import predict_rows
from audiospec.zoo.events.finding import find_events
from audiospec.zoo.events.rules import EventRules
from audiospec.zoo.prediction import check_truth, predict
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train
from audiospec.zoo.windows.outputs import Predictor
from audiospec.zoo.windows.windows import WindowMaking, own_rules, predict_events, predict_windows
from audiospec.zoo.windows.writing import write_predictions

RATE = 8000
TABULAR = audiospec.TabularSpec(
    sample_rate=RATE, families=("rms", "rolloff", "mfcc"), n_fft=512, hop_length=256, n_mels=40, n_mfcc=8
)
MEL = audiospec.MelSpec(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=16, fmax=4000)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten files of four seconds: a low tone from 1 to 3 s, and in every second one hiss from 2 to 4 s."""
    folder = tmp_path_factory.mktemp("scenes")
    events, ratings = ["path,start,end,label"], ["path,loudness"]
    for number in range(10):
        wave = noise(4, RATE, level=0.001, seed=number)
        wave[RATE : 3 * RATE] += tone(2, RATE, hertz=200 + number)
        events.append(f"{number}.wav,1,3,low")
        if number % 2:
            wave[2 * RATE :] += noise(2, RATE, level=0.05, seed=50 + number)
            events.append(f"{number}.wav,2,4,hiss")
        ratings.append(f"{number}.wav,{number / 2}")
        write(folder / f"{number}.wav", wave, RATE)
    (folder / "events.csv").write_text("\n".join(events))
    (folder / "ratings.csv").write_text("\n".join(ratings))
    return folder


def made(scenes: Path, name: str, spec: audiospec.FeatureSpec, table: str, **options: str) -> View:
    store, chunking = scenes / f"{name}.zarr", Chunking(seconds=1.0, hop=0.5)
    return audiospec.featurize(
        "csv",
        data=scenes / table,
        options=options,
        spec=spec,
        chunk=chunking,
        store=store,
        workers=0,
        background="keep",
    )


def assert_equal_to_the_stores_rows(run: Run, view: View, files: list[Path]) -> None:
    model = run.model()
    expected = predict_rows(model, Rows(view, np.arange(len(view)), model.target))
    outputs = [window.outputs for window in predict_windows(run, files)]
    assert np.array_equal(outputs, expected)


def test_several_labels(scenes: Path) -> None:
    view = made(scenes, "labels", TABULAR, "events.csv", target="multi-label")
    run = train("svm", view, out=scenes / "labels-run")
    files = [scenes / f"{number}.wav" for number in range(10)]
    assert_equal_to_the_stores_rows(run, view, files)
    assert own_rules(run) is not None
    events = [event for event in predict_events(run, [scenes / "3.wav"], hop=0.1) if event.offset > 2.5]
    assert sorted(event.label for event in events) == ["hiss", "low"]  # both at once
    (prediction,) = predict(run, [scenes / "3.wav"])
    windows = [window.outputs for window in predict_windows(run, [scenes / "3.wav"])]
    means = dict(zip(run.info.classes, np.mean(windows, axis=0), strict=True))
    assert dict(zip(prediction.classes, prediction.probabilities, strict=True)) == pytest.approx(means)
    (scenes / "truth.csv").write_text("path,label\n3.wav,low\n")
    truth = open_dataset("csv", scenes / "truth.csv").manifest()
    with pytest.raises(ModelError, match="predicts the target 'multi-label'; the truth of files is one"):
        check_truth(run, truth)


@pytest.mark.long
def test_a_number_has_windows_and_no_events(scenes: Path, tmp_path: Path) -> None:
    view = made(scenes, "number", TABULAR, "ratings.csv", target="number", label_column="loudness")
    run = train("rf", view, out=scenes / "number-run")
    files = [scenes / f"{number}.wav" for number in range(10)]
    assert_equal_to_the_stores_rows(run, view, files)
    assert own_rules(run) is None
    with pytest.raises(ModelError, match="target 'number', which has no events: leave out `threshold`"):
        next(predict_events(run, files, EventRules()))
    list(write_predictions(WindowMaking(Predictor(run)), files[:1], tmp_path / "x.csv"))
    with (tmp_path / "x.csv").open(newline="") as file:
        head, first, *_ = csv.reader(file)
    assert head == ["file", "start", "end", "prediction", "value:loudness"]
    assert float(first[4]) == pytest.approx(float(first[3]), rel=1e-3)


def test_frames_of_overlapping_windows_are_averaged(scenes: Path) -> None:
    view = made(scenes, "frames", MEL, "events.csv", target="frames")
    settings = {"epochs": 1, "device": "cpu", "batch": 8}
    run = train("crnn-base", view, settings=settings, out=scenes / "frames-run")
    frames, classes = run.target.output_shape
    assert classes == 2
    model, file = run.model(), scenes / "1.wav"
    outputs = predict_rows(model, Rows(view, view.rows_of("1.wav"), model.target))
    sums, counts, period = np.zeros((4 * frames, 2)), np.zeros((4 * frames, 1)), 1.0 / frames
    for window, output in enumerate(outputs):
        first = int(np.floor(window * 0.5 / period + 0.5))
        sums[first : first + frames] += output
        counts[first : first + frames] += 1
    rows = list(predict_windows(run, [file]))
    assert np.allclose([row.outputs for row in rows], sums / counts, rtol=0, atol=1e-15)
    assert [row.start for row in rows] == pytest.approx([number * period for number in range(4 * frames)])
    rules = EventRules(threshold=0.4, min=0.1)
    expected = find_events(
        np.array([row.outputs for row in rows]), run.info.classes, period, rules, seconds=4, file=str(file)
    )
    assert list(predict_events(run, [file], rules)) == expected
