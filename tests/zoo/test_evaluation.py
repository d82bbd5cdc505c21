"""Evaluation: a run's scores are reproduced, other stores are scored, and a changed store is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import audiospec
from audiospec.errors import ModelError, RunError, StoreError
from audiospec.testing.audio import noise, tone, write
from audiospec.zoo.evaluation import evaluate
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

RATE = 8000
SPEC = audiospec.TabularSpec(sample_rate=RATE, families=("rms",), n_fft=512, hop_length=128)


def compose(folder: Path, seed: int = 0) -> Path:
    """Write ten tracks in each of two classes."""
    for number in range(10):
        hiss = noise(1.0, RATE, level=0.05, seed=100 * seed + number)
        for label, wave in (("hiss", 3 * hiss), ("tone", tone(1.0, RATE, hertz=200 + 9 * number) + hiss)):
            write(folder / label / f"{number}.wav", wave, RATE)
    return folder


def featurize(music: Path, store: Path, spec: audiospec.TabularSpec = SPEC) -> audiospec.View:
    return audiospec.featurize("folder", data=music, spec=spec, chunk=0.5, store=store, workers=0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    view = featurize(compose(tmp_path / "music"), tmp_path / "music.zarr")
    return train("lr", view, out=tmp_path / "run")


def test_evaluating_again_gives_the_stored_scores(run: Run) -> None:
    scores = json.loads(json.dumps(evaluate(run).to_dict()))
    assert {level: scores[level] for level in ("chunk", "track")} == run.metrics["test"]
    assert scores["leaks"]["leaking"] == 0
    assert scores["unknown"] is None


def test_all_of_another_store_is_scored(run: Run, tmp_path: Path) -> None:
    # A folder named after another dataset, so that equal ids are other tracks.
    other = featurize(compose(tmp_path / "more", seed=1), tmp_path / "other.h5")
    scores = evaluate(run, other.store)
    assert (scores.chunk.count, scores.track.count) == (40, 20)


def test_rows_that_the_run_learnt_from_are_counted_and_scored_apart(run: Run, tmp_path: Path) -> None:
    """The run's own store, given as another one, was scored without a word."""
    scores = evaluate(run, audiospec.open_store(tmp_path / "music.zarr"))
    trained = run.info.split["sides"]["train"]
    assert scores.leaks is not None
    assert (scores.leaks.rows, scores.leaks.leaking) == (40, trained["rows"])
    assert scores.leaks.words == "tracks"
    assert scores.unknown is not None
    assert scores.unknown.to_dict() == run.metrics["test"]


def test_copies_under_other_names_in_another_store_are_counted(run: Run, tmp_path: Path) -> None:
    learnt = sorted(track.known.track for track in run.tracks() if track.side == "train")
    table = audiospec.open_store(tmp_path / "music.zarr").tracks
    paths = [tmp_path / "music" / str(table["path"][table.index[id]]) for id in learnt[:3]]
    compose(tmp_path / "more", seed=1)
    for number, path in enumerate(paths):
        shutil.copy(path, tmp_path / "more" / path.parent.name / f"copy {number}.wav")
    other = featurize(tmp_path / "more", tmp_path / "other.zarr")
    # Of another dataset, equal ids mean nothing.
    scores = evaluate(run, other.store)
    assert scores.leaks is not None
    assert scores.leaks.kinds["hash"] == 6
    assert [name.partition("copy")[1] for name in scores.leaks.names["hash"]] == ["copy"] * 3


def test_a_store_that_has_another_track_does_not_change_the_test_rows(run: Run, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "music" / "tone" / "1.wav", tmp_path / "music" / "tone" / "10.wav")
    featurize(tmp_path / "music", tmp_path / "music.zarr")
    assert evaluate(run).chunk.to_dict() == run.metrics["test"]["chunk"]


def test_a_store_that_lacks_a_row_of_the_run_is_refused(run: Run, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "music.zarr")
    (tmp_path / "music" / "tone" / "1.wav").unlink()
    featurize(tmp_path / "music", tmp_path / "music.zarr")
    with pytest.raises(
        RunError, match=r"has changed since run .*: it lacks 2 of the run's 40 rows: train again$"
    ):
        evaluate(run)


def test_a_store_whose_audio_has_changed_is_refused(run: Run, tmp_path: Path) -> None:
    for file in (tmp_path / "music" / "tone").iterdir():
        stat = file.stat()
        write(file, noise(1.0, RATE, level=0.1, seed=7), RATE)
        os.utime(file, (stat.st_atime, stat.st_mtime + 2))
    featurize(tmp_path / "music", tmp_path / "music.zarr")
    with pytest.raises(
        RunError, match=r"has changed since run .*: its rows have other values now: train again$"
    ):
        evaluate(run)


def test_a_missing_store_or_one_of_other_features_is_refused(run: Run, tmp_path: Path) -> None:
    other = featurize(tmp_path / "music", tmp_path / "other.zarr", audiospec.TabularSpec(sample_rate=RATE))
    with pytest.raises(
        ModelError,
        match=r"has no view of the features that run .* was trained on .*: make one with `audiospec feat",
    ):
        evaluate(run, other.store)
    shutil.rmtree(tmp_path / "music.zarr")
    with pytest.raises(StoreError):
        evaluate(run)
