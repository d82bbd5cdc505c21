"""Sums, extremes and clipped samples of frames in C are those of numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.audio import frame_levels as module
from audiospec.audio.frame_levels import frame_levels, no_clipping
from audiospec.compiled.library import instruction_sets, library

native: Any = library()
pytestmark = pytest.mark.skipif(native is None, reason="audiospec was built without a C compiler")


@given(
    frames=st.integers(1, 4),
    samples=st.sampled_from([1, 2, 3, 7, 31, 32, 33, 64, 100, 257]),
    channels=st.integers(1, 4),
    most=st.sampled_from([1, 3, 600, 20000, 32768, 40000]),
    seed=st.integers(0, 999),
)
def test_c_and_numpy_agree(frames: int, samples: int, channels: int, most: int, seed: int) -> None:
    """To the bit for 16-bit samples; many of them are clipped, at full scale or below."""
    generator = np.random.default_rng(seed)
    raw = np.clip(generator.normal(0, most, (2 * frames, samples, channels)), -most, most)
    values = (np.clip(np.rint(raw), -32768, 32767) / 32768).astype(np.float32)
    expected_state = no_clipping(channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "library", lambda: None)
        expected = [frame_levels(part, expected_state) for part in np.split(values, 2)]
    for name in instruction_sets():
        state = no_clipping(channels)
        for part, wanted in zip(np.split(values, 2), expected, strict=True):
            out = np.empty((frames, channels, 5))
            native.frame_levels(np.ascontiguousarray(part), samples, channels, out, state, name)
            np.testing.assert_array_equal(out, wanted)
        np.testing.assert_array_equal(state, expected_state)


def test_floats_agree_but_for_rounding() -> None:
    values = np.random.default_rng(0).normal(0, 0.3, (5, 2205, 2)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "library", lambda: None)
        expected = frame_levels(values, no_clipping(2))
    np.testing.assert_allclose(frame_levels(values, no_clipping(2)), expected, rtol=1e-12, atol=1e-12)


def test_runs() -> None:
    """Three equal samples at the extreme, reached by a step; a run that begins a frame has no step."""
    frame = np.array(
        [0.5, 0.5, 0.5, 0, 0.5, 0.5, 0, 0.5, 0.5, 0.5, -0.2, -0.6, -0.6, -0.6, -0.6, 0], np.float32
    )
    for used in (native, None):
        state = no_clipping(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "library", lambda used=used: used)
            frame_levels(frame.reshape(1, -1, 1), state)
            assert state.tolist() == [[0.5, 3, pytest.approx(-0.6), 4, 0]]
            frame_levels(2 * frame.reshape(1, -1, 1), state)
            assert state.tolist() == [[1.0, 3, pytest.approx(-1.2), 4, 6]]
            frame_levels(frame.reshape(1, -1, 1), state)
            assert state.tolist() == [[1.0, 3, pytest.approx(-1.2), 4, 6]]


@pytest.mark.parametrize(
    ("frames", "samples", "channels", "out", "clipping"),
    [
        (np.zeros(8, np.float32), 3, 1, np.zeros(10), np.zeros(5)),
        (np.zeros(8, np.float32), 0, 1, np.zeros(10), np.zeros(5)),
        (np.zeros(8, np.float32), 4, 0, np.zeros(10), np.zeros(5)),
        (np.zeros(8, np.float32), -4, -1, np.zeros(10), np.zeros(5)),
        (np.zeros(8, np.float32), 2**40, 2**40, np.zeros(10), np.zeros(5)),
        (np.zeros(8, np.float32), 4, 1, np.zeros(9), np.zeros(5)),
        (np.zeros(8, np.float32), 4, 1, np.zeros(10), np.zeros(6)),
        (np.zeros(8, np.float64), 4, 1, np.zeros(10), np.zeros(5)),
        (np.zeros(8, np.float32), 4, 1, np.zeros(10, np.float32), np.zeros(5)),
        (np.zeros(8, np.float32), 4, 1, np.zeros(10), np.zeros(10)[::2]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    frames: Any, samples: int, channels: int, out: Any, clipping: Any
) -> None:
    with pytest.raises((ValueError, BufferError)):
        native.frame_levels(frames, samples, channels, out, clipping, "")
    assert not out.any()
    assert not clipping.any()
