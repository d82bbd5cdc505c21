"""Every registered feature passes the contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from torch import Tensor

from audiospec.features.tabular import deviation
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.cqt import CqtSpec
from audiospec.specs.embedding import EmbeddingSpec
from audiospec.specs.gammatone import GammatoneSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.mfcc import MfccSpec
from audiospec.specs.musicnn import MusicnnSpec
from audiospec.specs.opensmile import OpensmileSpec
from audiospec.specs.tabular import TabularSpec
from audiospec.specs.vqt import VqtSpec
from audiospec.specs.wave import WaveSpec
from audiospec.testing.features import FrontendContract
from audiospec.testing.onnx_models import conv_model, write_model

# The contract is tested on a CPU, where backend `fused` needs Triton's interpreter. The variable is read when
# the kernel's module is imported, which is when a frontend first needs it.
os.environ.setdefault("TRITON_INTERPRET", "1")


def near_the_peak(one: Tensor, other: Tensor, range: float) -> float:
    """Return the largest difference of values at most `range` dB below a chunk's peak."""
    # Values further below depend on float32's last digits.
    near = one >= one.amax((-2, -1), keepdim=True) - range
    return float((one - other)[near].abs().max()) if one.numel() else 0.0


class TestMel(FrontendContract):
    name = "mel"
    tolerance = 0.001
    close = 0.005
    exact = ("fft",)
    power = 2

    def distance(self, one: Tensor, other: Tensor) -> float:
        return near_the_peak(one, other, 40 * self.power)

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return MelSpec(sample_rate=8000, n_fft=512, hop_length=128, n_mels=40, fmax=4000)


class TestMelOfMagnitudes(TestMel):
    power = 1

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return MelSpec(
            sample_rate=8000,
            n_fft=256,
            hop_length=100,
            n_mels=30,
            fmax=3000,
            power=1,
            norm=None,
            mel_scale="slaney",
            pad_mode="constant",
            ref="max",
            top_db=80,
        )


class TestCqt(FrontendContract):
    name = "cqt"
    tolerance = 0.001
    close = 0.005

    def distance(self, one: Tensor, other: Tensor) -> float:
        return near_the_peak(one, other, 80)

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return CqtSpec(sample_rate=8000, fmin=110, n_bins=48, hop_length=128)


class TestVqt(FrontendContract):
    name = "vqt"
    tolerance = 0.001
    close = 0.005

    def distance(self, one: Tensor, other: Tensor) -> float:
        return near_the_peak(one, other, 80)

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return VqtSpec(
            sample_rate=8000,
            fmin=55,
            n_bins=60,
            hop_length=100,
            pad_mode="reflect",
            ref="max",
            top_db=80,
        )


class TestGammatone(FrontendContract):
    name = "gammatone"
    tolerance = 0.001
    close = 0.005

    def distance(self, one: Tensor, other: Tensor) -> float:
        return near_the_peak(one, other, 80)

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return GammatoneSpec(sample_rate=8000, n_fft=512, hop_length=128)


class TestMfcc(FrontendContract):
    name = "mfcc"
    tolerance = 0.01
    close = 0.02
    exact = ("fft",)

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return MfccSpec(sample_rate=8000, n_fft=512, hop_length=128, n_mels=40, lifter=22)


class TestTabular(FrontendContract):
    name = "tabular"
    samples = 12000
    tolerance = 1e-3
    close = 1e-3
    differentiable = False

    def distance(self, one: Tensor, other: Tensor) -> float:
        return float(deviation(self.all_families, one.double(), other.double()).max()) if one.numel() else 0.0

    all_families = TabularSpec(
        sample_rate=8000, n_fft=512, hop_length=128, n_mels=40, families=("all",), n_bands=4
    )

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return self.all_families

    def signals(self) -> Tensor:
        # The spectrum of a click alone is flat, so rounding errors would determine its tuning.
        waves = super().signals()
        waves[2] += waves[0] / 100
        return waves


class TestOpensmile(FrontendContract):
    name = "opensmile"
    samples = 4800
    tolerance = close = 0.0
    differentiable = False

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        pytest.importorskip("opensmile")
        return OpensmileSpec()


class TestMusicnn(FrontendContract):
    name = "musicnn"
    tolerance = 1e-4
    close = 1e-4

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        if find_spec("musicnn") is None:
            pytest.skip("no weights: pip install --no-deps musicnn==0.1.0")
        return MusicnnSpec()


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write a model; its copy is kept in a data folder of these tests."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIOSPEC_DATA", str(folder / "data"))
        yield write_model(folder / "conv.onnx", conv_model())


class TestEmbedding(FrontendContract):
    name = "embedding"
    tolerance = 1e-5
    close = 1e-5
    differentiable = False

    @pytest.fixture
    def spec(self, onnx_model: Path) -> FeatureSpec:
        return EmbeddingSpec(
            model=str(onnx_model), sample_rate=8000, window=0.1, hop=0.04, pooling=("mean", "max")
        )


class TestWave(FrontendContract):
    name = "wave"
    tolerance = 0.0
    close = 0.0
    exact = ("torch",)

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        return WaveSpec(sample_rate=8000)


def test_every_feature_has_a_contract() -> None:
    tested = {
        contract.name for contract in FrontendContract.__subclasses__() if contract.__module__ == __name__
    }
    assert tested == set(features.names())
