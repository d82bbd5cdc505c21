"""Prediction: with the features of the training to the bit, and file by file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiospec.audio.recording import load
from audiospec.errors import AudioError, RunError, SpecError
from audiospec.stores.layout.view import View
from audiospec.testing.audio import FORMATS, noise, tone, write
from audiospec.zoo.prediction import predict
from audiospec.zoo.runs.info import RunInfo
from audiospec.zoo.runs.run import Run
from audiospec.zoo.scores.measuring.chunks import track_log_probabilities
from audiospec.zoo.training import train
from audiospec.zoo.windows.rows import features_of


@pytest.fixture(scope="module")
def listener(tabular: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run trained on audio."""
    return train("svm", tabular, out=tmp_path_factory.mktemp("runs") / "svm")


def files_of(view: View) -> dict[str, Path]:
    """The file of each track."""
    records = view.store.tracks.records()
    return {record.id: view.store.root / record.path for record in records}


def test_features_equal_the_stores_to_the_bit(listener: Run, tabular: View) -> None:
    for id, file in files_of(tabular).items():
        stored = tabular.read(tabular.rows_of(id))
        rows = features_of(listener, load(file, listener.spec.sample_rate))
        assert rows.dtype == np.float32
        assert rows.shape == stored.shape == (3, 18)
        assert np.array_equal(rows, stored.astype(np.float32))


def test_features_of_a_mel_view_equal_the_stores_to_the_bit(listener: Run, mel: View) -> None:
    run = Run(listener.path)
    run.info = _info_for_view(run, mel)
    for id, file in list(files_of(mel).items())[::5]:
        stored = mel.read(mel.rows_of(id))
        assert stored.dtype == np.float16
        assert np.array_equal(features_of(run, load(file, run.spec.sample_rate)), stored.astype(np.float32))


def _info_for_view(run: Run, view: View) -> RunInfo:
    return replace(
        run.info,
        spec=view.spec.to_dict(),
        chunking=view.chunking.to_dict(),
        row_shape=list(view.info.row_shape),
        view=view.name,
        backend=view.info.made["backend"],
    )


def test_predictions_equal_those_of_the_stores_tracks(listener: Run, tabular: View) -> None:
    files = files_of(tabular)
    predictions = list(predict(listener, list(files.values())))
    assert [prediction.file for prediction in predictions] == list(files.values())
    labels = dict(zip(tabular.ids.tolist(), tabular.labels.tolist(), strict=True))
    model = listener.model()
    for (id, _), prediction in zip(files.items(), predictions, strict=True):
        assert prediction.problem == ""
        assert prediction.chunks == 3
        assert prediction.classes[0] == labels[id]
        assert sorted(prediction.classes) == model.classes
        assert prediction.probabilities == sorted(prediction.probabilities, reverse=True)
        assert sum(prediction.probabilities) == pytest.approx(1)
        rows = tabular.read(tabular.rows_of(id))
        means = track_log_probabilities(model.predict_proba(rows), np.zeros(3, np.int64), 1)[0]
        shares = np.exp(means) / np.exp(means).sum()
        expected = dict(zip(model.classes, shares.tolist(), strict=True))
        probabilities = dict(zip(prediction.classes, prediction.probabilities, strict=True))
        assert probabilities == pytest.approx(expected)


def test_a_network_predicts_the_same_from_audio_and_from_the_store_to_the_bit(
    mel: View, tmp_path: Path
) -> None:
    run = train("crnn-base", mel, settings={"epochs": 1, "device": "cpu"}, out=tmp_path / "run")
    model = run.model()
    for id, file in list(files_of(mel).items())[::4]:
        stored = mel.read(mel.rows_of(id)).astype(np.float32)
        rows = features_of(run, load(file, run.spec.sample_rate))
        assert np.array_equal(model.predict_proba(rows), model.predict_proba(stored))
        (prediction,) = predict(run, [file])
        means = track_log_probabilities(model.predict_proba(stored), np.zeros(len(stored), np.int64), 1)[0]
        assert prediction.classes[0] == model.classes[int(means.argmax())]


def test_features_with_another_version_are_refused(
    mel: View, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("crnn-base", mel, settings={"epochs": 1, "device": "cpu"}, out=tmp_path / "run")
    monkeypatch.setattr("audiospec.specs.mel.MelSpec.version", 99)
    with pytest.raises(SpecError, match="has version 1, this audiospec computes version 99"):
        list(predict(run, [next(music.rglob("*.wav"))]))


def test_new_sounds(listener: Run, tmp_path: Path) -> None:
    # They have another rate, are in stereo, and have another format.
    wave = tone(1.5, 44100, hertz=163, channels=2) + noise(1.5, 44100, level=0.033, channels=2)
    low = write(tmp_path / "low.flac", 0.7 * wave, 44100, FORMATS[-5])
    hiss = write(tmp_path / "hiss.wav", noise(4.2, 8000, level=0.2, seed=999), 8000)
    one, other = predict(listener, [str(low), str(hiss)])
    assert (one.classes[0], one.chunks) == ("ant", 2)
    assert (other.classes[0], other.chunks) == ("cat", 4)


def test_files_with_problems_do_not_stop_the_others(listener: Run, music: Path, tmp_path: Path) -> None:
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
    predictions = list(predict(listener, files))
    assert [prediction.file for prediction in predictions] == files
    assert [bool(prediction.problem) for prediction in predictions] == [file != whole for file in files]
    assert predictions[1] == predictions[-1]
    assert predictions[1].classes[0] == "bee"
    assert predictions[0].problem == (
        "too short: 2400 samples (0.3 s), a chunk of 1 s needs 4000 (min_fill=0.5)"
    )
    problems = ("not decodable", "empty", "silent", "truncated")
    for prediction, problem in zip(predictions[2:6], problems, strict=True):
        assert prediction.problem.startswith(problem)
    for prediction in predictions:
        assert "\n" not in prediction.problem
        if prediction.problem:
            assert (prediction.classes, prediction.probabilities, prediction.chunks) == ([], [], 0)
            with pytest.raises(AudioError):
                features_of(listener, load(prediction.file, listener.spec.sample_rate))


def test_truncated_and_silent_files_can_be_predicted(listener: Run, music: Path, tmp_path: Path) -> None:
    import soundfile

    from audiospec.audio.reading import Reading

    sound = np.random.default_rng(0).normal(0, 0.1, 22050 * 8)
    soundfile.write(tmp_path / "cut.wav", sound, 22050)
    content = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: len(content) * 3 // 4])
    (strict,) = predict(listener, [tmp_path / "cut.wav"])
    assert strict.problem.startswith("truncated: ")
    (kept,) = predict(listener, [tmp_path / "cut.wav"], reading=Reading(truncated="keep"))
    assert (kept.problem, kept.note) == ("", strict.problem)
    assert kept.chunks >= 1


def test_no_files(listener: Run) -> None:
    assert list(predict(listener, [])) == []


def test_files_are_predicted_one_by_one(listener: Run, music: Path) -> None:
    predictions = predict(listener, [music / "ant" / "ant0.wav", music / "nothing.wav"])
    assert next(predictions).classes[0] == "ant"


def test_a_device_that_is_not_available(listener: Run, music: Path) -> None:
    with pytest.raises(SpecError, match="device 'abacus' is not available"):
        list(predict(listener, [music / "ant" / "ant0.wav"], device="abacus"))


def test_a_run_on_an_imported_table_cannot_predict_audio(run: Run, music: Path) -> None:
    with pytest.raises(RunError) as caught:
        list(predict(run, [music / "ant" / "ant0.wav"]))
    assert str(caught.value) == (
        f"run {run.path} was trained on an imported table, whose columns cannot be computed from audio: "
        "train on a view of `audiospec featurize --features tabular`"
    )


def test_a_run_needs_neither_store_nor_music(listener: Run, music: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(music / "cat" / "cat1.wav", tmp_path / "cat1.wav"))
    moved = Run(shutil.copytree(listener.path, tmp_path / "run"))
    (expected,) = predict(listener, [file])
    assert list(predict(moved, [file])) == [expected]
