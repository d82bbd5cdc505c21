"""Wrong arguments of the compiled transform: an error, and nothing read or written outside its arrays."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.compiled import library

if library.library() is None:
    pytest.skip(f"no compiled kernels: {library.reason_missing()}", allow_module_level=True)
native: Any = library.library()

FRAMES, MELS = 11, 3


def arguments(**changes: Any) -> dict[str, Any]:
    whole = np.int32
    return {
        "window": np.ones(64, np.float32),
        "starts": np.array([0, 5, 30], whole),
        "counts": np.array([4, 0, 3], whole),
        "weights": np.ones(7, np.float32),
        "hop_length": 10,
        "power": 2,
        "padding": 1,
        "decibels": True,
        "amin": 1e-10,
        "reference": 0.0,
        "peak_reference": False,
        "top_db": -1.0,
        "offset": -100.0,
        "scale": 1.0,
        "instruction_set": "",
        **changes,
    }


def arrays(log_mel: Any) -> dict[str, NDArray[Any]]:
    return {
        "wave": np.ones(100, np.float32),
        "out": np.zeros((MELS, FRAMES), np.float32),
        "scratch": np.zeros(log_mel.scratch_bytes(100), np.uint8),
    }


def test_the_arguments_of_these_tests_are_right() -> None:
    log_mel = native.LogMel(**arguments())
    assert log_mel.frames(100) == FRAMES
    low, high = log_mel.write(*arrays(log_mel).values())
    assert low == pytest.approx(-100, abs=1e-4)  # the filter without weights
    assert high > 0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"window": np.ones(63, np.float32)}, ValueError, "power of 2 from 64 to 8192 samples; got 63"),
        ({"window": np.ones(96, np.float32)}, ValueError, "got 96"),
        ({"window": np.ones(32, np.float32)}, ValueError, "got 32"),
        ({"window": np.ones(16384, np.float32)}, ValueError, "got 16384"),
        ({"window": np.ones(0, np.float32)}, ValueError, "got 0"),
        ({"window": np.ones(64)}, ValueError, "window: expected an array of format 'f'; got 'd'"),
        ({"window": np.ones(64, ">f4")}, ValueError, "window"),
        ({"window": np.ones(128, np.float32)[::2]}, (BufferError, ValueError), "contiguous"),
        ({"window": [1.0] * 64}, TypeError, "bytes-like"),
        ({"starts": np.array([0, 5, -1], np.int32)}, ValueError, "filters"),
        ({"starts": np.array([0, 5, 31], np.int32)}, ValueError, "filters"),
        ({"starts": np.array([0, 34, 30], np.int32)}, ValueError, "filters"),
        ({"starts": np.array([0, 5, 2**31 - 1], np.int32)}, ValueError, "filters"),
        ({"starts": np.array([0, 5, 30])}, ValueError, "starts"),
        ({"starts": np.array([0, 5, 30], np.uint32)}, ValueError, "starts"),
        ({"starts": np.array([0, 5], np.int32)}, ValueError, "filters"),
        ({"counts": np.array([4, -1, 4], np.int32)}, ValueError, "filters"),
        ({"counts": np.array([4, 0, 2**31 - 1], np.int32)}, ValueError, "filters"),
        ({"counts": np.array([4, 0], np.int32)}, ValueError, "filters"),
        ({"weights": np.ones(6, np.float32)}, ValueError, "filters"),
        ({"weights": np.ones(8, np.float32)}, ValueError, "filters"),
        ({key: np.ones(0, np.int32) for key in ("starts", "counts")}, ValueError, "filters"),
        ({"hop_length": 0}, ValueError, "hop_length"),
        ({"hop_length": -1}, ValueError, "hop_length"),
        ({"hop_length": 2**62}, ValueError, "hop_length"),
        ({"hop_length": 2**80}, OverflowError, "too large"),
        ({"power": 0}, ValueError, "power"),
        ({"power": 3}, ValueError, "power"),
        ({"padding": -1}, ValueError, "padding"),
        ({"padding": 3}, ValueError, "padding"),
        ({"amin": 0.0}, ValueError, "amin"),
        ({"amin": -1.0}, ValueError, "amin"),
        ({"amin": 1e-40}, ValueError, "amin"),
        ({"amin": float("nan")}, ValueError, "amin"),
        ({"amin": float("inf")}, ValueError, "amin"),
        ({"instruction_set": "mmx"}, ValueError, "mmx"),
        ({"instruction_set": None}, TypeError, "str"),
        ({"speed": 1}, TypeError, "at most 15"),
    ],
)
def test_plans_that_are_refused(changes: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        native.LogMel(**arguments(**changes))


def misaligned(array: NDArray[Any]) -> NDArray[Any]:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    memory[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return memory[1:].view(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("name", ["window", "starts", "counts", "weights"])
def test_tables_must_be_aligned(name: str) -> None:
    with pytest.raises(ValueError, match="aligned"):
        native.LogMel(**arguments(**{name: misaligned(arguments()[name])}))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("name", library.instruction_sets())
def test_audio_and_rows_may_be_anywhere(name: str, dtype: Any) -> None:
    """A row may be a part of a file in memory, at an odd place."""
    log_mel = native.LogMel(**arguments(instruction_set=name))
    wave = np.random.default_rng(0).uniform(-1, 1, 100).astype(np.float32)
    scratch = np.zeros(log_mel.scratch_bytes(100), np.uint8)
    out, other = np.zeros((MELS, FRAMES), dtype), misaligned(np.zeros((MELS, FRAMES), dtype))
    log_mel.write(wave, out, scratch)
    log_mel.write(misaligned(wave), other, misaligned(scratch))
    assert out.any()
    assert out.tobytes() == other.tobytes()


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        ("wave", lambda array: array.astype(np.float64), ValueError, "wave: expected an array of format 'f'"),
        ("wave", lambda array: np.repeat(array, 2)[::2], (BufferError, ValueError), "contiguous"),
        ("wave", lambda array: array[:-40], ValueError, "room for 7 frames of 3 mel bins; got 33"),
        ("wave", lambda array: array[:32], ValueError, "room for 0 frames"),
        ("wave", lambda array: array[:0], ValueError, "room for 0 frames"),
        ("wave", lambda array: array.tolist(), TypeError, "bytes-like"),
        ("wave", lambda array: None, TypeError, "bytes-like"),
        ("out", lambda array: array[:, :-1].copy(), ValueError, "got 30"),
        ("out", lambda array: array[:, :0].copy(), ValueError, "got 0"),
        ("out", lambda array: np.zeros((MELS, FRAMES + 1), np.float32), ValueError, "got 36"),
        ("out", lambda array: array.astype(np.float64), ValueError, "out: expected an array of format"),
        ("out", lambda array: array.astype(np.int8), ValueError, "out: expected an array of format"),
        ("out", lambda array: array.astype(">f4"), ValueError, "out: expected an array of format"),
        ("out", np.asfortranarray, (BufferError, ValueError), "contiguous"),
        ("out", lambda array: array[:, ::-1], (BufferError, ValueError), "contiguous"),
        ("out", read_only, (BufferError, ValueError), "read-only"),
        ("out", lambda array: array.tobytes(), BufferError, "writable"),
        ("scratch", lambda array: array[:-1], ValueError, "scratch is smaller"),
        ("scratch", lambda array: array[:0], ValueError, "scratch is smaller"),
        ("scratch", read_only, (BufferError, ValueError), "read-only"),
        ("scratch", lambda array: array.view(np.float32), ValueError, "scratch: expected an array of format"),
        ("scratch", lambda array: np.repeat(array, 2)[::2], (BufferError, ValueError), "contiguous"),
    ],
)
def test_arrays_that_are_refused(name: str, change: Any, error: Any, message: str) -> None:
    log_mel = native.LogMel(**arguments())
    given = arrays(log_mel)
    given[name] = change(given[name])
    references = sys.getrefcount(given["wave"])
    with pytest.raises(error, match=message):
        log_mel.write(*given.values())
    kept = sys.getrefcount(given["wave"])
    assert kept == references


def test_bytes_need_a_code() -> None:
    log_mel = native.LogMel(**arguments(scale=0.0))
    out = np.zeros((MELS, FRAMES), np.uint8)
    with pytest.raises(ValueError, match="scale"):
        log_mel.write(np.ones(100, np.float32), out, np.zeros(log_mel.scratch_bytes(100), np.uint8))
    assert not out.any()


@pytest.mark.parametrize("samples", [-1, -(2**40), -(2**63)])
def test_fewer_samples_than_none_make_no_frame(samples: int) -> None:
    log_mel = native.LogMel(**arguments())
    assert log_mel.frames(samples) == 0
    assert log_mel.scratch_bytes(samples) == log_mel.scratch_bytes(0)


@pytest.mark.parametrize(
    "changes", [{"hop_length": 1}, {"top_db": 80.0}, {"hop_length": 1, "padding": 0}], ids=str
)
@pytest.mark.parametrize("samples", [2**63 - 1, 2**63 - 40, 2**62, 2**61 + 5])
def test_more_samples_than_memory_are_refused(changes: dict[str, Any], samples: int) -> None:
    log_mel = native.LogMel(**arguments(**changes))
    for method in (log_mel.frames, log_mel.scratch_bytes):
        with pytest.raises((ValueError, OverflowError), match="samples"):
            method(samples)


@pytest.mark.parametrize("samples", [2**63, -(2**63) - 1, 2**100])
def test_numbers_beyond_64_bits_are_refused(samples: int) -> None:
    log_mel = native.LogMel(**arguments())
    for method in (log_mel.frames, log_mel.scratch_bytes):
        with pytest.raises(OverflowError):
            method(samples)


@pytest.mark.parametrize("samples", ["7", 7.0, None])
def test_samples_are_a_whole_number(samples: Any) -> None:
    log_mel = native.LogMel(**arguments())
    for method in (log_mel.frames, log_mel.scratch_bytes):
        with pytest.raises(TypeError):
            method(samples)


def test_transforms_free_their_memory() -> None:
    """Making and refusing plans thousands of times leaves the process as large as before."""
    import resource

    def largest() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    wrong = arguments(weights=np.ones(9, np.float32), window=np.ones(8192, np.float32))
    right = arguments(window=np.ones(8192, np.float32))

    def repeat(times: int) -> None:
        for _ in range(times):
            native.LogMel(**right)
            with pytest.raises(ValueError, match="filters"):
                native.LogMel(**wrong)

    repeat(50)
    before = largest()
    repeat(500)  # each plan takes 80 kB
    assert largest() - before < 20_000


def test_types_cannot_be_changed_or_called_wrongly() -> None:
    with pytest.raises(TypeError):
        native.LogMel()
    with pytest.raises(TypeError):
        native.LogMel.write(object(), None, None, None)
    with pytest.raises(TypeError):
        native.LogMel.__new__(int, **arguments())
