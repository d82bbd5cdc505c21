"""FLAC: frames are believed, the header is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiospec.audio.info import AudioInfo
from audiospec.audio.reading import Reading
from audiospec.audio.recording import BLOCK_FRAMES, Recording, probe
from audiospec.errors import AudioError
from audiospec.testing.audio import Format, Samples, encode, noise

FRAMES = 6000
SOUND = noise(FRAMES / 22050, channels=2)
FILES = {
    subtype: encode(SOUND, how=Format("", "FLAC", subtype)) for subtype in ("PCM_S8", "PCM_16", "PCM_24")
}
FLAC = FILES["PCM_16"]
LONG = encode(noise(5, channels=2), how=Format("", "FLAC", "PCM_16"))
ID3 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)


def total(content: bytes, frames: int) -> bytes:
    """Return a FLAC file with another number of samples in its header."""
    packed = int.from_bytes(content[18:26], "big") >> 36 << 36 | frames
    return content[:18] + packed.to_bytes(8, "big") + content[26:]


def without_md5(content: bytes) -> bytes:
    return content[:26] + bytes(16) + content[42:]


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def decode(path: Path, content: bytes) -> Samples:
    path.write_bytes(content)
    info = probe(path)
    assert info == AudioInfo(22050, 2, FRAMES), "proved by the last frame"
    wave: Samples = np.concatenate(list(Recording(path).waves(22050)))
    return wave


@pytest.mark.parametrize("subtype", FILES)
@pytest.mark.parametrize("announced", [0, 2**36 - 1, 2**31, 10, FRAMES - 1, FRAMES + 1])
def test_the_announced_number_does_not_matter_if_the_md5_is_right(
    subtype: str, announced: int, tmp_path: Path
) -> None:
    expected = decode(tmp_path / "a", FILES[subtype])
    np.testing.assert_array_equal(decode(tmp_path / "a", total(FILES[subtype], announced)), expected)


@pytest.mark.parametrize("announced", [0, 2**36 - 1, 2**31, FRAMES - 1])
def test_nor_if_no_file_of_this_size_has_so_many(announced: int, tmp_path: Path) -> None:
    expected = decode(tmp_path / "a", FLAC)
    np.testing.assert_array_equal(decode(tmp_path / "a", total(without_md5(FLAC), announced)), expected)


def test_without_md5_missing_samples_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"^truncated: the header announces 0\.408 s, 0\.272 s are there$"):
        decode(tmp_path / "a", total(without_md5(FLAC), 9000))


def test_no_bit_of_the_header_changes_the_sound(tmp_path: Path) -> None:
    expected = decode(tmp_path / "a", FLAC)
    for bit in range(8 * 8, 26 * 8):
        np.testing.assert_array_equal(decode(tmp_path / "a", flipped(FLAC, bit)), expected)
    with pytest.raises(
        AudioError, match=r"^damaged: the samples do not have the MD5 .*; 0\.272 s are there$"
    ):
        decode(tmp_path / "a", flipped(FLAC, 30 * 8))


def test_flipped_bits_of_frames_are_found(tmp_path: Path) -> None:
    for bit in np.random.default_rng(0).integers(9000 * 8, len(FLAC) * 8, 40).tolist():
        with pytest.raises(AudioError, match=r"^(damaged|truncated): "):
            decode(tmp_path / "a", flipped(FLAC, bit))


def test_what_is_there_of_a_damaged_file_can_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    expected = decode(path, FLAC)
    path.write_bytes(flipped(FLAC, (len(FLAC) - 1000) * 8))
    recording = Recording(path, Reading(truncated="keep"))
    wave = np.concatenate(list(recording.waves(22050)))
    assert len(wave) == 4096  # one frame of two
    np.testing.assert_array_equal(wave, expected[:4096])
    assert recording.note.startswith("damaged: ")
    assert recording.note.endswith("; 0.186 s are there")


def test_tags_before_and_behind(tmp_path: Path) -> None:
    expected = decode(tmp_path / "a", FLAC)
    for content in (FLAC, total(without_md5(FLAC), 0)):
        for file in (ID3 + content, ID3 + ID3 + content, content + b"TAG" + bytes(125)):
            np.testing.assert_array_equal(decode(tmp_path / "a", file), expected)


def test_joined_files_are_decoded_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    one = decode(path, FLAC)
    path.write_bytes(FLAC + total(FLAC, 0) + FLAC)
    np.testing.assert_array_equal(np.concatenate(list(Recording(path).waves(22050))), np.tile(one, 3))
    # Of another rate, which is resampled to that of the first.
    other = encode(noise(0.2, 44100), 44100, Format("", "FLAC", "PCM_24"))
    path.write_bytes(FLAC + other)
    recording = Recording(path)
    wave = np.concatenate(list(recording.waves(22050)))
    np.testing.assert_array_equal(wave[:FRAMES], one)
    assert len(wave) == pytest.approx(FRAMES + 0.2 * 22050, abs=1)
    assert recording.info == AudioInfo(22050, 2, len(wave))
    for joined in (FLAC + other, FLAC + FLAC, total(FLAC, 0) + FLAC, LONG + LONG, LONG + FLAC):
        path.write_bytes(joined)
        assert not probe(path).exact, "the length is that of the first"
    path.write_bytes(LONG)
    assert probe(path) == AudioInfo(22050, 2, 5 * 22050), "frames in order"
    path.write_bytes(FLAC + FLAC[:-1000])
    with pytest.raises(AudioError, match=r"^(damaged|truncated): in file 2 of 2 that were joined: "):
        list(Recording(path).waves(22050))


def test_an_unknown_length_does_not_run_away(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(total(without_md5(FLAC), 0)[:-500])  # the last frame is not whole
    info = probe(path)
    assert not info.exact
    assert info.frames < 300 * len(FLAC)
    with pytest.raises(AudioError, match=r"^truncated: the last frame is not whole; 0\.186 s are there$"):
        list(Recording(path).waves(22050))
    silence = encode(np.zeros(BLOCK_FRAMES, np.float32) + np.float32(0.25), how=Format("", "FLAC", "PCM_16"))
    path.write_bytes(total(silence, 0))
    assert probe(path) == AudioInfo(22050, 1, BLOCK_FRAMES), "the emptiest file there is"
