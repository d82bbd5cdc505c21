"""The model musicnn: pretrained weights, the spectrogram that they are for, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from audiospec.errors import ModelError
from audiospec.features.base import one_thread
from audiospec.features.musicnn import MusicnnFrontend
from audiospec.features.pretrained.musicnn_weights import musicnn_weights
from audiospec.specs.mel import MelSpec
from audiospec.specs.musicnn import MusicnnSpec
from audiospec.testing.memory_view import MemoryView
from audiospec.zoo.base import Rows, models
from audiospec.zoo.models.musicnn import FineTuned, MusicnnModel
from audiospec.zoo.targets.single import Single

SHAPE = (96, 40)
SETTINGS = {"epochs": 1, "batch": 4, "device": "cpu"}
MEL = MusicnnSpec.mel_spec()

try:
    distribution("musicnn")
    MISSING = False
except PackageNotFoundError:
    MISSING = True

needs_wheel = pytest.mark.skipif(MISSING, reason="no weights: pip install --no-deps musicnn==0.1.0")


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    with one_thread():
        yield


def rows(spec: MelSpec = MEL) -> Rows:
    values = np.random.default_rng(0).uniform(0, 4, (9, *SHAPE)).astype(np.float32)
    labels = ["a", "b", "c"] * 3
    view = MemoryView(values, labels, spec, (SHAPE[1] - 1) * spec.hop_length / spec.sample_rate)
    return Rows(view, np.arange(9), Single(["a", "b", "c"]))


def make_model(**settings: Any) -> MusicnnModel:
    cls: Any = models["musicnn"]
    model: MusicnnModel = cls(cls.Settings.replace_in({**SETTINGS, **settings}), SHAPE, ["a", "b", "c"])
    return model


def prepared(**settings: Any) -> FineTuned:
    model = make_model(**settings)
    net = model.network()
    assert isinstance(net, FineTuned)
    model.prepare(net)
    return net.eval()


@needs_wheel
@pytest.mark.parametrize("weights", ["msd", "mtt"])
def test_the_pretrained_network_is_that_of_the_feature(weights: Any) -> None:
    frontend = MusicnnFrontend(MusicnnSpec(weights=weights))
    wave = torch.randn(20000, generator=torch.Generator().manual_seed(0)) / 10
    with torch.inference_mode():
        embedding = prepared(weights=weights).network(frontend.mel(wave)[None])
    assert torch.allclose(embedding[0], frontend(wave), rtol=0, atol=1e-5)


@needs_wheel
@pytest.mark.parametrize("freeze", [True, False])
def test_a_frozen_network_does_not_change(freeze: bool) -> None:
    model = make_model(freeze=freeze)
    pretrained = prepared().state_dict()
    data = rows()
    model.fit(data, data, seed=0)
    changed = {
        name for name, value in model.net.state_dict().items() if not torch.equal(value, pretrained[name])
    }
    assert {"last.weight", "last.bias"} <= changed
    trained = {name for name in changed if name.startswith("network.")}
    if freeze:
        assert trained == set()
    else:
        assert {"network.timbral.1.convolution.weight", "network.middle.2.norm.running_mean"} <= trained


@needs_wheel
def test_rows_of_any_number_of_frames_are_read() -> None:
    net = prepared()
    for frames in (1, 20, 188, 500):
        assert net(torch.rand(2, 96, frames)).shape == (2, 3)


def test_a_batch_of_one_row_can_be_trained_on() -> None:
    model = make_model(weights="none", batch=1)
    data = rows()
    history = model.fit(data, data, seed=0)
    assert np.isfinite(history[0]["train_loss"])


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"pad_mode": "reflect"}, "pad_mode='constant'; this view has pad_mode='reflect'"),
        ({"scale": "db", "log_gain": 1, "log_offset": 0}, "scale='log10'; this view has scale='db'"),
        ({"sample_rate": 22050}, "sample_rate=16000; this view has sample_rate=22050"),
    ],
)
def test_pretrained_weights_refuse_another_spectrogram(change: dict[str, Any], difference: str) -> None:
    data = rows(dataclasses.replace(MEL, **change))
    for weights in ("msd", "a file"):
        with pytest.raises(ModelError, match=f"its own mel spectrogram, with {difference}: make a") as caught:
            make_model(weights=weights).fit(data, data, seed=0)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith('or start from random weights with `weights="none"`')
    if "sample_rate" in change:
        make_model(weights="none").fit(data, data, seed=0)


@needs_wheel
def test_the_type_and_the_channel_of_the_rows_are_free() -> None:
    data = rows(dataclasses.replace(MEL, dtype="float16", channel="left"))
    model = make_model(freeze=True)
    model.fit(data, data, seed=0)
    assert model.predict_proba(data.read()).shape == (9, 3)


def test_without_the_wheel_the_error_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", absent)
    data = rows()
    with pytest.raises(ModelError, match=r"run `pip install --no-deps musicnn==0\.1\.0` \(ISC licence\)$"):
        make_model().fit(data, data, seed=0)
    model = make_model(weights="none")
    model.fit(data, data, seed=0)


def test_a_run_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    first = make_model(weights="none")
    data = rows()
    first.fit(data, data, seed=0)
    first.save(tmp_path)
    file = tmp_path / "model.safetensors"
    net = prepared(weights=str(file))
    stored = load_file(file)
    for name, value in net.network.state_dict().items():
        assert torch.equal(value, stored[f"network.{name}"])
    assert not torch.equal(net.last.weight, stored["last.weight"])
    # As other tools would name the layers: those of the network alone.
    save_file(net.network.state_dict(), tmp_path / "network.safetensors")
    again = prepared(weights=str(tmp_path / "network.safetensors"))
    assert torch.equal(again.network.dense.weight, stored["network.dense.weight"])


def test_files_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"no weights at .*: expected `weights` to be msd, mtt, none, or a file"
    ):
        prepared(weights=str(tmp_path / "absent.pth"))
    save_file({"dense.weight": torch.zeros(200, 7)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"are not of this network .*: choose other `weights`$"):
        prepared(weights=str(tmp_path / "other.safetensors"))


@needs_wheel
def test_the_checkpoint_has_every_weight() -> None:
    names = {name.removeprefix("network.") for name in musicnn_weights("mtt")} - {"tags.weight", "tags.bias"}
    ours = {name for name in prepared(weights="none").network.state_dict() if "num_batches" not in name}
    assert names == ours
