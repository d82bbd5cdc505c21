"""Every registered feature passes the contract."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from torch import Tensor

from audiospec.features.tabular import deviation
from audiospec.specs.base import FeatureSpec, features
from audiospec.specs.mel import MelSpec
from audiospec.specs.musicnn import MusicnnSpec
from audiospec.specs.tabular import TabularSpec
from audiospec.testing.features import FrontendContract

# The contract is tested on a CPU, where backend `fused` needs Triton's interpreter. The variable is read when
# the kernel's module is imported, which is when a frontend first needs it.
os.environ.setdefault("TRITON_INTERPRET", "1")


class TestMel(FrontendContract):
    name = "mel"
    tolerance = 0.001
    close = 0.005
    exact = ("fft",)
    power = 2

    def distance(self, one: Tensor, other: Tensor) -> float:
        # Values more than 80 dB below a chunk's peak depend on float32's last digits.
        near = one >= one.amax((-2, -1), keepdim=True) - 40 * self.power
        return float((one - other)[near].abs().max()) if one.numel() else 0.0

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


class TestMusicnn(FrontendContract):
    name = "musicnn"
    tolerance = 1e-4
    close = 1e-4

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        if find_spec("musicnn") is None:
            pytest.skip("no weights: pip install --no-deps musicnn==0.1.0")
        return MusicnnSpec()


def test_every_feature_has_a_contract() -> None:
    tested = {
        contract.name for contract in FrontendContract.__subclasses__() if contract.__module__ == __name__
    }
    assert tested == set(features.names())
