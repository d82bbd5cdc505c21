"""Prediction: by the features of the training to the bit, and file by file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiospec.errors import AudioError, RunError, SpecError
from audiospec.stores.layout.view import View
from audiospec.testing.audio import FORMATS, noise, tone, write
from audiospec.zoo.prediction import features_of, predict
from audiospec.zoo.runs.info import RunInfo
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import track_log_probabilities
from audiospec.zoo.training import train


@pytest.fixture(scope="module")
def listener(heard: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run trained on audio."""
    return train("svm", heard, out=tmp_path_factory.mktemp("runs") / "svm")


def files_of(view: View) -> dict[str, Path]:
    """The file of each track."""
    records = view.store.tracks.records()
    return {record.id: view.store.root / record.path for record in records}


def test_features_are_those_of_the_store_to_the_bit(listener: Run, heard: View) -> None:
    for id, file in files_of(heard).items():
        stored = heard.read(heard.rows_of(id))
        found = features_of(listener, file)
        assert found.dtype == np.float32
        assert found.shape == stored.shape == (3, 18)
        assert np.array_equal(found, stored.astype(np.float32))


def test_features_of_a_mel_view_are_too(listener: Run, mel: View) -> None:
    run = Run(listener.path)
    run.info = _as_if_on(run, mel)
    for id, file in list(files_of(mel).items())[::5]:
        stored = mel.read(mel.rows_of(id))
        assert stored.dtype == np.float16
        assert np.array_equal(features_of(run, file), stored.astype(np.float32))


def _as_if_on(run: Run, view: View) -> RunInfo:
    return replace(
        run.info,
        spec=view.spec.to_dict(),
        chunking=view.chunking.to_dict(),
        row_shape=list(view.info.row_shape),
        view=view.name,
    )


def test_predictions_are_those_of_the_tracks(listener: Run, heard: View) -> None:
    files = files_of(heard)
    found = list(predict(listener, list(files.values())))
    assert [said.file for said in found] == list(files.values())
    labels = dict(zip(heard.ids.tolist(), heard.labels.tolist(), strict=True))
    model = listener.model()
    for (id, _), said in zip(files.items(), found, strict=True):
        assert said.problem == ""
        assert said.chunks == 3
        assert said.classes[0] == labels[id]
        assert sorted(said.classes) == model.classes
        assert said.probabilities == sorted(said.probabilities, reverse=True)
        assert sum(said.probabilities) == pytest.approx(1)
        rows = heard.read(heard.rows_of(id))
        means = track_log_probabilities(model.predict_proba(rows), np.zeros(3, np.int64), 1)[0]
        shares = np.exp(means) / np.exp(means).sum()
        expected = dict(zip(model.classes, shares.tolist(), strict=True))
        assert dict(zip(said.classes, said.probabilities, strict=True)) == pytest.approx(expected)


def test_a_network_says_of_audio_what_it_says_of_the_store_to_the_bit(mel: View, tmp_path: Path) -> None:
    run = train("crnn-base", mel, settings={"epochs": 1, "device": "cpu"}, out=tmp_path / "run")
    model = run.model()
    for id, file in list(files_of(mel).items())[::4]:
        stored = mel.read(mel.rows_of(id)).astype(np.float32)
        heard = features_of(run, file)
        assert np.array_equal(model.predict_proba(heard), model.predict_proba(stored))
        (said,) = predict(run, [file])
        means = track_log_probabilities(model.predict_proba(stored), np.zeros(len(stored), np.int64), 1)[0]
        assert said.classes[0] == model.classes[int(means.argmax())]


def test_features_that_are_computed_otherwise_now_are_refused(
    mel: View, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("crnn-base", mel, settings={"epochs": 1, "device": "cpu"}, out=tmp_path / "run")
    monkeypatch.setattr("audiospec.specs.mel.MelSpec.version", 99)
    with pytest.raises(SpecError, match="has version 1, this audiospec computes version 99"):
        list(predict(run, [next(music.rglob("*.wav"))]))


def test_sounds_that_are_new_to_it(listener: Run, tmp_path: Path) -> None:
    # Of another rate, in stereo, as another format: heard all the same.
    wave = tone(1.5, 44100, hertz=163, channels=2) + noise(1.5, 44100, level=0.033, channels=2)
    low = write(tmp_path / "low.flac", 0.7 * wave, 44100, FORMATS[-5])
    hiss = write(tmp_path / "hiss.wav", noise(4.2, 8000, level=0.2, seed=999), 8000)
    one, other = predict(listener, [str(low), str(hiss)])
    assert (one.classes[0], one.chunks) == ("ant", 2)
    assert (other.classes[0], other.chunks) == ("cat", 4)


def test_files_that_cannot_be_heard_are_told_and_the_others_go_on(
    listener: Run, music: Path, tmp_path: Path
) -> None:
    whole = music / "bee" / "bee3.wav"
    short = write(tmp_path / "short.wav", tone(0.3, 8000), 8000)
    text = tmp_path / "text.wav"
    text.write_text("Lorem ipsum " * 100)
    (tmp_path / "empty.wav").touch()
    silent = write(tmp_path / "silent.wav", tone(2, 8000, level=0), 8000)
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "folder.wav").mkdir()
    files = [short, whole, text, tmp_path / "empty.wav", silent, cut, tmp_path / "folder.wav"]
    files += [tmp_path / "nowhere.wav", whole]
    found = list(predict(listener, files))
    assert [said.file for said in found] == files
    assert [bool(said.problem) for said in found] == [file != whole for file in files]
    assert found[1] == found[-1]
    assert found[1].classes[0] == "bee"
    assert found[0].problem == ("too short: 2400 samples (0.3 s), a chunk of 1 s needs 4000 (min_fill=0.5)")
    for said, words in zip(found[2:6], ("not decodable", "empty", "silent", "truncated"), strict=True):
        assert said.problem.startswith(words)
    for said in found:
        assert "\n" not in said.problem
        if said.problem:
            assert (said.classes, said.probabilities, said.chunks) == ([], [], 0)
            with pytest.raises(AudioError):
                features_of(listener, said.file)


def test_no_files(listener: Run) -> None:
    assert list(predict(listener, [])) == []


def test_files_are_heard_one_by_one(listener: Run, music: Path) -> None:
    made = predict(listener, [music / "ant" / "ant0.wav", music / "nothing.wav"])
    assert next(made).classes[0] == "ant"


def test_a_device_that_is_not_there(listener: Run, music: Path) -> None:
    with pytest.raises(SpecError, match="device 'abacus' is not to be had here"):
        list(predict(listener, [music / "ant" / "ant0.wav"], device="abacus"))


def test_a_run_on_an_imported_table_cannot_hear(run: Run, music: Path) -> None:
    with pytest.raises(RunError) as caught:
        list(predict(run, [music / "ant" / "ant0.wav"]))
    assert str(caught.value) == (
        f"run {run.path} was trained on an imported table, and nothing can compute its columns from "
        "audio: train on a view of `audiospec featurize --features tabular`"
    )


def test_a_run_needs_neither_store_nor_music(listener: Run, music: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(music / "cat" / "cat1.wav", tmp_path / "cat1.wav"))
    moved = Run(shutil.copytree(listener.path, tmp_path / "run"))
    (expected,) = predict(listener, [file])
    assert list(predict(moved, [file])) == [expected]
