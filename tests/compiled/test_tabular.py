"""The compiled spectral columns against numpy in float64, on every instruction set of this machine.

Neither these tests nor what they test need torch: `make sanitize` runs them under AddressSanitizer and UBSan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.compiled import library
from audiospec.features.kernels.network import median_network

if library.library() is None:
    pytest.skip(f"no compiled kernels: {library.reason_missing()}", allow_module_level=True)
native: Any = library.library()

each_set = pytest.mark.parametrize("name", library.instruction_sets())
sets = st.sampled_from(library.instruction_sets())
ALL = 31
REFLECT, ZEROS = 1, 2
#: Rows of the values; the peaks of the contrast's bands follow, then the valleys.
CENTROID, BANDWIDTH, ROLLOFF, RMS, CROSSINGS, FLATNESS, CONTRAST = range(7)


def hann(size: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


@dataclass(frozen=True)
class Plan:
    """What is computed, by the extension and by numpy."""

    n_fft: int = 256
    hop_length: int = 100
    padding: int = ZEROS
    n_mels: int = 20
    kernel_size: int = 9
    lags: int = 40
    parts: int = ALL

    @property
    def arguments(self) -> dict[str, Any]:
        network, (starts, counts, weights) = median_network(self.kernel_size), self.filters
        return {
            "window": hann(self.n_fft),
            "starts": starts,
            "counts": counts,
            "weights": weights,
            "steps": network.exchanges(),
            "bands": np.array(self.bands, np.int32),
            "lag_window": hann(self.lags),
            "size": network.size,
            "tile": network.tile,
            "places": network.places,
            "hop_length": self.hop_length,
            "padding": self.padding,
            "parts": self.parts,
            "roll_percent": 0.85,
            "amin": 1e-10,
            "low": 2,
            "high": self.n_fft // 4,
            "peak_threshold": 0.1,
            "spacing": 8000 / self.n_fft,
            "instruction_set": "",
        }

    def make(self, name: str) -> Any:
        return native.Tabular(**{**self.arguments, "instruction_set": name})

    @cached_property
    def filters(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        random, bins = np.random.default_rng(0), self.n_fft // 2 + 1
        starts = random.integers(0, bins, self.n_mels)
        counts = 1 + random.integers(0, np.minimum(bins - starts, 1 + bins // 4))
        weights = random.uniform(0.1, 1, counts.sum())
        return starts.astype(np.int32), counts.astype(np.int32), weights.astype(np.float32)

    @property
    def bands(self) -> list[tuple[int, int, int]]:
        bins = self.n_fft // 2 + 1
        return [(0, 5, 1), (4, bins // 2, 3), (bins // 2 - 1, bins, min(100, bins // 4))]

    # --- in numpy ------------------------------------------------------------------------------------

    def frames(self, wave: NDArray[Any], mode: str = "") -> NDArray[np.float64]:
        half = self.n_fft // 2
        padded = np.pad(
            wave.astype(float), half, mode or ("reflect" if self.padding == REFLECT else "constant")
        )
        return np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop_length]

    def spectrum(self, wave: NDArray[Any]) -> NDArray[Any]:
        return np.fft.rfft(self.frames(wave) * hann(self.n_fft))

    def harmonic(self, wave: NDArray[Any]) -> NDArray[np.float64]:
        spectrum, window = self.spectrum(wave), hann(self.n_fft)
        magnitude = np.abs(spectrum)
        harmonic, percussive = medians(magnitude, self.kernel_size), medians(magnitude.T, self.kernel_size).T
        whole = harmonic**2 + percussive**2
        mask = np.where(whole > 0, harmonic**2 / np.where(whole > 0, whole, 1), 0.5)
        parts = np.fft.irfft(spectrum * mask) * window
        summed = np.zeros((len(parts) - 1) * self.hop_length + self.n_fft)
        weight = np.zeros_like(summed)
        for number, part in enumerate(parts):
            summed[number * self.hop_length :][: self.n_fft] += part
            weight[number * self.hop_length :][: self.n_fft] += window**2
        inside = slice(self.n_fft // 2, self.n_fft // 2 + len(wave))
        return summed[inside] / np.where(weight > 1e-30, weight, 1)[inside]


def medians(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Running medians down the first axis, mirrored at the ends."""
    padded = np.pad(values, ((size // 2, size // 2), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=0)
    middle: NDArray[Any] = np.median(windows, axis=-1)
    return middle


def guarded(shape: tuple[int, ...], dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """An array, and the memory around it, which is full of sevens."""
    size = int(np.prod(shape))
    memory = np.full(size + 128, 7, dtype)
    return memory[64 : 64 + size].reshape(shape), memory


def untouched(memory: NDArray[Any]) -> bool:
    return bool((memory[:64] == 7).all() and (memory[-64:] == 7).all())


class Result:
    """A chunk, analysed by the extension."""

    def __init__(self, plan: Plan, name: str, wave: NDArray[np.float32]) -> None:
        self.plan, self.wave, self.native = plan, wave, plan.make(name)
        samples = len(wave)
        count = self.native.frames(samples)
        self.scratch, scratch_memory = guarded((self.native.scratch_bytes(samples),), np.uint8)
        self.values, values_memory = guarded((CONTRAST + 2 * len(plan.bands), count), np.float32)
        self.mel, mel_memory = guarded((count, plan.n_mels), np.float32)
        heights, heights_memory = guarded((self.native.most_peaks(samples),), np.float32)
        pitches, pitches_memory = guarded(heights.shape, np.float32)
        found = self.native.analyse(wave, self.values, self.mel, heights, pitches, self.scratch)
        self.heights, self.pitches = heights[:found], pitches[:found]
        self.filters = np.random.default_rng(1).uniform(0, 1, (5, plan.n_fft // 2 + 1)).astype(np.float32)
        self.filtered, filtered_memory = guarded((5, count), np.float32)
        self.native.filter(samples, self.filters, self.filtered, self.scratch)
        self.harmonic, harmonic_memory = guarded((samples,), np.float32)
        self.native.harmonic(self.harmonic, self.scratch)
        for memory in (scratch_memory, values_memory, mel_memory, heights_memory, pitches_memory):
            assert untouched(memory)
        assert untouched(filtered_memory)
        assert untouched(harmonic_memory)

    def bits(self) -> list[bytes]:
        arrays = self.values, self.mel, self.heights, self.pitches, self.filtered, self.harmonic
        return [array.tobytes() for array in arrays]


def chunk(samples: int, seed: int = 0) -> NDArray[np.float32]:
    """Notes with noise."""
    time = np.arange(samples) / 8000
    noise = np.random.default_rng(seed).standard_normal(samples) / 20
    return (noise + 0.3 * np.sin(2 * np.pi * 440 * time) * (time % 0.5 < 0.3)).astype(np.float32)


PLANS = st.builds(
    Plan,
    n_fft=st.sampled_from([64, 128, 256, 512, 1024, 2048, 4096, 8192]),
    hop_length=st.integers(9, 32),
    padding=st.sampled_from([REFLECT, ZEROS]),
    n_mels=st.integers(1, 40),
    kernel_size=st.integers(1, 20).map(lambda half: 2 * half + 1),
)


@given(PLANS, sets, st.integers(1, 2500), st.integers(0, 99))
def test_a_chunks_values_are_numpys(plan: Plan, name: str, samples: int, seed: int) -> None:
    samples += plan.n_fft // 2 if plan.padding == REFLECT else 0
    wave = chunk(samples, seed)
    result = Result(plan, name, wave)
    magnitude, power = np.abs(plan.spectrum(wave)), np.abs(plan.spectrum(wave)) ** 2
    hertz = np.arange(plan.n_fft // 2 + 1) * 8000 / plan.n_fft
    total = magnitude.sum(1)
    values = result.values
    centroid = magnitude @ hertz / total
    np.testing.assert_allclose(values[CENTROID], centroid, rtol=1e-5)
    spread = (magnitude * (hertz - centroid[:, None]) ** 2).sum(1) / total
    np.testing.assert_allclose(values[BANDWIDTH], np.sqrt(spread), rtol=1e-5)
    # Rounding may move the rolloff by a bin where the sum reaches the share to the last digit.
    share = magnitude.cumsum(1) / total[:, None]
    reached = np.searchsorted(hertz, values[ROLLOFF] - 1e-3)
    assert (np.take_along_axis(share, reached[:, None], 1) >= 0.85 - 1e-5).all()
    before = np.take_along_axis(share, np.maximum(reached - 1, 0)[:, None], 1)[:, 0]
    assert ((before < 0.85 + 1e-5) | (reached == 0)).all()
    np.testing.assert_allclose(values[RMS], np.sqrt((plan.frames(wave) ** 2).mean(1)), rtol=1e-5)
    negative = plan.frames(wave, "edge") < -1e-10
    crossings = (negative[:, 1:] != negative[:, :-1]).sum(1) / plan.n_fft
    np.testing.assert_allclose(values[CROSSINGS], crossings, rtol=1e-6)
    clamped = np.maximum(power, 1e-10)
    flatness = np.exp(np.log(clamped).mean(1)) / clamped.mean(1)
    np.testing.assert_allclose(values[FLATNESS], flatness, rtol=1e-4)
    for number, (first, end, count) in enumerate(plan.bands):
        band = np.sort(magnitude[:, first:end])
        peaks, valleys = values[CONTRAST + number], values[CONTRAST + len(plan.bands) + number]
        np.testing.assert_allclose(peaks, band[:, -count:].mean(1), rtol=1e-5)
        np.testing.assert_allclose(valleys, band[:, :count].mean(1), rtol=1e-4, atol=1e-6)
    products = result.filters @ power.T
    np.testing.assert_allclose(result.filtered, products, rtol=1e-5, atol=1e-9)
    starts, counts, weights = plan.filters
    ends = counts.cumsum()
    for mel, start in enumerate(starts):
        some = weights[ends[mel] - counts[mel] : ends[mel]].astype(float)
        decibels = 10 * np.log10(np.maximum(power[:, start : start + counts[mel]] @ some, 1e-10))
        np.testing.assert_allclose(result.mel[:, mel], decibels, atol=2e-3)
    np.testing.assert_allclose(result.harmonic, plan.harmonic(wave), atol=2e-4)


@each_set
@pytest.mark.parametrize("n_fft", [64, 512, 2048])
def test_peaks_are_numpys(name: str, n_fft: int) -> None:
    plan = Plan(n_fft=n_fft, hop_length=32)
    result = Result(plan, name, chunk(9000))
    power = np.abs(plan.spectrum(chunk(9000))) ** 2
    low, high = plan.arguments["low"], plan.arguments["high"]
    centre, before, after = (power[:, low + i : high + i] for i in (0, -1, 1))
    peak = (centre > 0.1 * power.max(1, keepdims=True)) & (centre > before) & (centre >= after)
    centre, before, after, bins = centre[peak], before[peak], after[peak], low + np.nonzero(peak)[1]
    shift = (before - after) / 2 / (after + before - 2 * centre)
    heights = centre + (after - before) / 2 * shift / 2
    order, expected = np.argsort(result.pitches), np.argsort((bins + shift) * 8000 / n_fft)
    assert len(heights) > 100
    np.testing.assert_allclose(result.pitches[order], ((bins + shift) * 8000 / n_fft)[expected], rtol=1e-4)
    np.testing.assert_allclose(np.sort(result.heights), np.sort(heights), rtol=1e-4)


@given(
    sets,
    st.integers(1, 80),
    st.integers(1, 2).map(lambda blocks: 64 * blocks),
    st.integers(1, 60).map(lambda half: 2 * half + 1),
    st.booleans(),
    st.integers(0, 99),
)
def test_running_medians_follow_the_definition(
    name: str, count: int, width: int, size: int, ties: bool, seed: int
) -> None:
    random, network = np.random.default_rng(seed), median_network(size)
    values = random.standard_normal((count, width)).astype(np.float32)
    if ties:
        values = np.round(values)
    tiles = -(-count // network.tile)
    out, memory = guarded((tiles * network.tile, width), np.float32)
    room, room_memory = guarded((network.places * 64 + 16,), np.float32)
    sizes = network.size, network.tile, network.places
    native.running_median(values, width, network.exchanges(), *sizes, out, room, name)
    assert (out[:count] == medians(values, size)).all()
    assert untouched(memory)
    assert untouched(room_memory)


@given(sets, st.integers(1, 5), st.integers(1, 300), st.integers(0, 99))
def test_moments_are_numpys(name: str, rows: int, count: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(100, 1, (rows, count)).astype(np.float32)
    out = np.empty((rows, 2))
    native.moments(values, out, name)
    np.testing.assert_allclose(out[:, 0], values.mean(1, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(out[:, 1], values.astype(float).var(1), rtol=1e-4, atol=1e-9)


@given(sets, st.integers(1, 40), st.integers(1, 150), st.booleans(), st.integers(0, 99))
def test_onsets_are_medians_of_rises(name: str, frames: int, n_mels: int, ties: bool, seed: int) -> None:
    mel = np.random.default_rng(seed).normal(-40, 10, (frames, n_mels)).astype(np.float32)
    if ties:
        mel = np.round(mel / 10)
    plan = Plan(n_fft=512, n_mels=n_mels).make(name)
    onsets, memory = guarded((frames - 1,), np.float32)
    plan.onsets(mel, onsets, np.empty(plan.tempo_scratch_bytes(), np.uint8))
    assert (onsets == np.median(np.maximum(np.diff(mel, axis=0), 0), axis=1).astype(np.float32)).all()
    assert untouched(memory)


@given(sets, st.integers(1, 60), st.integers(1, 600), st.integers(0, 99))
def test_correlations_are_numpys(name: str, windows: int, lags: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.exponential(1, windows + lags + 64)
    values[random.uniform(0, 1, len(values)) < 0.3] *= 1e-8
    plan = Plan(lags=lags).make(name)
    size = 1 << max(5, (2 * lags - 1).bit_length())
    spectrum, memory = guarded((size // 2 + 1,), np.float64)
    scratch, scratch_memory = guarded((plan.tempo_scratch_bytes(),), np.uint8)
    plan.correlate(values, windows, spectrum, scratch)
    parts = np.lib.stride_tricks.sliding_window_view(values, lags)[:windows] * hann(lags)
    energy = (parts**2).sum(1, keepdims=True)
    exact = (np.abs(np.fft.rfft(parts, size)) ** 2 / np.where(energy > 0, energy, 1)).mean(0)
    np.testing.assert_allclose(spectrum, exact, atol=1e-12 * max(1, exact.max()))
    assert untouched(memory)
    assert untouched(scratch_memory)


@each_set
def test_rows_do_not_depend_on_what_the_scratch_held(name: str) -> None:
    plan, wave = Plan(), chunk(3000)
    once = Result(plan, name, wave)
    bits = once.bits()
    once.scratch[:] = np.random.default_rng(0).integers(0, 256, len(once.scratch))
    analysed = once.native.analyse(
        wave, once.values, once.mel, *np.empty((2, 9999), np.float32), once.scratch
    )
    assert analysed == len(once.heights)
    once.native.filter(len(wave), once.filters, once.filtered, once.scratch)
    once.native.harmonic(once.harmonic, once.scratch)
    assert once.bits() == bits == Result(plan, name, wave).bits()


@each_set
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-44])
@pytest.mark.parametrize("samples", [1, 130, 3000])
def test_what_is_no_audio_stays_within_the_arrays(name: str, value: float, samples: int) -> None:
    wave = chunk(samples)
    wave[samples // 2] = value
    result = Result(Plan(), name, wave)
    if samples == 3000 and abs(value) < 1:
        assert np.isfinite(result.values).all()
    plan = result.native
    onsets = np.empty(len(result.mel) - 1, np.float32)
    plan.onsets(result.mel, onsets, np.empty(plan.tempo_scratch_bytes(), np.uint8))


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": hann(96)}, "power of 2"),
        ({"window": hann(16384)}, "power of 2"),
        ({"window": hann(256).astype(np.float32)}, "window: expected an array of format 'd'"),
        ({"starts": np.zeros(3, np.int32)}, "mel filters"),
        ({"weights": np.ones(3, np.float32)}, "mel filters"),
        ({"hop_length": 0}, "hop_length"),
        ({"hop_length": 257}, "hop_length"),
        ({"hop_length": 129}, "half of it for medians"),
        ({"padding": 0}, "padding"),
        ({"amin": 0.0}, "amin"),
        ({"amin": float("nan")}, "amin"),
        ({"low": 0}, "peaks"),
        ({"high": 129}, "peaks"),
        ({"size": 8}, "running medians"),
        ({"tile": 3}, "running medians"),
        ({"places": 20}, "running medians"),
        ({"steps": np.full((1, 4), 9999, np.int32)}, "running medians"),
        ({"steps": np.full((1, 4), -1, np.int32)}, "running medians"),
        ({"steps": np.zeros(5, np.int32)}, "running medians"),
        ({"bands": np.array([[0, 130, 1]], np.int32)}, "bands"),
        ({"bands": np.array([[5, 5, 1]], np.int32)}, "bands"),
        ({"bands": np.array([[0, 5, 6]], np.int32)}, "bands"),
        ({"bands": np.array([[0, 129, 129]], np.int32)}, "bands"),
        ({"bands": np.array([[0, 5, 1]] * 18, np.int32)}, "bands"),
        ({"lag_window": hann(2049)}, "lags"),
        ({"instruction_set": "mmx"}, "mmx"),
    ],
)
def test_plans_that_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        native.Tabular(**{**Plan().arguments, **changes})


def test_arrays_that_do_not_fit_are_refused() -> None:
    plan, wave = Plan().make(""), chunk(1000)
    count, scratch = plan.frames(1000), np.empty(plan.scratch_bytes(1000), np.uint8)
    peaks = plan.most_peaks(1000)
    right = {
        "wave": wave,
        "values": np.empty((CONTRAST + 6, count), np.float32),
        "mel": np.empty((count, 20), np.float32),
        "heights": np.empty(peaks, np.float32),
        "pitches": np.empty(peaks, np.float32),
        "scratch": scratch,
    }
    assert plan.analyse(*right.values()) >= 0
    for name, array in right.items():
        with pytest.raises(ValueError, match=r"room|scratch is smaller|too short"):
            plan.analyse(*{**right, name: array[:0]}.values())
        if name != "scratch":
            with pytest.raises(ValueError, match=name):
                plan.analyse(*{**right, name: array.astype(np.float64)}.values())
            memory = np.zeros(array.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(array.shape)
            with pytest.raises(ValueError, match="aligned"):
                plan.analyse(*{**right, name: memory}.values())
    products = np.empty((1, count), np.float32)
    with pytest.raises(ValueError, match="do not fit the frames"):
        plan.filter(1000, np.ones(130, np.float32), products, scratch)
    with pytest.raises(ValueError, match="scratch is smaller"):
        plan.filter(100000, np.ones(129, np.float32), np.empty(plan.frames(100000), np.float32), scratch)
    with pytest.raises(ValueError, match="scratch is smaller"):
        plan.harmonic(np.empty(100000, np.float32), scratch)
    with pytest.raises(ValueError, match="do not include medians"):
        Plan(parts=0).make("").harmonic(np.empty(1000, np.float32), scratch)
    room = np.empty(plan.tempo_scratch_bytes(), np.uint8)
    with pytest.raises(ValueError, match="do not fit one another"):
        plan.onsets(right["mel"], np.empty(count, np.float32), room)
    with pytest.raises(ValueError, match="more than windows"):
        plan.correlate(np.zeros(50), 20, np.empty(65), room)
    with pytest.raises(ValueError, match="too short"):
        Plan(padding=REFLECT).make("").analyse(*{**right, "wave": wave[:128]}.values())
    for samples in (0, -1, -(2**62)):
        assert plan.frames(samples) == 0
    with pytest.raises(ValueError, match="too many samples"):
        plan.scratch_bytes(2**62)
