"""Decibels in one byte: the code, and the bound on full-scale audio that determines its range."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import audiospec
from audiospec.errors import AudioError, SpecError
from audiospec.features.kernels.mel_filters import mel_filters
from audiospec.specs.byte_code import DecibelCode
from audiospec.specs.mel import MelSpec
from audiospec.specs.table import TableSpec
from audiospec.specs.tabular import TabularSpec

#: Rounding error of float32, in addition to half a step.
ROUNDING = 3e-5
CODES = st.builds(
    DecibelCode.spanning,
    st.floats(-200, -1).map(lambda low: round(low, 3)),
    st.floats(0, 80).map(lambda x: round(x, 3)),
)


@given(code=CODES, seed=st.integers(0, 99))
def test_the_error_is_at_most_half_a_step(code: DecibelCode, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(code.offset, code.high, 500).astype(np.float32)
    values[:2] = code.offset, code.high
    held = code.encode(values)
    assert held.dtype == np.uint8
    assert held[:2].tolist() == [0, 255]
    decoded = code.decode(held)
    assert decoded.dtype == np.float32
    assert np.abs(decoded.astype(float) - values).max() <= code.max_error + ROUNDING


@given(code=CODES, values=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=50))
def test_louder_is_never_a_smaller_byte(code: DecibelCode, values: list[float]) -> None:
    values = sorted(code.offset + (code.high - code.offset) * value for value in values)
    held = code.encode(np.array(values, np.float32)).astype(int)
    assert (np.diff(held) >= 0).all()
    assert (np.diff(code.decode(held.astype(np.uint8))) >= 0).all()


@given(code=CODES)
def test_decoded_values_encode_to_the_same_bytes(code: DecibelCode) -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (code.encode(code.decode(every)) == every).all()


@pytest.mark.parametrize(
    ("value", "excess"),
    [
        (60.0, "20.0 dB outside -100.0 to 40.0 dB"),
        (-101.0, "1.0 dB outside"),
        (np.inf, "infinitely far outside"),
        (-np.inf, "infinitely far outside"),
        (np.nan, "infinitely far outside"),
    ],
)
def test_values_out_of_range_are_never_clipped(value: float, excess: str) -> None:
    code = DecibelCode.spanning(-100.0, 40.0)
    message = f"too loud for dtype uint8: features are {excess}.*: reduce .* use dtype float16 and another"
    with pytest.raises(AudioError, match=message) as caught:
        code.encode(np.array([[0.0, value], [1.0, 2.0]], np.float32))
    assert "\n" not in str(caught.value)
    assert code.encode(np.array([40.2, -100.2], np.float32)).tolist() == [255, 0]  # less than half a step


# --- the bound --------------------------------------------------------------------------------------


@st.composite
def specs(draw: st.DrawFn) -> MelSpec:
    rate = draw(st.sampled_from([8000, 16000, 22050, 44100]))
    n_fft = draw(st.one_of(st.integers(3, 300), st.sampled_from([512, 1023, 2048])))
    fmax = draw(st.one_of(st.just(rate / 2), st.floats(rate / 20, rate / 2)))
    values: dict[str, Any] = {
        "sample_rate": rate,
        "n_fft": n_fft,
        "hop_length": max(1, n_fft // 4),
        "n_mels": draw(st.integers(1, 64)),
        "fmin": draw(st.one_of(st.just(0.0), st.floats(0, fmax / 2))),
        "fmax": fmax,
        "mel_scale": draw(st.sampled_from(["htk", "slaney"])),
        "norm": draw(st.sampled_from(["slaney", None])),
        "power": draw(st.sampled_from([2.0, 1.0, 0.5, 1.5, 1.99, 3.0])),
        "pad_mode": draw(st.sampled_from(["reflect", "constant"])),
        "center": draw(st.booleans()),
        "ref": draw(st.sampled_from([1.0, "max", 0.1, 100.0])),
        "amin": draw(st.sampled_from([1e-10, 1e-5])),
        "top_db": draw(st.sampled_from([None, 80.0])),
        "dtype": "uint8",
    }
    try:
        return MelSpec(**values)
    except SpecError:
        assume(False)
        raise


def waves(spec: MelSpec, seed: int) -> NDArray[np.float32]:
    """Return full-scale audio of every kind: (n, samples)."""
    random = np.random.default_rng(seed)
    length = 4 * spec.n_fft + 7
    time = np.arange(length) / spec.sample_rate
    signals = [random.uniform(-1, 1, length), np.sign(random.standard_normal(length)), np.ones(length)]
    signals.append((-1.0) ** np.arange(length))
    tones = [*np.geomspace(spec.sample_rate / spec.n_fft, spec.sample_rate / 2, 9), *spec.mel_edges[:40]]
    for hertz in tones:
        sine = np.sin(2 * np.pi * hertz * time + random.uniform(0, 6))
        signals += [sine, np.where(sine < 0, -1.0, 1.0)]
    for shift in range(3):
        impulses = np.zeros(length)
        impulses[:: max(1, spec.n_fft // (2 + shift))] = 1
        signals.append(impulses)
    sweep = np.sin(2 * np.pi * np.cumsum(np.linspace(spec.fmin, spec.fmax, length)) / spec.sample_rate)
    return np.array([*signals, sweep, np.where(sweep < 0, -1.0, 1.0)], np.float32)


@settings(max_examples=60, deadline=None)
@given(spec=specs(), seed=st.integers(0, 99))
def test_audio_of_twice_full_scale_fits(spec: MelSpec, seed: int) -> None:
    code = spec.code
    assert code is not None
    frontend = audiospec.frontend(spec)
    wave = waves(spec, seed)
    with torch.inference_mode():
        for gain, room in ((1, 10 * spec.power * np.log10(2)), (2, 0)):
            rows = frontend(torch.from_numpy(gain * wave)).numpy()
            if spec.ref == "max":
                room = 0
            assert rows.max() <= code.high - room + 1e-3
            assert rows.min() >= code.offset - 1e-3
            decoded = code.decode(code.encode(rows))
            assert np.abs(decoded - rows).max() <= code.max_error + ROUNDING


@settings(max_examples=60, deadline=None)
@given(spec=specs())
def test_the_bound_is_that_of_the_filters(spec: MelSpec) -> None:
    """It equals the dual norm of the frontend's own filters."""
    filters = mel_filters(spec).astype(np.float64)
    if spec.power >= 2:
        norm = filters.max()
    else:
        dual = 2 / (2 - spec.power)
        norm = max(np.sum((row / row.max()) ** dual) ** (1 / dual) * row.max() for row in filters)
    window = torch.hann_window(spec.n_fft, dtype=torch.float64)
    energy = 4 * spec.n_fft * float((window**2).sum()) / 2
    expected = 10 * np.log10(norm * energy ** (spec.power / 2))
    assert abs(dataclasses.replace(spec, ref=1.0, amin=1e-30, top_db=None).code.high - expected) < 0.01


def test_the_bound_is_tight() -> None:
    """Full-scale sines at the centres of filters are within the 6 dB of headroom plus 6 dB."""
    for changes in ({}, {"norm": None}, {"power": 1.0}, {"n_mels": 64}):
        spec = MelSpec(dtype="uint8", **changes)
        time = np.arange(8192) / spec.sample_rate
        tones = np.array([np.sin(2 * np.pi * hertz * time) for hertz in spec.mel_edges[1:-1:5]], np.float32)
        assert spec.code is not None
        assert audiospec.frontend(spec)(torch.from_numpy(tones)).max() > spec.code.high - 12


def test_the_spec_determines_the_range() -> None:
    code = MelSpec(dtype="uint8").code
    assert code is not None
    assert (code.offset, round(code.high, 2), round(code.scale, 4)) == (-100.0, 54.56, 0.6061)
    relative = MelSpec(dtype="uint8", ref=10.0, amin=1e-5).code
    assert relative is not None
    assert (relative.offset, round(relative.high, 2)) == (-60.0, 44.56)
    peak = MelSpec(dtype="uint8", ref="max", top_db=80).code
    assert peak is not None
    assert (peak.offset, peak.high) == (-80.0, 0.0)
    unlimited = MelSpec(dtype="uint8", ref="max").code
    assert unlimited is not None
    assert (round(unlimited.offset, 2), round(unlimited.high, 9)) == (-154.56, 0.0)
    assert MelSpec().code is MelSpec(dtype="float32").code is TabularSpec().code is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MelSpec(dtype="uint8", scale="linear"), ["scale", "float32", "more than uint8"]),
        (lambda: MelSpec(dtype="uint8", amin=1e9), ["parameter amin must be below", "got 1000000000.0"]),
        (
            lambda: TabularSpec(dtype="uint8"),
            ["uint8", "'tabular'", '`dtype="float32"`', '`mel.dtype="uint8"`'],
        ),
        (lambda: TableSpec(dtype="uint8", columns=("a",)), ["uint8", "'table'", 'dtype="float32"']),
    ],
)
def test_specs_without_a_code_are_refused(make: Any, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


@pytest.mark.long
@pytest.mark.realdata
def test_real_music_is_off_by_half_a_step_at_most(shared_data: Path, tmp_path: Path) -> None:
    """Every track fits the range: GTZAN's loudest and ESC-10's noise."""
    for dataset, folder, chunk in (("gtzan", "gtzan-part", 10), ("esc10", "esc10", 5)):
        spec = MelSpec(dtype="uint8")
        views = [(spec, audiospec.Chunking(seconds=chunk))]
        views.append((dataclasses.replace(spec, dtype="float32"), views[0][1]))
        from audiospec.pipeline.featurize import run

        report = run(dataset, data=shared_data / folder, views=views, store=tmp_path / f"{dataset}.zarr")
        assert list(report.problems) == (["jazz.00054"] if dataset == "gtzan" else [])
        encoded, exact = report.views
        assert spec.code is not None
        for row in range(0, len(encoded), 3):
            assert np.abs(encoded.read(row) - exact.read(row)).max() <= spec.code.max_error + ROUNDING
        assert encoded.bytes_on_disk() < encoded.read_stored().nbytes
