"""cqt, vqt, gammatone and mfcc against the libraries that they agree with, and their specs."""

from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kaldi_native_fbank import MfccOptions, OnlineMfcc
from numpy.typing import NDArray

import audiospec
from audiospec import CqtSpec, GammatoneSpec, MfccSpec, VqtSpec
from audiospec.benchmarks.studies.transforms import KALDI
from audiospec.errors import SpecError
from audiospec.features.kernels.gammatone_filters import exact_filters, gammatone_filters
from audiospec.features.kernels.wavelets import magnitudes
from audiospec.specs.base import FeatureSpec, spec_class
from audiospec.specs.gammatone import EAR_QUALITY, LEAST_BANDWIDTH

RATE = 22050


def music(rate: int = RATE, seconds: float = 3) -> NDArray[np.float32]:
    """Notes of a scale with harmonics that decay, and noise."""
    time = np.arange(int(rate * seconds)) / rate
    wave = np.random.default_rng(0).standard_normal(len(time)) / 1000
    for number, hertz in enumerate((65.4, 98, 196, 261.6, 329.6, 440, 880)):
        since = np.maximum(time - number * 0.35, 0)
        for harmonic in (1, 2, 3):
            wave += (since > 0) * np.exp(-3 * since) * np.sin(2 * np.pi * harmonic * hertz * since) / 20
    return wave.astype(np.float32)


def row_of(spec: FeatureSpec, wave: NDArray[np.float32]) -> NDArray[np.float64]:
    row: NDArray[np.float64] = audiospec.frontend(spec)(torch.from_numpy(wave)).numpy().astype(np.float64)
    return row


# --- cqt and vqt -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "most", "mean_decibels"),
    [
        (CqtSpec(scale="linear", dtype="float32"), 0.015, 0.15),
        (VqtSpec(scale="linear", dtype="float32"), 0.04, 0.3),
        (VqtSpec(scale="linear", dtype="float32", gamma=0), 0.015, 0.15),
    ],
    ids=["cqt", "vqt", "vqt-of-constant-q"],
)
def test_constant_q_agrees_with_librosa(spec: CqtSpec, most: float, mean_decibels: float) -> None:
    """librosa downsamples for lower octaves, and rounds their wavelets to whole samples of the lower rate."""
    wave = music()
    librosas = np.abs(
        librosa.vqt(wave, sr=RATE, gamma=spec.offset, hop_length=512, fmin=spec.fmin, n_bins=84)
    )
    ours = row_of(spec, wave)
    assert ours.shape == librosas.shape
    assert np.linalg.norm(ours - librosas) <= most * np.linalg.norm(librosas)
    near = librosas > librosas.max() / 100
    assert np.abs(20 * np.log10(ours[near] / librosas[near])).mean() <= mean_decibels


@pytest.mark.parametrize("spec", [CqtSpec(n_bins=60, bins_per_octave=24, filter_scale=0.8), VqtSpec()])
def test_frequencies_and_lengths_are_librosas(spec: CqtSpec) -> None:
    frequencies = librosa.cqt_frequencies(spec.n_bins, fmin=spec.fmin, bins_per_octave=spec.bins_per_octave)
    lengths, _ = librosa.filters.wavelet_lengths(
        freqs=frequencies,
        sr=RATE,
        filter_scale=spec.filter_scale,
        gamma=None if spec.feature == "vqt" else 0,
    )
    assert np.allclose(spec.frequencies, frequencies, rtol=1e-12)
    # A length that is whole but for the last digit may be rounded either way.
    assert np.abs(np.array(spec.lengths) - np.ceil(lengths - 1e-6)).max() == 0


def test_cqt_is_nnaudios() -> None:
    from nnAudio2.features.cqt import CQT1992v2

    spec = CqtSpec(scale="linear", dtype="float32", pad_mode="reflect", n_bins=48, fmin=110)
    wave = music()
    # nnAudio's relative bandwidth is r - 1; see `wavelets`.
    scale = spec.filter_scale * (2 ** (1 / 12) - 1) / spec.alpha
    nnaudio = CQT1992v2(sr=RATE, fmin=110, n_bins=48, filter_scale=scale, verbose=False)
    theirs = nnaudio(torch.from_numpy(wave)[None])[0].numpy()
    assert np.abs(row_of(spec, wave) - theirs).max() <= 1e-5 * theirs.max()


def test_a_sine_has_the_stated_magnitude() -> None:
    spec = CqtSpec(scale="linear", dtype="float32", n_bins=48, fmin=110)
    time = np.arange(2 * RATE) / RATE
    for number in (0, 17, 47):
        wave = (0.3 * np.sin(2 * np.pi * spec.frequencies[number] * time)).astype(np.float32)
        middle = row_of(spec, wave)[:, RATE // 512]
        assert middle.argmax() == number
        assert middle[number] == pytest.approx(0.15 * np.sqrt(spec.lengths[number]), rel=0.01)


def test_a_variable_q_is_shorter_below_and_the_same_above() -> None:
    constant, variable = CqtSpec(), VqtSpec()
    assert variable.lengths[0] < constant.lengths[0] / 2
    assert variable.lengths[-1] > 0.9 * constant.lengths[-1]
    assert VqtSpec(gamma=0).lengths == constant.lengths


@settings(max_examples=20, deadline=None)
@given(
    samples=st.integers(1, 3000),
    hop=st.integers(1, 700),
    reflect=st.booleans(),
    bins=st.integers(1, 14),
    scale=st.floats(0.5, 1.5),
)
def test_constant_q_fits_its_definition_for_any_length(
    samples: int, hop: int, reflect: bool, bins: int, scale: float
) -> None:
    spec = CqtSpec(
        sample_rate=4000,
        fmin=220,
        n_bins=bins,
        bins_per_octave=6,
        filter_scale=scale,
        hop_length=hop,
        pad_mode="reflect" if reflect else "constant",
        scale="linear",
        dtype="float32",
    )
    wave = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    if samples < spec.least_samples:
        with pytest.raises(SpecError, match=f"expected at least {spec.least_samples} samples"):
            spec.row_shape(samples)
        samples = spec.least_samples
        wave = np.resize(wave, samples)
    exact = magnitudes(spec, wave)
    assert exact.shape == spec.row_shape(samples)
    assert np.abs(row_of(spec, wave) - exact).max() <= 1e-5


@pytest.mark.parametrize("ref", [1.0, "max"])
def test_the_byte_code_of_cqt_holds_audio_of_twice_full_scale(ref: Any) -> None:
    spec = CqtSpec(n_bins=36, fmin=110, dtype="uint8", ref=ref)
    assert spec.code is not None
    time = np.arange(RATE) / RATE
    loud = 2 * np.sign(np.sin(2 * np.pi * spec.fmin * time)).astype(np.float32)
    for wave in (loud, np.zeros(RATE, np.float32)):
        row = row_of(spec, wave).astype(np.float32)
        assert np.abs(spec.code.decode(spec.code.encode(row)) - row).max() <= spec.code.max_error + 1e-4


# --- gammatone ---------------------------------------------------------------------------------------

#: Weights by `gammatone` 1.0.3 (D. Ellis's filters in Python): fft_weights(512, 16000, 32, 1, 50, 8000, 257).
PUBLISHED = {
    (0, 2): 0.7294547195149068,
    (0, 10): 0.0002317766589133449,
    (7, 20): 0.0029394371830238557,
    (15, 60): 0.0015690680152031847,
    (31, 200): 0.2128636037607952,
    (31, 256): 0.429558357485255,
}


def test_gammatone_filters_are_the_published_ones() -> None:
    spec = GammatoneSpec(sample_rate=16000, n_fft=512, n_bins=32)
    filters = exact_filters(spec) * spec.n_fft
    for (number, fourier_bin), weight in PUBLISHED.items():
        assert filters[number, fourier_bin] == pytest.approx(weight, rel=1e-9)


@pytest.mark.parametrize(
    "spec", [GammatoneSpec(), GammatoneSpec(fmin=0, fmax=5000), GammatoneSpec(sample_rate=96000, fmin=1)]
)
def test_nnaudios_gammatone_filters_are_exact(spec: GammatoneSpec) -> None:
    assert np.abs(gammatone_filters(spec) / exact_filters(spec) - 1).max() < 1e-6
    # The strongest Fourier bin of each filter is near its centre; near half the rate its mirror shifts it.
    strongest = exact_filters(spec).argmax(1) * spec.sample_rate / spec.n_fft
    bandwidths = np.array(spec.frequencies) / EAR_QUALITY + LEAST_BANDWIDTH
    assert (np.abs(strongest - spec.frequencies) <= spec.sample_rate / spec.n_fft + bandwidths / 5).all()


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_gammatone_is_nnaudios(power: float) -> None:
    from nnAudio2.features.gammatone import Gammatonegram

    spec = GammatoneSpec(scale="linear", dtype="float32", power=power)
    nnaudio = Gammatonegram(sr=RATE, fmin=50, power=power, verbose=False)
    wave = music()
    theirs = nnaudio(torch.from_numpy(wave)[None])[0].numpy()
    assert np.abs(row_of(spec, wave) - theirs).max() <= 1e-5 * theirs.max()


# --- mfcc --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"n_mfcc": 13, "lifter": 22}, {"n_mfcc": 13, "lifter": 22}),
        (
            {"mel_scale": "htk", "n_mels": 40, "fmax": 8000, "top_db": None},
            {"htk": True, "n_mels": 40, "fmax": 8000},
        ),
    ],
)
def test_mfcc_is_librosas(fields: dict[str, Any], options: dict[str, Any]) -> None:
    wave = music()
    assert (
        np.abs(row_of(MfccSpec(**fields), wave) - librosa.feature.mfcc(y=wave, sr=RATE, **options)).max()
        < 1e-3
    )


def test_mfcc_is_kaldis() -> None:
    options = MfccOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = 16000, 0
    options.mel_opts.num_bins, options.num_ceps = 23, 13
    options.use_energy, options.cepstral_lifter = False, 0
    wave = music(16000)
    kaldi = OnlineMfcc(options)
    kaldi.accept_waveform(16000, (wave * 32768).tolist())
    kaldi.input_finished()
    theirs = np.array([kaldi.get_frame(number) for number in range(kaldi.num_frames_ready)]).T
    assert np.abs(row_of(KALDI, wave) - theirs).max() < 1e-3


# --- specs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("feature", "fields", "message"),
    [
        ("cqt", {"n_bins": 120}, r"n_bins=120 bins.* reaches to .* Hz; expected at most 11025 Hz.*: lower"),
        ("cqt", {"fmin": 1e300, "n_bins": 16000}, "expected at most 11025 Hz"),
        ("cqt", {"fmin": 1e-300}, r"wavelets, at fmin=1e-300 Hz, has .* samples; expected at most"),
        ("cqt", {"filter_scale": 900}, "expected at most .*: raise `fmin`, or lower `filter_scale`"),
        ("cqt", {"fmin": 0}, "fmin must be above 0 Hz"),
        ("cqt", {"scale": "linear"}, 'scale="linear" needs dtype="float32"'),
        (
            "cqt",
            {"scale": "linear", "dtype": "float32", "top_db": 80},
            'scale="linear" and top_db=80.0 contradict each other',
        ),
        ("vqt", {"gamma": -1}, "gamma must be at least 0 Hz, or none"),
        ("vqt", {"gamma": 1e9}, "expected at most 11025 Hz"),
        ("gammatone", {"fmax": 12000}, "fmax must be at most 11025 Hz"),
        ("gammatone", {"fmin": 11025}, r"fmin must be from 0 to below fmax \(11025 Hz\)"),
        ("gammatone", {"n_fft": 1 << 20, "n_bins": 64}, "n_bins must be 1 to 7 for n_fft=1048576"),
        ("gammatone", {"dtype": "uint8"}, r'dtype="uint8" needs a bound.*: give `dtype="float16"`'),
        ("mfcc", {"n_mfcc": 129}, r"n_mfcc must be from 1 to n_mels \(128\)"),
        ("mfcc", {"n_mels": 1000}, "mel filters hold no Fourier bin"),
        ("mfcc", {"win_length": 4096}, "win_length=4096 contradicts n_fft=2048"),
        ("mfcc", {"dtype": "uint8"}, 'dtype="uint8" stores decibels, and MFCCs are'),
    ],
)
def test_specs_refuse_what_is_impossible(feature: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec_class(feature)(**fields)


@pytest.mark.parametrize(
    "spec",
    [
        CqtSpec(sample_rate=8000, fmin=220, n_bins=24, hop_length=200),
        GammatoneSpec(sample_rate=8000, n_fft=512, hop_length=200, n_bins=16),
        MfccSpec(sample_rate=8000, n_fft=512, hop_length=200, n_mels=24),
    ],
    ids=["cqt", "gammatone", "mfcc"],
)
def test_they_can_be_exported_for_any_batch_and_length(spec: FeatureSpec) -> None:
    module = audiospec.frontend(spec)
    batch, samples = torch.export.Dim("batch", max=64), torch.export.Dim("samples", min=2000, max=64000)
    waves = torch.randn(3, 9000, generator=torch.Generator().manual_seed(0)) / 10
    dynamic = {"waves": {0: batch, 1: samples}}
    exported = torch.export.export(module, (waves,), dynamic_shapes=dynamic).module()
    for wave in (waves, waves[:1, :4321]):
        torch.testing.assert_close(exported(wave), module(wave), atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize("feature", ["cqt", "vqt", "gammatone", "mfcc"])
def test_rows_have_a_limit(feature: str) -> None:
    with pytest.raises(SpecError, match="expected at most 268435456 numbers in a row"):
        spec_class(feature)(hop_length=1).row_shape(1 << 27)


def test_fingerprints_stay() -> None:
    """What they are now: a change would make every store out of date."""
    specs = (CqtSpec(), VqtSpec(), GammatoneSpec(), MfccSpec())
    assert {spec.feature: spec.fingerprint[:12] for spec in specs} == {
        "cqt": "9bb204b7cee2",
        "vqt": "47310eacac69",
        "gammatone": "e85f11967abb",
        "mfcc": "de1ddef5107f",
    }
