"""One rule for what is silent, one for what is out of range, and which channel is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiospec.audio.reading import Reading
from audiospec.audio.recording import Recording, load, probe
from audiospec.errors import AudioError, SpecError
from audiospec.testing.audio import Samples, noise, tone, wav


def write(path: Path, samples: Samples, rate: int = 22050) -> Path:
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    path.write_bytes(wav(samples.astype("<f4").tobytes(), rate, code=3, bits=32, channels=channels))
    return path


SILENT = {
    "silent: all 1000 samples are zero": np.zeros(1000),
    "silent: all 1000 samples have the same value, 0.25": np.full(1000, 0.25),
    "silent: all 1000 samples are between -1e-40 and 1e-40, which is less than a step of 24-bit samples": (
        np.tile([1e-40, -1e-40], 500)
    ),
}


@pytest.mark.parametrize("words", SILENT)
def test_silence_says_which_it_is_and_can_be_kept(words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", SILENT[words])
    with pytest.raises(AudioError) as caught:
        load(path)
    assert str(caught.value) == words
    recording = Recording(path, Reading(keep_silent=True))
    assert sum(map(len, recording.waves(22050))) == 1000
    assert recording.note == words


def test_the_smallest_step_of_24_bits_is_sound(tmp_path: Path) -> None:
    wave = np.full(1000, 0.5)
    wave[500] += 2.0**-23
    assert len(load(write(tmp_path / "a.wav", wave))) == 1000


def test_opposite_phase_is_not_zero(tmp_path: Path) -> None:
    sound = tone(0.1)
    path = write(tmp_path / "a.wav", np.stack([sound, -sound], axis=1))
    with pytest.raises(AudioError) as caught:
        load(path)
    assert str(caught.value) == (
        "silent: the mean of the 2 channels is silent, the channels are not: they are each other's opposite: "
        'take one of them: `channel="left"`'
    )
    np.testing.assert_array_equal(load(path, channel="left"), sound)
    np.testing.assert_array_equal(load(path, channel="right"), -sound)


def test_opposite_phase_of_another_tool(shared_inputs: Path) -> None:
    path = shared_inputs / "opposite_phase.wav"
    with pytest.raises(AudioError, match=r"^silent: the mean of the 2 channels"):
        load(path)
    assert np.abs(load(path, channel="left")).max() > 0.1


@pytest.mark.parametrize(("peak", "valid"), [(31.9, True), (32.1, False), (127, False), (32767, False)])
def test_range(peak: float, valid: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(0.1, level=0.999) * peak)
    if valid:
        assert np.abs(load(path)).max() > 31
        return
    with pytest.raises(AudioError, match=r"^out of range: samples reach .*, full scale is 1 .*32768$"):
        load(path)


def test_channels(tmp_path: Path) -> None:
    sound = np.stack([noise(0.1, seed=n) * level for n, level in enumerate((0.5, 2, 1))], axis=1)
    sound[:, 0] += 0.9  # a constant is no energy
    path = write(tmp_path / "a.wav", sound)
    for channel, number in {"left": 0, "right": 1, "loudest": 1, "0": 0, "2": 2}.items():
        np.testing.assert_array_equal(load(path, channel=channel), sound[:, number], channel)
    np.testing.assert_allclose(load(path), sound.mean(axis=1), atol=1e-6)
    with pytest.raises(
        AudioError, match=r"^no channel 3: the file has 3 channels, 0 to 2: choose another `chan"
    ):
        load(path, channel="3")
    mono = write(tmp_path / "b.wav", sound[:, 2])
    for channel in ("mix", "left", "right", "loudest", "0"):
        np.testing.assert_array_equal(load(mono, channel=channel), sound[:, 2])
    with pytest.raises(AudioError, match=r"^no channel 1: the file has 1 channel, number 0: "):
        load(mono, channel="1")


def test_several_rates_and_channels_in_one_pass(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(0.5, channels=2))
    wanted = [(22050, "mix"), (8000, "right"), (22050, "left"), (8000, "loudest")]
    parts = list(zip(*Recording(path).streams(wanted), strict=True))
    for part, (rate, channel) in zip(parts, wanted, strict=True):
        np.testing.assert_array_equal(
            np.concatenate(part), np.concatenate(list(Recording(path).waves(rate, channel)))
        )


@pytest.mark.parametrize(
    ("rate", "valid"), [(1, False), (49, False), (50, True), (10**7, True), (10**7 + 1, False)]
)
def test_sample_rates(rate: int, valid: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(0.1), rate)
    if valid:
        assert probe(path).sample_rate == rate
        return
    for use in (probe, load):
        with pytest.raises(AudioError, match=rf"^not audio: the sample rate is {rate} Hz, expected 50 Hz to"):
            use(path)


def test_reading() -> None:
    reading = Reading(truncated="keep", keep_silent=True)
    assert Reading.from_json(reading.to_json()) == reading
    assert reading.allows("truncated: x")
    assert reading.allows("damaged: x")
    assert reading.allows("silent: x")
    assert not reading.allows("not decodable: x")
    assert not reading.allows("")
    assert not any(map(Reading().allows, ("truncated: x", "damaged: x", "silent: x")))
    with pytest.raises(SpecError, match=r"parameter truncated must be 'refuse' or 'keep'; got 'maybe'"):
        Reading(truncated="maybe")
