"""Windows and events of files: equal to the store's rows to the bit, on any hop, in bounded memory."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audiospec
from audiospec.errors import ModelError, SpecError
from audiospec.stores.layout.view import View
from audiospec.testing.audio import noise, tone, write
from audiospec.zoo.base import Rows
from audiospec.zoo.evaluation import predict_rows
from audiospec.zoo.events.rules import EventRules
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train
from audiospec.zoo.windows.windows import predict_events, predict_windows

RATE = 8000


@pytest.mark.parametrize("name", ["svm", "rf", "lr", "crnn-base"])
def test_outputs_equal_those_of_the_stores_rows_to_the_bit(
    runs: dict[str, Run], views: dict[str, View], name: str
) -> None:
    run, view = runs[name], views["mel" if name == "crnn-base" else "tabular"]
    model = run.model()
    expected = predict_rows(model, Rows(view, np.arange(len(view)), model.target))
    records = list(view.store.tracks.records())
    files = [view.store.root / record.path for record in records]
    # Files in another order, and alone: a row does not depend on the others.
    for chosen in (files, files[::-1], files[3:4]):
        found = list(predict_windows(run, chosen))
        assert [window.problem for window in found] == [""] * len(found)
        for record, file in zip(records, files, strict=True):
            if file in chosen:
                numbers = view.rows_of(record.id)
                windows = [window for window in found if window.file == file]
                assert np.array_equal([window.outputs for window in windows], expected[numbers])
                assert [window.start for window in windows] == view.rows["start"][numbers].tolist()
                assert windows[-1].end == pytest.approx(soundfile.info(file).duration)


def test_another_hop(runs: dict[str, Run], sounds: Path) -> None:
    file = sounds / "low" / "low0.wav"  # 2.7 s
    found = list(predict_windows(runs["svm"], [file], hop=0.25))
    assert [window.start for window in found] == [0.25 * number for number in range(len(found))]
    assert [window.end - window.start for window in found[:-1]] == [1.0] * (len(found) - 1)
    assert found[-1].end == 2.7
    own = {window.start: window.outputs for window in predict_windows(runs["svm"], [file])}
    both = [window for window in found if window.start in own and window.end - window.start == 1]
    assert len(both) == 4
    assert all(np.array_equal(window.outputs, own[window.start]) for window in both)
    with pytest.raises(SpecError, match=r"parameter hop must be at most the chunk's 1 seconds; got 1\.5"):
        next(predict_windows(runs["svm"], [file], hop=1.5))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds: low, hiss from 4 to 6 s, low."""
    low, hiss = tone(10, RATE, hertz=160) + noise(10, RATE, level=0.01), noise(10, RATE, level=0.2, seed=7)
    low[4 * RATE : 6 * RATE] = hiss[4 * RATE : 6 * RATE]
    return write(tmp_path_factory.mktemp("scene") / "scene.wav", low, RATE)


def test_events_of_one_label(runs: dict[str, Run], scene: Path) -> None:
    events = list(predict_events(runs["svm"], [scene], EventRules(threshold=0.5), hop=0.1))
    assert [event.label for event in events] == ["low", "hiss", "low"]
    assert [event.onset for event in events] == pytest.approx([0, 4, 6], abs=0.51)
    assert [event.offset for event in events] == pytest.approx([4, 6, 10], abs=0.51)
    assert events[-1].offset == 10
    assert all(event.file == str(scene) and 0.5 <= (event.score or 0) <= 1 for event in events)
    rules = EventRules(threshold={"hiss": 1, "high": 1, "low": 0.5}, merge=3)
    (event,) = predict_events(runs["svm"], [scene], rules, hop=0.1)
    assert (event.onset, event.offset, event.label) == (0, 10, "low")
    assert list(predict_events(runs["svm"], [scene], EventRules(min=11), hop=0.1)) == []


def test_files_with_problems_are_named_and_the_others_are_predicted(
    runs: dict[str, Run], sounds: Path, scene: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "text.wav").write_text("no sound " * 100)
    # Found to be silent only after its last window.
    silent = write(tmp_path / "silent.wav", tone(30, RATE, level=0), RATE)
    files = [tmp_path / "text.wav", scene, silent, scene]
    found = list(predict_windows(runs["svm"], files))
    problems = [window for window in found if window.problem]
    assert [window.file for window in problems] == [files[0], silent]
    assert [window.problem.partition(":")[0] for window in problems] == ["not decodable", "silent"]
    assert np.isnan([window.start for window in problems]).all()
    assert all(np.isnan(window.outputs).all() and len(window.outputs) == 3 for window in problems)
    one, other = ([w for w in part if w.file == scene] for part in (found[:60], found[60:]))
    assert len(one) == len(other) == 19
    caplog.set_level(logging.WARNING)
    assert {event.file for event in predict_events(runs["svm"], files[:2])} == {str(scene)}
    assert f"{files[0]}: not decodable" in caplog.text


def test_windows_come_before_the_end_of_a_long_file(runs: dict[str, Run], tmp_path: Path) -> None:
    long = write(tmp_path / "long.wav", noise(1200, RATE, level=0.2), RATE)
    windows = predict_windows(runs["svm"], [long, tmp_path / "none.wav"])
    assert next(windows).start == 0
    windows.close()  # type: ignore[attr-defined]


def test_rules_without_a_class(runs: dict[str, Run], scene: Path) -> None:
    with pytest.raises(ModelError, match="class 'high' has no threshold"):
        next(predict_events(runs["svm"], [scene], EventRules(threshold={"low": 0.5, "hiss": 0.5})))


_PEAK = """
import resource, sys
from audiospec.zoo.events.rules import EventRules
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train
from audiospec.zoo.windows.windows import predict_events

events = list(predict_events(Run(sys.argv[1]), sys.argv[2:], EventRules(threshold=0.1, merge=2)))
print(round(events[-1].offset), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


def _peak(run: Run, file: Path) -> tuple[int, int]:
    """End of the last event in seconds, and the peak of a process's memory in MiB."""
    command = [sys.executable, "-c", _PEAK, str(run.path), str(file)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    end, peak = map(int, done.stdout.split())
    return end, peak


def _recording(path: Path, minutes: int) -> Path:
    """A long file of 8 kHz, which takes 1.9 MB a minute as it is decoded."""
    minute = (noise(60, RATE, level=0.2) * 32767).astype(np.int16)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(minutes):
            file.write(minute)
    return path


@pytest.mark.parametrize("minutes", [20, pytest.param(600, marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_length_of_a_file(sounds: Path, tmp_path: Path, minutes: int) -> None:
    """Twenty minutes are 38 MB when they are decoded, and ten hours 1.1 GB."""
    spec = audiospec.TabularSpec(sample_rate=RATE, families=("rms",), n_fft=512, hop_length=256)
    store = tmp_path / "quick.zarr"
    view = audiospec.featurize("folder", data=sounds, spec=spec, chunk=1.0, store=store, workers=0)
    run = train("lr", view, out=tmp_path / "run")
    short, short_peak = _peak(run, _recording(tmp_path / "short.wav", 2))
    long, long_peak = _peak(run, _recording(tmp_path / "long.wav", minutes))
    assert (short, long) == (120, 60 * minutes)
    assert long_peak - short_peak < 32, (short_peak, long_peak)
