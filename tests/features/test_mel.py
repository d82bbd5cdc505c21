"""The mel frontend: compared with float64 and with librosa, and usable like any module."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from audiospec.audio.recording import load
from audiospec.errors import SpecError
from audiospec.features import mel as mel_module
from audiospec.features.base import frontend
from audiospec.features.mel import MelFrontend
from audiospec.specs.mel import MelSpec

Float64 = NDArray[np.float64]

STUDY = MelSpec()
SPECS = {
    "study": STUDY,
    "slaney": MelSpec(mel_scale="slaney", n_mels=128),
    "height-1": MelSpec(norm=None, n_mels=128, mel_scale="slaney", fmax=11025),
    "nyquist": MelSpec(fmax=11025),
    "zero-padded": MelSpec(pad_mode="constant", hop_length=300),
    "not-centred": MelSpec(center=False, n_mels=96, n_fft=1024),
    "odd": MelSpec(n_fft=1023, hop_length=255, n_mels=41),
    "odd-not-centred": MelSpec(n_fft=1023, hop_length=257, n_mels=41, center=False, fmin=300, fmax=11025),
    "magnitude": MelSpec(power=1, ref=0.5),
    "of-the-peak": MelSpec(ref="max", top_db=80),
    "quiet-floor": MelSpec(ref=1e-3, amin=1e-6, top_db=50, n_mels=64),
    "44.1-khz": MelSpec(sample_rate=44100, n_fft=4096, hop_length=1024, n_mels=128, fmin=20, fmax=20000),
    "16-khz": MelSpec(sample_rate=16000, n_fft=400, hop_length=160, n_mels=40, fmin=60, fmax=7600),
    "prime": MelSpec(n_fft=997, hop_length=1499, n_mels=25),  # longer steps than windows
    "linear": MelSpec(scale="linear", dtype="float32", n_mels=80),
}
PATHS = ("blocks", "all-at-once", "conv")
# `fused`, which needs a GPU or an interpreter, is tested in test_fused.py.
BACKENDS = ("fft", "conv")
REAL = {
    "rock": "gtzan-part/genres/rock/rock.00000.flac",
    "classical": "gtzan-part/genres/classical/classical.00000.flac",
    "dog": "esc10/001 - Dog bark/1-100032-A.ogg",
    "digit": "fsdd/recordings/7_jackson_32.wav",
}
SIGNALS = (
    "noise",
    "tones",
    "clicks",
    "quiet",
    "chirp",
    *(pytest.param(n, marks=pytest.mark.realdata) for n in REAL),
)


@functools.lru_cache
def synthetic(name: str, rate: int) -> NDArray[np.float32]:
    """1.2 s of a signal, float32 in -1 to 1."""
    samples = round(1.2 * rate)
    time = np.arange(samples) / rate
    random = np.random.default_rng(0)
    wave = {
        "noise": lambda: 0.1 * random.standard_normal(samples),
        "quiet": lambda: 1e-4 * random.standard_normal(samples),
        "tones": lambda: sum(0.2 * np.sin(2 * np.pi * hertz * time) for hertz in (55, 441.7, 3000)),
        "clicks": lambda: (np.arange(samples) % 5000 == 77) * 0.9,
        "chirp": lambda: 0.5 * np.sin(2 * np.pi * 3000 * time**2),
    }[name]()
    return np.asarray(wave, np.float32)


@functools.lru_cache
def real(path: Path, rate: int) -> NDArray[np.float32]:
    return load(path, rate)[: 2 * rate]


@functools.lru_cache(maxsize=len(SPECS) * 2)
def module(spec: MelSpec, backend: str) -> MelFrontend:
    mel = frontend(spec, backend=backend)
    assert isinstance(mel, MelFrontend)
    return mel


def computed(spec: MelSpec, path: str, wave: NDArray[np.float32]) -> Float64:
    """Rows by one of three paths: blocks in float32, all frames at once with a gradient, or convolution."""
    mel = module(spec, "conv" if path == "conv" else "fft")
    waves = torch.from_numpy(wave.copy()).requires_grad_(path == "all-at-once")
    rows = mel(waves)
    assert rows.dtype == torch.float32
    assert rows.requires_grad is (path == "all-at-once")
    return rows.detach().double().numpy()


# --- the definition, in float64 and pure numpy ------------------------------------------------------


def reference_filters(spec: MelSpec) -> Float64:
    """Triangles between equal steps of mel, at the Fourier bins: (n_mels, bins)."""
    low, high, linear, step = spec.fmin, spec.fmax, 3 / 200, math.log(6.4) / 27
    if spec.mel_scale == "htk":
        mels = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (low, high)), spec.n_mels + 2)
        edges = 700 * (10 ** (mels / 2595) - 1)
    else:

        def to_mel(f: float) -> float:
            return f * linear if f < 1000 else 15 + math.log(f / 1000) / step

        mels = np.linspace(to_mel(low), to_mel(high), spec.n_mels + 2)
        edges = np.where(mels < 15, mels / linear, 1000 * np.exp((mels - 15) * step))
    bins = np.arange(spec.n_fft // 2 + 1) * spec.sample_rate / spec.n_fft
    left, peak, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.maximum(0, np.minimum((bins - left) / (peak - left), (right - bins) / (right - peak)))
    # Area 1 over Hz: a triangle of height 1 has an area of half its base.
    return filters / ((right - left) / 2) if spec.norm == "slaney" else filters


def reference(spec: MelSpec, wave: NDArray[Any]) -> Float64:
    """Log-mel spectrogram by the definition, in float64."""
    wave = wave.astype(np.float64)
    if spec.center:
        wave = np.pad(wave, spec.n_fft // 2, mode=spec.pad_mode)
    starts = np.arange(0, len(wave) - spec.n_fft + 1, spec.hop_length)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.n_fft) / spec.n_fft)
    frames = wave[starts[:, None] + np.arange(spec.n_fft)] * window
    mel = reference_filters(spec) @ (np.abs(np.fft.rfft(frames)) ** spec.power).T
    if spec.scale == "linear":
        return mel
    ref = mel.max() if spec.ref == "max" else spec.ref
    decibels = 10 * np.log10(np.maximum(mel, spec.amin) / max(ref, spec.amin))
    return decibels if spec.top_db is None else np.maximum(decibels, decibels.max() - spec.top_db)


def by_librosa(spec: MelSpec, wave: NDArray[np.float32]) -> Float64:
    """Log-mel spectrogram by librosa, in float64."""
    mel = librosa.feature.melspectrogram(
        y=wave,
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        n_mels=spec.n_mels,
        fmin=spec.fmin,
        fmax=spec.fmax,
        htk=spec.mel_scale == "htk",
        norm=spec.norm,
        power=spec.power,
        center=spec.center,
        pad_mode=spec.pad_mode,
    )
    if spec.scale == "db":
        ref = np.max if spec.ref == "max" else spec.ref
        mel = librosa.power_to_db(mel, ref=ref, amin=spec.amin, top_db=spec.top_db)
    return np.asarray(mel, np.float64)


def worst(spec: MelSpec, rows: Float64, expected: Float64) -> float:
    """Largest difference in dB over the bins within 80 dB of the chunk's peak."""
    if spec.scale == "linear":
        rows, expected = (10 * np.log10(np.maximum(value, spec.amin)) for value in (rows, expected))
    # 80 dB of power; for magnitudes that is 40 on a scale of 10 log10.
    near = expected >= expected.max() - 40 * spec.power
    return float(np.abs(rows - expected)[near].max())


@pytest.fixture(autouse=True)
def _one_thread(torch_threads: Callable[[int], None]) -> None:
    torch_threads(1)  # as in the pipeline, and fast on a busy machine


@pytest.fixture
def wave(request: pytest.FixtureRequest) -> Callable[[str, int], NDArray[np.float32]]:
    """Return a function from name and rate to a signal; it requests the real audio only if needed."""

    def get(name: str, rate: int) -> NDArray[np.float32]:
        if name in REAL:
            return real(request.getfixturevalue("shared_data") / REAL[name], rate)
        return synthetic(name, rate)

    return get


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("name", SPECS)
def test_parity(name: str, signal: str, wave: Callable[[str, int], NDArray[np.float32]]) -> None:
    spec = SPECS[name]
    samples = wave(signal, spec.sample_rate)
    expected, peer = reference(spec, samples), by_librosa(spec, samples)
    assert worst(spec, peer, expected) < 0.01, "the reference is wrong"
    for path in PATHS:
        rows = computed(spec, path, samples)
        assert rows.shape == expected.shape == spec.row_shape(len(samples)), path
        assert worst(spec, rows, expected) < 0.01, path
        assert worst(spec, rows, peer) < 0.01, path


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", SPECS)
def test_silence_is_the_floor(name: str, path: str) -> None:
    spec = SPECS[name]
    rows = computed(spec, path, np.zeros(9000, np.float32))
    floor = {"linear": 0.0, "of-the-peak": 0.0}.get(name)
    if floor is None:
        floor = 10 * math.log10(spec.amin / float(spec.ref))
    np.testing.assert_allclose(rows, floor, rtol=0, atol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_the_smallest_floor_is_finite(path: str) -> None:
    spec = MelSpec(sample_rate=8000, n_fft=256, n_mels=20, fmax=4000, amin=1.2e-38)
    rows = computed(spec, path, np.zeros(3000, np.float32))
    np.testing.assert_allclose(rows, 10 * math.log10(1.2e-38), rtol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_level_matches_the_definition(path: str) -> None:
    # A sine of amplitude a has |X| = a n / 4 at its bin under a Hann window, half of that at both neighbours.
    spec = MelSpec(n_fft=1024, hop_length=256, n_mels=1, fmin=0, fmax=11025, norm=None, dtype="float32")
    peak = spec.mel_edges[1]
    k = round(peak * 1024 / 22050)
    time = np.arange(8192)
    rows = computed(spec, path, (0.25 * np.sin(2 * np.pi * k * time / 1024)).astype(np.float32))
    filters = reference_filters(spec)[0]
    power = (0.25 * 1024 / 4) ** 2 * (filters[k] + (filters[k - 1] + filters[k + 1]) / 4)
    np.testing.assert_allclose(rows[0, 4:-4], 10 * math.log10(power), atol=1e-3)


@pytest.mark.parametrize("name", SPECS)
def test_the_filterbank_matches_the_definition(name: str) -> None:
    spec = SPECS[name]
    mel = module(spec, "fft").mel.double().numpy()
    expected = reference_filters(spec)
    np.testing.assert_allclose(mel, expected, rtol=0, atol=1e-6 * expected.max())
    banded = np.zeros_like(expected)
    for low, width, filters, weights in module(spec, "fft")._bands:
        banded[filters, low // 2 : (low + width) // 2] = weights[::2].T
        assert torch.equal(weights[::2], weights[1::2]), "real and imaginary parts have the same weights"
    np.testing.assert_array_equal(banded, mel)


# --- parity() itself --------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", SPECS)
def test_parity_of_a_correct_backend(name: str, backend: str) -> None:
    spec = SPECS[name]
    assert 0 < module(spec, backend).parity(4 * spec.n_fft) < 0.001


def test_parity_of_a_short_chunk() -> None:
    for samples in (1025, 2048, 3000):
        assert module(STUDY, "fft").parity(samples) < 0.001
    with pytest.raises(SpecError, match="too short"):
        module(STUDY, "fft").parity(1024)


def test_parity_finds_a_broken_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    small = MelSpec(n_fft=512, n_mels=40, hop_length=128)

    broken = frontend(small, backend="conv")
    assert isinstance(broken, MelFrontend)
    broken.mel[20] *= 1.01  # one filter, by 0.04 dB
    assert broken.parity(22050) == pytest.approx(10 * math.log10(1.01), abs=1e-3)

    broken = frontend(small, backend="fft")
    assert isinstance(broken, MelFrontend)
    broken._bands[0][3][:] *= 1.01
    assert broken.parity(22050) > 0.03

    broken = frontend(small, backend="fft")
    assert isinstance(broken, MelFrontend)
    broken.window.copy_(torch.hann_window(512, periodic=False))
    assert broken.parity(22050) > 0.01

    broken = frontend(small, backend="conv")
    exact = mel_module.MelFrontend._by_convolution
    monkeypatch.setattr(
        mel_module.MelFrontend, "_by_convolution", lambda self, waves: exact(self, waves.half().float())
    )
    assert broken.parity(22050) > 0.001


# --- a module like any other ------------------------------------------------------------------------

SMALL = MelSpec(sample_rate=8000, n_fft=64, hop_length=20, n_mels=8, fmax=4000)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "changes",
    [{}, {"power": 1.0}, {"ref": "max", "top_db": 60}, {"scale": "linear", "dtype": "float32", "power": 1.5}],
    ids=str,
)
def test_gradcheck(backend: str, changes: dict[str, Any]) -> None:
    tiny = MelSpec(sample_rate=8000, n_fft=16, hop_length=7, n_mels=4, fmax=4000)
    mel = frontend(dataclasses.replace(tiny, **changes), backend=backend).double()
    waves = torch.randn(2, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(mel, waves.requires_grad_())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_gradient_of_silence_is_zero(backend: str, power: float) -> None:
    mel = frontend(MelSpec(power=power, n_mels=40), backend=backend)
    waves = torch.zeros(2, 4000)
    waves[1] = torch.randn(4000, generator=torch.Generator().manual_seed(1))
    waves.requires_grad_()
    mel(waves).sum().backward()
    assert waves.grad is not None
    assert torch.equal(waves.grad[0], torch.zeros(4000))
    assert waves.grad[1].isfinite().all()
    assert waves.grad[1].abs().max() > 0


def test_a_wave_can_be_learned_through_it() -> None:
    mel = frontend(SMALL)
    generator = torch.Generator().manual_seed(0)
    target = mel(torch.randn(500, generator=generator))
    wave = nn.Parameter(0.1 * torch.randn(500, generator=generator))
    optimizer = torch.optim.Adam([wave], lr=0.05)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (mel(wave) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_block_size_does_not_change_rows(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waves = torch.randn(2, 6000, generator=torch.Generator().manual_seed(0))
    mel = frontend(SMALL, backend=backend)
    rows = mel(waves)
    for block in (
        7,
        8,
        300,
    ):  # of 301 frames: a divisor, then sizes where the last block overlaps the one before
        monkeypatch.setattr(mel_module, "BLOCK", block)
        assert bool(((mel(waves) - rows).abs() < 1e-4).all())
    monkeypatch.setattr(mel_module, "BAND", 3)
    assert bool(((frontend(SMALL, backend=backend)(waves) - rows).abs() < 1e-4).all())


def test_which_path_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    for name in ("_by_blocks", "_all_at_once", "_by_convolution"):
        before = getattr(MelFrontend, name)

        def spy(self: Any, waves: Any, name: str = name, before: Any = before) -> Any:
            used.append(name)
            return before(self, waves)

        monkeypatch.setattr(MelFrontend, name, spy)
    mel, waves = frontend(SMALL, backend="fft"), torch.zeros(1, 500)
    mel(waves)
    mel(waves.clone().requires_grad_())
    with torch.no_grad():
        mel(waves.clone().requires_grad_())
    frontend(SMALL, backend="fft").double()(waves)
    frontend(SMALL, backend="conv")(waves)
    assert used == ["_by_blocks", "_all_at_once", "_by_blocks", "_all_at_once", "_by_convolution"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_export(backend: str) -> None:
    mel = frontend(SMALL, backend=backend)
    waves = torch.randn(3, 600, generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(mel, (waves,), dynamic_shapes={"waves": {0: batch}}).module()
    for count in (3, 5):
        waves = torch.randn(count, 600, generator=torch.Generator().manual_seed(count))
        assert bool(((exported(waves) - mel(waves)).abs() < 1e-3).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_module_cast_to_half_precision_is_refused(backend: str, dtype: torch.dtype) -> None:
    mel = frontend(SMALL, backend=backend).to(dtype)
    with pytest.raises(SpecError, match=f"computes in float32 or float64; this one was cast to {dtype}"):
        mel(torch.zeros(500))


@pytest.mark.parametrize(
    ("spec", "samples", "least"),
    [
        (STUDY, 1024, 1025),
        (MelSpec(pad_mode="constant"), 0, 1),
        (MelSpec(center=False), 2047, 2048),
        (MelSpec(n_fft=1023, n_mels=40, pad_mode="constant"), 0, 1),
    ],
)
def test_the_shortest_chunk(spec: MelSpec, samples: int, least: int) -> None:
    for backend in BACKENDS:
        mel = module(spec, backend)
        with pytest.raises(SpecError, match=f"{samples} samples is too short .* at least {least} samples"):
            mel(torch.zeros(2, samples))
        assert mel(torch.ones(2, least)).shape == (2, *spec.row_shape(least))
        expected = reference(spec, np.ones(least))
        assert worst(spec, mel(torch.ones(least)).double().numpy(), expected) < 0.01


def test_wrong_backend_and_wrong_device_are_named() -> None:
    with pytest.raises(
        SpecError, match=r"no backend 'fftt'; did you mean 'fft'\? \(it has: native, fft, conv, fused\)"
    ):
        frontend(STUDY, backend="fftt")
    with pytest.raises(SpecError, match="no backend 'gpu'"):
        frontend(STUDY, backend="gpu")


def test_repr_shows_spec_and_backend() -> None:
    text = repr(frontend(SMALL, backend="conv"))
    assert "n_mels=8" in text
    assert "backend='conv'" in text
