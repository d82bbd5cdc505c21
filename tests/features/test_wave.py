"""Views of waves: the samples of the audio, as they are, in every kind of store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiospec
from audiospec.errors import SpecError, StoreError
from audiospec.explorer.problems import NotFoundError
from audiospec.explorer.session import Session
from audiospec.features.base import frontend
from audiospec.features.native.base import kernels
from audiospec.features.rows.writing import KernelWriter, row_writer
from audiospec.render.spectrogram import draw
from audiospec.stores.layout.view import View
from audiospec.stores.shards.format import MOST_FLAT, chunk_rows
from audiospec.testing.stores.shards import map_shard, write_shard

RATE = 8000
SECONDS = 2.75
WAVES = audiospec.WaveSpec(sample_rate=RATE)
MEL = audiospec.MelSpec(sample_rate=RATE, n_fft=256, n_mels=16, fmax=4000, dtype="float32")


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir()
        soundfile.write(folder / name / "x.wav", random.uniform(-1, 1, round(SECONDS * RATE)), RATE, "PCM_16")
    return folder


def made(audio: Path, store: Path, *specs: audiospec.FeatureSpec) -> list[View]:
    return [
        audiospec.featurize("folder", data=audio, spec=spec, chunk=1.0, store=store, workers=0)
        for spec in specs
    ]


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_rows_are_the_samples_of_the_file_to_the_bit(audio: Path, tmp_path: Path, suffix: str) -> None:
    (view,) = made(audio, tmp_path / f"x{suffix}", WAVES)
    samples, _ = soundfile.read(audio / "b" / "x.wav", dtype="float32")
    rows = audiospec.open_store(tmp_path / f"x{suffix}").view(view.name).read(view.rows_of("b/x.wav"))
    assert rows.dtype == np.float32
    assert rows.shape == (3, RATE)
    np.testing.assert_array_equal(rows.ravel()[: len(samples)], samples)
    assert not rows.ravel()[len(samples) :].any()  # a tail is filled up with silence


def test_features_of_stored_waves_are_those_of_the_audio_to_the_bit(audio: Path, tmp_path: Path) -> None:
    waves, mel = made(audio, tmp_path / "x.zarr", WAVES, MEL)
    computed = frontend(MEL, backend=str(mel.info.made["backend"]))(torch.from_numpy(waves.read()))
    np.testing.assert_array_equal(computed.numpy(), mel.read())


def test_half_precision_rounds_to_11_bits(audio: Path, tmp_path: Path) -> None:
    exact, half = made(
        audio, tmp_path / "x.zarr", WAVES, audiospec.WaveSpec(sample_rate=RATE, dtype="float16")
    )
    one, other = exact.read(), half.read()
    assert other.dtype == np.float16
    assert 0 < np.abs(one - other).max() <= 2**-12
    noise = np.square(one - other.astype(np.float32)).sum() / np.square(one).sum()
    assert 10 * np.log10(noise) < -70


def test_xarray_shows_the_time_of_each_sample(audio: Path, tmp_path: Path) -> None:
    import xarray

    (view,) = made(audio, tmp_path / "x.zarr", WAVES)
    with xarray.open_zarr(tmp_path / "x.zarr", group=f"views/{view.name}") as opened:
        assert opened["data"].dims == ("row", "sample")
        assert opened["sample"].attrs["units"] == "s"
        np.testing.assert_array_equal(opened["sample"].values, np.arange(RATE) / RATE)


def test_no_torch_is_needed() -> None:
    script = (
        "import sys; from audiospec.features.rows.writing import row_writer; import audiospec, numpy as np; "
        "row = np.empty(5, np.float32); wave = np.arange(5, dtype=np.float32); "
        "row_writer(audiospec.WaveSpec()).write([wave], [row]); assert (row == wave).all(); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert isinstance(row_writer(WAVES), KernelWriter)


def test_a_row_of_another_length_is_refused() -> None:
    # NumPy would repeat one sample, and a store would be wrong in silence.
    with pytest.raises(ValueError, match=r"expected a row of shape \(1,\); got \(5,\)"):
        kernels["wave"](WAVES).write(np.ones(1, np.float32), np.empty(5, np.float32))


def test_waves_have_no_byte_code() -> None:
    with pytest.raises(SpecError, match="stores decibels, but feature 'wave' is not in decibels"):
        audiospec.WaveSpec(dtype="uint8")


def test_times_are_computed_not_kept() -> None:
    times, unit = WAVES.coordinates(1 << 28)["sample"]
    assert unit == "s"
    assert len(times) == 1 << 28
    assert (times[-1], times[:3]) == (((1 << 28) - 1) / RATE, [0.0, 1 / RATE, 2 / RATE])
    with pytest.raises(SpecError, match="is too long"):
        WAVES.row_shape((1 << 28) + 1)


def test_a_long_wave_is_a_chunk_by_itself(tmp_path: Path) -> None:
    assert chunk_rows((MOST_FLAT,), 7) == 7
    assert chunk_rows((MOST_FLAT + 1,), 7) == 1
    rows = np.random.default_rng(0).normal(size=(2, MOST_FLAT + 1)).astype("<f4")
    write_shard(tmp_path / "x", rows, 3)
    row = np.dtype((np.dtype("<f4"), rows.shape[1:]))
    np.testing.assert_array_equal(map_shard(tmp_path / "x", row, 3), rows)


def test_the_explorer_shows_spectrograms_first_and_says_what_waves_lack(audio: Path, tmp_path: Path) -> None:
    waves, mel = made(audio, tmp_path / "x.zarr", WAVES, MEL)
    session = Session(audiospec.open_store(tmp_path / "x.zarr"), tmp_path / "work")
    try:
        assert [view.name for view in session.views] == [mel.name, waves.name]
        assert "no map of waves" in session.map(waves.name)["message"]
        with pytest.raises(NotFoundError, match=r"no spectrograms: feature 'wave' has rows of \(sample\)"):
            session.picture(0, waves.name)
    finally:
        session.close()


def test_waves_are_not_drawn(audio: Path, tmp_path: Path) -> None:
    (waves,) = made(audio, tmp_path / "x.zarr", WAVES)
    with pytest.raises(StoreError, match=r"cannot be drawn: .* 'wave' has rows of \(sample\)"):
        draw(waves, "a/x.wav")
