"""Sizes in headers are claims: every sample that is in a file is decoded, or the file is named."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiospec.audio.reading import Reading
from audiospec.audio.recording import Recording, probe
from audiospec.errors import AudioError
from audiospec.testing.audio import Format, encode, noise

SOUND = noise(0.3, channels=2)
KEEP = Reading(truncated="keep")
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT\x0e\0\0\0Lavf60.16.100\0"


def file_of(format: str) -> bytes:
    return encode(SOUND, how=Format("", format, "PCM_16"))


WAV, RF64, W64, AIFF, AU, CAF = map(file_of, ("WAV", "RF64", "W64", "AIFF", "AU", "CAF"))
BYTES = 4 * len(SOUND)


def put(content: bytes, at: int, kind: str, value: int) -> bytes:
    """Return a file with a number at an offset."""
    return content[:at] + struct.pack(kind, value) + content[at + struct.calcsize(kind) :]


def size_at(content: bytes, name: bytes) -> int:
    """Return the offset of the size of a chunk, which follows its name."""
    return content.index(name, 4) + len(name)


DATA, SSND, COMM = size_at(WAV, b"data"), size_at(AIFF, b"SSND"), size_at(AIFF, b"COMM") + 6
CAF_DATA = size_at(CAF, b"data")


def decode(path: Path, content: bytes, reading: Reading = Reading()) -> tuple[NDArray[Any], str]:  # noqa: B008
    path.write_bytes(content)
    info = probe(path, reading)
    recording = Recording(path, reading)
    wave = np.concatenate(list(recording.waves(info.sample_rate)))
    assert info == recording.info, "what was planned is what there was"
    return wave, recording.note


WHOLE = {
    **{
        f"WAV, data {size:#x}": put(WAV, DATA, "<I", size)
        for size in (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFDB, 0x80000000, BYTES + 3, BYTES + 44, BYTES - 100, 4)
    },
    **{
        f"WAV of a pipe, {size:#x}": put(put(WAV, DATA, "<I", size), 4, "<I", size)
        for size in (0, 0xFFFFFFFF, 0x7FFFFFFF)
    },
    "WAV, data 0, tags behind": put(WAV, DATA, "<I", 0) + LIST,
    "WAV of a pipe, tags behind": put(WAV, DATA, "<I", 0xFFFFFFFF) + LIST,
    "WAV, size too large, tags behind": put(
        put(WAV, DATA, "<I", BYTES + 12) + LIST, 4, "<I", len(WAV) + len(LIST) - 8
    ),
    "WAV, wrong RIFF size": put(WAV, 4, "<I", 1 << 29),
    "WAV, a chunk without its padding": WAV[:36] + b"LIST\3\0\0\0abc" + WAV[36:],
    "WAV, an ID3v1 tag behind": WAV + b"TAG" + bytes(125),
    "WAV, zeros behind": WAV + bytes(9000),
    **{
        f"RF64, data {size:#x}": put(RF64, size_at(RF64, b"ds64") + 12, "<Q", size) for size in (0, 2**64 - 1)
    },
    **{
        f"W64, data {size:#x}": put(W64, W64.index(b"data", 40) + 16, "<Q", size)
        for size in (0, 24, 2**63 - 1, 2**64 - 1, BYTES - 100)
    },
    **{
        f"AIFF, SSND {size:#x}": put(put(AIFF, SSND, ">I", size), COMM, ">I", frames)
        for size in (0, 0xFFFFFFFF, BYTES + 52, BYTES - 92)
        for frames in (0, 0xFFFFFFFF)
    },
    **{f"AU, {size:#x}": put(AU, 8, ">I", size) for size in (0, 0xFFFFFFFF, BYTES + 24, BYTES - 100)},
    **{
        f"CAF, {size}": put(CAF, size_at(CAF, b"data"), ">q", size) for size in (-1, 0, BYTES + 6, BYTES - 96)
    },
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_false_size_loses_no_sample(name: str, tmp_path: Path) -> None:
    expected, _ = decode(tmp_path / "right", WAV)
    wave, note = decode(tmp_path / "wrong", WHOLE[name])
    assert note == ""
    np.testing.assert_array_equal(wave, expected)


@pytest.mark.parametrize("format", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF"])
@pytest.mark.parametrize("missing", [40, 1000])
def test_a_file_that_is_cut_is_named_or_kept(format: str, missing: int, tmp_path: Path) -> None:
    content = file_of(format)[:-missing]
    announced, there = len(SOUND) / 22050, (BYTES - missing) // 4 / 22050
    words = rf"^truncated: the header announces {announced:.3f} s, {there:.3f} s are there$"
    with pytest.raises(AudioError, match=words):
        decode(tmp_path / "cut", content)
    wave, note = decode(tmp_path / "cut", content, KEEP)
    expected, _ = decode(tmp_path / "right", WAV)
    np.testing.assert_array_equal(wave, expected[: (BYTES - missing) // 4])
    assert note.startswith("truncated: ")


def test_less_than_a_sample_may_be_missing(tmp_path: Path) -> None:
    wave, note = decode(tmp_path / "cut", WAV[:-3])
    assert (len(wave), note) == (len(SOUND) - 1, "")


def test_a_wav_without_samples_has_none(tmp_path: Path) -> None:
    for content in (put(WAV[: DATA + 4], DATA, "<I", 0), put(WAV[: DATA + 4], DATA, "<I", 0) + LIST):
        with pytest.raises(AudioError, match=r"^no audio"):
            decode(tmp_path / "none", content)


def test_what_follows_the_samples_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=rf"^damaged: another file begins .* its {len(WAV)} bytes"):
        decode(tmp_path / "joined", WAV + WAV[:12] + bytes(len(WAV) - 12))
    with pytest.raises(AudioError, match=r"^damaged: 3000 bytes follow .*; 0\.300 s are there$"):
        decode(tmp_path / "more", WAV + bytes(range(1, 251)) * 12)


@pytest.mark.parametrize(
    "first", [WAV, WAV + LIST, put(WAV + LIST, 4, "<I", len(WAV + LIST) - 8), AIFF, AU, CAF]
)
@pytest.mark.parametrize("second", [WAV, AIFF, AU, CAF, WAV + LIST + WAV])
def test_joined_files_are_decoded_one_after_the_other(first: bytes, second: bytes, tmp_path: Path) -> None:
    expected, _ = decode(tmp_path / "right", WAV)
    wave, note = decode(tmp_path / "joined", first + second)
    assert note == ""
    np.testing.assert_array_equal(wave, np.tile(expected, len(wave) // len(expected)))
    assert len(wave) == (3 if LIST in second else 2) * len(expected)


def test_the_second_of_joined_files_may_be_cut_or_of_another_rate(tmp_path: Path) -> None:
    other = encode(noise(0.2, 44100), 44100, Format("", "WAV", "PCM_24"))
    path = tmp_path / "a.wav"
    path.write_bytes(WAV + other)
    recording = Recording(path)
    wave = np.concatenate(list(recording.waves(22050)))
    assert len(wave) == pytest.approx(0.5 * 22050, abs=1)
    with pytest.raises(
        AudioError, match=r"^truncated: in file 2 of 2 that were joined: the header announces"
    ):
        decode(tmp_path / "cut", WAV + WAV[:-1000])
    wave, note = decode(tmp_path / "cut", WAV + WAV[:-1000], KEEP)
    assert (len(wave), note[:10]) == (2 * len(SOUND) - 250, "truncated:")


@pytest.mark.parametrize("channels", [1, 4, 255])
def test_an_aiff_whose_numbers_contradict_each_other_is_damaged(channels: int, tmp_path: Path) -> None:
    for content in (put(AIFF, COMM - 2, ">H", channels), put(AIFF, COMM, ">I", 0xFF000000 + len(SOUND))):
        with pytest.raises(AudioError, match=r"^damaged: the header has \d+ samples of \d+ bytes"):
            decode(tmp_path / "wrong", content)


@pytest.mark.parametrize("frames", [-100, -1, 1, 100])
def test_a_number_of_samples_that_is_slightly_wrong_loses_none(frames: int, tmp_path: Path) -> None:
    expected, _ = decode(tmp_path / "right", AIFF)
    wave, _ = decode(tmp_path / "wrong", put(AIFF, COMM, ">I", len(SOUND) + frames))
    np.testing.assert_array_equal(wave, expected)


def test_blocks_of_an_aiff_may_be_padded(tmp_path: Path) -> None:
    expected, _ = decode(tmp_path / "right", AIFF)
    padded = put(put(AIFF, SSND, ">I", BYTES + 8 + 512) + bytes(512), 4, ">I", len(AIFF) + 512 - 8)
    np.testing.assert_array_equal(decode(tmp_path / "padded", padded)[0], expected)


@pytest.mark.parametrize("size", [-(1 << 63), -400, (1 << 63) - 1, 1 << 40])
def test_a_chunk_that_leads_nowhere_is_one_of_the_file(size: int, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"^(not decodable|truncated|damaged)"):
        decode(tmp_path / "caf", put(CAF, 12, ">q", size))  # of the description


def test_what_follows_in_a_caf_without_a_size_of_the_file_is_decoded(tmp_path: Path) -> None:
    wave, note = decode(tmp_path / "more", CAF + CAF[-BYTES:-400])
    assert (len(wave), note) == (2 * len(SOUND) - 100, "")


def test_a_sphere_file_that_is_cut_is_named(tmp_path: Path) -> None:
    samples = (SOUND[:, 0] * 32767).astype("<i2").tobytes()
    lines = f"sample_count -i {len(SOUND)}\nsample_rate -i 22050\nchannel_count -i 1\nsample_n_bytes -i 2\n"
    lines += "sample_byte_format -s2 01\nsample_coding -s3 pcm\nend_head\n"
    content = b"NIST_1A\n   1024\n" + lines.encode()
    content = content.ljust(1024, b" ") + samples
    assert len(decode(tmp_path / "whole", content)[0]) == len(SOUND)
    with pytest.raises(AudioError, match=r"^truncated: the header announces 0\.300 s, 0\.2\d\d s are there$"):
        decode(tmp_path / "cut", content[:-2000])
    wave, note = decode(tmp_path / "cut", content[:-2000], KEEP)
    assert len(wave) == len(SOUND) - 1000
    assert note.startswith("truncated: ")


@pytest.mark.parametrize(
    ("at", "kind", "value", "words"),
    [
        (22, "<H", 3, "the header has 3 channels of 16 bits, but blocks of 4 bytes"),
        (34, "<H", 24, "the header has 2 channels of 24 bits, but blocks of 4 bytes"),
        (24, "<I", 22050 ^ 4096, "a sample rate of 17954 Hz, but as many bytes a second as 22050 Hz"),
    ],
)
def test_a_format_that_contradicts_itself_is_damaged(
    at: int, kind: str, value: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(AudioError, match=rf"^damaged: .*{words}"):
        decode(tmp_path / "wrong", put(WAV, at, kind, value))


def test_numbers_that_change_nothing_may_be_wrong(tmp_path: Path) -> None:
    expected, _ = decode(tmp_path / "right", WAV)
    for content in (put(WAV, 28, "<I", 0), put(WAV, 28, "<I", 12345)):  # bytes a second
        np.testing.assert_array_equal(decode(tmp_path / "wrong", content)[0], expected)


def test_voc_is_read_by_its_blocks(tmp_path: Path) -> None:
    # libsndfile takes the headers of all blocks but the first for samples.
    samples = (SOUND * 32767).astype("<i2").tobytes()
    head = b"Creative Voice File\x1a\x1a\0\x14\1\x1f\x11"
    form = struct.pack("<IBBHI", 22050, 16, 2, 4, 0)

    def block(kind: int, content: bytes) -> bytes:
        return bytes([kind]) + len(content).to_bytes(3, "little") + content

    content = head + block(9, form + samples[:4000]) + block(5, b"text\0") + block(2, samples[4000:]) + b"\0"
    wave, _ = decode(tmp_path / "a", content)
    expected = np.frombuffer(samples, "<i2").reshape(-1, 2).astype(np.float32).mean(axis=1) / 32768
    np.testing.assert_array_equal(wave, expected)
    with pytest.raises(AudioError, match=r"^truncated: the last block .*; 0\.\d+ s are there$"):
        decode(tmp_path / "a", content[:-1000])
    with pytest.raises(AudioError, match=r"^not decodable: pauses"):
        decode(tmp_path / "a", head + block(9, form + samples) + block(3, b"\1\0\1") + b"\0")


def test_mp3_in_wav_is_decoded(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs PyAV, the extra `av`")
    mp3 = encode(noise(1, 44100), 44100, Format("", "MP3", "MPEG_LAYER_III"))
    form = struct.pack("<HHIIHH", 0x55, 1, 44100, 16000, 1, 0) + struct.pack("<HHIHHH", 12, 1, 2, 417, 1, 0)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(mp3)) + mp3
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert sum(map(len, Recording(path).waves(44100))) == pytest.approx(44100, abs=3 * 1152)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(AudioError, match=r"^truncated: the header announces"):
        probe(path)


def test_inputs_of_other_tools(shared_inputs: Path) -> None:
    for name, frames in {
        "data0.wav": 88200,
        "wav_size_44_too_large.wav": 88200,
        "flac_total0.flac": 88200,
        "suffixes/rock/x.voc": 88200,
        "suffixes/rock/trailing_blank.wav": 88200,
        "suffixes/jazz/b.flac": 88200,
    }.items():
        info = probe(shared_inputs / name)
        assert (info.frames, info.exact) == (frames, True), name
        assert sum(map(len, Recording(shared_inputs / name).waves(info.sample_rate))) == frames
