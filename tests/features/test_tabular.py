"""The tabular frontend, compared with librosa on real music and on extreme signals, and in a batch."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import audiospec
from audiospec.audio.recording import load
from audiospec.errors import SpecError
from audiospec.features.base import one_thread
from audiospec.features.kernels.compiled_families import Analyser
from audiospec.features.tabular import TabularFrontend, deviation
from audiospec.specs.tabular import FAMILIES, PUBLISHED, TabularSpec
from audiospec.testing.tabular import librosa_columns

SPEC = TabularSpec(families=("all",))
RATE = 22050


#: Backends that this machine has.
BACKENDS = [name for name in TabularFrontend.backends if not TabularFrontend.reason_missing(name, SPEC)]


@lru_cache
def module(spec: TabularSpec, backend: str) -> TabularFrontend:
    return TabularFrontend(spec, backend=backend)


@pytest.fixture(params=TabularFrontend.backends)
def frontend(request: pytest.FixtureRequest) -> TabularFrontend:
    if request.param not in BACKENDS:
        pytest.skip(TabularFrontend.reason_missing(request.param, SPEC))
    return module(SPEC, request.param)


def worst(
    wave: NDArray[np.float32], spec: TabularSpec = SPEC
) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Columns further than 1e-3 from librosa's: (backend, name) → (deviation, ours, librosa's)."""
    expected = librosa_columns(wave, spec)
    assert tuple(expected) == spec.columns
    exact = torch.tensor([expected[name] for name in spec.columns], dtype=torch.float64)
    found = {}
    for backend in BACKENDS:
        ours = module(spec, backend)(torch.from_numpy(wave.copy())).double()
        assert ours.isfinite().all()
        deviations = deviation(spec, ours, exact)
        for i, name in enumerate(spec.columns):
            if deviations[i] > 1e-3:
                found[backend, name] = float(deviations[i]), float(ours[i]), float(exact[i])
    return found


# --- real music ------------------------------------------------------------------------------------------

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def music(shared_data: Path, genre: str) -> NDArray[np.float32]:
    """The first track of a genre."""
    files = sorted((shared_data / "gtzan-part" / "genres" / genre).iterdir())
    return load(files[0], RATE)


@pytest.mark.realdata
@pytest.mark.long
@pytest.mark.parametrize("genre", GENRES)
def test_every_column_equals_librosas_on_chunks_of_3_s(shared_data: Path, genre: str) -> None:
    wave = music(shared_data, genre)
    for start in (0, 4 * RATE * 3):
        assert worst(wave[start : start + 3 * RATE]) == {}


@pytest.mark.realdata
@pytest.mark.parametrize(
    "genre", ["reggae", *(pytest.param(genre, marks=pytest.mark.long) for genre in ("classical", "rock"))]
)
def test_every_column_equals_librosas_on_a_track_of_30_s(shared_data: Path, genre: str) -> None:
    assert worst(music(shared_data, genre)[: 30 * RATE]) == {}


@pytest.mark.realdata
@pytest.mark.parametrize("seconds", [0.1, 0.5, 7.3])
@pytest.mark.parametrize(
    "spec",
    [
        TabularSpec(
            sample_rate=16000,
            families=("all",),
            n_fft=1024,
            hop_length=300,
            pad_mode="reflect",
            n_chroma=24,
            n_mels=60,
            n_mfcc=13,
            roll_percent=0.9,
            kernel_size=17,
            start_bpm=90,
            n_bands=5,
            delta_width=5,
        ),
        TabularSpec(
            sample_rate=8000,
            families=("all",),
            n_fft=512,
            hop_length=256,
            n_mels=41,
            n_bands=4,
            delta_width=3,
        ),
        TabularSpec(sample_rate=44100, families=("published", "tonnetz")),
    ],
    ids=["16 kHz", "8 kHz", "44.1 kHz"],
)
def test_every_parameter_has_librosas_meaning(shared_data: Path, spec: TabularSpec, seconds: float) -> None:
    files = sorted((shared_data / "gtzan-part" / "genres" / "rock").iterdir())
    wave = load(files[3], spec.sample_rate)[: round(seconds * spec.sample_rate)]
    assert worst(wave, spec) == {}


def test_the_tempo_equals_that_of_beat_track() -> None:
    spec = TabularSpec(families=("tempo",))
    for bpm in (60, 97, 140, 200):
        wave = np.zeros(20 * RATE, np.float32)
        click = librosa.clicks(times=np.arange(0, 20, 60 / bpm), sr=RATE, length=len(wave))
        wave += click.astype(np.float32)
        expected, _ = librosa.beat.beat_track(y=wave, sr=RATE)
        assert TabularFrontend(spec)(torch.from_numpy(wave)).item() == np.float32(expected[0])


# --- extreme signals -------------------------------------------------------------------------------------

TIME = np.arange(3 * RATE) / RATE
NOISE = np.random.default_rng(0).standard_normal(len(TIME))
EXTREME = {
    "silence": 0 * TIME,
    "DC": 0 * TIME + 0.5,
    "click at the start": (TIME == 0).astype(float),
    "square wave at full scale": np.where(np.arange(len(TIME)) // 25 % 2, 1.0, -1.0),
    "sine": 0.5 * np.sin(2 * np.pi * 440 * TIME),
    "sine between bins": 0.5 * np.sin(2 * np.pi * 1000.5 * TIME),
    "every other sample": np.where(np.arange(len(TIME)) % 2, 1.0, -1.0),
    "step": np.where(TIME < 1.5, 0, 0.5),
    "half silent": np.where(TIME < 1.5, NOISE / 10, 0),
    "clipped noise": np.clip(3 * NOISE, -1, 1),
    "quiet noise": NOISE * 1e-6,
    "0.1 s of noise": NOISE[: RATE // 10] / 10,
    "0.1 s of a sine": 0.5 * np.sin(2 * np.pi * 440 * TIME[: RATE // 10]),
    "less than a window": NOISE[:300] / 10,
    "one sample": np.array([0.5]),
}


@pytest.mark.parametrize("name", EXTREME)
def test_extreme_signals_have_librosas_values(name: str) -> None:
    wave = EXTREME[name].astype(np.float32)
    # librosa computes no delta from fewer frames than the width; ours is tested below.
    families = tuple(FAMILIES)[:13] if len(wave) < 9 * 512 else ("all",)
    spec = TabularSpec(families=families)
    assert worst(wave, spec) == {}


def test_a_single_click_has_librosas_values_except_for_pitch() -> None:
    # Its spectrum is flat, so rounding errors determine its peaks and its tuning.
    wave = (TIME == 1.5).astype(np.float32)
    spec = TabularSpec(families=tuple(name for name in FAMILIES if name not in ("chroma_stft", "tonnetz")))
    assert worst(wave, spec) == {}


def test_documented_values_of_silence(frontend: TabularFrontend) -> None:
    row = dict(zip(SPEC.columns, frontend(torch.zeros(RATE)).tolist(), strict=True))
    assert row.pop("mfcc1_mean") == pytest.approx(-100 * 128**0.5)
    assert row.pop("spectral_flatness_mean") == pytest.approx(1)
    assert set(row.values()) == {0.0}


def test_documented_values_of_a_chunk_too_short_for_a_slope() -> None:
    spec = TabularSpec(families=("mfcc_delta", "mfcc_delta2"))
    wave = torch.from_numpy(NOISE[: 7 * 512].astype(np.float32))
    assert TabularFrontend(spec)(wave).tolist() == [0.0] * 80
    assert TabularFrontend(spec)(torch.cat([wave, wave])).count_nonzero() == 80


@given(st.integers(1, 6000), st.sampled_from([1e-30, 1e-12, 1e-4, 1.0]), st.integers(0, 2**32 - 1))
def test_any_chunk_gives_finite_numbers(samples: int, level: float, seed: int) -> None:
    spec = TabularSpec(
        sample_rate=8000, families=("all",), n_fft=256, hop_length=100, n_mels=20, n_bands=4, kernel_size=5
    )
    wave = level * torch.randn(samples, generator=torch.Generator().manual_seed(seed))
    for backend in BACKENDS:
        row = dict(zip(spec.columns, module(spec, backend)(wave).tolist(), strict=True))
        assert all(np.isfinite(value) for value in row.values())
        assert all(value >= 0 for name, value in row.items() if name.endswith("_var"))
        assert 0 <= row["zero_crossing_rate_mean"] <= 1
        assert 0 <= row["rolloff_mean"] <= 4000
        assert 0 <= row["tempo"] < 320


# --- how it is computed ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    return torch.from_numpy(
        np.stack([EXTREME[name] for name in ("sine", "step", "half silent", "silence", "clipped noise")])
    ).float()


def test_a_batch_at_once_equals_rows_one_by_one(batch: torch.Tensor) -> None:
    # A GPU computes a batch at once; a CPU computes rows one by one.
    frontend = module(SPEC, "fft")
    exact = frontend(batch).double()
    assert deviation(SPEC, frontend.together(batch).double(), exact).max() < 1e-4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same(frontend: TabularFrontend, batch: torch.Tensor) -> None:
    exact = frontend(batch).double()
    on_gpu = TabularFrontend(SPEC).cuda()(batch.cuda()).cpu().double()
    assert deviation(SPEC, on_gpu, exact).max() < 1e-3


def test_concurrent_threads_restore_the_number_of_torch_threads() -> None:
    # A thread that enters while another is inside sees one torch thread, and must not restore that number.
    frontend = TabularFrontend(TabularSpec(families=("rms", "mfcc")))
    waves = torch.from_numpy(NOISE.astype(np.float32))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        inside, leave, counts = threading.Event(), threading.Event(), []

        def first() -> None:
            with one_thread():
                inside.set()
                leave.wait(60)
            counts.append(torch.get_num_threads())

        def second() -> None:
            frontend(waves)
            counts.append(torch.get_num_threads())
            leave.set()

        threads = [threading.Thread(target=first), threading.Thread(target=second)]
        threads[0].start()
        assert inside.wait(60)
        threads[1].start()
        for thread in threads:
            thread.join(60)
        assert counts == [3, 3]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_families_share_one_fourier_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = []
    rfft = torch.fft.rfft

    def counted(values: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        if values.shape[-1] == SPEC.n_fft:
            frames.append(values.shape[1])
        return rfft(values, *args, **kwargs)

    monkeypatch.setattr(torch.fft, "rfft", counted)
    module(SPEC, "fft")(torch.from_numpy(EXTREME["sine"].astype(np.float32)))
    assert sum(frames) == 1 + 3 * RATE // SPEC.hop_length


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_does_not_depend_on_the_others(frontend: TabularFrontend, family: str) -> None:
    wave = torch.from_numpy(EXTREME["half silent"].astype(np.float32))
    row = dict(zip(SPEC.columns, frontend(wave).tolist(), strict=True))
    alone = TabularSpec(families=(family,))
    assert module(alone, frontend.backend)(wave).tolist() == [row[column] for column in alone.columns]


def test_chunks_that_share_memory_do_not_mix(frontend: TabularFrontend, batch: torch.Tensor) -> None:
    expected = [frontend.harmonic(wave[None]) for wave in batch]
    chunks = [frontend.chunks(wave[None]) for wave in batch]
    chroma = [chunk.chroma for chunk in chunks]
    assert all(torch.equal(chunk.harmonic, wave) for chunk, wave in zip(chunks, expected, strict=True))
    alone = [frontend.chunks(wave[None]).chroma for wave in batch]
    assert all(torch.equal(one, other) for one, other in zip(chroma, alone, strict=True))


def test_threads_share_a_frontend(frontend: TabularFrontend, batch: torch.Tensor) -> None:
    expected = [frontend(wave[: length * RATE]) for wave in batch for length in (1, 2, 3)]
    with ThreadPoolExecutor(4) as pool:
        rows = pool.map(frontend, [wave[: length * RATE] for wave in batch for length in (1, 2, 3)])
    assert all(torch.equal(row, other) for row, other in zip(rows, expected, strict=True))


@pytest.mark.skipif("native" not in BACKENDS, reason="audiospec was built without a C compiler")
def test_native_is_the_default_where_it_computes_the_spec() -> None:
    assert TabularFrontend(SPEC).backend == "native"
    other = TabularSpec(n_fft=2000)
    assert TabularFrontend(other).backend == "fft"
    with pytest.raises(SpecError, match="n_fft must be a power of 2 from 64 to 8192; got 2000"):
        TabularFrontend(other, backend="native")
    assert "on a CPU" in TabularFrontend.reason_missing("native", SPEC, "cuda:0")


@pytest.mark.skipif("native" not in BACKENDS, reason="audiospec was built without a C compiler")
def test_more_lags_than_the_extension_correlates() -> None:
    spec = TabularSpec(families=("tempo",), hop_length=64)
    assert Analyser(spec).lags == 0
    wave = torch.from_numpy(librosa.clicks(times=np.arange(0, 20, 0.6), sr=RATE, length=20 * RATE)).float()
    rows = [module(spec, backend)(wave).item() for backend in BACKENDS]
    assert rows[0] == pytest.approx(100, abs=1)
    assert rows[1] == rows[0]


def test_parity_finds_a_wrong_filter(frontend: TabularFrontend) -> None:
    assert frontend.parity(3 * RATE) < 1e-4
    broken = TabularFrontend(SPEC, backend="fft")
    broken.mel *= 1.01
    assert broken.parity(3 * RATE) > 1e-3


# --- the spec --------------------------------------------------------------------------------------------


def test_the_published_columns_have_their_names_and_order() -> None:
    columns = TabularSpec().columns
    assert len(columns) == 57
    assert columns[:4] == ("chroma_stft_mean", "chroma_stft_var", "rms_mean", "rms_var")
    assert columns[16] == "tempo"
    assert columns[-1] == "mfcc20_var"


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["features_30_sec.csv", "features_3_sec_classical_jazz_rock.csv"])
def test_the_published_tables_have_these_columns(shared_data: Path, name: str) -> None:
    head = (shared_data / "gtzan-tables" / name).read_text().partition("\n")[0].split(",")
    assert tuple(head) == ("filename", "length", *TabularSpec().columns, "label")


def test_the_order_and_the_form_of_families_do_not_matter() -> None:
    assert TabularSpec(families=("published",)).families == PUBLISHED
    assert TabularSpec(families=("mfcc", "rms")).families == ("rms", "mfcc")
    assert TabularSpec.replace_in({"families": "tempo, all"}).families == tuple(FAMILIES)
    one = TabularSpec(families=("mfcc", "rms", "rms"))
    assert one.fingerprint == TabularSpec.replace_in({"families": "rms,mfcc"}).fingerprint


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"families": ("mfc",)}, "got 'mfc'; did you mean 'mfcc'"),
        ({"families": ()}, "families must be at least one name"),
        ({"families": 3}, "families must be a list of names; got 3"),
        ({"dtype": "float16"}, 'needs dtype="float32"'),
        ({"n_fft": 2047}, "n_fft must be an even number"),
        ({"hop_length": 4096}, r"hop_length must be from 1 to n_fft \(2048\); got 4096"),
        ({"hop_length": 1025}, r"hop_length must be at most half of n_fft \(1024\) for harmony"),
        ({"n_mfcc": 129}, r"n_mfcc must be from 1 to n_mels \(128\); got 129"),
        ({"n_mels": 2000}, "mel filters hold no Fourier bin"),
        ({"kernel_size": 30}, "kernel_size must be an odd number from 3 to 999; got 30"),
        ({"delta_width": 1}, "delta_width must be an odd number from 3 to 999; got 1"),
        ({"roll_percent": 1}, "roll_percent must be between 0 and 1; got 1"),
        ({"start_bpm": 0}, "start_bpm must be above 0; got 0"),
        ({"families": "spectral_contrast", "n_bands": 7}, "n_bands must be small enough that the highest"),
        ({"families": "spectral_contrast", "n_fft": 64, "hop_length": 32}, "n_fft must be at least 111"),
        ({"sample_rate": 10, "n_mels": 2, "n_mfcc": 2}, "hop_length must be at most 5 for a tempo"),
        ({"n_mfc": 3}, "has no parameter 'n_mfc'; did you mean 'n_mfcc'"),
    ],
)
def test_what_a_spec_refuses(values: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        TabularSpec.replace_in(values)


def test_bands_are_checked_only_for_families_that_use_them() -> None:
    assert TabularSpec(sample_rate=8000).n_bands == 6


def test_the_public_name() -> None:
    assert audiospec.TabularSpec is TabularSpec
