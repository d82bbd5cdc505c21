"""What is measured of a track: true values of sounds made to have a fault, in any blocks and formats."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.audio import frame_levels
from audiospec.audio.quality import KEPT_SUMS, Meter, Quality
from audiospec.audio.reading import Reading
from audiospec.audio.recording import Recording

RATE = 44100
TIME = np.arange(3 * RATE) / RATE


def measure(samples: NDArray[np.floating], rate: int = RATE, bits: int = 16) -> Quality:
    """Measure sound that is rounded to integers, in one block."""
    meter = Meter()
    samples = samples.reshape(len(samples), -1)
    if bits == 16:
        meter.add(np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16), rate)
    else:
        meter.add(samples.astype(np.float32), rate)
    return meter.result()


def tone(frequency: float = 440.0, amplitude: float = 1.0) -> NDArray[np.floating]:
    return amplitude * np.sin(2 * np.pi * frequency * TIME)


def music(seed: int = 0, seconds: int = 3) -> NDArray[np.floating]:
    """Noise of all frequencies whose level goes up and down by 40 dB."""
    noise = np.random.default_rng(seed).normal(0, 0.1, seconds * RATE)
    return np.clip(noise * 10 ** (np.sin(np.arange(len(noise)) / RATE * 5) - 1), -0.9, 0.9)


def test_a_full_scale_sine() -> None:
    quality = measure(tone(amplitude=0.9999))
    assert quality.level == -3.01
    assert quality.peak == 0.0
    assert (quality.clipped, quality.dc, quality.digital_silence) == (0, 0, 0)
    assert math.isnan(quality.channel_correlation)
    assert quality.dead_channels == 0
    assert 440 < quality.bandwidth < 1500
    assert quality.snr < 0.5


@pytest.mark.parametrize("decibels", [-0.5, -20.0, -60.0, -80.0])
def test_levels(decibels: float) -> None:
    quality = measure(tone(amplitude=10 ** (decibels / 20)))
    tolerance = 1 if decibels < -70 else 0.1  # it is rounded to 3 steps
    assert quality.peak == pytest.approx(decibels, abs=tolerance)
    assert quality.level == pytest.approx(decibels - 3.01, abs=tolerance)


@pytest.mark.parametrize("frequency", [5, 20, 50, 441, 997, 11025])
@pytest.mark.parametrize("amplitude", [0.99, 0.3, 0.01, 0.0003])
@pytest.mark.parametrize("bits", [16, 24])
def test_a_pure_tone_is_not_clipped(frequency: float, amplitude: float, bits: int) -> None:
    """A slow tone is flat at its crest, where it is rounded."""
    assert measure(tone(frequency, amplitude), bits=bits).clipped == 0


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.05])
def test_clipped_tones(gain: float) -> None:
    """Also if it was made quieter afterwards; three samples of a run are the least."""
    clipped = np.clip(1.5 * tone(441.0), -1, 1)
    expected = np.mean(np.abs(1.5 * tone(441.0)) >= 1)
    assert measure(gain * clipped).clipped == pytest.approx(expected, abs=0.005)
    assert measure(gain * np.clip(1.5 * tone(441.0), -2, 1), bits=24).clipped == pytest.approx(
        expected / 2, abs=0.003
    )
    assert measure(gain * clipped, bits=24).clipped == pytest.approx(expected, abs=0.005)
    two = np.zeros(RATE)
    two[1000:1002] = two[2000:2002] = gain
    assert measure(two).clipped == 0
    two[2002] = gain
    assert measure(two).clipped == pytest.approx(3 / RATE, abs=1e-6)


def test_an_offset() -> None:
    quality = measure(tone(amplitude=0.2) - 0.05)
    assert quality.dc == pytest.approx(-0.05, abs=1e-4)
    stereo = np.stack([tone(amplitude=0.2) + 0.01, tone(amplitude=0.2) - 0.03], axis=1)
    assert measure(stereo).dc == pytest.approx(-0.03, abs=1e-4)


def test_digital_silence() -> None:
    sound = np.concatenate([music(), np.zeros(RATE)])
    assert measure(sound).digital_silence == pytest.approx(0.25, abs=0.01)
    assert measure(sound + 0.1).digital_silence == pytest.approx(0.25, abs=0.01)
    quiet = np.random.default_rng(0).integers(-1, 2, RATE) / 32768
    assert measure(np.concatenate([music(), quiet])).digital_silence == 0


def test_channels() -> None:
    left, right = music(0), music(1)
    assert abs(measure(np.stack([left, right], 1)).channel_correlation) < 0.3
    assert measure(np.stack([left, -left], 1)).channel_correlation == -1
    assert measure(np.stack([left, left], 1)).channel_correlation == 1
    assert measure(np.stack([left, right, left, -left], 1)).channel_correlation == -1
    dead = measure(np.stack([0 * left, right], 1))
    assert dead.dead_channels == 1
    assert math.isnan(dead.channel_correlation)
    assert measure(np.stack([1e-4 * left, right, right], 1)).dead_channels == 1
    assert measure(np.stack([left, right], 1)).dead_channels == 0
    # The level of one channel of two is that of both, less 3 dB.
    assert dead.level == pytest.approx(measure(right).level - 3.01, abs=0.02)
    assert dead.bandwidth == 22050


def low_passed(sound: NDArray[np.floating], frequency: float) -> NDArray[np.floating]:
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > frequency] = 0
    return np.fft.irfft(spectrum, len(sound))


@pytest.mark.parametrize("frequency", [3000, 8000, 11025, 16000, 19000])
@pytest.mark.parametrize("bits", [16, 24])
def test_the_bandwidth_of_sound_that_was_cut(frequency: float, bits: int) -> None:
    cut = low_passed(music(), frequency)
    assert measure(cut, bits=bits).bandwidth == pytest.approx(frequency, abs=300)
    whistle = cut + tone(20000, 0.01)
    assert measure(whistle, bits=bits).bandwidth == pytest.approx(frequency, abs=300)
    assert measure(music()).bandwidth == 22050


def test_an_mp3_inside_a_wav(tmp_path: Path) -> None:
    soundfile.write(
        tmp_path / "a.mp3", music(seconds=10), RATE, bitrate_mode="CONSTANT", compression_level=0.9
    )
    decoded, _ = soundfile.read(tmp_path / "a.mp3")
    assert 12000 < measure(decoded).bandwidth < 18000
    assert measure(music(seconds=10)).bandwidth == 22050


def test_the_estimate_of_noise() -> None:
    """Words of a second with pauses, in noise 30 dB below."""
    noise = np.random.default_rng(3).normal(0, 0.001, 10 * RATE)
    words = np.concatenate([tone(300, 0.0447), np.zeros(2 * RATE)] * 2)
    assert measure(words + noise).snr == pytest.approx(30, abs=1)
    assert measure(words + 10 * noise).snr == pytest.approx(10.4, abs=1)
    assert measure(words).snr == pytest.approx(101 - 30, abs=1)
    assert math.isnan(measure(words[: RATE // 4]).snr)


def test_a_track_shorter_than_a_frame() -> None:
    quality = measure(tone()[:100])
    assert math.isnan(quality.bandwidth)
    assert math.isnan(quality.snr)
    assert quality.peak > -1
    assert measure(np.array([0.5])) == replace(measure(np.array([0.5])), peak=-6.02, level=-6.02, dc=0.5)


def test_zeros_alone() -> None:
    quality = measure(np.zeros((RATE, 2)))
    assert (quality.peak, quality.level) == (-150, -150)
    assert (quality.digital_silence, quality.bandwidth, quality.dead_channels) == (1, 0, 2)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.sampled_from([1, 2, 3]),
    is_float=st.booleans(),
    cuts=st.lists(st.integers(0, 30000), max_size=9),
    rate=st.sampled_from([50, 8000, 44100]),
    compiled=st.booleans(),
)
def test_blocks_change_nothing(
    channels: int, is_float: bool, cuts: list[int], rate: int, compiled: bool
) -> None:
    generator = np.random.default_rng(len(cuts))
    samples = np.clip(generator.normal(0, 9000, (30000, channels)), -20000, 20000)
    samples[7000:9000] = 0
    block = (samples / 32768).astype(np.float32) if is_float else samples.astype(np.int16)
    results = []
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(frame_levels, "library", lambda: None)
        for places in ([], sorted(cuts), range(0, 30000, 997)):
            meter = Meter()
            for part in np.split(block, places):
                meter.add(part, rate)
            results.append(meter.result().to_json())
    assert results[0] == results[1] == results[2]


def test_hours_need_no_more_memory() -> None:
    meter = Meter()
    block = (music() * 32768).astype(np.int16).reshape(-1, 1)
    for _ in range(110):
        meter.add(block, RATE)
    assert meter._kept < KEPT_SUMS
    assert sum(map(len, meter._sums)) == meter._kept
    assert meter.result().level == measure(music()).level


def test_integers_and_floats_of_the_same_sound_are_equal() -> None:
    for sound in (music(), np.stack([music(), music(1)], 1)):
        integers = np.rint(sound * 32768).astype(np.int16)
        assert measure(integers / 32768, bits=24).to_json() == measure(sound).to_json()


def test_joined_files_and_a_broken_channel() -> None:
    meter = Meter()
    meter.add((music() * 32768).astype(np.int16)[:, None], RATE)
    meter.add(np.repeat(music()[:, None], 2, axis=1).astype(np.float32), 22050)
    quality = meter.result()
    assert quality.peak == measure(music()).peak
    assert math.isnan(quality.channel_correlation)
    meter = Meter()
    meter.add(np.array([[0.5, np.nan]] * 9000, np.float32), RATE)
    assert meter.result().to_json()[1:] == [None] * 9
    assert len(meter.result().samples_hash) == 32


def test_json() -> None:
    for quality in (measure(tone()), measure(np.zeros((9, 2))), Quality()):
        text = json.dumps(quality.to_json(), allow_nan=False)
        assert Quality.from_json(json.loads(text)).to_json() == quality.to_json()


def recorded(path: Path, channel: str = "mix", rate: int = 16000) -> Quality:
    recording = Recording(path, Reading(keep_silent=True), measured=True)
    assert recording.quality is None
    for _ in recording.waves(rate, channel):
        pass
    assert recording.quality is not None
    return recording.quality


def test_copies_in_other_formats(tmp_path: Path) -> None:
    """Samples alone decide, not the file, its tags, the channel that is used, or the rate of the features."""
    sound = np.stack([music(), 0.5 * music(1)], 1)
    for name, subtype in (
        ("a.wav", "PCM_16"),
        ("b.flac", "PCM_16"),
        ("c.aiff", "PCM_16"),
        ("d.wav", "PCM_24"),
    ):
        soundfile.write(tmp_path / name, np.rint(sound * 32768) / 32768, RATE, subtype=subtype)
    with soundfile.SoundFile(tmp_path / "e.flac", "w", RATE, 2, "PCM_16") as file:
        file.title = "another"
        file.write(np.rint(sound * 32768) / 32768)
    names = ["a.wav", "b.flac", "c.aiff", "d.wav", "e.flac"]
    results = [recorded(tmp_path / name).to_json() for name in names]
    assert results == results[:1] * 5
    assert results[0] == measure(sound).to_json()
    assert recorded(tmp_path / "a.wav", "right").to_json() == results[0]
    assert recorded(tmp_path / "a.wav", "loudest", RATE).to_json() == results[0]
    soundfile.write(tmp_path / "mono.wav", np.rint(sound[:, 0] * 32768) / 32768, RATE)
    assert recorded(tmp_path / "mono.wav").to_json() == measure(sound[:, 0]).to_json()
    assert recorded(tmp_path / "mono.wav").samples_hash != results[0][0]


def test_nothing_is_measured_unless_asked_for_and_to_the_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", music(), RATE)
    recording = Recording(tmp_path / "a.wav")
    assert len(list(recording.waves(RATE))) > 0
    assert recording.quality is None
    recording = Recording(tmp_path / "a.wav", measured=True)
    next(recording.waves(RATE))
    assert recording.quality is None
