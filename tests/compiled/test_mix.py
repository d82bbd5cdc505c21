"""The mean of channels in C is that of numpy to the bit: rows of kept stores are made of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiospec.audio import waves
from audiospec.audio.waves import mix_to_mono
from audiospec.compiled.library import library

native = library()
pytestmark = pytest.mark.skipif(native is None, reason="audiospec was built without a C compiler")


@given(
    frames=st.integers(0, 70),
    channels=st.integers(1, 9),
    kind=st.sampled_from(["int16", "float32"]),
    seed=st.integers(0, 99),
)
def test_the_mean_is_numpys_to_the_bit(frames, channels, kind, seed):
    generator = np.random.default_rng(seed)
    if kind == "int16":
        block = generator.integers(-32768, 32768, (frames, channels)).astype(np.int16)
    else:
        block = generator.normal(0, 10.0 ** generator.integers(-30, 30), (frames, channels)).astype(
            np.float32
        )
    mixed = mix_to_mono(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waves, "library", lambda: None)
        expected = mix_to_mono(block)
    assert mixed.dtype == expected.dtype == np.float32
    assert mixed.tobytes() == expected.tobytes()


def test_full_scale():
    block = np.array([[-32768, -32768], [32767, 32767], [32767, -32768]], np.int16)
    assert mix_to_mono(block).tolist() == [-1.0, 32767 / 32768, -0.5 / 32768]


def test_one_channel_of_several():
    block = np.arange(12, dtype=np.int16).reshape(4, 3)
    assert (mix_to_mono(block[:, 1:2]) * 32768).tolist() == [1, 4, 7, 10]


@pytest.mark.parametrize(
    ("samples", "channels", "room"),
    [
        (np.zeros((4, 2), np.int16), 2, np.zeros(5, np.float32)),
        (np.zeros((4, 2), np.int16), 3, np.zeros(4, np.float32)),
        (np.zeros((4, 2), np.int16), 0, np.zeros(4, np.float32)),
        (np.zeros((4, 2), np.int32), 2, np.zeros(4, np.float32)),
        (np.zeros((4, 2), np.int16), 2, np.zeros(4, np.float64)),
        (np.zeros((4, 2), np.int16), 2, np.zeros(8, np.float16)),
        (np.zeros((8, 2), np.int16)[::2], 2, np.zeros(4, np.float32)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(samples, channels, room):
    with pytest.raises((ValueError, BufferError)):
        native.mix_to_mono(samples, channels, room)
    assert not room.any()


def test_a_constant_array_is_not_written():
    room = np.zeros(4, np.float32)
    room.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        native.mix_to_mono(np.ones((4, 1), np.int16), 1, room)
