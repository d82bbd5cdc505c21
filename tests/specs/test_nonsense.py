"""Values that no one means, from damaged or hostile files, are refused at once, and take no memory."""

from __future__ import annotations

import dataclasses
import math
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest

from audiospec.audio.chunking import Chunking
from audiospec.errors import AudiospecError, RegistryError, SpecError
from audiospec.features.base import frontend
from audiospec.specs.base import FeatureSpec
from audiospec.specs.mel import MelSpec
from audiospec.specs.musicnn import MusicnnSpec
from audiospec.specs.tabular import TabularSpec

NONSENSE: tuple[Any, ...] = (
    *(-(2**63), -1, 0, 1, 2**31 - 2, 2**31, 2**34, 2**53 - 2, 2**62, 10**400, "9" * 5000, 10**5000),
    *(1e300, 5e-324, math.nan, math.inf, True, None, "", "x" * 10_000, [], {}, [[[]]], ["\ud800"], b"1"),
)
NUMBERS = [
    (cls, field.name)
    for cls in (MelSpec, TabularSpec, MusicnnSpec)
    for field in dataclasses.fields(cls)
    if field.name not in ("dtype", "center", "channel")
]


def made(cls: type[FeatureSpec], values: dict[str, Any]) -> FeatureSpec | str:
    """Return a spec, or the text of the `SpecError`."""
    try:
        return cls.replace_in(values)
    except SpecError as error:
        return str(error)


@pytest.mark.parametrize(("cls", "name"), NUMBERS, ids=lambda value: getattr(value, "feature", value))
@pytest.mark.parametrize("extra", [{}, {"dtype": "uint8"}, {"families": ("all",)}], ids=["", "uint8", "all"])
def test_nonsense_in_a_spec(cls: type[FeatureSpec], name: str, extra: dict[str, Any]) -> None:
    if extra and ("families" in extra) != (cls is TabularSpec):
        pytest.skip("of the other feature")
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    for value in NONSENSE:
        spec = made(cls, {**extra, name: value})
        if isinstance(spec, str):
            assert "\n" not in spec
            assert len(spec) < 1000
            continue
        for samples in (1, 22050, 2**31, 2**50):
            try:
                assert math.prod(spec.row_shape(samples)) <= 1 << 28
            except SpecError:
                continue
        assert len(spec.fingerprint) == 64
    assert time.monotonic() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_fft": 2**34}, "parameter n_fft must be at most 1048576 samples; got 17179869184"),
        ({"sample_rate": 2**34}, "parameter sample_rate must be at most 10000000 Hz; got 17179869184"),
        ({"hop_length": 2**34}, "parameter hop_length must be at most 16777216 samples; got 17179869184"),
        ({"n_fft": 2**20, "n_mels": 2**18}, "parameter n_mels must be at most 255 for n_fft=1048576"),
        ({"power": 1e300}, "parameter power must be above 0, at most 16"),
    ],
    ids=lambda values: "-".join(values) if isinstance(values, dict) else "",
)
def test_the_bound_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        MelSpec(**values)


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (MelSpec, {"sample_rate": 768_000, "n_fft": 131_072, "hop_length": 65_536, "fmax": 384_000.0}),
        (MelSpec, {"n_fft": 65_536, "n_mels": 2048, "mel_scale": "slaney", "fmin": 1000.0, "fmax": 11025.0}),
        (MelSpec, {"sample_rate": 48_000, "n_fft": 4096, "hop_length": 48_000}),
        (TabularSpec, {"families": ("all",), "n_fft": 16_384, "n_chroma": 36, "kernel_size": 101}),
        (TabularSpec, {"sample_rate": 192_000, "n_fft": 32_768, "n_bands": 9}),
    ],
    ids=["bats", "fine", "sparse", "chroma", "ultrasound"],
)
def test_what_people_use_is_accepted(cls: type[FeatureSpec], values: dict[str, Any]) -> None:
    cls(**values)
    Chunking(seconds=24 * 3600.0 * 7, min_fill=0)  # one row a track


@pytest.mark.parametrize(
    "read",
    [FeatureSpec.from_dict, Chunking.from_dict],
    ids=["spec", "chunking"],
)
@pytest.mark.parametrize(
    "values",
    [
        *(None, 7, [], {}, "mel", {"feature": "mel"}, {"feature": 7}, {"feature": "base", "version": 1}),
        *({"feature": "x\0"}, {"feature": "mel", "version": [[]]}, {"seconds": 1}, {"seconds": 1, "x": 2}),
        *({"seconds": s, "hop": 1.0, "min_fill": 0.5} for s in (None, "1", 10**400, 2**62, 1e300, -1, True)),
        {"feature": "mel", "version": 1, "sample": 1},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_descriptions_of_nothing(read: Callable[[Any], Any], values: Any) -> None:
    with pytest.raises((SpecError, RegistryError)) as caught:
        read(values)
    assert isinstance(caught.value, AudiospecError)
    assert "\n" not in str(caught.value)


def test_a_backend_with_large_kernels_is_refused() -> None:
    spec = MelSpec(n_fft=1 << 17, n_mels=8)
    with pytest.raises(
        SpecError, match=r"'conv' computes with n_fft up to 16384; got 131072: use backend 'fft'"
    ):
        frontend(spec, backend="conv")
