"""Specs: accepted values, names, and one fingerprint per computation."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import librosa
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audiospec.digests import digest
from audiospec.errors import RegistryError, SpecError
from audiospec.features.base import frontend
from audiospec.specs.base import FeatureSpec, spec_class
from audiospec.specs.mel import MelSpec
from audiospec.specs.table import TableSpec
from audiospec.specs.tabular import TabularSpec

#: For each parameter, a value that is not its default and is valid with the other defaults.
NON_DEFAULTS: dict[str, Any] = {
    "channel": "left",
    "sample_rate": 16000,
    "dtype": "float32",
    "n_fft": 4096,
    "hop_length": 512,
    "n_mels": 64,
    "fmin": 20.0,
    "fmax": 7999.0,
    "mel_scale": "slaney",
    "norm": None,
    "power": 1.0,
    "pad_mode": "constant",
    "center": False,
    "scale": "linear",
    "ref": "max",
    "amin": 1e-8,
    "top_db": 80.0,
    "win_length": 1024,
    "window": "hamming",
    "periodic": False,
    "gain": 2.0,
    "dither": 1.0,
    "remove_dc": True,
    "preemphasis": 0.97,
    "filter_domain": "mel",
    "allow_empty_filters": True,
    "log_gain": 2.0,
    "log_offset": 1.0,
    "drop_last": True,
    "mean": 1.0,
    "std": 2.0,
    "normalise": "row",
    "pcen_gain": 0.5,
    "pcen_bias": 1.0,
    "pcen_power": 0.25,
    "pcen_time_constant": 1.0,
    "pcen_eps": 1e-5,
}

SIZES = st.one_of(st.integers(2, 300), st.sampled_from([512, 1023, 1024, 2048]))


@st.composite
def parameters(draw: st.DrawFn, sizes: st.SearchStrategy[int] = SIZES) -> dict[str, Any]:
    """Draw parameters of a MelSpec, each valid by itself; some give empty filters."""
    rate = draw(st.sampled_from([4000, 8000, 16000, 22050, 44100]))
    n_fft = draw(sizes)
    bins = st.integers(0, n_fft // 2).map(
        lambda k: k * rate / n_fft
    )  # edges on Fourier bins are the hard case
    fmax = draw(st.one_of(st.just(rate / 2), st.floats(rate / 100, rate / 2), bins))
    fmin = draw(st.one_of(st.just(0.0), st.floats(0, rate / 4), bins))
    assume(fmin < fmax)
    return {
        "sample_rate": rate,
        "n_fft": n_fft,
        "hop_length": draw(st.integers(1, 2 * n_fft)),
        "n_mels": draw(st.integers(1, min(64, n_fft // 2 + 1))),
        "fmin": fmin,
        "fmax": fmax,
        "mel_scale": draw(st.sampled_from(["htk", "slaney"])),
        "norm": draw(st.sampled_from(["slaney", None])),
        "power": draw(st.sampled_from([1.0, 2.0, 1.5])),
        "pad_mode": draw(st.sampled_from(["reflect", "constant"])),
        "center": draw(st.booleans()),
        "ref": draw(st.sampled_from([1.0, "max", 0.1])),
        "amin": draw(st.sampled_from([1e-10, 1e-5])),
        "top_db": draw(st.sampled_from([None, 80.0])),
        "dtype": draw(st.sampled_from(["float16", "float32"])),
    }


def librosa_filters(values: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Librosa's mel filters of height 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa warns of empty filters, which are expected here
        filters: np.ndarray[Any, np.dtype[np.float64]] = librosa.filters.mel(
            sr=values["sample_rate"],
            n_fft=values["n_fft"],
            n_mels=values["n_mels"],
            fmin=values["fmin"],
            fmax=values["fmax"],
            htk=values["mel_scale"] == "htk",
            norm=None,
            dtype=np.float64,
        )
    return filters


def possible(values: dict[str, Any]) -> MelSpec:
    try:
        return MelSpec(**values)
    except SpecError:
        assume(False)
        raise


# --- one fingerprint per description ---------------------------------------------------------------


@given(parameters())
def test_round_trip(values: dict[str, Any]) -> None:
    spec = possible(values)
    again = FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict(), allow_nan=False)))
    assert type(again) is MelSpec
    assert again == spec
    assert again.to_dict() == spec.to_dict()
    assert again.fingerprint == spec.fingerprint
    assert pickle.loads(pickle.dumps(spec)).fingerprint == spec.fingerprint
    assert dataclasses.replace(spec).fingerprint == spec.fingerprint


@given(parameters())
def test_text_spells_the_same_spec(values: dict[str, Any]) -> None:
    spec = possible(values)
    text = {
        name: "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
    }
    assert MelSpec.replace_in(text).fingerprint == spec.fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"fmin": 0}, {"fmin": 0.0}),
        ({"fmin": 0}, {"fmin": -0.0}),
        ({"ref": 1}, {"ref": 1.0}),
        ({"ref": "1"}, {"ref": 1.0}),
        ({"n_mels": 64.0}, {"n_mels": 64}),
        ({"n_mels": "64"}, {"n_mels": 64}),
        ({"n_mels": np.int64(64)}, {"n_mels": 64}),
        ({"fmax": np.float32(4000)}, {"fmax": 4000}),
        ({"norm": "none"}, {"norm": None}),
        ({"top_db": "none"}, {}),
        ({"top_db": 80}, {"top_db": "8e1"}),
        ({"center": "false"}, {"center": False}),
        ({}, {"sample_rate": 22050, "dtype": "float16"}),
    ],
)
def test_equal_values_are_one_fingerprint(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert MelSpec(**one) == MelSpec(**other)
    assert MelSpec(**one).fingerprint == MelSpec(**other).fingerprint


def test_every_parameter_changes_the_fingerprint() -> None:
    assert NON_DEFAULTS.keys() == {field.name for field in dataclasses.fields(MelSpec)}
    specs = [MelSpec()]
    for name, value in NON_DEFAULTS.items():
        more = {"dtype": "float32"} if name == "scale" else {}
        if name.startswith("pcen"):
            more = {"scale": "pcen"}
        specs.append(MelSpec(**{name: value, **more}))
        assert specs[-1] != MelSpec(**more)
    prints = [spec.fingerprint for spec in specs]
    assert len(set(prints)) == len(prints)


def test_the_version_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = MelSpec().fingerprint
    monkeypatch.setattr(MelSpec, "version", MelSpec.version + 1)
    assert MelSpec().fingerprint != before


def test_golden_fingerprints() -> None:
    # If this fails, every existing store is stale and will be computed again. Change the numbers only
    # together with `version`, because the mathematics changed.
    assert MelSpec().to_dict() == {
        "feature": "mel",
        "version": 1,
        "sample_rate": 22050,
        "dtype": "float16",
        "n_fft": 2048,
        "hop_length": 256,
        "n_mels": 192,
        "fmin": 0.0,
        "fmax": 8000.0,
        "mel_scale": "htk",
        "norm": "slaney",
        "power": 2.0,
        "pad_mode": "reflect",
        "center": True,
        "scale": "db",
        "ref": 1.0,
        "amin": 1e-10,
        "top_db": None,
    }
    assert MelSpec().fingerprint == "06c0815979161e61e60652f40c13ebeb793fb73246d868c734862b1f3eabb7fa"
    other = MelSpec(sample_rate=44100, n_mels=64, norm=None, ref="max", top_db=80, dtype="float32")
    assert other.fingerprint == "3bb1cdb7b10f90b640f31b8fa446f212f32e45f150a3f22c7cf71aacb650c2bc"


def test_the_digest_does_not_depend_on_order_and_refuses_nan() -> None:
    assert digest({"a": 1, "b": [1.5, None]}) == digest({"b": [1.5, None], "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": math.nan})


# --- invalid values -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"sample_rate": 0}, ("parameter sample_rate", "at least 1 Hz", "got 0")),
        ({"sample_rate": 22050.5}, ("parameter sample_rate", "a whole number", "got 22050.5")),
        ({"sample_rate": "fast"}, ("parameter sample_rate", "a whole number", "got 'fast'")),
        ({"sample_rate": None}, ("parameter sample_rate", "a whole number", "got None")),
        ({"sample_rate": True}, ("parameter sample_rate", "a whole number", "got True")),
        ({"dtype": "int8"}, ("parameter dtype", "'float16' or 'float32'", "got 'int8'")),
        ({"n_fft": 1}, ("parameter n_fft", "at least 2 samples", "got 1")),
        ({"n_fft": 10**400}, ("parameter n_fft", "a whole number", "got 1000")),
        ({"hop_length": 0}, ("parameter hop_length", "at least 1 sample", "got 0")),
        ({"hop_length": -256}, ("parameter hop_length", "at least 1 sample", "got -256")),
        ({"n_mels": 0}, ("parameter n_mels", "at least 1", "got 0")),
        ({"n_mels": 10**9}, ("parameter n_mels", "at most", "1025 Fourier bins", "got 1000000000")),
        ({"fmax": 11026}, ("parameter fmax", "at most 11025 Hz", "22050 Hz", "got 11026", "lower `fmax`")),
        ({"fmax": "nan"}, ("parameter fmax", "a finite number", "got 'nan'")),
        ({"fmax": math.inf}, ("parameter fmax", "a finite number", "got inf")),
        ({"fmin": -1}, ("parameter fmin", "from 0 to below fmax (8000 Hz)", "got -1")),
        ({"fmin": 8000}, ("parameter fmin", "from 0 to below fmax (8000 Hz)", "got 8000")),
        ({"fmax": 0}, ("parameter fmin", "below fmax (0 Hz)", "got 0")),
        ({"mel_scale": "bark"}, ("parameter mel_scale", "'htk' or 'slaney'", "got 'bark'")),
        ({"norm": 1}, ("parameter norm", "'slaney' or none", "got 1")),
        ({"norm": False}, ("parameter norm", "'slaney' or none", "got False")),
        ({"power": 0}, ("parameter power", "above 0", "got 0")),
        ({"pad_mode": None}, ("parameter pad_mode", "'reflect' or 'constant'", "got None")),
        ({"center": 1}, ("parameter center", "true or false", "got 1")),
        ({"center": "yes"}, ("parameter center", "true or false", "got 'yes'")),
        ({"scale": "dB"}, ("parameter scale", "'db' or 'linear'", "got 'dB'")),
        ({"scale": "linear"}, ("linear", "dtype", "float32")),
        ({"ref": 0}, ("parameter ref", 'above 0, or "max"', "got 0")),
        ({"ref": "mean"}, ("parameter ref", "a finite number or 'max'", "got 'mean'")),
        ({"amin": 0}, ("parameter amin", "at least", "got 0")),
        ({"amin": 1e-50}, ("parameter amin", "at least", "got 1e-50")),
        ({"top_db": 0}, ("parameter top_db", "above 0", "got 0")),
        ({"top_db": -80}, ("parameter top_db", "above 0", "got -80")),
        ({"n_mels": 512}, ("of 512 mel filters", "no Fourier bin", "lower `n_mels`", "raise `n_fft` (2048)")),
    ],
)
def test_invalid_values_are_refused(values: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        MelSpec(**values)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", NON_DEFAULTS)
@pytest.mark.parametrize(
    "value", [[], {}, (1,), b"\xff", object, 1j, np.array([1, 2]), np.nan, "", "\ud800"], ids=repr
)
def test_values_of_wrong_types_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SpecError, match=f"parameter {name} must be"):
        MelSpec(**{name: value})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda values: values.pop("feature"), RegistryError, "no feature is called ''"),
        (lambda values: values.update(feature="mell"), RegistryError, "did you mean 'mel'"),
        (lambda values: values.update(version=99), SpecError, "has version 99, this audiospec computes"),
        (lambda values: values.pop("version"), SpecError, "has version None"),
        (lambda values: values.update(n_mel=3), SpecError, "no parameter 'n_mel'; did you mean 'n_mels'"),
        (lambda values: values.update(fmin=-1), SpecError, "parameter fmin"),
    ],
)
def test_unknown_descriptions_are_refused(
    change: Callable[[dict[str, Any]], object], error: type[Exception], message: str
) -> None:
    values = MelSpec().to_dict()
    change(values)
    with pytest.raises(error, match=message):
        FeatureSpec.from_dict(values)


def test_an_unknown_parameter_lists_the_choices() -> None:
    with pytest.raises(SpecError, match=r"it has: sample_rate, dtype, channel, n_fft, .*top_db"):
        MelSpec.replace_in({"windows": "hann"})


def test_specs_are_frozen_and_hashable() -> None:
    spec = MelSpec()
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.n_mels = 3  # type: ignore[misc]
    assert len({spec, MelSpec(), MelSpec(n_mels=64)}) == 2


def test_a_spec_declares_its_kind_of_rows() -> None:
    specs = {"spectrogram": [MelSpec()], "table": [TabularSpec(), TableSpec(columns=("a",))]}
    for kind, members in specs.items():
        for spec in members:
            assert spec.kind == kind
            assert spec.is_of(kind)
            assert spec.is_of(spec.feature)
            assert not any(spec.is_of(other) for other in (*specs, "other", "") if other != kind)
            assert "kind" not in spec.to_dict()
            assert "kind" not in {field.name for field in dataclasses.fields(spec)}


def test_other_axes_have_kind_other() -> None:
    class Plain(FeatureSpec, feature="plain-rows"):
        dims: ClassVar[tuple[str, ...]] = ("mel", "frame")  # the names do not determine the kind
        unit = ""

        def validate(self) -> None:
            pass

        def row_shape(self, samples: int) -> tuple[int, ...]:
            return (1, 1)

        def coordinates(self, samples: int) -> dict[str, tuple[list[float] | list[str], str]]:
            return {"mel": ([0.0], ""), "frame": ([0.0], "")}

    assert Plain().kind == "other"
    assert Plain().is_of("plain-rows")
    assert not Plain().is_of("spectrogram")


def test_fingerprints_of_tables_do_not_change() -> None:
    """Existing stores are found by their fingerprints."""
    assert TabularSpec().fingerprint == "8daab3b7bdc1a409f59078ca73987349a97bec4aa4479cdcde7e5586baf48bd0"
    assert (
        TableSpec(columns=("a", "b"), sha256="0" * 64).fingerprint
        == "027944107944be8863b9cd096304cca3d7a5e5692099fc728762440b88df72ea"
    )


def test_two_specs_of_one_feature_are_refused() -> None:
    with pytest.raises(
        RegistryError, match=r"feature 'mel' has two specs, audiospec\.specs\.mel\.MelSpec and"
    ):

        class Other(FeatureSpec, feature="mel"):
            dims: ClassVar[tuple[str, ...]] = ()

    assert spec_class("mel") is MelSpec


# --- shapes and coordinates -------------------------------------------------------------------------


@settings(max_examples=60)
@given(parameters(st.sampled_from([2, 3, 16, 33, 64, 255, 256])), st.integers(0, 900))
def test_row_shape_is_the_shape_of_the_output(values: dict[str, Any], samples: int) -> None:
    spec = possible(values)
    wave = torch.linspace(-0.5, 0.5, samples)
    # By definition, the padded chunk contains a window, and reflection pads with less than the chunk.
    half = spec.n_fft // 2 if spec.center else 0
    least = max(1, spec.n_fft - 2 * half, half + 1 if half and spec.pad_mode == "reflect" else 0)
    if samples < least:
        with pytest.raises(
            SpecError, match=f"of {samples} samples is too short for n_fft={spec.n_fft}.*{least}"
        ):
            spec.row_shape(samples)
        with pytest.raises(SpecError, match="too short"):
            frontend(spec)(wave)
        return
    shape = spec.row_shape(samples)
    assert shape[0] == spec.n_mels
    assert shape[1] >= 1
    for backend in ("fft", "conv"):
        features = frontend(spec, backend=backend)(wave)
        assert tuple(features.shape) == shape
        assert bool(features.isfinite().all())
    coordinates = spec.coordinates(samples)
    assert tuple(coordinates) == spec.dims
    assert tuple(len(values) for values, _ in coordinates.values()) == shape


@given(parameters())
def test_mel_centres_agree_with_librosa(values: dict[str, Any]) -> None:
    spec = possible(values)
    expected = librosa.mel_frequencies(
        n_mels=spec.n_mels + 2, fmin=spec.fmin, fmax=spec.fmax, htk=spec.mel_scale == "htk"
    )
    np.testing.assert_allclose(spec.mel_edges, expected, rtol=0, atol=1e-6)
    centres, unit = spec.coordinates(10 * spec.n_fft)["mel"]
    assert unit == "Hz"
    np.testing.assert_allclose(centres, expected[1:-1], rtol=0, atol=1e-6)


def test_the_scales_follow_their_definitions() -> None:
    htk, slaney = MelSpec(n_mels=40), MelSpec(n_mels=40, mel_scale="slaney")
    mels = 2595 * np.log10(1 + np.array(htk.mel_edges) / 700)
    np.testing.assert_allclose(np.diff(mels), mels[-1] / 41, rtol=1e-9)
    edges = np.array(slaney.mel_edges)
    low, high = edges[edges < 1000], edges[edges >= 1000]
    np.testing.assert_allclose(np.diff(low), low[1] - low[0], rtol=1e-9)  # linear, 15 mel to 1000 Hz
    step = (15 + 27 * math.log(8) / math.log(6.4)) / 41
    np.testing.assert_allclose(np.diff(low), step * 200 / 3, rtol=1e-9)
    np.testing.assert_allclose(np.diff(np.log(high)), step * math.log(6.4) / 27, rtol=1e-9)


@pytest.mark.parametrize("center", [True, False])
def test_frame_times(center: bool) -> None:
    spec = MelSpec(sample_rate=8000, n_fft=256, hop_length=100, n_mels=16, fmax=4000, center=center)
    times, unit = spec.coordinates(1000)["frame"]
    assert unit == "s"
    assert times == [(t * 100 + (0 if center else 128)) / 8000 for t in range(11 if center else 8)]
    # A click is loudest in the frame at its time.
    wave = torch.zeros(1000)
    wave[500 if center else 528] = 1
    loudest = int(frontend(spec)(wave).sum(0).argmax())
    assert times[loudest] == (0.0625 if center else 0.066)


def test_units_and_axes() -> None:
    assert MelSpec().unit == "dB"
    assert MelSpec(scale="linear", dtype="float32").unit == ""
    assert MelSpec().dims == ("mel", "frame")


# --- empty mel filters ------------------------------------------------------------------


@settings(max_examples=100)
@given(parameters())
def test_empty_filters_agree_with_librosa(values: dict[str, Any]) -> None:
    # A weight below 1e-12 is that of a bin on a filter's edge: whether librosa counts it depends on the last
    # bit.
    empty = int((librosa_filters(values).max(axis=1) < 1e-12).sum())
    if empty:
        with pytest.raises(SpecError, match=rf"^{empty} of {values['n_mels']} mel filters hold no Fourier"):
            MelSpec(**values)
    else:
        MelSpec(**values)


def test_the_first_empty_filter_is_named() -> None:
    values = {"sample_rate": 22050, "n_fft": 512, "n_mels": 128, "fmin": 0.0, "fmax": 8000.0}
    weights = librosa_filters({**values, "mel_scale": "htk"})
    first = int(np.flatnonzero(weights.max(axis=1) == 0)[0])
    with pytest.raises(SpecError, match=rf"the first is number {first}\)"):
        MelSpec(**values)


def test_the_default_has_no_empty_filter() -> None:
    spec = MelSpec()
    assert (librosa_filters(dataclasses.asdict(spec)).max(axis=1) > 0.01).all()
