"""Sound is known by its first bytes: every container that a muxer writes; no text, picture or archive."""

from __future__ import annotations

import io
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiospec.audio.sniff import HEAD_BYTES, container_of, is_sound

NOISE = 0.1 * np.random.default_rng(0).standard_normal((22050, 2)).astype(np.float32)


def muxed(format: str, codec: str) -> bytes:
    """Encode noise with PyAV, which writes containers that libsndfile does not."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=44100)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(NOISE.T), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "codec", "container"),
    [
        ("ac3", "ac3", "ac3"),
        ("eac3", "eac3", "ac3"),
        ("adts", "aac", "aac"),
        ("latm", "aac", "aac-loas"),
        ("mp3", "mp3", "mp3"),
        ("mp2", "mp2", "mp3"),
        ("tta", "tta", "tta"),
        ("wv", "wavpack", "wavpack"),
        ("mov", "aac", "mp4"),
        ("matroska", "aac", "matroska"),
        ("mpegts", "mp2", "mpeg-ts"),
        ("mpeg", "mp2", "mpeg-ps"),
        ("flv", "mp3", "flv"),
        ("rm", "ac3", "realmedia"),
        ("nut", "mp3", "nut"),
    ],
)
def test_containers_of_ffmpeg(format: str, codec: str, container: str, tmp_path: Path) -> None:
    content = muxed(format, codec)
    assert container_of(content[:HEAD_BYTES]) == container
    (tmp_path / "no-suffix").write_bytes(content)
    assert is_sound(tmp_path / "no-suffix")


@pytest.mark.parametrize(
    ("format", "subtype"),
    [
        *(("WAV", "PCM_16"), ("RF64", "PCM_16"), ("WAVEX", "PCM_24"), ("W64", "PCM_16"), ("AIFF", "PCM_16")),
        *(("AU", "PCM_16"), ("CAF", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")),
        *(
            ("MP3", "MPEG_LAYER_III"),
            ("VOC", "PCM_16"),
            ("NIST", "PCM_16"),
            ("SVX", "PCM_16"),
            ("PVF", "PCM_16"),
        ),
    ],
)
@pytest.mark.parametrize("endian", ["FILE", "BIG", "LITTLE"])
def test_containers_of_libsndfile(format: str, subtype: str, endian: str, tmp_path: Path) -> None:
    if not soundfile.check_format(format, subtype, endian):
        pytest.skip(f"libsndfile writes no {format} of {endian} endian")
    channels = 1 if format == "SVX" else 2
    rate = 48000 if subtype == "OPUS" else 22050
    file = tmp_path / "x"
    soundfile.write(file, NOISE[:, :channels], rate, format=format, subtype=subtype, endian=endian)
    assert is_sound(file)


@pytest.mark.parametrize("before", [b"\0" * 700, b"junk of a recorder ", bytes(range(256)) * 3])
@pytest.mark.parametrize(("format", "codec"), [("mp3", "mp3"), ("adts", "aac")])
def test_frames_behind_other_bytes(before: bytes, format: str, codec: str, tmp_path: Path) -> None:
    content = muxed(format, codec)
    content = content[content.index(b"\xff", 45 if format == "mp3" else 0) :]  # without the tag
    (tmp_path / "x").write_bytes(before + content)
    assert is_sound(tmp_path / "x")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.wav", b"RIFF....WAVE")
    return file.getvalue()


NOT_SOUND = {
    "text": b"path,label\na.wav,rock\n",
    "empty": b"",
    "a text that begins with a mark": b"caffeine is a stimulant",
    "an address": b"dns.example is a host",
    "a unit": b"MAC address of the recorder",
    "a tag's name": b"ID3 tags are described here",
    "a word in the place of a box": b"The free software",
    "another": b"Nov moov and ftyp",
    "UTF-16": "a,b\n".encode("utf-16"),
    "UTF-16, longer": ("word " * 3000).encode("utf-16"),
    "ffconcat": b"ffconcat version 1.0\nfile other.wav\n",
    "a playlist": b"#EXTM3U\n#EXTINF:1\na.mp3\n",
    "a cue sheet": b'FILE "a.wav" WAVE\n  TRACK 01 AUDIO\n',
    "MIDI": b"MThd\0\0\0\6\0\1\0\2\0\x60MTrk",
    "RIFF MIDI": b"RIFF\x24\0\0\0RMIDdata",
    "a soundfont": b"RIFF\x24\0\0\0sfbkLIST",
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(200),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(20),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x20ftypavif\0\0\0\0avifmif1",
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "zip": zipped(),
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0",
    "numpy": b"\x93NUMPY\1\0v\0{'descr': '<f4'}",
    "MATLAB": b"MATLAB 5.0 MAT-file, Platform: GLNXA64",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "a program": b"\x7fELF\2\1\1" + bytes(64),
    "two bytes of AC-3": b"\x0b\x77" + b"\xff" * 100,
    "ones": b"\xff" * 20000,
    "zeros": bytes(20000),
    "a byte code": b"\x0b\x77\0\0\0\0",
}


@pytest.mark.parametrize("name", NOT_SOUND)
def test_other_files_are_not_sound(name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(NOT_SOUND[name])
    assert not is_sound(tmp_path / "x")


def test_short_marks_need_a_suffix(tmp_path: Path) -> None:
    for name in ("x.sf", "x.dat"):
        soundfile.write(tmp_path / name, NOISE, 22050, format="IRCAM", subtype="PCM_16", endian="LITTLE")
    assert is_sound(tmp_path / "x.sf")
    assert not is_sound(tmp_path / "x.dat")
    assert not is_sound(tmp_path / "gone.wav")


@given(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=3000))
def test_no_text_is_sound(text: str) -> None:
    assert container_of(text.encode("utf-8", "replace")[:HEAD_BYTES]) == ""


@given(st.binary(max_size=3000))
def test_other_bytes_do_not_fail(content: bytes) -> None:
    container_of(content)


def test_random_bytes_are_not_sound(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        (tmp_path / "x").write_bytes(random.bytes(16384))
        assert not is_sound(tmp_path / "x")


def test_a_file_of_one_frame(tmp_path: Path) -> None:
    content = muxed("mp2", "mp2")
    frame = content[: content.index(content[:2], 2)]
    assert container_of(frame) == "mp3"
    assert container_of(frame[:-1]) == ""  # a mark of two bytes is not enough
    with wave.open(str(tmp_path / "x"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    assert is_sound(tmp_path / "x")
