"""Which log-mel views the duplicates are looked for in, and their values as decibels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audiospec.doctor.duplicates.frames import decibels, has_levels
from audiospec.features.kernels.mel_reference import mel_reference
from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.tabular import TabularSpec

SMALL: dict[str, Any] = {"sample_rate": 8000, "n_fft": 256, "n_mels": 16, "fmax": 4000.0, "dtype": "float32"}


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": "ln"},
        {"scale": "log10"},
        {"scale": "log10", "mean": -4.0, "std": 4.0},
        {"scale": "linear"},
        {"scale": "linear", "mean": 0.5, "std": 2.0},
        {"mean": -30.0, "std": 10.0},
    ],
    ids=str,
)
def test_levels_become_decibels(changes: dict[str, Any]) -> None:
    spec = MelSpec(**SMALL, **changes)
    wave = np.random.default_rng(0).normal(size=4000) / 10
    assert has_levels(spec)
    found = decibels(spec, mel_reference(spec, wave).astype(np.float32))
    np.testing.assert_allclose(found, mel_reference(MelSpec(**SMALL), wave), atol=0.01)


@pytest.mark.parametrize(
    "spec",
    [
        MelSpec(**SMALL, scale="pcen"),
        MelSpec(**SMALL, scale="log1p"),
        MelSpec(**SMALL, normalise="row"),
        TabularSpec(),
    ],
    ids=lambda spec: spec.fingerprint[:6],
)
def test_other_values_are_no_levels(spec: FeatureSpec) -> None:
    assert not has_levels(spec)
