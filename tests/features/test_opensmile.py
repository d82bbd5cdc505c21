"""opensmile: columns, limits, threads, its licence and its version."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiospec
from audiospec import OpensmileSpec
from audiospec.errors import SpecError
from audiospec.features import opensmile as feature
from audiospec.specs import base
from audiospec.specs.opensmile import LICENCE
from audiospec.specs.opensmile_sets import columns_of
from audiospec.testing.audio import tone, write

SETS = {"eGeMAPSv02": 88, "GeMAPSv01b": 62, "emobase": 988, "ComParE_2016": 6373}


@pytest.fixture(scope="module")
def opensmile():
    return pytest.importorskip("opensmile")


@pytest.fixture
def frontend(opensmile) -> feature.OpensmileFrontend:
    return feature.OpensmileFrontend(OpensmileSpec())


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) / 10


@pytest.mark.parametrize("name", SETS)
def test_columns_are_opensmiles(opensmile, name: str) -> None:
    level = opensmile.FeatureLevel.Functionals
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet[name], feature_level=level)
    assert list(columns_of(name)) == smile.feature_names
    assert len(columns_of(name)) == SETS[name]
    spec = OpensmileSpec(set=name)
    wave = noise(spec.least_samples)
    row = feature.OpensmileFrontend(spec)(wave)
    assert np.array_equal(row.numpy(), smile.process_signal(wave.numpy(), 16000).to_numpy()[0])
    assert row.isfinite().all()


def test_a_chunk_that_is_too_short_is_refused(frontend: feature.OpensmileFrontend) -> None:
    with pytest.raises(SpecError, match="a chunk of 959 samples is too short; expected at least 960"):
        frontend(torch.zeros(959))


def test_full_scale_does_not_turn_over(frontend: feature.OpensmileFrontend) -> None:
    square = torch.sin(torch.arange(8000) * 0.05).sign()
    assert torch.equal(frontend(square), frontend(square * 4))
    almost = square.clamp(max=1 - 2**-15)
    assert torch.equal(frontend(square), frontend(almost))


def test_threads_share_it(frontend: feature.OpensmileFrontend) -> None:
    waves = [noise(4000, seed) for seed in range(6)]
    expected = [frontend(wave) for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        for row, other in zip(pool.map(frontend, waves), expected, strict=True):
            assert torch.equal(row, other)


def test_another_version_is_refused(opensmile) -> None:
    spec = OpensmileSpec(release="2.5.0")  # can be read without it
    with pytest.raises(
        SpecError,
        match=r"expected opensmile 2\.5\.0, .* is 2.*: pip install opensmile==2\.5\.0, or",
    ):
        feature.OpensmileFrontend(spec)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature, "versions", lambda packages: {})
    with pytest.raises(SpecError, match=r"needs the package opensmile: pip install 'audiospec\[opensmile\]'"):
        feature.OpensmileFrontend(OpensmileSpec())


def test_float16_is_refused() -> None:
    with pytest.raises(SpecError, match='needs dtype="float32"; got dtype="float16"'):
        OpensmileSpec(dtype="float16")


def test_the_licence_is_logged_once_and_rows_are_stored(
    opensmile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(base, "_announced", set())
    rate = 8000
    for number, hertz in enumerate((200, 300, 400)):
        write(tmp_path / "voices" / f"{number}.wav", tone(1, rate, hertz=hertz), rate)
    with caplog.at_level(logging.WARNING, "audiospec"):
        view = audiospec.featurize(
            "folder",
            data=tmp_path / "voices",
            spec=OpensmileSpec(sample_rate=rate),
            chunk=1,
            store=tmp_path / "voices.zarr",
            workers=0,
        )
        frontend = audiospec.frontend(view.spec)
    assert [record.getMessage() for record in caplog.records].count(LICENCE) == 1
    assert view.columns == list(columns_of("eGeMAPSv02"))
    wave, _ = soundfile.read(tmp_path / "voices" / "1.wav", dtype="float32")
    (row,) = view.read(view.rows_of("1"))
    assert np.array_equal(row, frontend(torch.from_numpy(wave)).numpy())
    pitch = row[view.columns.index("F0semitoneFrom27.5Hz_sma3nz_amean")]
    assert 27.5 * 2 ** (pitch / 12) == pytest.approx(300, rel=0.02)
