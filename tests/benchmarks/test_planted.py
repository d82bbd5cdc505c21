"""Duplicates are planted as the table of what is true states."""

from __future__ import annotations

import csv
from dataclasses import astuple
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from audiospec.benchmarks.studies.changes import faster, first_part, noisy, remastered
from audiospec.benchmarks.studies.planted import KINDS, Planted, plant, source_of

RATE, SECONDS = 22_050, 6
Wave = npt.NDArray[np.float64]


def level(wave: Wave) -> float:
    return float(10 * np.log10(np.square(wave).mean()))


def music(seed: int) -> Wave:
    """Chords with overtones, each half a second, whose parts differ."""
    rng = np.random.default_rng(seed)
    time = np.arange(RATE // 2) / RATE
    chords = []
    for _ in range(2 * SECONDS):
        notes = rng.uniform(100, 3000, 4)
        sound = np.sin(2 * np.pi * notes[:, None] * time).sum(0) * np.exp(-3 * time) * rng.uniform(0.3, 1)
        chords.append(sound)
    wave = np.concatenate(chords)
    return np.asarray(0.4 * wave / np.abs(wave).max(), np.float64)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three tracks of two labels, and a file that does not decode."""
    folder = tmp_path_factory.mktemp("tracks")
    paths = [folder / "loud" / "a.00.wav", folder / "loud" / "b.01.flac", folder / "soft" / "c.02.wav"]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, music(number), RATE, subtype="PCM_16")
    (folder / "soft" / "broken.wav").write_bytes(b"RIFF but no sound")
    return [*paths, folder / "soft" / "broken.wav"]


@pytest.fixture(scope="module")
def audio(tracks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "new"
    plant(tracks, folder, share=1.0)
    return folder / "audio"


@pytest.fixture(scope="module")
def truth(audio: Path) -> list[Planted]:
    """All rows of the table, read from its file."""
    with (audio.parent / "truth.csv").open(newline="", encoding="utf-8") as file:
        return [Planted(**{**row, "start": float(row["start"])}) for row in csv.DictReader(file)]  # type: ignore[arg-type]


def pairs(audio: Path, truth: list[Planted], variant: str) -> list[tuple[Planted, Wave, Wave]]:
    """Rows of a variant, with the samples of the source and of the copy."""
    rows = [row for row in truth if row.variant == variant]
    assert rows
    return [(row, *(soundfile.read(audio / path)[0] for path in (row.first, row.second))) for row in rows]


def test_each_source_has_one_duplicate_of_each_kind(audio: Path, truth: list[Planted]) -> None:
    sources = {source_of(row.second) for row in truth}
    assert sources == {"loud/a.00", "loud/b.01", "soft/c.02"}
    assert sorted((source_of(row.second), row.kind) for row in truth) == sorted(
        (source, kind) for source in sources for kind in KINDS
    )
    assert {row.variant for row in truth} == {variant.name for ways in KINDS.values() for variant in ways}
    named = {path for row in truth for path in (row.first, row.second)}
    assert {path.relative_to(audio).as_posix() for path in audio.glob("*/*")} >= named
    assert not list(audio.glob("*/broken*"))


def test_exact_copies_have_the_same_bytes_or_samples(audio: Path, truth: list[Planted]) -> None:
    for row, *_ in pairs(audio, truth, "copy"):
        assert (audio / row.first).read_bytes() == (audio / row.second).read_bytes()
    for row, *_ in pairs(audio, truth, "container"):
        first, second = (soundfile.read(audio / path, dtype="int16")[0] for path in (row.first, row.second))
        assert np.array_equal(first, second)
        assert Path(row.first).suffix != Path(row.second).suffix
        with soundfile.SoundFile(audio / row.second) as file:
            assert file.title == Path(row.second).stem


@pytest.mark.parametrize(
    ("variant", "kbits", "gain"), [("mp3-128", 128, 0), ("mp3-64", 64, -6), ("ogg", 0, 0)]
)
def test_copies_are_encoded_at_the_stated_bit_rate_and_level(
    audio: Path, truth: list[Planted], variant: str, kbits: int, gain: float
) -> None:
    for row, source, copy in pairs(audio, truth, variant):
        info = soundfile.info(audio / row.second)
        assert info.format == ("MP3" if kbits else "OGG")
        if kbits:
            size = (audio / row.second).stat().st_size
            assert size * 8 / info.duration / 1000 == pytest.approx(kbits, rel=0.05)
        assert level(copy[: len(source)]) - level(source) == pytest.approx(gain, abs=0.6)


def test_levels_are_changed_and_clipped(audio: Path, truth: list[Planted]) -> None:
    for _, source, copy in pairs(audio, truth, "quiet"):
        assert np.abs(copy - source * 10 ** (-12 / 20)).max() < 2 / 32768
    for _, source, copy in pairs(audio, truth, "clipped"):
        factor = 10 ** (6 / 20) / np.abs(source).max()
        loud = np.abs(source) * factor >= 1
        assert loud.any()
        assert np.abs(copy[loud]).min() > 0.999
        assert np.abs(copy[~loud] - source[~loud] * factor).max() < 2 / 32768


@pytest.mark.parametrize(("variant", "rate"), [("44k", 44_100), ("16k", 16_000), ("8k", 8_000)])
def test_copies_are_resampled(audio: Path, truth: list[Planted], variant: str, rate: int) -> None:
    for row, *_ in pairs(audio, truth, variant):
        info = soundfile.info(audio / row.second)
        assert info.samplerate == rate
        assert info.duration == pytest.approx(SECONDS, abs=0.01)


def test_cut_copies_start_where_stated(audio: Path, truth: list[Planted]) -> None:
    for variant, share in (("end", 2 / 3), ("start", 2 / 3)):
        for row, source, copy in pairs(audio, truth, variant):
            start = round(row.start * RATE)
            assert start == (round(len(source) / 3) if variant == "end" else 0)
            assert len(copy) == pytest.approx(share * len(source), abs=2)
            assert np.array_equal(copy, source[start : start + len(copy)])


def test_shifted_copies_start_later(audio: Path, truth: list[Planted]) -> None:
    for row, source, copy in pairs(audio, truth, "noise"):
        lag = round(row.start * RATE)
        assert 0.37 * RATE - 1 <= lag <= len(source) / 6
        assert len(copy) == len(source)
        assert np.array_equal(copy[:-lag], source[lag:])
        assert level(copy[-lag:]) - level(source) == pytest.approx(-20, abs=0.5)
    for row, first, copy in pairs(audio, truth, "onward"):
        lag = round(row.start * RATE)
        (whole,) = audio.glob(f"{source_of(row.first)}.*")
        source, _ = soundfile.read(whole)
        assert len(first) == len(copy) == first_part(len(source))
        assert np.array_equal(first, source[: len(first)])
        assert np.array_equal(copy, source[lag : lag + len(copy)])


def test_a_loop_repeats_a_part_of_its_source(audio: Path, truth: list[Planted]) -> None:
    for row, source, copy in pairs(audio, truth, "loop"):
        length = 2 * len(source) // 5  # 4 s would be more than that
        start = round(row.start * RATE)
        assert len(copy) == len(source)
        for begin in range(0, len(copy), length):
            some = copy[begin : begin + length]
            assert np.array_equal(some, source[start : start + len(some)])


def test_a_remaster_is_tilted_compressed_and_noisy() -> None:
    time = np.arange(4 * RATE) / RATE
    rng = np.random.default_rng(0)
    tones = 0.1 * (np.sin(2 * np.pi * 250 * time) + np.sin(2 * np.pi * 4000 * time))
    copy, _ = remastered(1, 1, -200)(tones, RATE, rng)
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(copy)))
    assert spectrum[4 * 4000] - spectrum[4 * 250] == pytest.approx(4, abs=0.1)  # four octaves
    steps = 0.5 * np.sin(2 * np.pi * 500 * time) * np.where(time < 2, 1, 0.25)  # 12 dB apart
    copy, _ = remastered(0, 4, -200)(steps, RATE, rng)
    middle = slice(RATE // 2, 3 * RATE // 2), slice(5 * RATE // 2, 7 * RATE // 2)
    # 12 dB above the threshold the compressor leaves a quarter; the quiet half is just above it.
    assert level(copy[middle[0]]) - level(copy[middle[1]]) == pytest.approx(12 / 4, abs=0.5)
    quiet = 0.1 * np.sin(2 * np.pi * 500 * time)
    noise = remastered(0, 1, -40)(quiet, RATE, rng)[0] - quiet
    assert level(noise) - level(quiet) == pytest.approx(-40, abs=0.5)


def test_noise_and_speed_are_as_stated() -> None:
    time = np.arange(RATE) / RATE
    tone = 0.05 * np.sin(2 * np.pi * 1000 * time)
    copy, _ = noisy(0)(tone, RATE, np.random.default_rng(0))
    assert level(copy - tone) == pytest.approx(level(tone), abs=0.3)
    copy, _ = faster(4)(tone, RATE, np.random.default_rng(0))
    assert len(copy) == pytest.approx(RATE / 1.04, abs=2)
    assert np.abs(np.fft.rfft(copy, RATE)).argmax() == pytest.approx(1040, abs=2)


def test_the_seed_decides_everything(
    tracks: list[Path], audio: Path, truth: list[Planted], tmp_path: Path
) -> None:
    again = plant(tracks[::-1], tmp_path / "again", share=1.0)
    assert sorted(map(astuple, again)) == sorted(map(astuple, truth))
    for path in audio.glob("*/*"):
        if path.suffix != ".ogg":  # each stream has a serial number of its own
            copy = tmp_path / "again" / "audio" / path.relative_to(audio)
            assert copy.read_bytes() == path.read_bytes(), path
    few = {"shifted": KINDS["shifted"], "loop": KINDS["loop"]}
    starts = [
        {
            (row.second, row.start)
            for row in plant(tracks, tmp_path / str(seed), seed=seed, share=1.0, kinds=few)
        }
        for seed in (1, 2)
    ]
    assert not starts[0] & starts[1]


def test_innocent_tracks_are_written_as_they_are(tracks: list[Path], tmp_path: Path) -> None:
    planted = plant(tracks, tmp_path / "few", share=0.3, kinds={"loop": KINDS["loop"]})
    assert len(planted) == 1
    for track in tracks[:3]:
        copy = tmp_path / "few" / "audio" / track.parent.name / track.name
        assert copy.read_bytes() == track.read_bytes()


def test_a_folder_with_audio_is_not_overwritten(tracks: list[Path], tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    with pytest.raises(FileExistsError):
        plant(tracks, tmp_path)
