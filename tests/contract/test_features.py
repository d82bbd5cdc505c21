"""Every registered feature keeps the contract."""

from __future__ import annotations

import pytest
from torch import Tensor

from audiospec.spec import FeatureSpec, MelSpec, features
from audiospec.testing.features import FrontendContract


class TestMel(FrontendContract):
    name = "mel"
    tolerance = 0.001
    close = 0.005
    power = 2

    def distance(self, one: Tensor, other: Tensor) -> float:
        # Dots of one chunk that lie 80 dB below its peak are a matter of float32's last digits.
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
            n_fft=255,
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


def test_every_feature_has_a_contract() -> None:
    here = {
        contract.name for contract in FrontendContract.__subclasses__() if contract.__module__ == __name__
    }
    assert here == set(features.names())
