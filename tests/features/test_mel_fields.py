"""The fields of a MelSpec beyond the study's: every backend against float64 and against other libraries."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import kaldi_native_fbank
import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.errors import SpecError
from audiospec.features.base import frontend
from audiospec.features.kernels.mel_filters import mel_filters
from audiospec.features.kernels.mel_reference import mel_reference
from audiospec.features.kernels.windows import analysis_window, reason_not_plain
from audiospec.features.mel import MelFrontend
from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec

BASE: dict[str, Any] = {
    "sample_rate": 16000,
    "n_fft": 512,
    "hop_length": 160,
    "n_mels": 40,
    "dtype": "float32",
}
KALDI: dict[str, Any] = {
    "win_length": 400,
    "center": False,
    "window": "povey",
    "periodic": False,
    "gain": 32768.0,
    "remove_dc": True,
    "preemphasis": 0.97,
    "fmin": 20.0,
    "filter_domain": "mel",
    "norm": None,
    "scale": "ln",
    "amin": 1.1920929e-07,
}
SPECS = {
    "short window": {"win_length": 400},
    "short window, not centred": {"win_length": 301, "center": False},
    "kaldi": KALDI,
    "dither": {"win_length": 400, "center": False, "dither": 1.0, "gain": 32768.0, "scale": "log10"},
    "musicnn's logarithm": {"scale": "log10", "log_gain": 1e4, "log_offset": 1.0},
    "vggish's logarithm": {"power": 1.0, "scale": "ln", "log_offset": 0.01, "filter_domain": "mel"},
    "log1p": {"scale": "log1p", "log_gain": 1e4},
    "pcen": {"scale": "pcen", "gain": 2.0**31, "power": 1.0},
    "row": {"normalise": "row"},
    "bin": {"normalise": "bin", "scale": "pcen"},
    "whisper's limits": {"scale": "log10", "top_db": 80.0, "mean": -4.0, "std": 4.0, "drop_last": True},
    "decibels of an offset": {"log_offset": 1e-3, "log_gain": 7.0, "ref": "max", "top_db": 30.0},
    "hamming": {"window": "hamming"},
    "blackman": {"window": "blackman", "win_length": 300, "preemphasis": 0.9, "remove_dc": True},
    "rectangular": {"window": "rectangular", "pad_mode": "constant"},
    "slaney over mel": {"filter_domain": "mel", "mel_scale": "slaney"},
    "empty filters": {"n_mels": 128, "allow_empty_filters": True},
    "linear": {"scale": "linear", "mean": 0.5, "std": 2.0},
}


def spec_of(name: str) -> MelSpec:
    return MelSpec(**{**BASE, **SPECS[name]})


def waves() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 8000, generator=generator) * torch.tensor([[0.2], [0.01], [0.05]])
    noise[2] += 0.3 + 0.4 * torch.sin(torch.arange(8000) * 0.2)  # a tone on a constant
    return noise


@pytest.fixture(params=SPECS)
def spec(request: pytest.FixtureRequest) -> MelSpec:
    return spec_of(request.param)


@pytest.mark.parametrize("backend", MelFrontend.backends)
def test_every_backend_computes_it_or_says_why_not(spec: MelSpec, backend: str) -> None:
    if backend == "fused":  # test_fused.py runs it in Triton's interpreter
        assert bool(reason_not_plain(spec)) == bool(MelFrontend.reason_missing(backend, spec, "cuda"))
        return
    if MelFrontend.reason_missing(backend, spec, "cpu"):
        assert backend == "native"
        with pytest.raises(SpecError):
            frontend(spec, backend=backend)
        return
    module = frontend(spec, backend=backend)
    batch = waves()
    rows = module(batch).numpy()
    exact = np.stack([mel_reference(spec, wave.numpy()) for wave in batch])
    assert rows.shape == (3, *spec.row_shape(8000))
    # Levels far below the peak of a row lose digits in float32; what is left of them is compared loosely.
    loud = exact >= np.quantile(exact, 0.2, axis=(1, 2), keepdims=True)
    scale = 10 if spec.scale == "db" and spec.normalise == "none" else 1
    assert np.abs(rows - exact)[loud].max() < 2e-4 * scale
    assert np.abs(rows - exact).max() < 2e-2 * scale
    assert module.parity(8000) < 2e-3


@pytest.mark.parametrize("backend", ["native", "fft"])
def test_a_row_depends_on_its_chunk_alone(spec: MelSpec, backend: str) -> None:
    if MelFrontend.reason_missing(backend, spec, "cpu"):
        pytest.skip("see the test above")
    module, batch = frontend(spec, backend=backend), waves()
    assert torch.equal(module(batch), torch.stack([module(wave) for wave in batch]))


@pytest.mark.parametrize("backend", ["fft", "conv"])
def test_a_gradient_flows_through_it(spec: MelSpec, backend: str) -> None:
    batch = waves().requires_grad_()
    rows = frontend(spec, backend=backend)(batch)
    rows.square().sum().backward()  # the sum of a normalised row has no gradient
    assert batch.grad is not None
    assert bool(batch.grad.isfinite().all())
    assert bool(batch.grad.abs().sum() > 0)
    with torch.no_grad():
        assert float((rows - frontend(spec, backend=backend)(waves())).abs().max()) < 5e-2


@pytest.mark.parametrize("name", ["kaldi", "pcen", "bin", "whisper's limits"])
def test_it_can_be_exported_for_any_batch_and_length(name: str) -> None:
    module = frontend(spec_of(name), backend="fft")
    batch, samples = torch.export.Dim("batch", max=64), torch.export.Dim("samples", min=2000, max=64000)
    dynamic = {"waves": {0: batch, 1: samples}}
    exported = torch.export.export(module, (waves(),), dynamic_shapes=dynamic).module()
    for wave in (waves()[:2], waves()[:, :6000]):
        torch.testing.assert_close(exported(wave), module(wave), atol=1e-2, rtol=1e-4)


def test_silence_is_finite(spec: MelSpec) -> None:
    for backend in ("fft", "conv"):
        assert bool(frontend(spec, backend=backend)(torch.zeros(2, 8000)).isfinite().all())


@pytest.mark.parametrize("preemphasis", [0.0, 0.97])
@pytest.mark.parametrize("window", ["povey", "hamming", "hanning", "rectangular"])
def test_kaldis_fbank(window: str, preemphasis: float) -> None:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = window
    options.frame_opts.preemph_coeff = preemphasis
    options.mel_opts.num_bins = 40
    fbank = kaldi_native_fbank.OnlineFbank(options)
    wave = waves()[2].numpy()
    fbank.accept_waveform(16000, (wave * 32768).tolist())
    fbank.input_finished()
    theirs = np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)]).T
    name = {"hanning": "hann"}.get(window, window)
    values = {**BASE, **KALDI, "window": name, "preemphasis": preemphasis}
    ours = frontend(MelSpec(**values), backend="fft")(torch.from_numpy(wave)).numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 2e-3  # in ln; both compute in float32


@pytest.mark.parametrize("changes", [{}, {"pcen_gain": 0.8, "pcen_bias": 10.0, "pcen_power": 0.25}])
@pytest.mark.parametrize("seconds", [0.06, 0.4, 5.0])
def test_pcen_is_librosas(changes: dict[str, float], seconds: float) -> None:
    spec = MelSpec(**BASE, scale="pcen", power=1, gain=2.0**31, pcen_time_constant=seconds, **changes)
    wave = waves()[0].numpy()
    plain = MelSpec(**BASE, scale="linear", power=1, gain=2.0**31)
    theirs = librosa.pcen(
        mel_reference(plain, wave),
        sr=16000,
        hop_length=160,
        time_constant=seconds,
        **{name.removeprefix("pcen_"): value for name, value in changes.items()},
    )
    assert np.abs(mel_reference(spec, wave) - theirs).max() < 1e-9 * np.abs(theirs).max()


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "rectangular"])
def test_windows_are_scipys(window: str, periodic: bool) -> None:
    name = {"rectangular": "boxcar"}.get(window, window)
    expected = scipy.signal.get_window(name, 301, fftbins=periodic)
    spec = MelSpec(**BASE, win_length=301, window=window, periodic=periodic)
    np.testing.assert_allclose(analysis_window(spec), expected, atol=1e-15)


@pytest.mark.parametrize("win_length", [512, 400, 301])
def test_a_short_window_is_torchs(win_length: int) -> None:
    wave = waves()[0].double()
    window = torch.hann_window(win_length, dtype=torch.float64)
    power = torch.stft(wave, 512, 160, win_length, window, return_complex=True).abs().square()
    spec = MelSpec(**BASE, win_length=win_length, scale="linear")
    expected = torch.from_numpy(mel_filters(spec)).double() @ power
    np.testing.assert_allclose(mel_reference(spec, wave.numpy()), expected.numpy(), rtol=1e-9)


def test_dither_is_the_same_for_every_chunk_and_off_by_default() -> None:
    module = frontend(spec_of("dither"), backend="fft")
    rows = module(torch.zeros(2, 8000))
    assert torch.equal(rows[0], rows[1])
    # Samples of deviation 1 have a power of Σ window² in each Fourier bin.
    window = analysis_window(MelSpec(**BASE, win_length=400))
    expected = math.log10(float(mel_filters(spec_of("dither")).sum(1).mean() * (window**2).sum()))
    assert abs(float((10.0 ** rows[0]).mean().log10()) - expected) < 0.2
    assert MelSpec().dither == 0


def test_the_last_frame_is_left_out() -> None:
    spec = MelSpec(**BASE)
    without = dataclasses.replace(spec, drop_last=True)
    whole, rest = mel_reference(spec, waves()[0].numpy()), mel_reference(without, waves()[0].numpy())
    np.testing.assert_array_equal(rest, whole[:, :-1])
    with pytest.raises(SpecError, match="expected at least"):
        dataclasses.replace(without, pad_mode="constant").row_shape(100)
    assert dataclasses.replace(without, pad_mode="constant").row_shape(160) == (40, 1)


# --- fingerprints and contradictions ---------------------------------------------------------------------


def test_fingerprints_of_old_specs_stay() -> None:
    assert MelSpec().fingerprint.startswith("06c08159")
    assert not MelSpec.later & MelSpec().to_dict().keys()


@pytest.mark.parametrize("name", sorted(MelSpec.later - {"channel"}))
def test_a_later_field_is_part_of_the_fingerprint_if_it_is_set(name: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "win_length": {"win_length": 400},
        "window": {"window": "hamming"},
        "periodic": {"periodic": False},
        "filter_domain": {"filter_domain": "mel"},
        "normalise": {"normalise": "row"},
        "remove_dc": {"remove_dc": True},
        "allow_empty_filters": {"allow_empty_filters": True},
        "drop_last": {"drop_last": True},
        "std": {"std": 2.0},
        "pcen_power": {"pcen_power": 0.25},
    }
    pcen = {"scale": "pcen"} if name.startswith("pcen") else {}
    default = getattr(MelSpec(), name)
    spec = MelSpec(**{**pcen, **changes.get(name, {name: 0.5})})
    assert getattr(spec, name) != default
    assert name in spec.to_dict()
    assert spec.fingerprint != MelSpec(**pcen).fingerprint
    assert FeatureSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("values", "one", "other"),
    [
        ({"win_length": 513}, "win_length=513", "n_fft=512"),
        ({"scale": "linear", "log_offset": 1}, "log_offset=1.0", 'scale="linear"'),
        ({"scale": "log1p", "log_offset": 1}, "log_offset=1.0", 'scale="log1p"'),
        ({"scale": "pcen", "log_gain": 2}, "log_gain=2.0", 'scale="pcen"'),
        ({"scale": "ln", "ref": 2}, "ref=2.0", 'scale="ln"'),
        ({"scale": "ln", "ref": "max"}, 'ref="max"', 'scale="ln"'),
        ({"scale": "pcen", "top_db": 80}, "top_db=80.0", 'scale="pcen"'),
        ({"pcen_bias": 3}, "pcen_bias=3.0", 'scale="db"'),
        ({"normalise": "row", "mean": 1}, "mean=1.0", 'normalise="row"'),
        ({"normalise": "bin", "std": 2}, "std=2.0", 'normalise="bin"'),
        ({"dtype": "uint8", "scale": "pcen"}, 'scale="pcen"', 'dtype="uint8"'),
        ({"dtype": "uint8", "scale": "ln"}, 'scale="ln"', 'dtype="uint8"'),
        ({"dtype": "uint8", "normalise": "row"}, 'normalise="row"', 'dtype="uint8"'),
        ({"dtype": "uint8", "std": 4}, "std=4.0", 'dtype="uint8"'),
    ],
)
def test_contradictions_name_both_parameters(values: dict[str, Any], one: str, other: str) -> None:
    with pytest.raises(SpecError) as caught:
        MelSpec(**{**BASE, **values})
    assert str(caught.value).startswith(f"{one} contradicts {other}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("win_length", 1),
        ("gain", 0),
        ("dither", -1),
        ("preemphasis", 1.5),
        ("log_gain", 0),
        ("log_offset", -1),
        ("std", 0),
        ("pcen_power", 0),
        ("pcen_time_constant", 0),
        ("window", "kaiser"),
        ("normalise", "dataset"),
    ],
)
def test_impossible_values_are_named(name: str, value: object) -> None:
    values: dict[str, Any] = {**BASE, name: value}
    with pytest.raises(SpecError, match=f"^parameter {name} must be "):
        MelSpec(**values)


def test_only_the_spec_that_allows_empty_filters_has_them() -> None:
    with pytest.raises(SpecError, match="mel filters hold no Fourier bin"):
        MelSpec(**{**BASE, "n_mels": 128})
    with pytest.raises(SpecError, match="3 of 3 mel filters"):
        MelSpec(**{**BASE, "n_mels": 3, "fmin": 1.0, "fmax": 20.0, "allow_empty_filters": True})


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["hann", "hamming", "blackman", "povey", "rectangular"]),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 0.97]),
    st.sampled_from([1.0, 3.0, 32768.0]),
    st.sampled_from([(1.0, 0.0), (10.0, 0.1)]),
    st.sampled_from([1.0, 1.5, 2.0]),
    st.integers(0, 5),
)
def test_a_byte_holds_the_loudest_audio(
    window: str,
    remove_dc: bool,
    preemphasis: float,
    gain: float,
    logarithm: tuple[float, float],
    power: float,
    seed: int,
) -> None:
    spec = MelSpec(
        **{**BASE, "dtype": "uint8"},
        window=window,
        win_length=400,
        remove_dc=remove_dc,
        preemphasis=preemphasis,
        gain=gain,
        dither=gain / 100,
        log_gain=logarithm[0],
        log_offset=logarithm[1],
        power=power,
    )
    assert spec.code is not None
    random = np.random.default_rng(seed)
    bin_hz = 31.25 * random.integers(1, 250)
    tone: NDArray[Any] = 2 * np.sign(np.sin(2 * np.pi * bin_hz * np.arange(2000) / 16000))
    for wave in (tone, 2 * np.sign(random.normal(size=2000)), np.zeros(2000)):
        values = mel_reference(spec, wave)
        assert spec.code.offset - 1e-6 <= values.min()
        assert values.max() <= spec.code.high + 1e-6
