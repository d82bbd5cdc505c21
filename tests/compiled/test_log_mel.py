"""The compiled log-mel transform against float64, on every instruction set of this machine.

Neither these tests nor what they test need torch: `make sanitize` runs them under AddressSanitizer and UBSan.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.compiled import library
from audiospec.specs.byte_code import DecibelCode

if library.library() is None:
    pytest.skip(f"no compiled kernels: {library.reason_missing()}", allow_module_level=True)
native: Any = library.library()

SETS = library.instruction_sets()
each_set = pytest.mark.parametrize("instruction_set", SETS)
SIZES = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
NONE, REFLECT, ZEROS = 0, 1, 2
#: Bytes around an array, which must not change.
GUARD = 192
PATTERN = 0xA5


@dataclass(frozen=True)
class Plan:
    """What a transform computes, with filters of random places, widths and weights."""

    n_fft: int = 256
    hop_length: int = 100
    n_mels: int = 20
    power: int = 2
    padding: int = REFLECT
    decibels: bool = True
    amin: float = 1e-10
    reference: float = 0.0
    peak_reference: bool = False
    top_db: float = -1.0
    code: DecibelCode = field(default_factory=lambda: DecibelCode.spanning(-100, 155))
    win_length: int = 0
    seed: int = 0

    @cached_property
    def window(self) -> NDArray[np.float32]:
        length = min(self.win_length or self.n_fft, self.n_fft)
        window = np.zeros(self.n_fft, np.float32)
        start = (self.n_fft - length) // 2
        window[start : start + length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        return window

    @cached_property
    def filters(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        random, bins = np.random.default_rng(self.seed), self.n_fft // 2 + 1
        starts = random.integers(0, bins, self.n_mels)
        counts = 1 + random.integers(0, np.minimum(bins - starts, 1 + bins // 4))
        weights = random.uniform(0.1, 1, counts.sum())
        return starts.astype(np.int32), counts.astype(np.int32), weights.astype(np.float32)

    def make(self, instruction_set: str = "", **changes: Any) -> Any:
        starts, counts, weights = self.filters
        arguments = {
            "window": self.window,
            "starts": starts,
            "counts": counts,
            "weights": weights,
            "hop_length": self.hop_length,
            "power": self.power,
            "padding": self.padding,
            "decibels": self.decibels,
            "amin": self.amin,
            "reference": self.reference,
            "peak_reference": self.peak_reference,
            "top_db": self.top_db,
            "offset": self.code.offset,
            "scale": self.code.scale,
            "instruction_set": instruction_set,
        }
        return native.LogMel(**{**arguments, **changes})

    def frames(self, samples: int) -> int:
        half = self.n_fft // 2 if self.padding else 0
        too_short = samples <= half if self.padding == REFLECT else samples < 1
        if too_short or samples + 2 * half < self.n_fft:
            return 0
        return 1 + (samples + 2 * half - self.n_fft) // self.hop_length

    def expected(self, wave: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the row in float64."""
        padded = wave.astype(np.float64)
        if self.padding:
            padded = np.pad(
                padded, self.n_fft // 2, mode="reflect" if self.padding == REFLECT else "constant"
            )
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop_length]
        spectrum = np.abs(np.fft.rfft(frames * self.window.astype(np.float64))) ** self.power
        starts, counts, weights = self.filters
        ends = counts.cumsum()
        row = np.array(
            [
                spectrum[:, start : start + count] @ weights[end - count : end].astype(np.float64)
                for start, count, end in zip(starts, counts, ends, strict=True)
            ]
        )
        if not self.decibels:
            return row
        row = 10 * np.log10(np.maximum(row, self.amin))
        peak = row.max()
        if self.top_db >= 0:
            row = np.maximum(row, peak - self.top_db)
        return row - (peak if self.peak_reference else self.reference)


def guarded(size: int, offset: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return `size` bytes at `offset` from an aligned place, and the memory in which they are."""
    memory = np.full(size + offset + 2 * GUARD + 64, PATTERN, np.uint8)
    start = GUARD + -(memory.ctypes.data + GUARD) % 64 + offset
    return memory[start : start + size], memory


def untouched(memory: NDArray[np.uint8], inside: NDArray[np.uint8]) -> bool:
    start = inside.ctypes.data - memory.ctypes.data
    return bool((memory[:start] == PATTERN).all() and (memory[start + len(inside) :] == PATTERN).all())


@dataclass(frozen=True)
class Offsets:
    """Bytes between an array and an aligned place."""

    wave: int = 0
    out: int = 0
    scratch: int = 0


def write(
    log_mel: Any,
    wave: NDArray[np.float32],
    n_mels: int,
    dtype: Any = np.float32,
    offsets: Offsets = Offsets(),
) -> tuple[NDArray[Any], tuple[float, float]]:
    """Return a row and its range; nothing around it, nor around the scratch, may change."""
    samples = len(wave)
    kept, kept_memory = guarded(4 * samples, offsets.wave)
    kept[:] = wave.view(np.uint8)
    size = n_mels * log_mel.frames(samples) * np.dtype(dtype).itemsize
    out, out_memory = guarded(size, offsets.out)
    scratch, scratch_memory = guarded(log_mel.scratch_bytes(samples), offsets.scratch)
    low_high = log_mel.write(kept.view(np.float32), out.view(dtype).reshape(n_mels, -1), scratch)
    assert untouched(out_memory, out)
    assert untouched(scratch_memory, scratch)
    assert untouched(kept_memory, kept)
    assert kept.tobytes() == wave.tobytes()
    return out.view(dtype).reshape(n_mels, -1).copy(), low_high


def noise(samples: int, seed: int = 0, amplitude: float = 0.5) -> NDArray[np.float32]:
    return (amplitude * np.random.default_rng(seed).uniform(-1, 1, samples)).astype(np.float32)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n_fft = draw(st.sampled_from(SIZES))
    return Plan(
        n_fft=n_fft,
        hop_length=draw(st.integers(1, n_fft + 70)),
        n_mels=draw(st.integers(1, 40)),
        power=draw(st.sampled_from((1, 2))),
        padding=draw(st.sampled_from((NONE, REFLECT, ZEROS))),
        decibels=draw(st.booleans()),
        reference=draw(st.sampled_from((0.0, 12.5))),
        peak_reference=draw(st.booleans()),
        top_db=draw(st.sampled_from((-1.0, 0.0, 15.0, 80.0))),
        win_length=draw(st.integers(n_fft // 4, n_fft)),
        seed=draw(st.integers(0, 1000)),
    )


@st.composite
def lengths(draw: st.DrawFn, plan: Plan) -> int:
    """Draw a number of samples for up to 40 frames; too few for one at times."""
    frames, more = draw(st.integers(1, 40)), draw(st.integers(-1, plan.hop_length))
    least = plan.n_fft // 2 + 1 if plan.padding == REFLECT else 1 if plan.padding else plan.n_fft
    return max(0, least + (frames - 1) * plan.hop_length + more)


offsets_of_arrays = st.builds(
    Offsets, *(st.integers(0, 15).map(lambda number: 4 * number),) * 2, st.integers(0, 63)
)


@each_set
@given(data=st.data(), plan=plans(), offsets=offsets_of_arrays)
def test_rows_are_those_of_float64(
    instruction_set: str, data: st.DataObject, plan: Plan, offsets: Offsets
) -> None:
    wave = noise(data.draw(lengths(plan)), plan.seed)
    log_mel = plan.make(instruction_set)
    assert log_mel.frames(len(wave)) == plan.frames(len(wave))
    if not plan.frames(len(wave)):
        with pytest.raises(ValueError, match="0 frames"):
            write(log_mel, wave, plan.n_mels)
        return
    row, (low, high) = write(log_mel, wave, plan.n_mels, offsets=offsets)
    assert (low, high) == (row.min(), row.max())
    # In arrays with nothing around them: sanitizers see what is read outside.
    alone = np.empty_like(row)
    log_mel.write(wave, alone, np.empty(log_mel.scratch_bytes(len(wave)), np.uint8))
    assert alone.tobytes() == row.tobytes()
    expected = plan.expected(wave)
    assert row.shape == expected.shape
    if not plan.decibels:
        expected, row = (10 * np.log10(np.maximum(values, plan.amin)) for values in (expected, row))
    near = expected >= expected.max() - 80
    assert np.abs(expected - row)[near].max() < 0.01


@each_set
@given(
    data=st.data(), plan=plans(), offsets=offsets_of_arrays, amplitude=st.sampled_from((1e-5, 0.01, 1, 1e4))
)
def test_halves_are_rounded_as_numpy_rounds(
    instruction_set: str, data: st.DataObject, plan: Plan, offsets: Offsets, amplitude: float
) -> None:
    wave = noise(data.draw(lengths(plan)), plan.seed) * np.float32(amplitude)
    assume(plan.frames(len(wave)))
    log_mel = plan.make(instruction_set)
    row, extremes = write(log_mel, wave, plan.n_mels)
    halves, extremes_of_halves = write(log_mel, wave, plan.n_mels, np.float16, offsets)
    assert extremes_of_halves == extremes
    with np.errstate(over="ignore"):
        assert halves.tobytes() == row.astype(np.float16).tobytes()


@each_set
@given(data=st.data(), plan=plans(), offsets=offsets_of_arrays)
def test_bytes_are_those_of_the_code(
    instruction_set: str, data: st.DataObject, plan: Plan, offsets: Offsets
) -> None:
    wave = noise(data.draw(lengths(plan)), plan.seed)
    assume(plan.frames(len(wave)))
    row, extremes = write(plan.make(instruction_set), wave, plan.n_mels)
    # A code that the row fills, so that all bytes are used.
    plan = replace(plan, code=DecibelCode.spanning(extremes[0], max(extremes[1], extremes[0] + 1)))
    coded, extremes_of_bytes = write(plan.make(instruction_set), wave, plan.n_mels, np.uint8, offsets)
    assert extremes_of_bytes == extremes
    np.testing.assert_array_equal(coded, plan.code.encode(row))


@each_set
def test_many_bytes_are_those_of_the_code(instruction_set: str) -> None:
    """Values next to the middle between two bytes are rare: one in about 100,000."""
    plan = Plan(n_mels=40, hop_length=8, code=DecibelCode.spanning(-100, 50))
    for seed in range(20):
        wave = noise(40_000, seed)
        row, _ = write(plan.make(instruction_set), wave, plan.n_mels)
        coded, _ = write(plan.make(instruction_set), wave, plan.n_mels, np.uint8)
        np.testing.assert_array_equal(coded, plan.code.encode(row))


@each_set
@pytest.mark.parametrize("n_fft", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
def test_a_chunk_has_one_result(instruction_set: str, n_fft: int, dtype: Any) -> None:
    """Wherever the arrays are, whatever the scratch has been used for, in all threads at once."""
    plan = Plan(n_fft=n_fft, hop_length=n_fft // 3, n_mels=30, top_db=40)
    log_mel = plan.make(instruction_set)
    waves = [noise(n_fft + 23 * plan.hop_length + number, number) for number in range(4)]
    alone = [write(log_mel, wave, plan.n_mels, dtype)[0].tobytes() for wave in waves]
    assert len({*alone}) == len(waves)

    def again(number: int) -> bool:
        scratch = np.random.default_rng(number).bytes(log_mel.scratch_bytes(len(waves[-1])))
        memory = np.frombuffer(bytearray(scratch), np.uint8)
        for wave, expected in zip(waves, alone, strict=True):
            out = np.empty((plan.n_mels, log_mel.frames(len(wave))), dtype)
            log_mel.write(wave, out, memory)
            offsets = Offsets(*(4 * (number + shift) % 64 for shift in (0, 3, 7)))
            if out.tobytes() != expected:
                return False
            if write(log_mel, wave, plan.n_mels, dtype, offsets)[0].tobytes() != expected:
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(again, range(16)))


@each_set
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("decibels", [True, False])
@pytest.mark.parametrize("n_fft", [64, 1024])
def test_what_is_not_finite_stays_visible(
    instruction_set: str, value: float, decibels: bool, n_fft: int
) -> None:
    """Frames with such a sample are NaN or infinite, the others as without it; the range says so."""
    plan = Plan(n_fft=n_fft, hop_length=n_fft // 2, padding=NONE, decibels=decibels)
    log_mel = plan.make(instruction_set)
    wave = noise(20 * n_fft)
    clean, _ = write(log_mel, wave, plan.n_mels)
    place = 10 * n_fft + n_fft // 2 + 3
    wave[place] = value
    row, (low, high) = write(log_mel, wave, plan.n_mels)
    hit = [frame for frame in range(row.shape[1]) if frame * n_fft // 2 <= place < frame * n_fft // 2 + n_fft]
    assert len(hit) == 2
    assert not np.isfinite(row[:, hit]).any()
    others = np.delete(np.arange(row.shape[1]), hit)
    assert row[:, others].tobytes() == clean[:, others].tobytes()
    assert not (math.isfinite(low) and math.isfinite(high))
    halves, _ = write(log_mel, wave, plan.n_mels, np.float16)
    assert not np.isfinite(halves[:, hit]).any()
    assert np.isfinite(halves[:, others]).all()


@each_set
@pytest.mark.parametrize("changes", [{"top_db": 60.0}, {"peak_reference": True}], ids=str)
def test_a_peak_that_is_not_a_number_makes_a_row_none(instruction_set: str, changes: dict[str, Any]) -> None:
    plan = Plan(**changes)
    wave = noise(3000)
    wave[100] = np.nan
    row, extremes = write(plan.make(instruction_set), wave, plan.n_mels)
    assert np.isnan(row).all()
    assert np.isnan(extremes).all()


@each_set
@given(data=st.data(), plan=plans(), amplitude=st.sampled_from((0.0, 1e-45, 1e-40, 1e-30, 1e-20, 1e-15)))
def test_silence_is_amin(instruction_set: str, data: st.DataObject, plan: Plan, amplitude: float) -> None:
    """Silence, numbers without all their bits, and all that is below `amin`."""
    plan = replace(plan, power=2)
    wave = noise(data.draw(lengths(plan)), plan.seed) * np.float32(amplitude)
    assume(plan.frames(len(wave)))
    row, _ = write(plan.make(instruction_set), wave, plan.n_mels)
    if not plan.decibels:
        expected = plan.expected(wave)
        assert (row >= 0).all()
        np.testing.assert_allclose(row, expected, rtol=0.01, atol=1e-37)
    else:
        silence = 0.0 if plan.peak_reference else -100.0 - plan.reference
        np.testing.assert_allclose(row, silence, rtol=0, atol=1e-4)


@each_set
def test_decibels_are_right_over_all_exponents(instruction_set: str) -> None:
    """From the smallest normal number to the largest."""
    plan = Plan(n_fft=64, hop_length=64, n_mels=1, padding=NONE, amin=2.0**-126)
    log_mel = plan.make(
        instruction_set,
        starts=np.zeros(1, np.int32),
        counts=np.ones(1, np.int32),
        weights=np.ones(1, np.float32),
        window=np.eye(1, 64, dtype=np.float32)[0],
    )
    values = np.float32(2) ** np.linspace(-62.9, 63.9, 4001, dtype=np.float32)
    wave = np.zeros((len(values), 64), np.float32)
    wave[:, 0] = values
    row, _ = write(log_mel, wave.ravel(), 1)
    np.testing.assert_allclose(row[0], 20 * np.log10(values.astype(np.float64)), rtol=2e-7, atol=2e-6)


def test_the_best_instruction_set_is_chosen() -> None:
    plan = Plan()
    wave = noise(5000)
    chosen, _ = write(plan.make(), wave, plan.n_mels)
    best, _ = write(plan.make(SETS[0]), wave, plan.n_mels)
    assert chosen.tobytes() == best.tobytes()
    with pytest.raises(ValueError, match="no instruction set 'mmx'"):
        plan.make("mmx")
