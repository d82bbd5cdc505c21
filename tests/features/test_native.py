"""Backend native: the kernel of mel, what chooses it, and the tables in numpy that it is made of."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.compiled import library as compiled
from audiospec.errors import AudioError, SpecError
from audiospec.features.base import frontend
from audiospec.features.kernels.mel_filters import mel_filters, sparse
from audiospec.features.kernels.mel_reference import mel_parity, mel_reference
from audiospec.features.kernels.windows import hann_window
from audiospec.features.mel import MelFrontend
from audiospec.features.native.base import Kernel, kernels, native_reason
from audiospec.features.native.mel import MelKernel
from audiospec.features.rows.frontend import FrontendWriter
from audiospec.features.rows.writing import row_writer
from audiospec.specs.mel import MelSpec
from audiospec.specs.tabular import TabularSpec

os.environ.setdefault("NNAUDIO_DISABLE_CITATION_REMINDER", "1")

built = pytest.mark.skipif(bool(compiled.reason_missing()), reason=f"native: {compiled.reason_missing()}")

SMALL = MelSpec(sample_rate=8000, n_fft=256, hop_length=64, n_mels=24, fmax=4000)
SPECS = {
    "study": MelSpec(),
    "small": SMALL,
    "magnitude": dataclasses.replace(SMALL, power=1, ref=0.5),
    "of-the-peak": dataclasses.replace(SMALL, ref="max", top_db=60),
    "floor": dataclasses.replace(SMALL, ref=1e-3, amin=1e-6, top_db=50),
    "not-centred": dataclasses.replace(SMALL, center=False),
    "zero-padded": dataclasses.replace(SMALL, pad_mode="constant"),
    "linear": dataclasses.replace(SMALL, scale="linear", dtype="float32"),
    "long": MelSpec(n_fft=8192, n_mels=128, mel_scale="slaney"),
    "short": MelSpec(sample_rate=8000, n_fft=64, hop_length=20, n_mels=8, fmax=4000, norm=None),
}


def noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32) / 10


def fft(spec: MelSpec, wave: NDArray[np.float32]) -> NDArray[np.float32]:
    row: NDArray[np.float32] = frontend(spec, backend="fft")(torch.from_numpy(wave)).numpy()
    return row


# --- tables in numpy --------------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.data())
def test_filters_are_those_of_nnaudio(data: st.DataObject) -> None:
    from nnAudio2.librosa_functions import get_mel

    rate = data.draw(st.sampled_from([8000, 11025, 16000, 22050, 44100]) | st.integers(100, 96000))
    fmax = data.draw(st.sampled_from([rate / 2, min(rate / 2, 8000.0)]) | st.floats(50, rate / 2))
    fields = {
        "n_fft": data.draw(st.sampled_from([64, 512, 1023, 2048, 4096]) | st.integers(2, 3000)),
        "n_mels": data.draw(st.integers(1, 200)),
        "fmin": data.draw(st.sampled_from([0.0, 20.0]) | st.floats(0, fmax, exclude_max=True)),
        "mel_scale": data.draw(st.sampled_from(["htk", "slaney"])),
        "norm": data.draw(st.sampled_from(["slaney", None])),
    }
    try:
        spec = MelSpec(sample_rate=rate, fmax=fmax, **fields)
    except SpecError:  # a filter without a bin
        return
    expected = get_mel(
        rate if spec.n_fft % 2 == 0 else rate * (1 - 1 / spec.n_fft),
        spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.fmin,
        fmax=spec.fmax,
        htk=spec.mel_scale == "htk",
        norm=1 if spec.norm == "slaney" else None,
    )
    filters = mel_filters(spec)
    assert filters.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(filters, expected)  # to the bit, but for the sign of a zero
    parts = sparse(filters)
    whole = np.zeros_like(filters)
    ends = np.cumsum(parts.counts)
    for row, start, count, end in zip(whole, parts.starts, parts.counts, ends, strict=True):
        assert count >= 1
        row[start : start + count] = parts.weights[end - count : end]
    assert ends[-1] == len(parts.weights)
    np.testing.assert_array_equal(whole, filters)


@pytest.mark.parametrize("n_fft", [2, 3, 64, 997, 1023, 2048, 8192, 1 << 17])
def test_the_window_is_that_of_torch(n_fft: int) -> None:
    expected = torch.hann_window(n_fft, periodic=True, dtype=torch.float64).float().numpy()
    np.testing.assert_array_equal(hann_window(n_fft).astype(np.float32), expected)


@pytest.mark.parametrize("name", [*SPECS, "odd"])
def test_the_reference_is_the_frontend_in_float64(name: str) -> None:
    spec = SPECS.get(name) or MelSpec(n_fft=1023, hop_length=255, n_mels=41, power=1.5)
    wave = noise(9000)
    exact = frontend(spec, backend="fft").double()(torch.from_numpy(wave).double()).numpy()
    # The frontend's window is rounded to float32, the reference's is not.
    np.testing.assert_allclose(mel_reference(spec, wave), exact, rtol=1e-5, atol=1e-4)


def test_the_reference_does_not_depend_on_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = noise(9000)
    whole = mel_reference(SMALL, wave)
    monkeypatch.setattr("audiospec.features.kernels.mel_reference._BLOCK", 3 * SMALL.n_fft)
    np.testing.assert_allclose(mel_reference(SMALL, wave), whole, rtol=1e-12)


def test_parity_sees_one_filter() -> None:
    def wrong(wave: NDArray[np.float32]) -> NDArray[np.float64]:
        row = mel_reference(SMALL, wave)
        row[11] += 0.25
        return row

    assert mel_parity(SMALL, 8000, wrong) == pytest.approx(0.25)
    assert mel_parity(SMALL, 8000, lambda wave: mel_reference(SMALL, wave)) == 0


# --- the kernel -------------------------------------------------------------------------------------


@built
@pytest.mark.parametrize("name", SPECS)
def test_a_kernel_computes_what_fft_does(name: str) -> None:
    spec = SPECS[name]
    kernel = kernels["mel"](spec)
    assert isinstance(kernel, MelKernel)
    assert kernel.parity(12000) < 0.001
    wave = noise(12000)
    row, expected = kernel.compute(wave), fft(spec, wave)
    assert (row.dtype, row.shape) == (np.float32, spec.row_shape(12000))
    if spec.scale == "linear":
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-6 * expected.max())
    else:
        assert np.abs(row - expected)[expected >= expected.max() - 40 * spec.power].max() < 0.005


@built
@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
@pytest.mark.parametrize("name", ["study", "of-the-peak", "magnitude"])
def test_a_row_is_written_as_a_store_keeps_it(name: str, dtype: Any) -> None:
    spec = dataclasses.replace(SPECS[name], dtype=dtype)
    kernel, wave = kernels["mel"](spec), noise(9000)
    row = np.empty(spec.row_shape(9000), dtype)
    kernel.write(wave, row)
    values = kernel.compute(wave)
    assert (
        row.tobytes() == (values.astype(dtype) if spec.code is None else spec.code.encode(values)).tobytes()
    )


@built
@pytest.mark.parametrize(
    "change", [lambda wave: 40 * wave, lambda wave: wave * np.float32(np.nan)], ids=["loud", "nan"]
)
def test_audio_that_the_byte_code_cannot_hold_is_refused_as_by_fft(
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> None:
    spec = MelSpec(dtype="uint8")
    wave = change(np.sin(np.arange(22050, dtype=np.float32)))
    row = np.empty(spec.row_shape(len(wave)), np.uint8)
    messages = []
    for backend in ("native", "fft"):
        with pytest.raises(AudioError, match="too loud for dtype uint8") as error:
            row_writer(spec, backend).write([wave], [row])
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@built
def test_threads_share_a_kernel() -> None:
    kernel = kernels["mel"](MelSpec())
    waves = [noise(20000 + 1000 * number, number) for number in range(6)]
    expected = [kernel.compute(wave).tobytes() for wave in waves]
    wrong: list[int] = []

    def work(first: int) -> None:
        for number in range(first, first + 30):
            number %= len(waves)
            if kernel.compute(waves[number]).tobytes() != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@built
def test_copies_of_a_kernel_compute_the_same() -> None:
    kernel, wave = kernels["mel"](SMALL), noise(3000)
    for copied in (copy.deepcopy(kernel), pickle.loads(pickle.dumps(kernel))):
        assert isinstance(copied, Kernel)
        assert copied.compute(wave).tobytes() == kernel.compute(wave).tobytes()


@built
def test_wrong_arrays_are_refused() -> None:
    kernel = kernels["mel"](SMALL)
    with pytest.raises(SpecError, match="100 samples is too short"):
        kernel.compute(noise(100))
    with pytest.raises(ValueError, match=r"expected a row of shape \(24, 47\); got \(24, 46\)"):
        kernel.compute(noise(3000), np.empty((24, 46), np.float32))
    odd = noise(6000)[::2]
    assert kernel.compute(odd).tobytes() == kernel.compute(odd.copy()).tobytes()


# --- what is chosen ---------------------------------------------------------------------------------


@built
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_fft": 400}, "n_fft must be a power of 2 from 64 to 8192; got 400"),
        ({"n_fft": 16384}, "n_fft must be a power of 2 from 64 to 8192; got 16384"),
        ({"power": 1.5}, "power must be 1 or 2; got 1.5"),
    ],
    ids=str,
)
def test_other_specs_go_the_way_of_fft(changes: dict[str, Any], reason: str) -> None:
    spec = MelSpec(n_mels=40, **changes)
    assert native_reason(spec) == reason
    assert frontend(spec).backend == row_writer(spec).backend == "fft"
    for make in (frontend, row_writer):
        with pytest.raises(SpecError, match=f"backend 'native': {reason}: .*"):
            make(spec, backend="native")


@built
def test_another_device_goes_the_way_of_fft() -> None:
    assert MelFrontend.default_backend(SMALL, "cuda") == "fft"
    assert MelFrontend.default_backend(SMALL, "cpu") == "native"
    assert frontend(SMALL, device="meta").backend == "fft"
    with pytest.raises(SpecError, match="backend 'native': it computes on a CPU; got device 'cuda'"):
        row_writer(SMALL, "native", "cuda")


def test_a_feature_without_a_kernel() -> None:
    """Its rows are computed by the frontend, whose backend may use the extension all the same."""
    spec = TabularSpec(sample_rate=8000)
    assert native_reason(spec) == "feature 'tabular' has no kernel"
    writer = row_writer(spec)
    assert type(writer) is FrontendWriter
    assert writer.backend == frontend(spec).backend
    with pytest.raises(SpecError, match="feature 'tabular' has no backend 'conv'"):
        row_writer(spec, "conv")


def test_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_load", lambda: (None, "it was not built"))
    spec = dataclasses.replace(SMALL, n_mels=23)
    assert frontend(spec).backend == row_writer(spec).backend == "fft"
    for make in (frontend, row_writer):
        with pytest.raises(SpecError, match="backend 'native': it was not built: "):
            make(spec, backend="native")


@built
def test_when_a_frontend_calls_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    compute = MelKernel.compute

    def spy(self: MelKernel, wave: Any, row: Any = None) -> Any:
        calls.append(len(wave))
        return compute(self, wave, row)

    monkeypatch.setattr(MelKernel, "compute", spy)
    mel, waves = frontend(SMALL), torch.from_numpy(noise(1200)).reshape(2, 600)
    assert mel.backend == "native"
    rows = mel(waves)
    assert calls == [600, 600]
    with torch.no_grad():
        assert torch.equal(mel(waves.clone().requires_grad_()), rows)
    assert len(calls) == 4
    # Where a gradient, another precision or a graph is needed, torch computes.
    near = {"rtol": 0, "atol": 1e-3}
    torch.testing.assert_close(mel(waves.clone().requires_grad_()).detach(), rows, **near)
    exported = torch.export.export(mel, (waves,)).module()
    torch.testing.assert_close(exported(waves), rows, **near)
    torch.testing.assert_close(mel.double()(waves.double()).float(), rows, **near)
    assert len(calls) == 4
    assert torch.equal(mel.float()(waves), rows)
    assert len(calls) == 6


@built
def test_writers_agree_with_frontends() -> None:
    wave = noise(9000)
    for backend in ("native", "fft", None):
        row = np.empty(SMALL.row_shape(9000), SMALL.dtype)
        row_writer(SMALL, backend).write([wave], [row])
        rows = frontend(SMALL, backend=backend)(torch.from_numpy(wave))
        assert row.tobytes() == rows.half().numpy().tobytes()
    assert math.isfinite(row_writer(SMALL).parity(9000))
