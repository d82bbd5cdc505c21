"""Decoding: every promised format is decoded correctly, and hostile files are refused and do no harm."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiospec.audio import recording as audio
from audiospec.audio import waves
from audiospec.audio.info import AudioInfo
from audiospec.audio.recording import Recording, load, probe
from audiospec.audio.waves import pad_or_trim
from audiospec.digests import content_hash
from audiospec.errors import AudioError
from audiospec.stores.layout.schema import TrackRecord
from audiospec.testing.audio import (
    FORMATS,
    Format,
    damage,
    encode,
    hostile,
    noise,
    tone,
    wav,
    without_xing,
    write,
    write_hostile,
    write_m4a,
)

Wave = NDArray[np.float32]
Python = Callable[..., "subprocess.CompletedProcess[str]"]

WAV, FLAC, MP3 = (next(how for how in FORMATS if how.suffix == s) for s in (".wav", ".flac", ".mp3"))
RATES = (8000, 16000, 22050, 44100, 48000, 96000)


def stream(path: Path, rate: int = 22050) -> Wave:
    return np.concatenate([np.zeros(0, np.float32), *Recording(path).waves(rate)])


def sine_in(wave: Wave, rate: int) -> tuple[float, float]:
    """Frequency and amplitude of the strongest sine in the middle of a wave."""
    middle = wave[len(wave) // 4 : len(wave) // 4 * 3].astype(np.float64)
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window, 8 * len(middle)))
    k = int(spectrum.argmax())
    return k * rate / (8 * len(middle)), 2 * float(spectrum[k]) / window.sum()


def resolution(how: Format) -> float:
    """The largest error that a format's depth allows."""
    bits = {"PCM_U8": 7, "PCM_S8": 7, "PCM_16": 15, "PCM_24": 23}.get(how.subtype)
    return 1e-7 if bits is None else 2.0**-bits


# --- formats ----------------------------------------------------------------------------------------

CASES = [
    pytest.param(how, rate, channels, id=f"{how}-{rate}-{channels}")
    for how in FORMATS
    for rate in RATES
    for channels in (1, 2, 6)
    # Every rate for 16 bits and for lossy formats; every number of channels at 44.1 or 48 kHz.
    if (not how.rates or rate in how.rates)
    and channels <= how.channels
    and (
        rate in (44100, 48000)
        if channels > 1
        else how.subtype == "PCM_16" or not how.lossless or rate == 44100
    )
]


@pytest.mark.parametrize(("how", "rate", "channels"), CASES)
def test_every_format_is_decoded_correctly(how: Format, rate: int, channels: int, tmp_path: Path) -> None:
    # The loudest channel has 2 * 6 / 7 of the mean's level, which is within full scale.
    sound = tone(0.8, rate, hertz=1000, level=0.4, channels=channels)
    path = write(tmp_path / f"tone{how.suffix}", sound, rate, how)
    info = probe(path)
    assert info == AudioInfo(rate, channels, len(sound))
    assert info.seconds == pytest.approx(0.8)

    decoded = stream(path, rate)
    assert decoded.dtype == np.float32
    assert len(decoded) == len(sound)
    if how.lossless:
        exact = soundfile.read(path, dtype="float32", always_2d=True)[0]
        if channels == 1:
            np.testing.assert_array_equal(decoded, exact[:, 0])
        np.testing.assert_allclose(decoded, exact.mean(axis=1), rtol=0, atol=1e-7)
        mean = sound if channels == 1 else sound.mean(axis=1)
        np.testing.assert_allclose(decoded, mean, rtol=0, atol=1.01 * resolution(how))

    wave = load(path, 22050)
    assert len(wave) == info.samples(22050) == pytest.approx(0.8 * 22050, abs=1)
    hertz, level = sine_in(wave, 22050)
    assert hertz == pytest.approx(1000, abs=1)
    # Codecs of six channels use one for the bass alone, which loses the tone in it.
    tolerance = 0.005 if how.lossless else 0.1 if channels < 6 else 0.3
    assert level == pytest.approx(0.4, rel=tolerance)


@pytest.mark.parametrize("channels", [1, 2, 6, 15, 16, 40])
def test_channels_are_averaged(channels: int, tmp_path: Path) -> None:
    sound = noise(0.2, 8000, channels=channels)
    wave = stream(write(tmp_path / "a.wav", sound, 8000, Format(".wav", "WAV", "FLOAT")), 8000)
    expected = sound.reshape(len(sound), -1).astype(np.float64).mean(axis=1)
    np.testing.assert_allclose(wave, expected, rtol=0, atol=1e-6)


def test_16_bits_are_exact() -> None:
    values = np.arange(-32768, 32768, dtype=np.int16)
    block = np.stack([values, values[::-1]], axis=1)
    np.testing.assert_array_equal(waves.mix_to_mono(values[:, None]), values / np.float32(32768))
    np.testing.assert_array_equal(waves.mix_to_mono(block), block.mean(axis=1) / 32768)


def test_nothing_is_clipped_or_scaled(tmp_path: Path) -> None:
    loud = np.array([1.5, -3, 0.25, 31], np.float32)
    path = tmp_path / "loud.wav"
    path.write_bytes(wav(loud.tobytes(), code=3, bits=32))
    np.testing.assert_array_equal(stream(path), loud)


# --- resampling and streaming -----------------------------------------------------------------------


@pytest.mark.parametrize("rate", [*RATES, 11025, 22051, 44099, 192000])
def test_resampling_in_blocks_is_that_of_soxr_in_one_piece_to_the_bit(
    rate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = noise(1.3, rate)
    path = write(tmp_path / "a.wav", sound, rate, Format(".wav", "WAV", "FLOAT"))
    expected = sound if rate == 22050 else soxr.resample(sound, rate, 22050, quality="HQ")
    for frames, piece in (
        (audio.BLOCK_FRAMES, audio.PIECE_FRAMES),
        (10_000, 1000),
        (777, 1 << 16),
        (1 << 16, 777),
    ):
        monkeypatch.setattr(audio, "BLOCK_FRAMES", frames)
        monkeypatch.setattr(audio, "PIECE_FRAMES", piece)
        np.testing.assert_array_equal(stream(path), expected)
    assert abs(probe(path).samples(22050) - len(expected)) <= 1


@pytest.mark.parametrize(
    "how", [how for how in FORMATS if how.subtype in ("PCM_16", "PCM_24") or not how.lossless], ids=str
)
def test_the_size_of_blocks_changes_nothing(
    how: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = 48000 if how.subtype == "OPUS" else 44100
    path = write(tmp_path / f"a{how.suffix}", noise(0.5, rate, channels=2), rate, how)
    expected = stream(path)
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 1000)
    assert len(list(Recording(path).waves(22050))) > 20
    np.testing.assert_array_equal(stream(path), expected)


@given(st.integers(1, 3000), st.sampled_from(RATES), st.sampled_from([8000, 22050, 44100]))
def test_lengths_are_predicted(samples: int, rate: int, target: int) -> None:
    info = AudioInfo(rate, 1, samples)
    resampled = soxr.resample(np.ones(samples, np.float32), rate, target, quality="HQ")
    assert abs(info.samples(target) - len(resampled)) <= 1
    assert info.samples(rate) == samples


@pytest.mark.parametrize("samples", [0, 1, 5, 9])
def test_pad_or_trim(samples: int) -> None:
    wave = np.arange(1, 6, dtype=np.float32)
    fitted = pad_or_trim(wave, samples)
    assert len(fitted) == samples
    assert fitted.dtype == np.float32
    np.testing.assert_array_equal(fitted, [1, 2, 3, 4, 5, 0, 0, 0, 0][:samples])


def test_a_long_file_is_streamed(tmp_path: Path) -> None:
    # 40 minutes of stereo, 423 MB, as a sparse file that takes no room on the disk.
    path, seconds, rate = tmp_path / "long.wav", 2400, 44100
    header = wav(b"", rate, channels=2, announced=seconds * rate * 4)
    with path.open("wb") as file:
        file.write(header)
        file.seek(len(header) + seconds * rate * 4 - 2)
        file.write(b"\1\1")  # not silent, at the very end
    assert probe(path) == AudioInfo(rate, 2, seconds * rate)
    tracemalloc.start()
    try:
        samples = sum(map(len, Recording(path).waves(22050)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert samples == seconds * 22050
    assert peak < 40 << 20


def test_a_low_rate_or_many_channels_do_not_make_a_block_large(tmp_path: Path) -> None:
    # A header can state 50 Hz, so that each sample becomes 441, or 1024 channels, so that a frame has 4 KiB.
    slow, wide = tmp_path / "slow.wav", tmp_path / "wide.wav"
    slow.write_bytes(wav(np.arange(60000, dtype="<u2").tobytes(), 50))
    with wide.open("wb") as file:
        file.write(wav(b"", 44100, channels=1024, announced=100 << 20))
        file.truncate(file.tell() + (100 << 20))
        file.seek(-2, os.SEEK_END)
        file.write(b"\1\1")
    for path in (slow, wide):
        tracemalloc.start()
        try:
            samples = sum(map(len, Recording(path).waves(22050)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert samples == probe(path).samples(22050)
        assert peak < 120 << 20, path


# --- hash and info ----------------------------------------------------------------------------------


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(0.1))
    small = Recording(path).hash
    assert small == content_hash(path)
    assert len(small) == 32
    copied = tmp_path / "b.txt"
    copied.write_bytes(path.read_bytes())
    assert Recording(copied).hash == small
    copied.write_bytes(path.read_bytes() + b"x")
    assert Recording(copied).hash != small


def test_the_info_is_exact_once_the_file_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(without_xing(encode(noise(2, 44100), 44100, MP3)))
    recording = Recording(path)
    assert recording.info is None
    wave = np.concatenate(list(recording.waves(44100)))
    assert recording.info == AudioInfo(44100, 1, len(wave)) == probe(path)
    assert len(load(path, 44100)) == len(wave)


def test_streams_at_several_rates_are_those_of_each_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wav", noise(3))
    rates = [8000, 22050, 48000]
    alone = [np.concatenate(list(Recording(path).waves(rate))) for rate in rates]
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 5000)
    choose, opened = audio.open_decoder, []
    monkeypatch.setattr(audio, "open_decoder", lambda source: (opened.append(source), choose(source))[1])
    recording = Recording(path)
    parts = list(zip(*recording.streams([(rate, "mix") for rate in rates]), strict=True))
    assert len(opened) == 1
    assert len(parts[0]) > 10
    for part, wave in zip(parts, alone, strict=True):
        assert (np.concatenate(part) == wave).all()
    assert recording.info == probe(path)


def test_the_length_is_restored_from_a_record_of_the_track_table() -> None:
    info = AudioInfo(44100, 2, 1234567)
    record = TrackRecord("a", seconds=info.seconds, sample_rate=44100, channels=2)
    assert record.info == info


def test_seconds_and_samples() -> None:
    info = AudioInfo(44100, 2, 66150)
    assert info.seconds == 1.5
    assert info.samples(22050) == 33075
    assert info.samples(44100) == 66150
    assert AudioInfo(3, 1, 1).samples(2) == 1  # 0.67, to the nearest


# --- MP3 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id3", [b"", b"ID3\x04\0\0\0\0\x07\x68" + bytes(1000)], ids=["bare", "id3"])
def test_an_mp3_of_variable_bitrate_without_a_frame_count_is_read_to_its_end(
    id3: bytes, tmp_path: Path
) -> None:
    # The first frames hold noise and are large, the others are not, so the estimated length is too short.
    sound = noise(4, 44100)
    sound[44100 // 2 :] = tone(3.5, 44100)
    counted = encode(sound, 44100, MP3)
    path = tmp_path / "a.mp3"
    path.write_bytes(counted)
    expected = stream(path, 44100)
    assert len(expected) == len(sound)
    path.write_bytes(id3 + without_xing(counted))
    assert soundfile.info(path).frames < len(sound) / 2, "or else the test proves nothing"
    wave = stream(path, 44100)
    # The tag that was removed states the encoder's delay of 576 samples; the decoder's is 529.
    np.testing.assert_array_equal(wave[1105 : 1105 + len(sound)], expected)
    assert len(wave) - len(sound) < 3 * 1152


# --- PyAV -------------------------------------------------------------------------------------------


def test_m4a_is_decoded_with_pyav(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs PyAV, the extra `av`")
    path = write_m4a(tmp_path / "a.m4a", tone(1, 44100, hertz=1000, level=0.4))
    info = probe(path)
    assert (info.sample_rate, info.channels, info.exact) == (44100, 1, False)
    assert info.frames == pytest.approx(44100, abs=3 * 1024)  # a codec's delay and its last frame
    wave = load(path, 22050)
    assert len(wave) == pytest.approx(22050, abs=3 * 512)
    hertz, level = sine_in(wave, 22050)
    assert hertz == pytest.approx(1000, abs=1)
    assert level == pytest.approx(0.4, rel=0.05)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(AudioError, match=r"^truncated: the box mdat announces \d+ bytes, \d+ are there"):
        probe(path)


def test_more_than_eight_channels_are_decoded_with_pyav(tmp_path: Path) -> None:
    # If the channels are read one by one, PyAV reads beyond its planes and the process dies.
    av = pytest.importorskip("av", reason="needs PyAV, the extra `av`")
    path = tmp_path / "wide.mka"
    sound = np.tile(tone(0.2, 8000, level=0.5), (16, 1))
    with av.open(str(path), "w") as container:
        media = container.add_stream("pcm_f32le", rate=8000)
        media.layout = "hexadecagonal"
        frame = av.AudioFrame.from_ndarray(
            sound.T.reshape(1, -1).copy(), format="flt", layout="hexadecagonal"
        )
        frame.sample_rate = 8000
        container.mux(media.encode(frame))
        container.mux(media.encode(None))
    np.testing.assert_allclose(stream(path, 8000), sound[0], atol=1e-6)


def test_a_container_that_ends_early_is_truncated(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="needs PyAV, the extra `av`")
    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as container:
        media = container.add_stream("pcm_s16le", rate=8000)
        media.layout = "mono"
        for first in range(0, 16000, 1000):
            data = np.arange(1000, dtype=np.int16)[None]
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, first
            container.mux(media.encode(frame))
        container.mux(media.encode(None))
    assert len(stream(path, 8000)) == 16000
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AudioError, match=r"^truncated: the file announces \d+ bytes, \d+ are there"):
        stream(path, 8000)


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(200))
    monkeypatch.setitem(sys.modules, "av", None)  # importing it raises ImportError
    for use in (lambda: probe(path), lambda: stream(path), lambda: load(path)):
        with pytest.raises(AudioError) as caught:
            use()
        assert str(caught.value) == (
            "not decodable: Format not recognised: for m4a, wma or video, run `pip install 'audiospec[av]'`"
        )


# --- hostile files ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_hostile(folder)
    return folder


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, (_, words) in hostile().items()])
def test_hostile_files(
    name: str,
    words: str,
    hostile_folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = hostile_folder / name
    messages: list[str] = []
    for use in (lambda: probe(path), lambda: stream(path), lambda: load(path)):
        try:
            result = use()
        except AudioError as error:
            messages.append(str(error))
        else:
            if not isinstance(result, AudioInfo):
                messages.append("")
                assert np.isfinite(result).all()
                assert result.any()
    # Decoding finds the fault, even if the header looks sound.
    assert len(messages) >= 2
    for text in messages:
        assert text.startswith(tuple(words.split("|"))) if words else not text, text
        assert "\n" not in text
        assert str(hostile_folder) not in text, "the file is named beside it"
    assert capfd.readouterr() == ("", ""), "decoders print nothing"


def test_odd_files_that_decode_lose_no_audio(hostile_folder: Path) -> None:
    for name, seconds in {
        "piped.wav": 0.1,
        "piped-sox.wav": 0.1,
        "with-id3.mp3": 1,
        "without-xing.mp3": 1,
        "with-id3-without-xing.mp3": 1,
    }.items():
        length = len(load(hostile_folder / name, 22050))
        assert seconds * 22050 <= length <= seconds * 22050 + (3000 if "xing" in name else 0), name


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".m4a", ""])
def test_missing_and_unreadable(suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    for path, reason in (
        (tmp_path / f"missing{suffix}", "not readable: No such file or directory"),
        (folder, "not readable: Is a directory"),
        (tmp_path / "no" / "folder.wav", "not readable: No such file or directory"),
        (write(tmp_path / f"file{suffix}", noise(0.1)) / "under.wav", "not readable: Not a directory"),
    ):
        for use in (
            lambda path=path: probe(path),
            lambda path=path: Recording(path),
            lambda path=path: load(path),
        ):
            with pytest.raises(AudioError) as caught:
                use()
            assert str(caught.value) == reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(0.1))
    path.chmod(0)
    for use in (lambda: probe(path), lambda: Recording(path)):
        with pytest.raises(AudioError, match=r"^not readable: Permission denied$"):
            use()


def test_a_pipe_without_a_writer_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "fifo.wav"
    os.mkfifo(path)
    with pytest.raises(AudioError, match=r"^empty"):
        probe(path)


def test_a_file_that_is_removed_after_it_was_hashed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ogg", noise(0.3, 44100), 44100, next(h for h in FORMATS if h.suffix == ".ogg"))
    recording = Recording(path)
    path.unlink()
    with pytest.raises(AudioError, match=r"^not readable: No such file"):
        list(recording.waves(22050))


@pytest.mark.parametrize("how", ["written to", "replaced"])
def test_a_file_that_changes_after_it_was_hashed(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "a.wav", noise(0.3))
    recording = Recording(path)
    if how == "replaced":
        other = write(tmp_path / "b.wav", noise(0.3))
        os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        other.rename(path)
    else:
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    with pytest.raises(
        AudioError, match=r"^changed while it was read: featurize again once nothing is writing to it$"
    ):
        list(recording.waves(22050))


@pytest.mark.parametrize(
    "name", ["naïve ♫.flac", "with space.flac", "%s{0}.flac", os.fsdecode(b"caf\xe9.flac")], ids=ascii
)
def test_names_of_any_kind(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, noise(0.1), how=FLAC)
    assert probe(path).frames == 2205
    assert len(stream(path)) == 2205


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    for suffix in (".mp3", ".au", ".raw", ".txt", ".flac", "", ".wav.part", ".m4a", ".vox"):
        path = write(tmp_path / f"a{suffix}", noise(0.1))
        assert probe(path) == AudioInfo(22050, 1, 2205)
        assert len(stream(path)) == 2205


def test_the_error_says_where_a_sample_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = noise(2, 8000)
    sound[12000] = np.nan
    path = tmp_path / "a.wav"
    path.write_bytes(wav(sound.tobytes(), 8000, code=3, bits=32))
    for frames in (1 << 20, 500):
        monkeypatch.setattr(audio, "BLOCK_FRAMES", frames)
        with pytest.raises(AudioError, match=r"^not finite: NaN or infinity at 1\.500 s$"):
            stream(path)


def test_sound_only_at_the_end_is_not_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.zeros(5000, np.float32)
    sound[-1] = 0.1
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 100)
    assert len(stream(write(tmp_path / "a.wav", sound))) == 5000


def test_threads_do_not_lose_standard_error(tmp_path: Path, python: Python) -> None:
    path = write(tmp_path / "a.mp3", noise(0.3, 44100), 44100, MP3)
    script = """
import sys, threading
from pathlib import Path
from audiospec.audio.recording import load, probe
def work():
    for _ in range(30):
        probe(Path(sys.argv[1])); load(sys.argv[1])
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
import os
os.write(2, b"still here")
"""
    assert python(script, path).stderr == "still here"


def test_standard_error_may_be_closed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", noise(0.3, 44100), 44100, MP3)
    script = (
        "import sys; from audiospec.audio.recording import load; print(sys.stderr, len(load(sys.argv[1])))"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == f"None {round(0.3 * 22050)}\n"


SMALL = {
    "wav": encode(tone(0.1, 24000), 24000, WAV),
    "float.wav": encode(tone(0.1, 24000), 24000, Format(".wav", "WAV", "FLOAT")),
    "flac": encode(tone(0.1, 24000), 24000, FLAC),
    "ogg": encode(tone(0.1, 24000), 24000, Format(".ogg", "OGG", "VORBIS")),
    "opus": encode(tone(0.1, 24000), 24000, Format(".opus", "OGG", "OPUS")),
    "mp3": encode(tone(0.3, 44100), 44100, MP3),
    "no-xing.mp3": without_xing(encode(tone(0.3, 44100), 44100, MP3)),
    "aiff": encode(tone(0.1, 24000), 24000, Format(".aiff", "AIFF", "PCM_16")),
    "au": encode(tone(0.1, 24000), 24000, Format(".au", "AU", "PCM_16")),
}


@st.composite
def mangled(draw: st.DrawFn) -> tuple[str, bytes]:
    """A small file with some bytes changed or missing, in its header more often than not."""
    kind = draw(st.sampled_from(sorted(SMALL)))
    content = bytearray(SMALL[kind])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)) | st.integers(0, 100))
        how = draw(st.sampled_from(["replace", "replace", "large", "remove", "insert", "cut"]))
        some = draw(st.binary(min_size=1, max_size=8))
        if how == "replace":
            content[at : at + len(some)] = some
        elif how == "large":
            content[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"]))
        elif how == "remove":
            del content[at : at + len(some)]
        elif how == "insert":
            content[at:at] = some
        else:
            del content[max(at, 4) :]
    return kind, bytes(content)


@settings(max_examples=400)
@given(mangled())
def test_mangled_files_decode_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]
) -> None:
    kind, content = case
    path = tmp_path_factory.getbasetemp() / f"mangled.{kind}"
    path.write_bytes(content)
    info = None
    with contextlib.suppress(AudioError):
        info = probe(path)
    # A header may state a rate of a few Hz, which takes too long to resample in a test.
    if info is None or info.samples(22050) < 1e7:
        with contextlib.suppress(AudioError):
            for wave in Recording(path).waves(22050):
                assert np.isfinite(wave).all()


# --- the real audio ---------------------------------------------------------------------------------


@pytest.mark.realdata
def test_all_of_gtzan_decodes_except_for_one_bad_file(shared_data: Path) -> None:
    files = sorted(path for path in (shared_data / "gtzan-part" / "genres").rglob("*.*") if path.is_file())
    assert len(files) == 86
    lengths: dict[int, int] = {}
    for path in files:
        if path.name == "jazz.00054.wav":
            for use in (lambda path=path: probe(path), lambda path=path: stream(path)):
                with pytest.raises(AudioError, match=r"^not decodable: "):
                    use()
            continue
        info = probe(path)
        assert (info.sample_rate, info.channels, info.exact) == (22050, 1, True), path.name
        wave = stream(path, 22050)
        assert len(wave) == info.frames, path.name
        assert 0.01 < np.abs(wave).max() <= 1, path.name
        lengths[info.frames] = lengths.get(info.frames, 0) + 1
    assert sum(lengths.values()) == 85
    assert lengths.pop(661794) == 66
    assert lengths.pop(661504) == 8
    assert sorted(lengths) == [
        *(661676, 661760, 661980, 663080, 663300, 663520, 664180, 665280, 665940, 667920, 670340)
    ]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("esc10/001 - Dog bark/1-100032-A.ogg", AudioInfo(44100, 1, 220544)),
        ("fsdd/recordings/7_jackson_32.wav", AudioInfo(8000, 1, 4301)),
        ("gtzan-part/genres/disco/disco.00006.au", AudioInfo(22050, 1, 661676)),
    ],
)
def test_real_files_of_each_kind(shared_data: Path, path: str, expected: AudioInfo) -> None:
    info = probe(shared_data / path)
    assert info == expected
    expected_wave, rate = soundfile.read(shared_data / path, dtype="float32", always_2d=True)
    assert (rate, len(expected_wave)) == (info.sample_rate, info.frames)
    np.testing.assert_allclose(
        stream(shared_data / path, rate), expected_wave.mean(axis=1), rtol=0, atol=1e-7
    )
    assert len(load(shared_data / path, 22050)) == info.samples(22050)


@pytest.mark.realdata
def test_a_damaged_copy_of_a_real_file_is_found(shared_data: Path, tmp_path: Path) -> None:
    intact = (shared_data / "gtzan-part/genres/rock/rock.00000.flac").read_bytes()
    for name, content in {"cut": intact[:-5000], "hole": damage(intact, at=0.9)}.items():
        path = tmp_path / f"{name}.flac"
        path.write_bytes(content)
        with pytest.raises(AudioError, match=r"^(damaged|truncated): "):
            stream(path)
