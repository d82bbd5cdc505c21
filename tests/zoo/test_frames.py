"""Networks with an output a frame: shapes, targets of hidden frames, resuming, and events from audio."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiospec
from audiospec.annotations.annotation import Annotation
from audiospec.errors import ModelError
from audiospec.features.base import one_thread
from audiospec.manifest import Manifest, Track
from audiospec.stores.layout.view import View
from audiospec.testing.memory_view import spec_of
from audiospec.testing.targets import target_rows
from audiospec.zoo.base import Model, Rows, models
from audiospec.zoo.evaluation import evaluate
from audiospec.zoo.fitting import augment
from audiospec.zoo.fitting.settings import NetworkSettings
from audiospec.zoo.runs.run import Run
from audiospec.zoo.targets.frames import Frames
from audiospec.zoo.targets.single import Single

RATE = 8000
SPEC = audiospec.MelSpec(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=16, fmax=4000)
SERVING = ("crnn-base", "crnn-large")


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    """Keep torch on one thread, so that a network is the same in every process."""
    with one_thread():
        yield


def network(name: str = "crnn-base", shape: tuple[int, int] = (16, 41), **settings: object) -> Model:
    cls = models[name]
    return cls(cls.Settings.replace_in({"device": "cpu", **settings}), shape, Frames(["a", "b", "c"]))


# --- shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVING)
@pytest.mark.parametrize(("frames", "outputs"), [(41, 11), (40, 10), (3, 1), (1, 1)])
def test_an_output_is_of_four_frames(name: str, frames: int, outputs: int) -> None:
    model = network(name, (16, frames))
    assert model.target.output_shape == (outputs, 3)
    assert model.layers()[-1].shape == (outputs, 3)
    memory = model.training_memory()
    assert memory is not None
    assert memory.row > 4 * 16 * frames


def test_a_network_of_one_label_a_row_has_the_layers_that_it_had() -> None:
    of_frames, of_rows = network(), models["crnn-base"](network().settings, (16, 41), Single(["a", "b", "c"]))
    shapes = {layer.name: layer.shape for layer in of_rows.layers()}
    assert shapes["convolutions.18"] == (128, 1, 3)  # four pools of two frames
    assert shapes["recurrent.gru"] == (3, 32)
    assert {layer.name: layer.shape for layer in of_frames.layers()}["recurrent.gru"] == (11, 64)


def test_the_target_of_another_network_is_refused() -> None:
    cls = models["crnn-base"]
    with pytest.raises(ModelError, match=r"this network has 11 output frames .* the target has 7"):
        cls(cls.Settings(), (16, 41), Frames(["a"], frames=7))
    assert cls(cls.Settings(), (16, 41), Frames(["a"], frames=11)).target.output_shape == (11, 1)


# --- augmentation -------------------------------------------------------------------------------------


def test_the_target_of_a_hidden_frame_does_not_count() -> None:
    """A frame that is mostly hidden has no target; the others keep theirs."""
    torch.manual_seed(0)
    rows, targets = torch.randn(64, 16, 40), torch.ones(64, 10, 3)
    hidden_rows, kept = augment.augment(rows, targets, NetworkSettings(mask_time=0.6))
    hidden = (hidden_rows != rows).all(1)  # (B, frame)
    shares = hidden.reshape(64, 10, 4).float().mean(2)
    assert torch.equal(kept.isnan(), (shares > 0.5).unsqueeze(2).expand(-1, -1, 3))
    assert 0.1 < kept.isnan().float().mean() < 0.4
    _, all_kept = augment.augment(rows, targets, NetworkSettings(mask_mel=0.6))
    assert not all_kept.isnan().any()
    _, of_rows = augment.augment(rows, torch.ones(64, 3), NetworkSettings(mask_time=0.6))
    assert not of_rows.isnan().any()


def test_mixtures_of_frames_that_do_not_count_do_not_count() -> None:
    torch.manual_seed(0)
    targets = torch.zeros(8, 5, 2)
    targets[:4, :2] = float("nan")
    _, mixed = augment.mix(torch.randn(8, 4, 20), targets, 0.5)
    assert mixed[:4, :2].isnan().all()
    assert not mixed[:, 2:].isnan().any()


# --- training -----------------------------------------------------------------------------------------


def task(count: int = 24, seed: int = 0) -> Rows:
    return target_rows("frames", count, (16, 20), *spec_of((16, 20)), seed=seed)


def fitted(
    work: Path | None = None, stop_after: int | None = None, seed: int = 0, **settings: object
) -> Model:
    rows = task()
    cls = models["crnn-base"]
    chosen = cls.Settings.replace_in({"epochs": 3, "batch": 8, "device": "cpu", **settings})
    model = cls(chosen, (16, 20), rows.target)
    bound = Rows(rows.view, rows.numbers, model.target)

    def stop(entry: dict[str, float]) -> None:
        if entry["epoch"] == stop_after:
            raise InterruptedError

    history = model.fit(bound, bound.some(np.arange(8)), seed=seed, work=work, progress=stop)
    assert set(history[0]) == {"epoch", "seconds", "train_loss", "train_f1", "valid_loss", "valid_f1"}
    assert np.isfinite([list(entry.values()) for entry in history]).all()
    return model


def test_a_resumed_training_gives_the_same_network(tmp_path: Path) -> None:
    settings = {"mask_time": 0.4, "mixup": 0.2}
    rows = task(6, seed=1).read()
    expected = fitted(**settings).predict_proba(rows)
    with pytest.raises(InterruptedError):
        fitted(tmp_path, stop_after=2, **settings)
    assert np.array_equal(fitted(tmp_path, **settings).predict_proba(rows), expected)
    assert not np.array_equal(fitted(seed=1, **settings).predict_proba(rows), expected)


def test_class_weights_are_of_the_positive_frames() -> None:
    rows = task()
    target = network(shape=(16, 20)).target.with_frames(5)  # type: ignore[attr-defined]
    encoded = np.zeros((4, 5, 3), bool)
    encoded[:, 0, 0] = encoded[:, :, 2] = True
    assert target.class_weights(encoded) == pytest.approx([4.0, 20.0, 0.01])
    plain, weighted = (fitted(class_weights=chosen) for chosen in (False, True))
    assert not np.array_equal(plain.predict_proba(rows.read()), weighted.predict_proba(rows.read()))


# --- from audio to events -----------------------------------------------------------------------------


def recorded(folder: Path, name: str, count: int, seed: int) -> Manifest:
    """Recordings of 4 s with low and high tones, each in a group of two."""
    random = np.random.default_rng(seed)
    seconds = np.arange(4 * RATE) / RATE
    tracks = []
    for number in range(count):
        wave = 0.01 * random.standard_normal(len(seconds))
        annotations = []
        for label, hertz in (("high", 2500), ("low", 300)):
            start = float(random.uniform(0, 1.5))
            while start < 3.6:
                end = min(4.0, start + float(random.uniform(0.3, 1.0)))
                sounds = (seconds >= start) & (seconds < end)
                wave[sounds] += 0.2 * np.sin(2 * np.pi * hertz * seconds[sounds])
                annotations.append(Annotation(start=start, end=end, label=label))
                start = end + float(random.uniform(0.4, 1.5))
        soundfile.write(folder / f"{name}{number}.wav", wave, RATE)
        tracks.append(
            Track(
                id=f"{name}{number}",
                path=f"{name}{number}.wav",
                label="",
                group=f"{name} {number // 2}",
                annotations=tuple(annotations),
            )
        )
    return Manifest("tones", folder, tuple(sorted(tracks, key=lambda track: track.id)), target="frames")


def view_of(folder: Path, name: str, count: int, seed: int) -> View:
    folder.mkdir()
    manifest = recorded(folder, name, count, seed)
    return audiospec.featurize(
        manifest,
        spec=SPEC,
        chunk=audiospec.Chunking(seconds=2.0, hop=1.0),
        store=folder / "tones.zarr",
        workers=0,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("frames")
    view = view_of(folder / "tones", "a", 20, seed=0)
    settings = {"epochs": 10, "batch": 8, "learning_rate": 0.003, "device": "cpu"}
    with one_thread():
        return audiospec.train("crnn-base", view, settings=settings, out=folder / "run")


def test_events_are_learnt_from_audio(trained: Run) -> None:
    stated = json.loads((trained.path / "run.json").read_text())["target"]
    assert stated.pop("thresholds") == trained.target.thresholds.tolist()  # type: ignore[attr-defined]
    assert stated.keys() == {"name", "frames", "median", "merge", "min"}
    assert stated["frames"] == 32
    assert trained.info.classes == ["high", "low"]
    table = trained.metrics["test"]["track"]
    assert table["event_f1"] > 0.7
    assert table["count"] == trained.info.split["sides"]["test"]["tracks"] == 4
    predictions = trained.predictions()
    assert predictions.probabilities.shape == (60, 2)
    assert len(set(map(tuple, predictions.truth.tolist()))) > 1


def test_evaluation_repeats_the_scores(trained: Run) -> None:
    again = evaluate(trained)
    assert json.loads(json.dumps(again.track.to_dict())) == trained.metrics["test"]["track"]
    assert again.leaks is not None
    assert not again.leaks


def test_another_store_is_scored(trained: Run, tmp_path: Path) -> None:
    other = view_of(tmp_path / "other", "b", 4, seed=1).store
    scored = evaluate(trained, other)
    assert scored.track.count == 4
    assert scored.track.event_f1 > 0.7
    assert sum(each["support"] for each in scored.track.per_class.values()) == len(other.annotations)
    shutil.rmtree(tmp_path / "other")


def test_a_model_that_does_not_serve_frames_is_refused(trained: Run, tmp_path: Path) -> None:
    view = audiospec.open_store(trained.info.store).view()
    with pytest.raises(ModelError, match=r"resnet18-gru learns .*'frames'.*crnn-base, crnn-large"):
        audiospec.train("resnet18-gru", view, out=tmp_path / "run")


def test_folds_are_scored_by_their_own_decoding(tmp_path: Path) -> None:
    """Each recording is tested by the model of one fold; its events are of that model's thresholds."""
    view = view_of(tmp_path / "tones", "c", 8, seed=2)
    settings = {"epochs": 2, "batch": 8, "learning_rate": 0.003, "device": "cpu"}
    run = audiospec.train("crnn-base", view, settings=settings, folds=2, out=tmp_path / "run")
    table = run.metrics["test"]["track"]
    assert table["count"] == 8
    assert sum(each["support"] for each in table["per_class"].values()) == len(view.store.annotations)
    counts = [fold.metrics["test"]["track"]["count"] for fold in run.folds()]
    assert counts == [4, 4]
    assert json.loads(json.dumps(evaluate(run).track.to_dict())) == table
    segments = [fold.metrics["test"]["track"]["segment_f1"] for fold in run.folds()]
    assert min(segments) <= table["segment_f1"] <= max(segments)
